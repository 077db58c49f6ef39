"""A teacher's outputs at every position of every training image, computed once.

A classifier that averages its last features and then applies one linear layer has logits at every position, whose
mean over positions are its logits. They are stored for each whole image, so that the targets of any crop can be read
from them (ReLabel: Yun et al., CVPR 2021, https://arxiv.org/abs/2101.05022), together with the similarity maps of the
teacher's groups. The teacher then costs nothing during the training and sees each image at the size that suits it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sge.datasets import (
    DecodedCache,
    ImageFiles,
    Progress,
    RecordFile,
    RecordWriter,
    batches_of_one_shape,
    normalize_batch,
)
from sge.errors import ChoiceError, DataError, ImageError
from sge.images import input_size, resize, whole_size
from sge.models import Model, digest
from sge.nn import Capture, eval_mode
from sge.text import printable

QUANTUM = 1 / 16
"""Step of a stored similarity; one byte then covers -8 to 8 standard deviations."""
BATCH = 16


@dataclass(frozen=True)
class TeacherOutput:
    """A teacher's output for one whole image."""

    logits: Tensor
    """(classes, h, w), float32, divided by the teacher's temperature."""
    similarity: dict[str, Tensor]
    """By block: (G, h, w), float32, in steps of ``QUANTUM``."""


class TeacherMaps(Sequence[TeacherOutput]):
    """The outputs that ``write_maps`` stored; ``maps[i]`` belongs to image i of the training set.

    Args:
        path: The data file.
        key: From ``maps_key``.

    Raises:
        DataError: the file is missing, damaged, or made from other images or by another teacher.
    """

    def __init__(self, path: Path, key: str) -> None:
        self._file = RecordFile(path, key)
        blocks = self._file.facts.get("blocks")
        if not isinstance(blocks, list):
            raise DataError(f"{path} holds no teacher's maps. Delete {path.name}.json and start again.")
        self._blocks = [str(block) for block in blocks]

    def __len__(self) -> int:
        return len(self._file)

    def __getitem__(self, i: int) -> TeacherOutput:  # type: ignore[override]
        logits, *similarity = (torch.from_numpy(values) for values in self._file.arrays(i))
        maps = {block: steps.float() * QUANTUM for block, steps in zip(self._blocks, similarity, strict=True)}
        return TeacherOutput(logits.float(), maps)


def maps_key(
    teacher: Model, images: DecodedCache | ImageFiles, blocks: Sequence[str], classes: Sequence[int]
) -> str:
    """Hash of everything that stored maps depend on: images, teacher, blocks and classes."""
    about = {
        "images": [images.key, *images.names],
        "blocks": list(blocks),
        "classes": list(classes),
        "model": teacher.name,
        "preprocess": teacher.preprocess.to_record(),
        "state": digest(teacher.network.state_dict(), {}),
    }
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()


def write_maps(
    path: Path,
    teacher: Model,
    images: DecodedCache | ImageFiles,
    blocks: Sequence[str],
    classes: Sequence[int],
    progress: Progress | None = None,
) -> None:
    """Runs the teacher over whole images, at its own input size, and stores its outputs.

    Args:
        path: The data file; ``path.json`` becomes its index, written last.
        teacher: A network with SGE whose classifier is one linear layer on averaged features.
        images: The training images.
        blocks: The blocks whose similarity is stored.
        classes: The teacher's class number of each class that the student learns.
        progress: Called with the number of images so far.

    Raises:
        ChoiceError: the teacher has another classifier.
        UnknownBlockError: the teacher has no such block.
    """
    temperature = teacher.preprocess.whole_temperature
    with RecordWriter(path, ["float16", *["int8"] * len(blocks)]) as writer:
        framed = _framed(teacher, images)
        for group in batches_of_one_shape(framed, lambda numbered: numbered[1].shape, BATCH):
            numbers, pixels = zip(*group, strict=True)
            batch = normalize_batch(torch.stack(pixels), teacher.preprocess)
            logits, similarity = _outputs(teacher.network, batch, blocks, classes)
            steps = [(maps / QUANTUM).round().clamp(-128, 127).to(torch.int8).numpy() for maps in similarity]
            stored = [(logits / temperature).half().numpy(), *steps]
            for row, number in enumerate(numbers):
                writer.add([values[row] for values in stored], number)
            if progress is not None:
                progress(len(writer))
        writer.finish(maps_key(teacher, images, blocks, classes), {"blocks": list(blocks)})


def _framed(teacher: Model, images: DecodedCache | ImageFiles) -> Iterator[tuple[int, Tensor]]:
    """Each image's number and its pixels, (3, h, w) uint8, resized as framing ``whole`` does."""
    shorter = input_size(teacher.preprocess, "whole")
    for number in range(len(images)):
        try:
            image = images[number]
        except ImageError as error:
            raise DataError(
                f"{printable(images.names[number])} can no longer be read: {error} Replace it and start again."
            ) from error
        size = whole_size((image.shape[2], image.shape[1]), shorter)
        resized = resize(image.permute(1, 2, 0).numpy(), size, teacher.preprocess.interpolation)
        yield number, torch.from_numpy(np.array(resized)).permute(2, 0, 1)


def _outputs(
    network: nn.Module, batch: Tensor, blocks: Sequence[str], classes: Sequence[int]
) -> tuple[Tensor, list[Tensor]]:
    """Logits at every position, (N, classes, h, w), and each block's similarity, (N, G, h, w)."""
    pool, linear = _head(network)
    with eval_mode(network), torch.no_grad(), Capture(network, blocks, inputs=[pool]) as captured:
        network(batch)
    chosen = torch.tensor(classes)
    weight, bias = linear.weight[chosen].detach(), linear.bias[chosen].detach()
    logits = F.conv2d(captured.inputs[pool].float(), weight[:, :, None, None], bias)
    return logits, [captured.similarity[block].float() for block in blocks]


def _head(network: nn.Module) -> tuple[str, nn.Linear]:
    """Name of the layer that averages the features, and the classifier."""
    pool = next((name for name in ("global_pool", "avgpool") if hasattr(network, name)), None)
    linear = getattr(network, "classifier", getattr(network, "fc", None))
    if pool is None or not isinstance(linear, nn.Linear):
        raise ChoiceError(
            f"{type(network).__name__} does not average its features before one linear layer, so it has no logits "
            "at positions. Use it as a teacher of whole crops: leave out the dense blocks."
        )
    return pool, linear
