"""The methods of ``Lens`` that say what groups do to an answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from sge.analysis import METHODS, MODES, Ablation, Attribution, GradCam, GroupSteps, Prediction
from sge.arrays import Array
from sge.errors import check_choice
from sge.images import DecodedImage, Frame, Source
from sge.lens.ablation import ablated_logits, removed_groups
from sge.lens.attribution import Gradients, first_order_effects
from sge.lens.chosen_groups import ChosenGroups, check_blocks, check_groups, draw_groups
from sge.lens.grad_cam import grad_cam
from sge.lens.labels import check_labels, find_target
from sge.lens.measured_effects import measured_effects, measured_unless_first_order_holds
from sge.lens.passes import Passes
from sge.lens.steps import group_steps
from sge.models import Model

Image = Source | DecodedImage
AUTO = "auto"


class Effects(ABC):
    """Ablation, attribution, Grad-CAM and steps of one image with a model; safe to use from several threads."""

    model: Model
    _passes: Passes

    @abstractmethod
    def frame(self, image: Image, framing: str = "whole", size: int | None = None) -> Frame:
        """The image as input of this model's network."""

    def find_target(self, target: str | int) -> int:
        """Index of a class, by its index, its label, or one of the synonyms in its label.

        Raises:
            ChoiceError: no class or several have that name; the message lists names.
        """
        return find_target(self.model.labels, target)

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
                the group and removes all others of the named blocks.
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
        """
        return self.ablate_frame(self.frame(image, framing, size), groups, mode, controls, seed)

    def ablate_frame(
        self, frame: Frame, groups: ChosenGroups, mode: str = "mean", controls: int = 10, seed: int = 0
    ) -> Ablation:
        """``ablate`` for a frame."""
        check_choice("mode", mode, MODES)
        blocks = self._passes.blocks_with_groups()
        chosen = check_groups(blocks, groups)
        draws = draw_groups(blocks, chosen, controls, seed)
        sizes = {name: module.groups for name, module in blocks.items()}
        rows = removed_groups(sizes, [chosen, *draws], mode)
        logits = ablated_logits(self._passes, self._passes.batch([frame]), rows)
        check_labels(self.model.labels, logits.shape[1])
        scores = (logits / frame.temperature).softmax(1)
        return Ablation(
            before=scores[0].numpy(),
            after=scores[1].numpy(),
            controls=scores[2:].numpy(),
            logits_before=logits[0].numpy(),
            logits_after=logits[1].numpy(),
            logits_controls=logits[2:].numpy(),
            mode=mode,
            groups=chosen,
            control_groups=draws,
            labels=list(self.model.labels),
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
                is named in ``blocks`` is measured if the removal of eight of its groups does not agree with it.
            size: As in ``analyze``.

        Raises:
            CaptureError: the network has no SGE block.
            UnknownBlockError: there is no such SGE block; the message lists the blocks.
            ChoiceError: an unknown target or method.
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
        known = self._passes.blocks_with_groups()
        blocks = [blocks] if isinstance(blocks, str) else None if blocks is None else list(blocks)
        check_blocks(known, blocks or ())
        names = [name for name in known if blocks is None or name in blocks]
        index = None if target is None else self.find_target(target)
        image = self._passes.batch([frame])
        found = first_order_effects(self._passes, image, index, names)
        measured = self._measured(image, found, method, blocks is not None)
        return Attribution(
            target=self._prediction(found.logits, frame, found.target),
            logit=float(found.logits[found.target]),
            effect=found.effect | measured,
            spatial=found.spatial,
            method={name: "ablation" if name in measured else "gradient" for name in names},
            grad_cam=grad_cam(self._passes, image, found.target, None),
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
        """
        return self.grad_cam_frame(self.frame(image, framing, size), target, layer)

    def grad_cam_frame(
        self, frame: Frame, target: str | int | None = None, layer: str | None = None
    ) -> GradCam:
        """``grad_cam`` for a frame."""
        index = None if target is None else self.find_target(target)
        image = self._passes.batch([frame])
        if index is None:
            with self._passes.inference() as view:
                index = int(self._passes.logits(view, image, 1)[0].argmax())
        return grad_cam(self._passes, image, index, layer)

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
        """
        return self.steps_frame(self.frame(image, framing, size), block, group)

    def steps_frame(self, frame: Frame, block: str, group: int) -> GroupSteps:
        """``steps`` for a frame."""
        return group_steps(self._passes, self._passes.batch([frame]), block, group)

    def _measured(self, image: Tensor, found: Gradients, method: str, named: bool) -> dict[str, Array]:
        if method == "ablation":
            return {name: measured_effects(self._passes, image, found.target, name) for name in found.effect}
        if method == "gradient" or not named:
            return {}
        effects = {
            name: measured_unless_first_order_holds(self._passes, image, found.target, name, first_order)
            for name, first_order in found.effect.items()
        }
        return {name: effect for name, effect in effects.items() if effect is not None}

    def _prediction(self, logits: Tensor, frame: Frame, index: int) -> Prediction:
        check_labels(self.model.labels, len(logits))
        score, raw = (
            float(torch.softmax(logits / temperature, 0)[index]) for temperature in (frame.temperature, 1.0)
        )
        return Prediction(self.model.labels[index], score, index, raw)
