"""Runs a model on images: predictions alone, or an analysis with masks and parts, from one forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from sge.analysis import Analysis, BlockInfo, Classification, ImageInfo, ModelInfo, Prediction
from sge.arrays import Array
from sge.devices import find_device, find_precision
from sge.errors import ChoiceError, check_whole
from sge.images import DecodedImage, Frame, Source, decode, frame
from sge.lens.effects import Effects
from sge.lens.failures import check_usable
from sge.lens.fit import find_fit
from sge.lens.labels import check_labels
from sge.lens.passes import Passes
from sge.models import Model
from sge.nn import Capture, inactive_groups, require_spatial_blocks, spatial_blocks
from sge.parts import maps_and_parts


class Lens(Effects):
    """A model on one device, ready to analyze images.

    Args:
        model: From ``sge.load_model``; its network is moved to the device.
        device: ``auto`` (CUDA if available), ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        precision: ``float32``, or ``bfloat16`` and ``float16`` by autocast; ``auto`` is float32, so that
            figures on cards hold on every device. Statistics of SGE are float32 with each of them.

    Raises:
        ChoiceError: a device that is not available, or an unknown precision.
        CaptureError: the network has no module that makes spatial maps.
        UnsupportedNetworkError: the network has no values yet (meta device, lazy modules).
    """

    def __init__(self, model: Model, device: str = "auto", precision: str = "auto") -> None:
        if not isinstance(model, Model):
            raise ChoiceError(
                f"A Lens needs a Model, and this is {type(model).__name__}. Load one with sge.load_model, or make one of a "
                "network: sge.Model('name', network, labels)."
            )
        require_spatial_blocks(model.network)
        check_usable(model.network)
        self.model = model
        self.device = find_device(device)
        self.precision = find_precision(precision)
        self.network = model.network.to(self.device)
        self._passes = Passes(self.network, self.device, self.precision)

    def analyze(
        self, image: Source | DecodedImage, framing: str = "whole", top_k: int = 5, size: int | None = None
    ) -> Analysis:
        """Predictions, masks, similarity and parts of one image.

        Args:
            image: Path, bytes, binary file object, PIL image, or a decoded image.
            framing: ``whole`` or ``center``; see ``sge.images.frame``.
            top_k: Number of classes, best first.
            size: Another input size than the network's own, in pixels.

        Raises:
            ImageError: the image cannot be used.
            ChoiceError: an unknown framing, a size out of range, or ``top_k`` below 1.
            UnsupportedNetworkError: the network cannot be run on the input, or does not return logits.
            NonFiniteError: logits or maps are infinite or not a number.
        """
        return self.analyze_frames([self.frame(image, framing, size)], top_k)[0]

    def predict(
        self, image: Source | DecodedImage, framing: str = "whole", top_k: int = 5, size: int | None = None
    ) -> list[Prediction]:
        """Predictions of one image, best first; no masks are captured and no parts are searched.

        Args and errors are those of ``analyze``, and so are the predictions.
        """
        return self.classify(image, framing, top_k, size).predictions

    def classify(
        self, image: Source | DecodedImage, framing: str = "whole", top_k: int = 5, size: int | None = None
    ) -> Classification:
        """``predict``, and whether any class fits the image.

        Args and errors are those of ``analyze``.
        """
        return self.classify_frames([self.frame(image, framing, size)], top_k)[0]

    def frame(self, image: Source | DecodedImage, framing: str = "whole", size: int | None = None) -> Frame:
        """The image as input of this model's network.

        Raises:
            ImageError, ChoiceError: as ``analyze``.
        """
        decoded = image if isinstance(image, DecodedImage) else decode(image)
        return frame(decoded, self.model.preprocess, framing, size)

    def analyze_frames(self, frames: Sequence[Frame], top_k: int = 5) -> list[Analysis]:
        """``analyze`` for several frames of one shape, in one forward pass.

        Raises:
            ChoiceError: ``top_k`` below 1, or a model whose labels do not match its classes.
            ShapeError: no frame, or frames of different shapes.
        """
        _check_top_k(top_k)
        frames = list(frames)
        forward = self._forward(frames)
        return [self._analysis(forward, number, image, top_k) for number, image in enumerate(frames)]

    def predict_frames(self, frames: Sequence[Frame], top_k: int = 5) -> list[list[Prediction]]:
        """``predict`` for several frames of one shape, in one forward pass.

        Raises:
            ChoiceError, ShapeError: as ``analyze_frames``.
        """
        return [image.predictions for image in self.classify_frames(frames, top_k)]

    def classify_frames(self, frames: Sequence[Frame], top_k: int = 5) -> list[Classification]:
        """``classify`` for several frames of one shape, in one forward pass.

        Raises:
            ChoiceError, ShapeError: as ``analyze_frames``.
        """
        _check_top_k(top_k)
        frames = list(frames)
        batch = self._passes.batch(frames)
        with self._passes.inference() as view:
            logits = self._checked(self._passes.logits(view, batch, len(batch)))
        return [self._classification(*row, top_k) for row in zip(logits, frames, strict=True)]

    def _checked(self, logits: Tensor) -> Tensor:
        check_labels(self.model.labels, logits.shape[1])
        logits = logits.float().cpu()
        self._passes.check_finite({"the logits": logits})
        return logits

    def _forward(self, frames: Sequence[Frame]) -> _Forward:
        batch = self._passes.batch(frames)
        with self._passes.inference() as view:
            with Capture(view, energy=True, rows=len(batch)) as captured:
                logits = self._passes.logits(view, batch, len(batch))
            masks, similarity, energy = (
                {name: maps.float().cpu().numpy() for name, maps in recorded.items()}
                for recorded in (captured.masks, captured.similarity, captured.energy)
            )
        # The maps come first, because the earliest block is where the numbers went wrong.
        for recorded in (similarity, masks, energy):
            self._passes.check_finite({f"block {name}": maps for name, maps in recorded.items()})
        logits = self._checked(logits)
        modules = spatial_blocks(view)
        blocks = [
            BlockInfo(
                name=name,
                groups=maps.shape[1],
                height=maps.shape[2],
                width=maps.shape[3],
                stride=round(batch.shape[3] / maps.shape[3]),
                channels=captured.channels[name],
                inactive=inactive_groups(modules[name]),
            )
            for name, maps in masks.items()
        ]
        return _Forward(logits, blocks, masks, similarity, energy)

    def _analysis(self, forward: _Forward, number: int, frame: Frame, top_k: int) -> Analysis:
        similarity = {name: maps[number] for name, maps in forward.similarity.items()}
        geometry = frame.geometry.with_grids(
            {block.name: (block.height, block.width) for block in forward.blocks}
        )
        finder = self.model.finder
        part_maps, parts = ({}, []) if finder is None else maps_and_parts(similarity, geometry, finder)
        image, card = frame.image, self.model.card
        classification = self._classification(forward.logits[number], frame, top_k)
        return Analysis(
            image_info=ImageInfo(
                image.name, image.width, image.height, image.format, image.sha256, image.notes
            ),
            model=ModelInfo(
                self.model.name,
                card.title,
                card.sentence,
                card.gates,
                card.sha256,
                card.opens_with,
                None if finder is None else finder.nothing_found,
                card.notes,
            ),
            predictions=classification.predictions,
            blocks=list(forward.blocks),
            masks={name: maps[number] for name, maps in forward.masks.items()},
            similarity=similarity,
            energy={name: shares[number] for name, shares in forward.energy.items()},
            geometry=geometry,
            parts=parts,
            part_maps=part_maps,
            image=image.rgb,
            fit=classification.fit,
        )

    def _classification(self, logits: Tensor, frame: Frame, top_k: int) -> Classification:
        scores, indices = (logits / frame.temperature).softmax(0).topk(min(top_k, len(logits)))
        raw_scores = logits.softmax(0)[indices]
        predictions = [
            Prediction(self.model.labels[int(index)], float(score), int(index), float(raw))
            for score, index, raw in zip(scores, indices, raw_scores, strict=True)
        ]
        fit = find_fit(self.model.card.none_fits, logits, frame.geometry.framing)
        return Classification(predictions, fit, frame.image.notes)


@dataclass(frozen=True)
class _Forward:
    """Results of one forward pass of N frames, on the CPU."""

    logits: Tensor
    """(N, classes), float32, before any temperature."""
    blocks: list[BlockInfo]
    masks: dict[str, Array]
    """Block name to (N, G, h, w), float32; similarity likewise."""
    similarity: dict[str, Array]
    energy: dict[str, Array]
    """Block name to (N, G), float32."""


def _check_top_k(top_k: int) -> None:
    if check_whole("top_k", top_k) < 1:
        raise ChoiceError(f"top_k is {top_k}; ask for at least 1 class.")
