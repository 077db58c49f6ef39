"""Builds a ``Model`` from weights and a description of their network, with SGE that the weights have or that is inserted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

from torch import Tensor, nn

from sge.errors import CheckpointError, ChoiceError, SGEError
from sge.models.architectures import State
from sge.models.card import Card
from sge.models.checkpoint import Weights, check_shapes, load_state, read_weights
from sge.models.described_detectors import ANCHORS, is_detector, own_names, title_of, with_background
from sge.models.description import MAX_INTEGER, Description, NamedNetwork
from sge.models.file_facts import check_channels, check_opening, precision_notes, source_of, stated_card
from sge.models.given import Given
from sge.models.libraries import built, outline, with_sge
from sge.models.library_weights import Known, cached, usual
from sge.models.model import Model, with_own_input
from sge.models.sge_keys import beside_sge, place_sge
from sge.models.stated import labels_of, preprocess_of
from sge.models.wording import shown
from sge.nn import SpatialGroupEnhance, object_classes, spatial_blocks

ENTRY = "sge.description"
"""Metadata entry of a weights file with the record of its network's description."""


def load_named(named: NamedNetwork, name: str | None, given: Given, weights_key: str | None = None) -> Model:
    """Loads a network of a library, its weights from a file or from the library's cache, and inserts SGE if it has none.

    Args:
        named: The network, options and file.
        name: The model's name; by default the file's without its ending, or the network's.
        given: Labels, preprocessing and card; by default those of the file, else those that the library states.
        weights_key: For a file that holds several networks' weights; see ``read_weights``.

    Returns:
        The model, in eval mode.

    Raises:
        ChoiceError: The library has no such network, or the network takes other arguments, or it is too large.
        CheckpointError: There are no weights, or they do not fit; or labels or preprocessing cannot be used.
        UnsupportedNetworkError, GroupsError: SGE cannot be inserted; see ``insert_sge``.
    """
    description = named.description
    plain = outline(description)
    known = usual(description) if named.file else cached(description)
    path = named.file or known.path
    assert path is not None
    looked_for = ANCHORS if is_detector(description) else anchors(plain.state_dict())
    weights = read_weights(path, weights_key, looked_for)
    state = _without_classifier(own_names(description, weights.state), description, plain.state_dict())
    weights = replace(weights, state=state)
    if (stated := weights.metadata.get(ENTRY)) is not None and _read(stated, path).arch != description.arch:
        raise CheckpointError(
            f"{shown(path.name)} holds {_read(stated, path).arch}, not {description.arch}. Choose its file."
        )
    return _model(weights, description, name or named.name, given, None if named.file else known)


def model_of_description(weights: Weights, name: str | None, given: Given) -> Model:
    """Builds the model of a file whose metadata describe its network.

    Raises:
        CheckpointError: The description, or what else the file holds, cannot be used.
    """
    path = weights.path
    description = _read(weights.metadata[ENTRY], path)
    try:
        return _model(weights, description, name or description.name, given, None)
    except CheckpointError:
        raise
    except SGEError as error:
        raise CheckpointError(f"{shown(path.name)}: {error}") from error


def _read(record: object, path: Path) -> Description:
    try:
        return Description.from_record(record)
    except ChoiceError as error:
        raise CheckpointError(f"{shown(path.name)}: {error}") from error


def _model(weights: Weights, description: Description, name: str, given: Given, known: Known | None) -> Model:
    where = shown(weights.path.name)
    description = with_classes(description, weights.state)
    outlined = outline(description)
    plain = outlined.state_dict()
    placed = place_sge(weights.state, description, plain)
    state, description = (placed.state, placed.description) if placed else (weights.state, description)
    network = _network(state, description, plain, placed is not None)
    if not spatial_blocks(network):
        raise CheckpointError(
            f"{description.arch} has no block with maps. Name modules that get SGE: where=layer4."
        )
    metadata, stated = weights.metadata, _with_own_input(usual(description), network)
    if known is not None:
        known = _with_own_input(known, network)
    count = classes_of(network, description)
    if is_detector(description):
        chosen, beside = with_background(count, given.labels, weights.labels)
        given, weights = replace(given, labels=chosen), replace(weights, labels=beside)
    labels, notes = _labels(count, given, weights, known or stated, where, is_cached=known is not None)
    is_known = known is not None or is_detector(description)  # These prepare their images themselves.
    preprocess, more = preprocess_of(
        given.preprocess,
        metadata.get("sge.preprocess") or (asdict((known or stated).preprocess) if is_known else None),
        stated.preprocess,
        description.arch,
        where,
    )
    check_channels(preprocess, network, where)
    card = given.card or stated_card(weights) or _card(weights, description, network, count)
    check_opening(card, network, where)
    if placed is not None:
        notes = [*notes, *placed.notes]
    elif ENTRY not in metadata and not (description.sites is None and spatial_blocks(outlined)):
        notes = [*notes, _inserted(network)]
    notes = [*card.notes, *weights.notes, *precision_notes(weights), *notes, *more]
    card = replace(card, sha256=weights.sha256, notes=tuple(dict.fromkeys(notes)))
    return Model(name, network, labels, card, preprocess, description.arch, description=description)


def _with_own_input(known: Known, network: nn.Module) -> Known:
    return replace(known, preprocess=with_own_input(known.preprocess, network))


def _network(state: State, description: Description, plain: State, has_sge: bool) -> nn.Module:
    """The network with its weights. Shapes are compared before memory is taken for it."""
    arch = description.arch
    if not has_sge:
        check_shapes(plain, _counters(plain) | state, arch)
        network = built(description)
        load_state(network, state, arch)
        return with_sge(network, description)
    moved = {key if key in state else beside_sge(key): value for key, value in plain.items()}
    check_shapes(moved, _counters(moved) | {key: value for key, value in state.items() if key in moved}, arch)
    network = with_sge(built(description), description)
    load_state(network, state, arch)
    return network


def _counters(state: State) -> State:
    """Entries that old checkpoints lack, and that inference does not read."""
    return {key: value for key, value in state.items() if key.endswith("num_batches_tracked")}


def anchors(state: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Names that a network's state dict has, of which none ends another one, by which it is found in a file.

    The second is that of the classifier, as a rule; it is there where other people's SGE has changed the names of layers.
    """
    names = [key for key in state if not key.endswith("num_batches_tracked")]
    plain = [key for key in names if ".se." not in key and ".sge." not in key] or names
    deep = sorted(plain, key=lambda key: -key.count("."))
    unique = [key for key in deep if not any(other.endswith(f".{key}") for other in names)]
    last = [key for key in names[-2:] if key in unique and key.endswith(".weight")]
    return (*unique[:1], *last) or tuple(names[:1])


def _without_classifier(state: State, description: Description, plain: State) -> State:
    """The weights without those of the classifier where the description asks for features alone: num_classes=0."""
    if description.kwargs.get("num_classes") != 0:
        return state
    kwargs = {name: value for name, value in description.kwargs.items() if name != "num_classes"}
    classifier = outline(replace(description, kwargs=kwargs)).state_dict().keys() - plain.keys()
    return {key: value for key, value in state.items() if key not in classifier}


def with_classes(description: Description, state: State) -> Description:
    """The description with the number of classes that the shapes of a file tell, unless it states one."""
    if "num_classes" in description.kwargs:
        return description
    plain = outline(description)
    usual_count, wanted = classes_of(plain, description), plain.state_dict()
    found = {
        state[key].shape[0]
        for key, value in wanted.items()
        if key in state
        and value.ndim
        and value.shape[0] == usual_count
        and state[key].shape != value.shape
        and state[key].shape[1:] == value.shape[1:]
        and state[key].ndim == value.ndim
    }
    if len(found) == 1 and 1 <= (count := found.pop()) <= MAX_INTEGER:
        return replace(description, kwargs=description.kwargs | {"num_classes": count})
    return description


def classes_of(network: nn.Module, description: Description) -> int:
    """Number of classes of a network; 0 if it has none, such as a feature extractor."""
    own = object_classes(network) or getattr(network, "num_classes", None)
    stated = description.kwargs.get("num_classes", own)
    if stated is None and description.library == "torchvision":
        labels = usual(description).labels
        stated = len(labels) if labels else 1000
    return stated if isinstance(stated, int) else 1000


def _labels(
    count: int, given: Given, weights: Weights, known: Known, where: str, is_cached: bool
) -> tuple[list[str] | None, list[str]]:
    if not count:
        return None, []
    names = known.labels if known.labels and len(known.labels) == count else None
    stated = weights.metadata.get("sge.labels") or (names if is_cached else None)
    if stated is None and given.labels is None and names and count != 1000 and not weights.labels:
        note = f"The file names no labels; its {count} classes are taken for those that torchvision states."
        return names, [note]
    return labels_of(count, given.labels, stated, weights.labels, where)


def _card(weights: Weights, description: Description, network: nn.Module, count: int) -> Card:
    gates = [one for one in spatial_blocks(network).values() if isinstance(one, SpatialGroupEnhance)]
    acts = any(bool(one.weight.detach().any()) for one in gates)
    classes = f", for {count} class{'' if count == 1 else 'es'}" if count else ""
    return Card(
        title=_title(description),
        sentence=f"Your own weights for {description.arch}{classes}. Nothing was measured here.",
        gates=("trained" if acts else "inactive") if gates else "none",
        source=source_of(weights),
    )


def _title(description: Description) -> str:
    if is_detector(description):
        return title_of(description)
    if description.library == "sge":
        return description.name
    return f"{description.name} of {description.library} with SGE"


def _inserted(network: nn.Module) -> str:
    count = len(spatial_blocks(network))
    counted = "1 block" if count == 1 else f"{count} blocks"
    return (
        f"The weights have no SGE; it was inserted into {counted} with inactive gates, which change no output. Their "
        "masks are constant: look at the similarity, or train the gates with sge.tune_gates."
    )
