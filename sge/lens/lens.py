"""An image goes in; predictions and masks come out, from one forward pass."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sge.analysis.analysis import Analysis, BlockInfo, ImageInfo, ModelInfo, Prediction
from sge.devices import autocast, find_device, find_precision
from sge.errors import ChoiceError
from sge.images.decode import DecodedImage, Source, decode
from sge.images.framing import Frame, frame
from sge.models.model import Model
from sge.nn.blocks import inactive_groups
from sge.nn.capture import MaskCapture, spatial_blocks
from sge.nn.modes import eval_mode
from sge.parts.find import maps_and_parts


class Lens:
    """A model, ready to look at images on one device.

    Args:
        model: From ``sge.load_model``; its network is moved to the device.
        device: ``auto`` (CUDA where there is one), ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        precision: ``float32``, or ``bfloat16`` and ``float16`` by autocast; ``auto`` is float32, so that
            figures on cards hold on every device. Statistics of SGE are float32 in each of them.

    Raises:
        ChoiceError: a device that is not there, or an unknown precision.
        CaptureError: the network makes no spatial maps.
    """

    def __init__(self, model: Model, device: str = "auto", precision: str = "auto") -> None:
        self.model = model
        self.device = find_device(device)
        self.precision = find_precision(precision)
        self.network = model.network.to(self.device)
        MaskCapture(self.network)

    def analyze(
        self, image: Source | DecodedImage, framing: str = "whole", top_k: int = 5, size: int | None = None
    ) -> Analysis:
        """Predictions, masks and similarity of one image.

        Args:
            image: Path, bytes, binary file object, PIL image, or a decoded ``Image``.
            framing: ``whole`` or ``center``; see ``sge.framing.frame``.
            top_k: How many classes, best first.
            size: Another input size than the network's own, in pixels.

        Raises:
            ImageError: the image cannot be used.
            ChoiceError: an unknown framing, a size out of range, ``top_k`` below 1.
        """
        decoded = image if isinstance(image, DecodedImage) else decode(image)
        return self.look([frame(decoded, self.model.preprocess, framing, size)], top_k)[0]

    def look(self, frames: Sequence[Frame], top_k: int = 5) -> list[Analysis]:
        """The same for several frames of one shape, in one forward pass.

        Raises:
            ChoiceError: ``top_k`` below 1, or a model without a label for each class.
            ValueError: frames of different shapes.
        """
        if top_k < 1:
            raise ChoiceError(f"top_k is {top_k}; ask for at least 1 class.")
        if len({one.array.shape for one in frames}) != 1:
            raise ValueError("Frames of one forward pass need one shape.")
        with eval_mode(self.network), torch.inference_mode(), autocast(self.device, self.precision):
            batch = torch.stack([torch.from_numpy(one.array) for one in frames]).to(self.device)
            with MaskCapture(self.network, energy=True) as seen:
                logits: Tensor = self.network(batch)
            temperature = torch.tensor([[one.temperature] for one in frames], device=self.device)
            probabilities = (logits.float() / temperature).softmax(1).cpu()
        if probabilities.shape[1] != len(self.model.labels):
            raise ChoiceError(
                f"The network tells {probabilities.shape[1]} classes apart, and {len(self.model.labels)} labels are "
                "given. Give the Model a label for each class."
            )
        maps = {
            name: (seen.masks[name].cpu(), seen.similarity[name].cpu(), seen.energy[name].cpu())
            for name in seen.masks
        }
        inactive = {name: inactive_groups(module) for name, module in spatial_blocks(self.network).items()}
        blocks = []
        for name, (masks, _, _) in maps.items():
            _, groups, height, width = masks.shape
            stride = round(batch.shape[3] / width)
            blocks.append(BlockInfo(name, groups, height, width, stride, seen.channels[name], inactive[name]))
        analyses = [
            Analysis(
                image_info=_image_info(one.image),
                model=self._model_info(),
                predictions=self._predictions(probabilities[i], top_k),
                blocks=list(blocks),
                masks={name: arrays[0][i].float().numpy() for name, arrays in maps.items()},
                similarity={name: arrays[1][i].float().numpy() for name, arrays in maps.items()},
                energy={name: arrays[2][i].numpy() for name, arrays in maps.items()},
                geometry=one.geometry.with_grids({b.name: (b.height, b.width) for b in blocks}),
                image=one.image.rgb,
            )
            for i, one in enumerate(frames)
        ]
        if self.model.finder is not None:
            for analysis in analyses:
                analysis.part_maps, analysis.parts = maps_and_parts(analysis, self.model.finder)
        return analyses

    def _predictions(self, probabilities: Tensor, top_k: int) -> list[Prediction]:
        scores, indices = probabilities.topk(min(top_k, len(probabilities)))
        return [
            Prediction(self.model.labels[int(index)], float(score), int(index))
            for score, index in zip(scores, indices, strict=True)
        ]

    def _model_info(self) -> ModelInfo:
        card = self.model.card
        return ModelInfo(self.model.name, card.title, card.sentence, card.gates, card.sha256, card.opens_with)


def _image_info(image: DecodedImage) -> ImageInfo:
    return ImageInfo(image.name, image.width, image.height, image.format, image.sha256)
