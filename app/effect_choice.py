"""Which effects of groups a request asks for, checked before the upload is read, and how they are computed."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sge.analysis import Ablation, Analysis, Attribution, Groups, GroupSteps, check_group, choose_groups
from sge.errors import ChoiceError, UnknownBlockError, UnsupportedBackendError
from sge.images import Frame
from sge.lens import EVERYTHING, Lens, Wanted

from .map_choice import block_names
from .slots import Slot

PREDICTED = "predicted"
"""The target that stands for the predicted class."""
MAX_CONTROLS = 100
"""Largest number of draws of random groups in one request; each is a row of a forward pass."""
MAX_MEASURED = 128
"""Largest number of groups that one request may have measured one by one; each is a row of a pass, as a draw is."""


@dataclass(frozen=True)
class AblationChoice:
    """Groups of a request, all of which exist, and how they are ablated."""

    groups: Groups
    mode: str
    controls: int
    seed: int

    def run(self, lens: Lens, frame: Frame) -> Ablation:
        """The ablation of one image."""
        return lens.ablate_frame(frame, self.groups, self.mode, self.controls, self.seed)


@dataclass(frozen=True)
class AttributionChoice:
    """The class whose effects a request asks for."""

    target: int | None = None
    """None: the predicted class."""
    blocks: list[str] | None = None
    """None: every block."""
    method: str = "auto"

    def run(self, lens: Lens, frame: Frame) -> Attribution:
        """The attribution of one image."""
        return lens.attribute_frame(frame, self.target, self.blocks, self.method)


@dataclass(frozen=True)
class AnalysisChoice:
    """What a request asks for beside an analysis."""

    top_k: int = 5
    attribution: AttributionChoice | None = None
    ablation: AblationChoice | None = None
    wanted: Wanted = EVERYTHING

    @property
    def is_plain(self) -> bool:
        """Whether there are no effects, so that the analysis may share its forward pass with others."""
        return self.attribution is None and self.ablation is None

    def run(self, lens: Lens, frame: Frame) -> Analysis:
        """The analysis of one image, with attribution and ablation."""
        (analysis,) = lens.analyze_frames([frame], self.top_k, self.wanted)
        return replace(
            analysis,
            attribution=None if self.attribution is None else self.attribution.run(lens, frame),
            ablation=None if self.ablation is None else self.ablation.run(lens, frame),
        )


@dataclass(frozen=True)
class StepsChoice:
    """One group of an SGE block; it exists."""

    block: str
    group: int

    def run(self, lens: Lens, frame: Frame) -> GroupSteps:
        """The steps of the group's mask in one image."""
        return lens.steps_frame(frame, self.block, self.group)


def choose_target(slot: Slot, target: str | None) -> int | None:
    """A class by its label, a synonym or its index.

    Args:
        slot: A loaded model.
        target: None, an empty text and ``predicted`` stand for the predicted class.

    Returns:
        The index, or None for the predicted class.

    Raises:
        ChoiceError: No such class; the message names labels that are close.
    """
    if not target or target.strip() in ("", PREDICTED):
        return None
    return slot.require_lens().find_target(target)


def choose_ablation(slot: Slot, groups: str, mode: str, controls: int, seed: int) -> AblationChoice:
    """The ablation that a request names.

    Raises:
        UnknownBlockError, UnknownGroupError, ChoiceError: A value that does not exist; the message lists the values
            that do.
    """
    return AblationChoice(choose_groups(groups, slot.groups), mode, controls, seed)


def choose_attribution(
    slot: Slot, target: str | None, blocks: str | None = None, method: str = "auto"
) -> AttributionChoice:
    """The attribution that a request names.

    Args:
        slot: A loaded model.
        target: As for ``choose_target``.
        blocks: Names as for ``map_choice.block_names``; every SGE block if there is none.
        method: ``auto``, ``gradient`` or ``ablation``.

    Raises:
        UnknownBlockError, ChoiceError: A value that does not exist; the message lists the values that do. Also more than
            ``MAX_MEASURED`` groups to be measured one by one.
        UnsupportedBackendError: ``gradient`` of an exported model.
    """
    index = choose_target(slot, target)
    names = block_names(slot, blocks) or list(slot.groups)
    for name in names:
        _check_block(slot, name)
    _require_groups(slot)
    count = sum(slot.groups[name] for name in names)
    has_gradients = slot.require_lens().has_gradients
    if method == "gradient":
        _require_torch(
            slot, "gradients", "Leave out method=, and name blocks in blocks=: their groups are measured."
        )
    is_named = bool(blocks) or not has_gradients
    may_measure = method == "ablation" or (method == "auto" and is_named)  # see Lens.attribute
    if may_measure and count > MAX_MEASURED:
        raise ChoiceError(
            f"method={method} measures each group of the named blocks alone, at most {MAX_MEASURED} groups in one request, "
            f"and {count} were asked for. Name fewer blocks in blocks={', or use method=gradient' * has_gradients}. "
            f"Groups: {_sizes(slot)}."
        )
    return AttributionChoice(index, names if is_named else None, method)


def choose_steps(slot: Slot, block: str | None, group: int) -> StepsChoice:
    """The group that a request names; of the default block if it names none.

    Raises:
        UnknownBlockError, UnknownGroupError, ChoiceError: A value that does not exist; the message lists the values
            that do.
        UnsupportedBackendError: The model is an exported file.
    """
    _require_groups(slot)
    _require_torch(slot, "features before the mask", "Take the service's mask and similarity from /masks.")
    name = block or slot.default_block
    _check_block(slot, name)
    check_group(name, group, slot.groups[name])
    return StepsChoice(name, group)


def _require_groups(slot: Slot) -> None:
    if not slot.groups:
        raise ChoiceError(f"{slot.name} has no SGE block, so it has no groups. Choose another model.")


def _require_torch(slot: Slot, what: str, instead: str) -> None:
    if not slot.require_lens().has_gradients:
        raise UnsupportedBackendError(f"{slot.name} is an exported file, which gives no {what}. {instead}")


def _check_block(slot: Slot, name: str) -> None:
    if name not in slot.groups:
        _require_groups(slot)
        raise UnknownBlockError(f"No block {name[:80]!r}; there are: {', '.join(slot.groups)}.")


def _sizes(slot: Slot) -> str:
    return ", ".join(f"{name} {groups}" for name, groups in slot.groups.items())
