"""The methods of ``Lens`` that say what groups do to an answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sge.analysis import METHODS, MODES, Ablation, Attribution, GradCam, GroupSteps, Prediction
from sge.arrays import Array
from sge.errors import UnknownGroupError, check_choice, check_whole
from sge.images import DecodedImage, Frame, Source
from sge.lens.ablation import ablated_logits
from sge.lens.backends.base import Backend, Gradients, Maps
from sge.lens.chosen_groups import ChosenGroups, check_blocks, check_groups, draw_groups, no_groups
from sge.lens.given_up import end_if_given_up
from sge.lens.labels import find_target, labels_or_numbers
from sge.lens.measured_effects import measured_effects, measured_unless_first_order_holds
from sge.lens.probabilities import class_probabilities
from sge.lens.rows import removed_groups

if TYPE_CHECKING:
    from sge.models import ExportedModel, Model

Image = Source | DecodedImage
AUTO = "auto"


class Effects(ABC):
    """Ablation, attribution, Grad-CAM and steps of one image with a model; safe to use from several threads."""

    model: Model | ExportedModel
    _backend: Backend

    @abstractmethod
    def frame(self, image: Image, framing: str = "whole", size: int | None = None) -> Frame:
        """The image as input of this model's network."""

    @property
    def groups(self) -> dict[str, int]:
        """Name of each SGE block to its number of groups, in the order of the network; empty without SGE."""
        return dict(self._backend.groups)

    @property
    def has_gradients(self) -> bool:
        """Whether first-order effects, Grad-CAM and steps can be had; an exported file gives measured effects only."""
        return self._backend.has_gradients

    def find_target(self, target: str | int) -> int:
        """Index of a class, by its index, its label, or one of the synonyms in its label.

        Raises:
            ChoiceError: no class or several have that name; the message lists names.
        """
        return find_target(self.model.labels, target)

    def _target(self, target: str | int | None, image: Array) -> int | None:
        """``find_target``; without labels, the number of one of the logits."""
        if target is None or self.model.labels is not None:
            return None if target is None else self.find_target(target)
        return find_target(labels_or_numbers(None, self._backend.logits(image).shape[1]), target)

    def ablate(
        self,
        image: Image,
        groups: ChosenGroups,
        mode: str = "mean",
        controls: int = 10,
        *,
        framing: str = "whole",
        size: int | None = None,
        seed: int = 0,
    ) -> Ablation:
        """Scores of every class before and after groups are ablated, and with random groups in their place.

        Args:
            image: As in ``analyze``.
            groups: Block name to numbers of groups, where None and ``all`` stand for every group of the block; or
                ``all``, every group of every SGE block.
            mode: ``mean`` replaces a group's mask by its mean over space, ``zero`` removes the group, ``only`` keeps
                the group and removes all others of the named blocks. Of a module of somebody else that adds the
                features, ``x + x * mask``, what is removed is the masked features.
            controls: Number of draws of random groups. Each takes from each named block as many groups as are chosen
                there, out of all groups of the block.
            framing: As in ``analyze``.
            size: As in ``analyze``.
            seed: Of the draws.

        Raises:
            CaptureError: the network has no SGE block.
            UnknownBlockError: there is no such SGE block; the message lists the blocks.
            UnknownGroupError: a block has no group of that number.
            ChoiceError: an unknown mode, or a negative number of controls.
            UnsupportedNetworkError: the network gives no logits, as detectors and feature extractors.
        """
        return self.ablate_frame(self.frame(image, framing, size), groups, mode, controls, seed)

    def ablate_frame(
        self, frame: Frame, groups: ChosenGroups, mode: str = "mean", controls: int = 10, seed: int = 0
    ) -> Ablation:
        """``ablate`` for a frame."""
        check_choice("mode", mode, MODES)
        blocks = self._required_groups()
        chosen = check_groups(blocks, groups)
        draws = draw_groups(blocks, chosen, controls, seed)
        rows = removed_groups(blocks, [chosen, *draws], mode)
        logits = ablated_logits(self._backend, frame.array[None], rows)
        labels = labels_or_numbers(self.model.labels, logits.shape[1])
        scores = class_probabilities(logits / np.float32(frame.temperature))
        return Ablation(
            before=scores[0],
            after=scores[1],
            controls=scores[2:],
            logits_before=logits[0],
            logits_after=logits[1],
            logits_controls=logits[2:],
            mode=mode,
            groups=chosen,
            control_groups=draws,
            labels=labels,
            seed=seed,
        )

    def attribute(
        self,
        image: Image,
        target: str | int | None = None,
        framing: str = "whole",
        *,
        blocks: Sequence[str] | None = None,
        method: str = AUTO,
        size: int | None = None,
    ) -> Attribution:
        """Effect of every group on the logit of one class, and Grad-CAM of the class.

        Args:
            image: As in ``analyze``.
            target: Index, label or synonym of a class; None for the predicted one.
            framing: As in ``analyze``.
            blocks: Names of SGE blocks; all of them by default.
            method: ``gradient``: to first order, from one backward pass. ``ablation``: measured, each group removed
                alone, which costs up to one forward pass for each group. ``auto``: the gradient, but a block that
                is named in ``blocks`` is measured if the removal of eight of its groups does not agree with it; with an
                exported model, which has no gradient, every block is measured, and there is no Grad-CAM.
            size: As in ``analyze``.

        Raises:
            CaptureError, UnknownBlockError, UnsupportedNetworkError: as ``ablate``.
            ChoiceError: an unknown target or method.
            UnsupportedBackendError: method ``gradient`` of an exported model.
        """
        return self.attribute_frame(self.frame(image, framing, size), target, blocks, method)

    def attribute_frame(
        self,
        frame: Frame,
        target: str | int | None = None,
        blocks: Sequence[str] | None = None,
        method: str = AUTO,
    ) -> Attribution:
        """``attribute`` for a frame."""
        check_choice("method", method, (AUTO, *METHODS))
        known = self._required_groups()
        blocks = [blocks] if isinstance(blocks, str) else None if blocks is None else list(blocks)
        check_blocks(known, blocks or ())
        names = [name for name in known if blocks is None or name in blocks]
        image = frame.array[None]
        index = self._target(target, image)
        if method == AUTO and not self._backend.has_gradients:
            method = "ablation"
        if method == "ablation" and not self._backend.has_gradients:
            return self._measured_attribution(frame, index, names)
        end_if_given_up()
        found = self._backend.first_order(image, index, names)
        measured = self._measured(image, found, method, blocks is not None)
        end_if_given_up()
        return Attribution(
            target=self._prediction(found.logits, frame, found.target),
            logit=float(found.logits[found.target]),
            effect=found.effect | measured,
            spatial=found.spatial,
            method={name: "ablation" if name in measured else "gradient" for name in names},
            grad_cam=self._backend.grad_cam(image, found.target, None),
        )

    def _measured_attribution(self, frame: Frame, target: int | None, names: Sequence[str]) -> Attribution:
        """``attribute`` without any gradient."""
        end_if_given_up()
        image = frame.array[None]
        logits = self._backend.logits(image)[0]
        forward = self._backend.forward(image, Maps())
        target = int(logits.argmax()) if target is None else target
        effect = {name: measured_effects(self._backend, image, target, name) for name in names}
        # The masks of inactive gates are their own means.
        spatial = {
            block.name: np.zeros(block.groups, np.float32)
            if block.inactive == block.groups
            else measured_effects(self._backend, image, target, block.name, mode="mean")
            for block in forward.blocks
            if block.name in names
        }
        return Attribution(
            target=self._prediction(logits, frame, target),
            logit=float(logits[target]),
            effect=effect,
            spatial=spatial,
            method=dict.fromkeys(names, "ablation"),
        )

    def grad_cam(
        self,
        image: Image,
        target: str | int | None = None,
        framing: str = "whole",
        layer: str | None = None,
        size: int | None = None,
    ) -> GradCam:
        """Grad-CAM of one class.

        Args:
            image: As in ``analyze``.
            target: As in ``attribute``.
            framing: As in ``analyze``.
            layer: Path of the module whose output is weighted; by default the last one to finish whose output is a
                map of more than one cell.
            size: As in ``analyze``.

        Raises:
            UnknownBlockError: the network has no module of that path.
            ChoiceError: an unknown target, or a layer without a map.
            UnsupportedBackendError: an exported model.
        """
        return self.grad_cam_frame(self.frame(image, framing, size), target, layer)

    def grad_cam_frame(
        self, frame: Frame, target: str | int | None = None, layer: str | None = None
    ) -> GradCam:
        """``grad_cam`` for a frame."""
        image = frame.array[None]
        index = self._target(target, image)
        if index is None:
            index = int(self._backend.logits(image)[0].argmax())
        return self._backend.grad_cam(image, index, layer)

    def steps(
        self, image: Image, block: str, group: int, framing: str = "whole", size: int | None = None
    ) -> GroupSteps:
        """How one group's mask is made from its features, with the arrays of this image.

        Args:
            image: As in ``analyze``.
            block: Name of an SGE block.
            group: Number of the group.
            framing: As in ``analyze``.
            size: As in ``analyze``.

        Raises:
            UnknownBlockError: there is no such SGE block; the message lists the blocks.
            UnknownGroupError: the block has no group of that number.
            UnsupportedBackendError: an exported model.
        """
        return self.steps_frame(self.frame(image, framing, size), block, group)

    def steps_frame(self, frame: Frame, block: str, group: int) -> GroupSteps:
        """``steps`` for a frame."""
        blocks = self._required_groups()
        check_blocks(blocks, [block])
        group = check_whole("group", group)
        if not 0 <= group < blocks[block]:
            raise UnknownGroupError(f"{block} has no group {group}; its groups are 0 to {blocks[block] - 1}.")
        return self._backend.steps(frame.array[None], block, group)

    def _required_groups(self) -> dict[str, int]:
        if not (blocks := self._backend.groups):
            raise no_groups(self._backend.network_name, getattr(self.model, "is_foreign", False))
        return blocks

    def _measured(self, image: Array, found: Gradients, method: str, named: bool) -> dict[str, Array]:
        if method == "ablation":
            return {name: measured_effects(self._backend, image, found.target, name) for name in found.effect}
        if method == "gradient" or not named:
            return {}
        effects = {
            name: measured_unless_first_order_holds(self._backend, image, found.target, name, first_order)
            for name, first_order in found.effect.items()
        }
        return {name: effect for name, effect in effects.items() if effect is not None}

    def _prediction(self, logits: Array, frame: Frame, index: int) -> Prediction:
        labels = labels_or_numbers(self.model.labels, len(logits))
        score, raw = (
            float(class_probabilities(logits / np.float32(temperature))[index])
            for temperature in (frame.temperature, 1.0)
        )
        return Prediction(labels[index], score, index, raw)
