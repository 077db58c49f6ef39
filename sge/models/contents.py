"""Chooses a network's weights in what a checkpoint holds, and says what was taken and what was not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sge.errors import CheckpointError
from sge.models.candidates import ANCHORS, Candidate, candidates, dictionaries, is_tensor, names_of
from sge.models.stand_ins import TensorRef
from sge.models.wording import SAVE_WEIGHTS, counted, first_few, quoted

CONTAINERS = (
    "",
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "net",
    "network",
    "module",
    "weights",
    "params",
)
"""Usual names of the plain weights; the first that a file has is taken."""
ARRAYS = {
    "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray._reconstruct",
    "numpy._core.numeric._frombuffer",
}
"""Functions by which a pickle makes NumPy arrays."""


@dataclass(frozen=True)
class Chosen:
    """The state dict that was taken."""

    entries: dict[str, Any]
    notes: tuple[str, ...] = field(default=())


def choose(root: object, name: str, key: str | None = None, anchors: Sequence[str] = ANCHORS) -> Chosen:
    """Finds the state dict of a network.

    Args:
        root: What the file holds: tensors in dictionaries in any nesting.
        name: The file's name, for sentences.
        key: ``plain``, ``ema``, or the name of the state dict to take, such as ``model_ema``; by default the plain
            weights if there are any.
        anchors: Keys of which the network has one; see ``candidates``.

    Raises:
        CheckpointError: There is no state dict, none of that name, or several and none can be preferred.
    """
    everything = list(dictionaries(root))
    found = [candidate for path, mapping in everything for candidate in candidates(path, mapping, anchors)]
    if not found:
        return _unrecognized(everything, root, name, key)
    found = _distinct(found)
    taken = _taken(found, name, key)
    return Chosen(taken.entries, tuple(_notes(taken, found, name)))


def _distinct(found: list[Candidate]) -> list[Candidate]:
    """Leaves out state dicts that hold the very tensors of an earlier one."""
    kept: list[Candidate] = []
    for candidate in found:
        if not any(_same(candidate, other) for other in kept):
            kept.append(candidate)
    return kept


def _same(a: Candidate, b: Candidate) -> bool:
    return a.entries.keys() == b.entries.keys() and all(
        v is b.entries[k] or (isinstance(v, TensorRef) and v.storage is not None and v == b.entries[k])
        for k, v in a.entries.items()
    )


def _taken(found: list[Candidate], name: str, key: str | None) -> Candidate:
    if key in (None, "plain"):
        plain = [c for c in found if not c.is_average]
        if key is None:
            plain = plain or found
    elif key == "ema":
        plain = [c for c in found if c.is_average]
    else:
        plain = [c for c in found if key in (c.label, ".".join(c.path), c.prefix.rstrip("."))]
    labels = first_few([quoted(c.label or "the file itself") for c in found], 8)
    if not plain:
        raise CheckpointError(
            f"{name} holds no weights that {key!r} names. It holds {labels}. Choose one of these."
        )
    ranked = sorted(plain, key=_rank)
    if len(ranked) > 1 and _rank(ranked[0]) == _rank(ranked[1]):
        raise CheckpointError(
            f"{name} holds the weights of several networks: {labels}. Choose one: --take NAME, in Python weights_key=NAME."
        )
    return ranked[0]


def _rank(candidate: Candidate) -> tuple[int, int, int]:
    """Usual containers first, outer ones before inner ones, and no prefix before one."""
    last = candidate.path[-1] if candidate.path else ""
    usual = CONTAINERS.index(last) if last in CONTAINERS else len(CONTAINERS)
    return usual, len(candidate.path), int(bool(candidate.prefix))


def _notes(taken: Candidate, found: list[Candidate], name: str) -> Iterator[str]:
    where = f"entry {quoted('.'.join(taken.path))} of {name}" if taken.path else name
    removed = [quoted(taken.prefix)] if taken.prefix else []
    removed += [quoted(word) for word in taken.wrappers]
    if taken.path or removed:
        tail = f"; {' and '.join(removed)} in the names of its weights was left out" if removed else ""
        yield f"The weights were taken from {where}{tail}."
    if taken.renamed:
        yield taken.renamed
    if taken.is_average:
        word = "n_averaged" if taken.counts_averages else taken.label
        yield f"They are an average of the weights or those of a teacher, as the name {quoted(word)} says."
    others = [c for c in found if c is not taken]
    for other in others[:4]:
        what = "an average of weights" if other.is_average else "other weights"
        choice = (
            "ema" if other.is_average and sum(c.is_average for c in found) == 1 else other.label or "plain"
        )
        yield (
            f"The file also holds {what} ({quoted(other.label or name)}), not taken; --take {choice} takes them, in Python "
            f"weights_key={choice!r}."
        )
    beyond = [
        n for n in taken.left_out if not any(n.startswith(c.prefix) for c in others if c.path == taken.path)
    ]
    beyond = [n for n in beyond if not (taken.renamed and quoted(n.rsplit(".", 1)[0]) in taken.renamed)]
    if beyond:
        yield f"{counted(len(beyond), 'tensor')} left out, because the network has none of that name: {first_few(beyond)}."


def _unrecognized(
    dictionaries: list[tuple[tuple[str, ...], dict[Any, Any]]], root: object, name: str, key: str | None
) -> Chosen:
    """Takes the tensors of no known architecture, for the sentence on them."""
    with_tensors = [
        (path, mapping) for path, mapping in dictionaries if any(map(is_tensor, mapping.values()))
    ]
    if key not in (None, "plain"):
        with_tensors = [(path, mapping) for path, mapping in with_tensors if ".".join(path) == key]
        if not with_tensors:
            raise CheckpointError(f"{name} holds no weights that {key!r} names. Leave the choice out.")
    if not with_tensors:
        raise CheckpointError(_no_state_dict(dictionaries, root, name))
    usual = [mapping for path, mapping in with_tensors if path and path[-1] in CONTAINERS]
    mapping = (
        usual[0]
        if usual
        else max((m for _, m in with_tensors), key=lambda m: sum(map(is_tensor, m.values())))
    )
    names = names_of(mapping)
    return Chosen({n: mapping[k] for n, k in names.items()})


def _no_state_dict(
    dictionaries: list[tuple[tuple[str, ...], dict[Any, Any]]], root: object, name: str
) -> str:
    arrays = [
        k for _, mapping in dictionaries for k, v in mapping.items() if getattr(v, "type_name", "") in ARRAYS
    ]
    if len(arrays) > 1:
        return (
            f"{name} holds NumPy arrays ({first_few([str(k) for k in arrays])}), not tensors. Save them as tensors: "
            "torch.save({k: torch.from_numpy(v) for k, v in arrays.items()}, path)."
        )
    return (
        f"{name} holds no state dict: neither tensors by name nor an entry 'state_dict' with them. "
        f"Save one with {SAVE_WEIGHTS}."
    )
