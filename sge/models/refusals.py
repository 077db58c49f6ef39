"""Sentences on checkpoints that hold more than tensors and harmless values, with a way on for who trusts them."""

from __future__ import annotations

from pathlib import Path

from sge.errors import CheckpointError
from sge.models.contents import ARRAYS
from sge.models.inert_pickle import Structure
from sge.models.pickled_types import is_dict_like, is_harmless, runs_code
from sge.models.stand_ins import Inert, TensorRef
from sge.models.torch_files import parsed
from sge.models.wording import SAVE_WEIGHTS, quoted, shown


def foreign_objects(path: Path, structure: Structure) -> CheckpointError:
    """Returns the error on a torch checkpoint with classes or functions that are not known to be harmless.

    Args:
        path: The file.
        structure: Its content; ``foreign`` has a name.
    """
    load = f"c = torch.load({quoted(path.name)}, map_location='cpu', weights_only=False)"
    return _refused(path, structure, "import torch", load, _weights_of(structure.root))


def bare_pickle(path: Path) -> CheckpointError:
    """Returns the error on a pickle that ``torch.save`` did not write.

    Args:
        path: A file that begins as a pickle.
    """
    with path.open("rb") as file:
        head = file.read(2)
        file.seek(0)
        try:
            structure = parsed(path, file, path.stat().st_size)
        except CheckpointError as error:
            return error
    load = f"c = pickle.load(open({quoted(path.name)}, 'rb'))"
    if structure.foreign:
        return _refused(path, structure, "import pickle, torch", load, _weights_of(structure.root))
    protocol = f"protocol {head[1]}" if head[:1] == b"\x80" else "protocol 0 or 1"
    values = structure.root.values() if isinstance(structure.root, dict) else ()
    if any(getattr(value, "type_name", "") in ARRAYS for value in values):
        what, expression = "with NumPy arrays", "{k: torch.as_tensor(v) for k, v in c.items()}"
    else:
        what, expression = "without tensors", "c"
    return CheckpointError(
        f"{path.name} is a pickle of Python ({protocol}) {what}, not a checkpoint of PyTorch. If weights are in it, save "
        f"them where you trust it: import pickle, torch; {load}; torch.save({expression}, 'weights.pth')."
    )


def _refused(path: Path, structure: Structure, imports: str, load: str, expression: str) -> CheckpointError:
    code = [name for name in structure.foreign if runs_code(name)]
    if code:
        return CheckpointError(
            f"{path.name} wants to run code while it loads ({shown(code[0])}) and was not opened. Take the weights from a "
            f"source that you trust, written by {SAVE_WEIGHTS}."
        )
    first = shown(structure.foreign[0])
    more = f" and of {len(structure.foreign) - 1} more classes" if len(structure.foreign) > 1 else ""
    return CheckpointError(
        f"{path.name} holds objects of {first}{more}, which only code of theirs can rebuild, and was not opened. If you "
        f"trust the file, save its weights alone where that code is installed: {imports}; {load}; "
        f"torch.save({expression}, 'weights.pth')."
    )


def _weights_of(root: object) -> str:
    """Returns the Python expression for the weights in ``c``, as far as the structure tells where they are."""
    if not isinstance(root, dict):
        return "c.state_dict()" if isinstance(root, Inert) and _is_foreign(root) else "c"
    if any(isinstance(value, TensorRef) for value in root.values()):
        return "{k: v for k, v in c.items() if torch.is_tensor(v)}"
    for key, value in root.items():
        if isinstance(value, dict) and any(isinstance(inner, TensorRef) for inner in value.values()):
            return f"c[{quoted(str(key))}]"
    for key, value in root.items():
        if isinstance(value, Inert) and _is_foreign(value):
            return f"c[{quoted(str(key))}].float().state_dict()"
    return "c"


def _is_foreign(value: Inert) -> bool:
    return not (is_harmless(value.type_name) or is_dict_like(value.type_name))
