"""Where the SGE modules of a state dict belong in the network that it is loaded into.

Weights that ``insert_sge`` made name their modules as it does. Other people's weights have names of their own: such a
module goes to the one site of the block that it lies in, or after the module that a ``Sequential`` wraps with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from torch import Tensor, nn

from sge.errors import CheckpointError, SGEError
from sge.models.architectures import State
from sge.models.description import Description
from sge.models.libraries import outline, with_sge
from sge.models.wording import shown
from sge.nn import SpatialGroupEnhance

_WRAPPERS = ("sge", "se", "drop_path")
"""Names of the modules between a block and its SGE."""
_NAMES = {"bias": "weight", "beta": "gamma", "b": "w", "shift": "scale"}
"""Names of a shift, and of the scale beside it."""
_MAX_TOLD = 6
"""Most sites that a message lists."""


@dataclass(frozen=True)
class Placed:
    """Weights with the SGE names of this package, and a description whose network has these modules."""

    state: State
    description: Description
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Pair:
    """Scale and shift of one SGE module in a state dict."""

    scale: str
    shift: str
    groups: int


def place_sge(state: State, description: Description, plain: State) -> Placed | None:
    """Finds the sites of the SGE modules of a state dict; None if it has none.

    Args:
        state: The file's.
        description: Unless it names sites, they are found here; so is the number of groups.
        plain: State dict of the network without SGE.

    Raises:
        CheckpointError: Which site a module belongs to cannot be told, or several numbers of groups would be needed.
        UnsupportedNetworkError: There is no such site as the description names.
    """
    pairs = _pairs(state, plain)
    if not pairs:
        return None
    groups = max(1, max(pair.groups for pair in pairs.values()))
    description = replace(description, groups=groups, exact_groups=False)
    own = _with_own_sites(description, pairs)
    if own is not None:
        return Placed(state, own)
    state, wrapped = _unwrapped(state, plain, pairs, description)
    sites = _sites(description, pairs, wrapped)
    named = replace(description, sites=tuple(sites.values()), gain=False)
    network = _network(named)
    gates = _gates(network)
    targets = {path: _gate_of(site, gates, pairs[path]) for path, site in sites.items()}
    return Placed(_renamed(state, plain, pairs, targets, network), named, (_note(targets),))


def _pairs(state: State, plain: Iterable[str]) -> dict[str, _Pair]:
    """Path to the parameters of each module that has two, (1, G, 1, 1), which the network without SGE lacks."""
    own = set(plain)
    beside: dict[str, list[str]] = {}
    for key, value in state.items():
        one_a_group = value.ndim >= 4 and value.shape[0] == 1 and value.shape[1] == value.numel()
        if key not in own and one_a_group:
            beside.setdefault(key.rpartition(".")[0], []).append(key)
    pairs = {}
    for path, keys in beside.items():
        names = {key.rpartition(".")[2]: key for key in keys}
        shift = next((name for name in _NAMES if names.keys() == {name, _NAMES[name]}), None)
        if shift is not None and path and state[keys[0]].shape == state[keys[1]].shape:
            pairs[path] = _Pair(names[_NAMES[shift]], names[shift], state[keys[0]].shape[1])
    return pairs


def _with_own_sites(description: Description, pairs: dict[str, _Pair]) -> Description | None:
    """The description with the sites of modules that are named as ``insert_sge`` does; None for other names."""
    if any(pair.shift != f"{path}.bias" for path, pair in pairs.items()):
        return None
    usual = _gates(_network(description))
    if set(usual) == set(pairs):
        return description
    if description.sites is not None:
        return None
    named = replace(description, sites=tuple(_block(path) for path in pairs))
    found = _gates(_network(named, guessed=True))
    if set(found) != set(pairs):
        return None
    same = all(type(usual.get(path, one)) is type(one) for path, one in found.items())
    return named if same else None


def _network(description: Description, guessed: bool = False) -> nn.Module:
    """The described network, without memory; without SGE if none can be inserted and its sites are not the user's."""
    network = outline(description).to("meta")
    try:
        return with_sge(network, description)
    except SGEError:
        if description.sites is None or guessed:
            return network
        raise


def _gates(network: nn.Module) -> dict[str, SpatialGroupEnhance]:
    """Path of each SGE module of a network."""
    return {path: one for path, one in network.named_modules() if isinstance(one, SpatialGroupEnhance)}


def _block(path: str) -> str:
    parts = path.split(".")
    while len(parts) > 1 and parts[-1] in _WRAPPERS:
        parts.pop()
    return ".".join(parts)


def _unwrapped(
    state: State, plain: State, pairs: dict[str, _Pair], description: Description
) -> tuple[State, dict[str, str]]:
    """The state dict without the names of ``Sequential(module, SGE)``; path of each such SGE to that of the module.

    The same holds for SGE that was appended to a ``Sequential`` of the network.
    """
    modules = dict(outline(description).named_modules())
    wrapped = {}
    for path in pairs:
        outer, _, number = path.rpartition(".")
        own = [
            key for key in plain if key.startswith(f"{outer}.") and not key.endswith("num_batches_tracked")
        ]
        moved = {key: f"{outer}.0.{key.removeprefix(f'{outer}.')}" for key in own}
        module = modules.get(outer)
        if not own or not number.isdecimal():
            continue
        if (
            number == "1"
            and not any(key in state for key in own)
            and all(key in state for key in moved.values())
        ):
            inner = f"{outer}.0."
            state = {
                f"{outer}.{key.removeprefix(inner)}" if key.startswith(inner) else key: value
                for key, value in state.items()
            }
            wrapped[path] = outer
        elif isinstance(module, nn.Sequential) and int(number) == len(module):
            wrapped[path] = outer
    return state, wrapped


def _sites(description: Description, pairs: dict[str, _Pair], wrapped: dict[str, str]) -> dict[str, str]:
    """Path of each SGE module of the weights to the name of its site.

    Raises:
        CheckpointError: There is none, or several modules have the same.
    """
    blocks = [_block(path) for path in _gates(_network(description))]
    named = description.sites or ()
    outside = [path for path in pairs if path not in wrapped and not _around(path, blocks)]
    sites = {}
    for path in pairs:
        if path in wrapped:
            sites[path] = _not_a_block(wrapped[path], pairs[path], blocks)
        elif inside := _around(path, blocks):
            sites[path] = inside
        elif path in outside and len(outside) == len(named):
            sites[path] = named[outside.index(path)]  # The user has named them in the order of the file.
        else:
            raise _unknown(path, pairs[path], description, blocks)
    twice = next((site for site, count in Counter(sites.values()).items() if count > 1), None)
    if twice is not None:
        keys = [pairs[path].scale for path, site in sites.items() if site == twice]
        raise CheckpointError(
            f"The weights have {shown(keys[0])} and {shown(keys[1])}, and {twice} of {description.arch} takes one SGE "
            "module. Use them with the code of their network: sge.Lens reads its modules as they are."
        )
    return sites


def _not_a_block(site: str, pair: _Pair, blocks: list[str]) -> str:
    if site in blocks:
        raise CheckpointError(
            f"The weights have {shown(pair.scale)} after the whole block {site}, into which SGE is inserted here before its "
            "end. Use them with the code of their network: sge.Lens reads its modules as they are."
        )
    return site


def _around(path: str, blocks: list[str]) -> str | None:
    """The innermost of the blocks that a module lies in."""
    inside = [block for block in blocks if path.startswith(f"{block}.")]
    return max(inside, key=len) if inside else None


def _unknown(path: str, pair: _Pair, description: Description, blocks: list[str]) -> CheckpointError:
    told = ", ".join(blocks[:_MAX_TOLD]) + (
        f" and {len(blocks) - _MAX_TOLD} more" if len(blocks) > _MAX_TOLD else ""
    )
    return CheckpointError(
        f"The weights have SGE at {shown(path)} ({shown(pair.scale)}, {pair.groups} groups), and which module of "
        f"{description.arch} it follows is not known. Blocks that take SGE: {told or 'none'}. Name the module whose output "
        "it multiplies, of several in the order of the file: --where, in a name ?where=MODULE."
    )


def _gate_of(site: str, gates: dict[str, SpatialGroupEnhance], pair: _Pair) -> str:
    """Path of the SGE module that was inserted at a site."""
    found = [path for path in gates if path.startswith(f"{site}.")]
    if len(found) != 1:
        raise CheckpointError(
            f"The weights have {shown(pair.scale)}, and {site} takes no SGE module. Name another module: --where, in a name "
            "?where=MODULE."
        )
    made = gates[found[0]]
    if made.groups != pair.groups or made.channels == pair.groups:
        raise CheckpointError(
            f"{shown(pair.scale)} has {pair.groups} groups, and {site}, where it belongs, has {made.channels} channels, "
            f"which {made.groups} groups divide. Weights are taken whose modules have one number of groups, smaller than "
            "that of the channels."
        )
    return found[0]


def _renamed(
    state: State, plain: State, pairs: dict[str, _Pair], targets: dict[str, str], network: nn.Module
) -> State:
    wanted = network.state_dict()
    new = {key: beside_sge(key) for key in plain if key not in wanted and beside_sge(key) in wanted}
    renamed: dict[str, Tensor] = {}
    for path, pair in pairs.items():
        for key, name in ((pair.scale, "weight"), (pair.shift, "bias")):
            renamed[f"{targets[path]}.{name}"] = state[key].reshape(1, -1, 1, 1)
    gone = {key for pair in pairs.values() for key in (pair.scale, pair.shift)}
    return {new.get(key, key): value for key, value in state.items() if key not in gone} | renamed


def beside_sge(key: str) -> str:
    """The name of an entry of a squeeze-and-excitation that shares its position with SGE."""
    return key.replace(".se.", ".se.se.", 1)


def _note(targets: dict[str, str]) -> str:
    path, target = next(iter(targets.items()))
    counted = "1 SGE module" if len(targets) == 1 else f"{len(targets)} SGE modules"
    return (
        f"The weights name {counted} in their own way; {shown(path)} was taken for {target}. A network that calls its "
        "module at another position of the block computes something else: compare the outputs once."
    )
