"""Names of the classes and functions that harmless values beside the weights of a checkpoint have in its pickle.

None of them is called: ``sge.models.inert_pickle`` puts stand-ins in their place. A name that is not here belongs to a
class whose content is unknown, and the file is refused with a sentence that names it.
"""

from __future__ import annotations

import re

# fmt: off
_DICTS = frozenset(
    [
        "collections.OrderedDict", "collections.defaultdict", "collections.Counter", "collections.UserDict",
        "builtins.dict", "types.MappingProxyType", "easydict.EasyDict", "addict.addict.Dict",
        "yacs.config.CfgNode", "fvcore.common.config.CfgNode", "mmcv.utils.config.ConfigDict",
        "mmengine.config.config.ConfigDict", "lightning_fabric.utilities.data.AttributeDict",
        "lightning.fabric.utilities.data.AttributeDict", "pytorch_lightning.utilities.parsing.AttributeDict",
        "lightning.pytorch.utilities.parsing.AttributeDict", "ml_collections.config_dict.config_dict.ConfigDict",
        "munch.Munch", "box.box.Box",
    ]
)
"""Dictionaries, also those of configuration libraries; their items are kept, because weights may be among them."""

_HARMLESS = frozenset(
    [
        "argparse.Namespace", "types.SimpleNamespace", "collections.deque", "fractions.Fraction", "decimal.Decimal",
        "uuid.UUID", "datetime.datetime", "datetime.date", "datetime.time", "datetime.timedelta", "datetime.timezone",
        "zoneinfo.ZoneInfo", "zoneinfo.ZoneInfo._unpickle", "_codecs.encode", "array.array",
        "array._array_reconstructor", "random.Random", "copyreg._reconstructor",
        "ipaddress.IPv4Address", "ipaddress.IPv6Address", "torch.device", "torch.layout", "torch.strided",
        "torch.serialization._get_layout", "torch.Tensor", "torch._C._TensorBase", "torch.Generator",
        "torch.per_tensor_affine",
        "torch.per_channel_affine", "torch.per_tensor_symmetric", "torch.per_channel_symmetric",
        "torch.torch_version.TorchVersion", "numpy.ndarray", "numpy.dtype", "numpy.matrix", "numpy.memmap",
        "numpy.recarray", "numpy.random.mtrand.RandomState", "numpy.ma.core.MaskedArray",
        "numpy.ma.core._mareconstruct", "omegaconf.dictconfig.DictConfig", "omegaconf.listconfig.ListConfig",
        "omegaconf.base.ContainerMetadata", "omegaconf.base.Metadata", "omegaconf.nodes.AnyNode",
        "omegaconf.nodes.IntegerNode", "omegaconf.nodes.FloatNode", "omegaconf.nodes.StringNode",
        "omegaconf.nodes.BooleanNode",
    ]
)
_BUILTINS = frozenset(
    [
        "bytearray", "bytes", "complex", "bool", "float", "frozenset", "int", "list", "object", "range", "set",
        "slice", "str", "tuple",
    ]
)
# fmt: on
_PATTERNS = re.compile(
    r"pathlib(\._local)?\.(Pure)?(Posix|Windows)?Path"
    r"|numpy\.(_)?core\.(multiarray\.(_reconstruct|scalar)|numeric\._frombuffer)"
    r"|numpy\.dtypes\.\w+DType"
    r"|numpy\.(bool_?|u?int(8|16|32|64|p|c)?|u?longlong|u?long|u?short|u?byte|float(16|32|64|128)?|half|single|double"
    r"|longdouble|complex(64|128|256)?|str_|bytes_|void|object_|datetime64|timedelta64|generic|number|integer|floating)"
    r"|numpy\.random\._pickle\.__(randomstate|generator|bit_generator)_ctor"
    r"|numpy\.random\._(mt19937|pcg64|philox|sfc64)\.(MT19937|PCG64|PCG64DXSM|Philox|SFC64)"
    r"|numpy\.random\.bit_generator\.(SeedSequence|__pyx_unpickle_SeedSequence)"
    r"|numpy\.random\._generator\.Generator"
    r"|torch\.(_utils\.torch\.)?(contiguous_format|preserve_format|channels_last(_3d)?)"
    r"|torch\.\w*Tensor|torch\.cuda\.\w*Tensor"
)
_CODE = re.compile(
    r"(os|posix|nt|sys|subprocess|shutil|socket|importlib|runpy|pty|ctypes|webbrowser|code|pickle|marshal)(\..+)?"
    r"|builtins\.(eval|exec|compile|getattr|setattr|__import__|open|input|breakpoint|map)"
    r"|(torch\.(load|hub\..+|jit\..+|package\..+)|numpy\.(load|f2py\..+)|operator\..+)"
)


def is_dict_like(name: str) -> bool:
    """Whether a class is a dictionary whose items may be read."""
    return name in _DICTS


def is_harmless(name: str) -> bool:
    """Whether values of a class are common beside weights and can be left out."""
    module, _, last = name.rpartition(".")
    if module == "builtins":
        return last in _BUILTINS
    return name in _HARMLESS or _PATTERNS.fullmatch(name) is not None


def runs_code(name: str) -> bool:
    """Whether a function is one by which a pickle runs programs; checkpoints have no use for it."""
    return _CODE.fullmatch(name) is not None
