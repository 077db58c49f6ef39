"""Finds the state dicts in what a checkpoint holds, in any container and behind any prefix.

A known architecture is recognized by one key that it always has (``ANCHORS``). What stands before that key is the
prefix, whatever its words are, and what stands around the state dict is the path.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from sge.models.stand_ins import TensorRef
from sge.models.wording import quoted

ANCHORS = ("layer1.0.conv1.weight", "conv_stem.weight")
"""One key of every known architecture."""
WRAPPERS = frozenset(
    {
        "module",
        "_orig_mod",
        "_fsdp_wrapped_module",
        "_checkpoint_wrapped_module",
        "_forward_module",
        "_fsdp_module",
    }
)
"""Words that DataParallel, torch.compile, FSDP and others put into names, anywhere in them."""
_AVERAGE_WORDS = {
    "ema",
    "averaged",
    "average",
    "avg",
    "swa",
    "shadow",
    "teacher",
    "momentum",
    "target",
    "polyak",
}
_HEADS = (
    "fc",
    "classifier",
    "head",
    "head.fc",
    "cls_head.fc",
    "head.head",
    "linear",
    "last_linear",
    "heads.head",
    "cls",
)
_NO_WEIGHTS = {"n_averaged", "initted", "step"}
"""Counters that averaged networks keep among their weights."""
_SKIPPED = re.compile("optim(?!i[sz]ed)|sched(?!ule_?free)|scaler|history", re.IGNORECASE)
_MAX_DEPTH, _MAX_NODES = 6, 20_000


@dataclass(frozen=True)
class Candidate:
    """A state dict in a file that may be the one to take."""

    path: tuple[str, ...]
    """Keys that lead to it."""
    prefix: str
    """What stands before each name, with its last dot; wrappers are removed already."""
    entries: dict[str, Any]
    """Names without prefix to ``TensorRef`` or ``Tensor``."""
    left_out: tuple[str, ...] = ()
    """Names in the same dictionary that do not belong to it."""
    renamed: str = ""
    """Sentence on a classifier that was found under another name."""
    wrappers: tuple[str, ...] = ()
    """Wrapper words that were removed from the names."""
    counts_averages: bool = False
    """Whether the counter ``n_averaged`` of torch's ``AveragedModel`` is among its entries."""

    @property
    def label(self) -> str:
        """What ``weights_key`` takes it by, such as ``state_dict`` or ``state_dict.student``."""
        return ".".join((*self.path, *(part for part in self.prefix.split(".") if part)))

    @property
    def is_average(self) -> bool:
        """Whether a name says that it is an average of weights, or the teacher of another network."""
        return self.counts_averages or any(
            word in _AVERAGE_WORDS for word in re.split(r"[._\W]+", self.label.lower())
        )


def dictionaries(root: object) -> Iterator[tuple[tuple[str, ...], dict[Any, Any]]]:
    """Yields every dictionary outside optimizers and the like, the outer ones first."""
    level: list[tuple[tuple[str, ...], object]] = [((), root)]
    seen: set[int] = set()
    for _ in range(_MAX_DEPTH):
        inner: list[tuple[tuple[str, ...], object]] = []
        for path, value in level:
            if id(value) in seen or len(seen) > _MAX_NODES:
                continue
            seen.add(id(value))
            if isinstance(value, dict):
                yield path, value
                items = [
                    (key, v) for key, v in value.items() if isinstance(key, str) and not _SKIPPED.search(key)
                ]
            else:
                items = [(str(i), v) for i, v in enumerate(value)] if isinstance(value, list | tuple) else []
                items = items if len(items) <= 16 else []
            inner += [((*path, key), v) for key, v in items if isinstance(v, dict | list | tuple)]
        level = inner


def is_tensor(value: object) -> bool:
    """Whether a value of a file is a tensor, read or not."""
    return isinstance(value, TensorRef | Tensor)


def names_of(mapping: dict[Any, Any]) -> dict[str, str]:
    """Returns the names of a dictionary's tensors without wrappers, each with the name in the file."""
    keys = [key for key, value in mapping.items() if isinstance(key, str) and is_tensor(value)]
    names = {".".join(part for part in key.split(".") if part not in WRAPPERS): key for key in keys}
    # Two names that differ in wrappers alone belong to two networks.
    return names if len(names) == len(keys) else {key: key for key in keys}


def _wrappers(keys: list[str]) -> tuple[str, ...]:
    return tuple(sorted({part for key in keys for part in key.split(".") if part in WRAPPERS}))


def candidates(
    path: tuple[str, ...], mapping: dict[Any, Any], anchors: Sequence[str] = ANCHORS
) -> Iterator[Candidate]:
    """Yields each state dict of a known architecture in one dictionary: one for each prefix.

    Args:
        path: Keys that lead to the dictionary.
        mapping: The dictionary.
        anchors: Keys of which the network has one; those of a described network in place of ``ANCHORS``.
    """
    names = names_of(mapping)
    prefixes = sorted(
        {
            n.removesuffix(anchor)
            for n in names
            for anchor in anchors
            if n == anchor or n.endswith("." + anchor)
        }
    )
    for prefix in prefixes:
        deeper = tuple(p for p in prefixes if p != prefix and p.startswith(prefix))
        own = [n for n in names if n.startswith(prefix) and not (deeper and n.startswith(deeper))]
        entries = {
            n.removeprefix(prefix): mapping[names[n]] for n in own if n.rsplit(".", 1)[-1] not in _NO_WEIGHTS
        }
        others = [n for n in names if n not in set(own)]
        is_known = anchors is ANCHORS
        entries, renamed = _with_head(entries, prefix, names, mapping) if is_known else (entries, "")
        counted = any(n.rsplit(".", 1)[-1] == "n_averaged" for n in own)
        yield Candidate(
            path, prefix, entries, tuple(others), renamed, _wrappers([names[n] for n in own]), counted
        )


def _with_head(
    entries: dict[str, Any], prefix: str, names: dict[str, str], mapping: dict[Any, Any]
) -> tuple[dict[str, Any], str]:
    """Adds the classifier where it has another name than in the known architectures and only one fits by its shape."""
    own = "classifier" if "conv_stem.weight" in entries else "fc"
    if f"{own}.weight" in entries:
        return entries, ""
    features = _features(entries)
    parent = prefix.rsplit(".", 2)[0] + "." if prefix.count(".") > 1 else ""
    fitting = {
        around + head
        for around in (prefix, parent)
        for head in _HEADS
        if (n := names.get(f"{around}{head}.weight"))
        and len(mapping[n].shape) == 2
        and mapping[n].shape[1] == features
        and f"{around}{head}.bias" in names
    }
    if len(fitting) != 1:
        return entries, ""
    head = fitting.pop()
    kept = {n: v for n, v in entries.items() if not (prefix + n).startswith(f"{head}.")}
    kept |= {f"{own}.{last}": mapping[names[f"{head}.{last}"]] for last in ("weight", "bias")}
    return kept, f"Its classifier was read from {quoted(head)}."


def _features(entries: dict[str, Any]) -> int:
    for key in ("conv_head.weight", "layer4.0.conv3.weight", "layer4.0.conv2.weight"):
        if key in entries:
            return int(entries[key].shape[0]) if entries[key].shape else 0
    return 0
