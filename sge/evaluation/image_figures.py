"""Figures of single images: every map's curves, masked image and pointing hit."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sge.arrays import Array
from sge.datasets import ImageFile, decode_files
from sge.errors import ChoiceError, ImageError
from sge.evaluation.curves import Score, area, blurred, curves, is_constant
from sge.evaluation.faithfulness_result import MEASURES, RANDOMIZED, Record
from sge.evaluation.pointing import chance, pointing_hit, visible_box
from sge.evaluation.randomized import randomized_model
from sge.evaluation.saliency import baselines, explanations
from sge.evaluation.sets import SetReader
from sge.images import Box, DecodedImage, Frame
from sge.lens import Lens, class_probabilities, network_logits
from sge.models import Model
from sge.nn import eval_mode, fast_format

CALIBRATION = 8
"""Number of images that give the batch norms of the network with random weights their statistics."""


@dataclass(frozen=True)
class Protocol:
    """How faithfulness is measured."""

    block: str | None = None
    """An SGE block; None takes the one that a viewer opens with."""
    framing: str = "center"
    size: int | None = None
    """Another input size than the network's own, in pixels."""
    steps: int | None = 10
    """Steps of a curve; None measures the pointing game alone."""
    seed: int = 0
    """Of the sample of images, random maps, random weights and intervals."""
    randomized: int = 16
    """Size of the sample of images on which maps of the same network with random weights are measured too."""


def identifier(file: ImageFile) -> str:
    """Name of an image among several sources."""
    return f"{file.source.resolve().name}/{file.name}"


class ImageFigures:
    """Measures single images.

    Args:
        model: Whose predictions are explained; its network is moved to the device.
        protocol: Its block is named.
        boxes: Image name to box.
        batch: Largest number of inputs in a forward pass.
        device: ``auto``, ``cpu``, ``cuda``, ...
        reader: Reads the images.
    """

    def __init__(
        self,
        model: Model,
        protocol: Protocol,
        boxes: dict[str, Box],
        batch: int,
        device: str,
        reader: SetReader,
    ) -> None:
        assert protocol.block is not None
        self.protocol, self.block, self.boxes = protocol, protocol.block, boxes
        self.batch, self.reader = batch, reader
        self._model = model
        self.lens = Lens(model, device)
        self._logits = network_logits(model, self.lens.device)
        self._random: Lens | None = None
        self._randomized: set[str] = set()
        """Images on which the maps of random weights are measured."""

    def randomize(self, files: Sequence[ImageFile], on: set[str]) -> None:
        """Adds maps of the same network with random weights.

        Args:
            files: All images of the set in the order of its samples; the first ones of one shape calibrate the norms.
            on: Images (``identifier``) on which these maps are measured.
        """
        self._randomized = on
        frames: list[Frame] = []
        for _, image in decode_files(files):
            if not isinstance(image, ImageError):
                framed = self._frame(image)
                if not frames or framed.array.shape == frames[0].array.shape:
                    frames.append(framed)
            if len(frames) == CALIBRATION:
                break
        if frames:
            random = randomized_model(self._model, frames, self.protocol.seed)
            self._random = Lens(random, str(self.lens.device))

    def records(self, files: Iterable[ImageFile]) -> Iterator[Record]:
        """Figures of every image that can be read.

        Raises:
            ImageError: an image cannot be read, and the reader does not skip broken images.
            ChoiceError: maps or logits are not finite.
            DataError: a box lies outside its image.
        """
        for file, image in self.reader.read(files):
            yield self._record(file, self._frame(image))

    def _frame(self, image: DecodedImage) -> Frame:
        return self.lens.frame(image, self.protocol.framing, self.protocol.size)

    def _record(self, file: ImageFile, framed: Frame) -> Record:
        image = torch.from_numpy(framed.array).to(self.lens.device)
        ends = self._probabilities(torch.stack([image, blurred(image)]), framed.temperature)
        target = int(ends[0].argmax())
        maps = explanations(self.lens, framed, target, self.block)
        if self._random is not None and identifier(file) in self._randomized:
            random_maps = explanations(self._random, framed, target, self.block)
            maps |= {RANDOMIZED + name: values for name, values in random_maps.items()}
        maps |= baselines(maps["mask"].shape, (self.protocol.seed, zlib.crc32(os.fsencode(file.name))))
        given = self.boxes.get(file.name)
        box = None if given is None else visible_box(file.name, given, framed.geometry)

        def score(inputs: Tensor) -> Array:
            return self._probabilities(inputs, framed.temperature)[:, target]

        def figures(values: Array) -> Record:
            found: Record = dict.fromkeys(MEASURES)
            if self.protocol.steps is not None:
                found |= _curve_figures(
                    score, image, values, maps["random"], self.protocol.steps, ends[:, target]
                )
            if box is not None:
                found["pointing"] = pointing_hit(values, box, framed.geometry.window)
            return found | {"constant": False}

        unordered = figures(maps["random"]) | {"constant": True}
        methods = {
            name: unordered if is_constant(values) else figures(values)
            for name, values in maps.items()
            if name != "random"
        }
        return {
            "image": identifier(file),
            "target": target,
            "full": float(ends[0, target]),
            "empty": float(ends[1, target]),
            "chance": None if box is None else chance(box, framed.geometry.window),
            "methods": methods | {"random": unordered | {"constant": False}},
        }

    def _probabilities(self, inputs: Tensor, temperature: float) -> Array:
        """(N, classes), float32."""
        found = []
        with eval_mode(self.lens.network):
            for part in torch.split(inputs, self.batch):
                # Convolutions on a CPU are faster in this memory format; the values are the same to rounding.
                part = part.contiguous(memory_format=fast_format(self.lens.network))
                logits = self._logits(part).cpu().numpy()
                found.append(class_probabilities((logits / temperature).astype(np.float32)))
        probabilities = np.concatenate(found)
        if not np.isfinite(probabilities).all():
            raise ChoiceError("The network's logits are not finite. Check the weights of the model.")
        return probabilities


def _curve_figures(
    score: Score, image: Tensor, saliency: Array, ties: Array, steps: int, ends: Array
) -> Record:
    found = curves(score, image, saliency, ties, steps, ends)
    return {
        "insertion": area(found.insertion),
        "deletion": area(found.deletion),
        "drop": found.drop,
        "increase": float(found.increase),
    }
