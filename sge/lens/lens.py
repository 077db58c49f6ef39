"""Runs a model on images: predictions alone, or an analysis with masks and parts, from one forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sge.analysis import Analysis, BlockInfo, Classification, ImageInfo, ModelInfo, Prediction
from sge.arrays import Array
from sge.errors import ChoiceError, ShapeError, UnsupportedBackendError, check_whole
from sge.images import DecodedImage, Frame, Source, decode, frame
from sge.lens.backends.base import Forward, Maps
from sge.lens.backends.choice import make_backend
from sge.lens.classification import classification
from sge.lens.effects import Effects
from sge.lens.part_search import Found, PartSearch, part_finders, passes
from sge.lens.wanted import EVERYTHING, Wanted

if TYPE_CHECKING:
    from torch import nn

    from sge.models import ExportedModel, Model


class Lens(Effects):
    """A model on one device, ready to analyze images.

    Args:
        model: From ``sge.load_model``; its network is moved to the device. Or an exported model, a file that needs no
            torch.
        device: ``auto`` (CUDA if available), ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        precision: ``float32``, or ``bfloat16`` and ``float16`` by autocast; ``auto`` is float32, so that
            figures on cards hold on every device. Statistics of SGE are float32 with each of them.
        backend: ``torch``, ``onnxruntime``, ``openvino``, or ``auto``: ONNX Runtime for an exported model, and torch for a
            network. With ``onnxruntime`` and ``openvino`` a network is exported first; torch, in float32, still computes
            gradients, Grad-CAM and steps. OpenVINO computes in bfloat16 as well, where the processor does.
        threads: Number of threads that compute one pass. None for the default: outside of torch one, because several
            passes beside each other, called from threads of your own, use the cores better than one that is divided. torch
            has one number for all networks of the process.
        frozen: Promises that nobody changes the network any more. In torch its batch norms are then folded into the
            convolutions once: logits within 1e-4 of the largest, in 0.7 to 0.95 of the time. With the other backends nothing
            looks for changes before each pass.

    Raises:
        ChoiceError: a device that is not available, or an unknown precision.
        CaptureError: the network has no module that makes spatial maps.
        UnsupportedNetworkError: the network has no values yet (meta device, lazy modules), or cannot be exported.
        UnsupportedBackendError: the backend does not run the model. Also of a method, when the weights were changed after
            they were exported.
        MissingPackageError: the backend's package is not installed.
    """

    def __init__(
        self,
        model: Model | ExportedModel,
        device: str = "auto",
        precision: str = "auto",
        backend: str = "auto",
        *,
        threads: int | None = None,
        frozen: bool = False,
    ) -> None:
        self._backend = make_backend(model, device, precision, backend, threads, frozen)
        self.model = model

    @property
    def backend(self) -> str:
        """``torch``, ``onnxruntime`` or ``openvino``."""
        return self._backend.name

    @property
    def device(self) -> Any:
        """Where the network computes: a ``torch.device``, or outside of torch its name."""
        return self._backend.device

    @property
    def precision(self) -> str:
        """``float32``, ``bfloat16`` or ``float16``."""
        return self._backend.precision

    @property
    def memory_bytes(self) -> int:
        """Size of the network's parameters and buffers."""
        return self._backend.memory_bytes

    @property
    def stated_blocks(self) -> list[BlockInfo] | None:
        """All blocks with the sizes of their maps for a square image, framing ``whole``; None where only a pass tells them.

        They are those of an exported file. Nothing is run, and no memory is taken for it.
        """
        return self._backend.stated_blocks

    @property
    def part_finders(self) -> tuple[str, ...]:
        """Values of ``Wanted.parts_by`` for which this backend has a detector. Raises FinderError as ``analyze`` does."""
        return part_finders(self.model.finder, self._backend)

    def passes(self, framing: str = "whole", wanted: Wanted = EVERYTHING) -> float:
        """What an analysis of a square image computes, as a multiple of one forward pass of its input.

        It is 1, and for parts that are found at further sizes the pixels of each as a share of those of the input.

        Raises:
            ChoiceError: an unknown framing.
            FinderError: a detector is of another network.
        """
        return passes(self.model, self._backend, framing, wanted)

    @property
    def network(self) -> nn.Module:
        """The network in torch.

        Raises:
            UnsupportedBackendError: an exported model has none.
        """
        network: nn.Module | None = getattr(self.model, "network", None)
        if network is None:
            raise UnsupportedBackendError(
                f"{self.model.name} is an exported file, which has no network in torch. Load the model that it was exported "
                "from."
            )
        return network

    def analyze(
        self,
        image: Source | DecodedImage,
        framing: str = "whole",
        top_k: int = 5,
        size: int | None = None,
        wanted: Wanted = EVERYTHING,
    ) -> Analysis:
        """Predictions or boxes, masks, similarity and parts of one image.

        A network without logits, or a model without labels, has no predictions; a note of the analysis's model says why.

        Args:
            image: Path, bytes, binary file object, PIL image, or a decoded image.
            framing: ``whole`` or ``center``; see ``sge.images.frame``.
            top_k: Number of classes, best first.
            size: Another input size than the network's own, in pixels.
            wanted: What is computed beside the predictions; everything by default.

        Raises:
            ImageError: the image cannot be used.
            ChoiceError: an unknown framing, a size out of range, or ``top_k`` below 1.
            UnknownBlockError: ``wanted`` names a block that does not exist; the message lists the blocks.
            FinderError: the model's finder is of another network.
            UnsupportedNetworkError: the network cannot be run on the input, or the model's adapter fails.
            NonFiniteError: logits, boxes or maps are infinite or not a number.
        """
        return self.analyze_frames([self.frame(image, framing, size)], top_k, wanted)[0]

    def predict(
        self, image: Source | DecodedImage, framing: str = "whole", top_k: int = 5, size: int | None = None
    ) -> list[Prediction]:
        """Predictions of one image, best first, as those of ``analyze``; no masks are captured and no parts are searched.

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

    def analyze_frames(
        self, frames: Sequence[Frame], top_k: int = 5, wanted: Wanted = EVERYTHING
    ) -> list[Analysis]:
        """``analyze`` for several frames of one shape, in one forward pass.

        Raises:
            ChoiceError: ``top_k`` below 1, or a model whose labels do not match its classes.
            ShapeError: no frame, or frames of different shapes.
            FinderError: as ``analyze``.
        """
        _check_top_k(top_k)
        names = wanted.names(self._backend.blocks)
        frames = list(frames)
        batch, search = _batch(frames), PartSearch(self.model, self._backend, wanted)
        forward = self._backend.forward(batch, self._maps(names, wanted, search, frames))
        found = search.found(frames, forward)
        forward = replace(forward, notes=(*forward.notes, *search.notes))
        return [
            self._analysis(forward, row, image, top_k, names, wanted, found[row])
            for row, image in enumerate(frames)
        ]

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
        outputs = self._backend.outputs(_batch(frames))
        return [classification(self.model, outputs, row, image, top_k) for row, image in enumerate(frames)]

    def _maps(
        self, names: tuple[str, ...], wanted: Wanted, search: PartSearch, frames: Sequence[Frame]
    ) -> Maps:
        """What the backend computes: the wanted maps, and those that parts are found in."""
        similarity = search.similarity | (set(names) if wanted.similarity else set())
        return Maps(
            masks=names if wanted.masks else (),
            similarity=tuple(name for name in self._backend.blocks if name in similarity),
            energy=names if wanted.energy else (),
            detector=search.detector_of_pass(frames),
        )

    def _analysis(
        self,
        forward: Forward,
        row: int,
        frame: Frame,
        top_k: int,
        names: tuple[str, ...],
        wanted: Wanted,
        parts: Found,
    ) -> Analysis:
        similarity = {name: maps[row] for name, maps in forward.similarity.items()}
        geometry = frame.geometry.extended(forward.extent).with_grids(
            {block.name: (block.height, block.width) for block in forward.blocks}
        )
        image, card, finder = frame.image, self.model.card, self.model.finder
        found = classification(self.model, forward, row, frame, top_k)
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
                (*card.notes, *forward.notes),
                self.part_finders,
            ),
            predictions=found.predictions,
            blocks=list(forward.blocks),
            masks={name: maps[row] for name, maps in forward.masks.items()},
            similarity={name: similarity[name] for name in names if name in similarity}
            if wanted.similarity
            else {},
            energy={name: shares[row] for name, shares in forward.energy.items()},
            geometry=geometry,
            parts=parts[1],
            part_maps=parts[0],
            image=image.rgb if isinstance(image, DecodedImage) else None,
            fit=found.fit,
            boxes=found.boxes,
            is_detector=found.is_detector,
        )


def _batch(frames: Sequence[Frame]) -> Array:
    """(N, channels, h, w) of frames of one shape."""
    shapes = {frame.array.shape for frame in frames}
    if len(shapes) != 1:
        found = ", ".join(map(str, sorted(shapes))) or "none"
        raise ShapeError(
            f"Frames of one forward pass need one shape; these have {found}. Give those of one shape."
        )
    return frames[0].array[None] if len(frames) == 1 else np.stack([frame.array for frame in frames])


def _check_top_k(top_k: int) -> None:
    if check_whole("top_k", top_k) < 1:
        raise ChoiceError(f"top_k is {top_k}; ask for at least 1 class.")
