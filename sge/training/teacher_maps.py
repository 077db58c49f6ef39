"""A teacher's answers for every place of every image, worked out once.

A classifier that averages its last features and then applies one linear layer has logits at every place, whose
mean are its logits. Kept once for each whole image, a crop's targets are read out of them (ReLabel: Yun et al.,
CVPR 2021, https://arxiv.org/abs/2101.05022), and with them the similarity maps of the teacher's groups. The
teacher then costs nothing while the student learns, and sees each image at its own best size.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sge.datasets.batching import of_one_shape
from sge.datasets.decoded_cache import DecodedCache, Progress
from sge.errors import ChoiceError
from sge.files import write_atomically
from sge.images.framing import input_size, whole_size
from sge.models.checkpoint import digest
from sge.models.model import Model
from sge.nn.capture import MaskCapture
from sge.nn.modes import eval_mode
from sge.training.dataset import ImageFiles
from sge.training.validate import normalised

QUANTUM = 1 / 16
"""Step of a stored similarity; one byte then reaches from -8 to 8 deviations."""
BATCH = 16


@dataclass(frozen=True)
class PlaceAnswers:
    """What the teacher says of one image."""

    logits: Tensor
    """(classes, h, w), float32."""
    similarity: dict[str, Tensor]
    """By block: (G, h, w), float32."""


class TeacherMaps(Sequence[PlaceAnswers]):
    """The file that ``write_maps`` has written; ``maps[i]`` belongs to image i of the store.

    Raises:
        ChoiceError: the file is not there, damaged, or of other images or another teacher.
    """

    def __init__(self, path: Path, key: str) -> None:
        again = f"Delete {path.name}.json to have it made anew."
        try:
            index = json.loads(path.with_name(path.name + ".json").read_text("utf-8"))
            if index["key"] != key:
                raise ChoiceError(f"{path} belongs to other images or another teacher. {again}")
            self.blocks: dict[str, int] = index["blocks"]
            self.classes = int(index["classes"])
            self._at = index["images"]
            self._bytes = np.memmap(path, np.uint8, "r")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ChoiceError(f"{path} cannot be used ({error}). {again}") from error
        if self._at and _end(max(self._at), self.classes, self.blocks) != len(self._bytes):
            raise ChoiceError(f"{path} is cut off. {again}")

    def __len__(self) -> int:
        return len(self._at)

    def __getitem__(self, i: int) -> PlaceAnswers:  # type: ignore[override]
        at, shapes = self._at[i]
        height, width = shapes[0]
        end = at + 2 * self.classes * height * width
        raw = np.array(self._bytes[at:end]).view(np.float16).astype(np.float32)
        logits = torch.from_numpy(raw).reshape(self.classes, height, width)
        similarity = {}
        for (name, groups), (height, width) in zip(self.blocks.items(), shapes[1:], strict=True):
            at, end = end, end + groups * height * width
            stored = torch.from_numpy(np.array(self._bytes[at:end]).view(np.int8))
            similarity[name] = stored.reshape(groups, height, width).float() * QUANTUM
        return PlaceAnswers(logits, similarity)


def _end(entry: tuple[int, list[tuple[int, int]]], classes: int, blocks: dict[str, int]) -> int:
    at, shapes = entry
    sizes = [2 * classes, *blocks.values()]
    return at + sum(each * h * w for each, (h, w) in zip(sizes, shapes, strict=True))


def maps_key(
    teacher: Model, store: DecodedCache | ImageFiles, blocks: Sequence[str], classes: Sequence[int]
) -> str:
    """What a file of maps depends on, as one hash."""
    about = {"images": store.names, "blocks": list(blocks), "classes": list(classes), "model": teacher.name}
    return digest(teacher.network.state_dict(), {"sge.about": about})


def write_maps(
    path: Path,
    teacher: Model,
    store: DecodedCache | ImageFiles,
    blocks: Sequence[str],
    classes: Sequence[int],
    progress: Progress | None = None,
) -> None:
    """Runs the teacher over whole images, at its own size.

    Args:
        path: Where to; ``path.json`` beside it is the index, written last.
        teacher: With SGE in it, and a linear classifier on averaged features.
        store: The images.
        blocks: Whose similarity is kept.
        classes: The teacher's number of each class that the student learns.
        progress: Called with the number of images so far.

    Raises:
        ChoiceError: a teacher of another form.
        UnknownBlockError: a block that the teacher has not.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    index_path = path.with_name(path.name + ".json")
    index_path.unlink(missing_ok=True)
    order: list[tuple[int, list[tuple[int, int]]] | None] = [None] * len(store)
    groups: dict[str, int] = {}
    temperature = teacher.preprocess.whole_temperature
    done = 0
    with path.open("wb") as file:
        for framed in of_one_shape(_framed(teacher, store), lambda one: one[1].shape, BATCH):
            numbers, images = zip(*framed, strict=True)
            batch = normalised(torch.stack(images), teacher.preprocess)
            logits, similarity = _look(teacher.network, batch, blocks, classes)
            groups = {name: maps.shape[1] for name, maps in similarity.items()}
            shapes = [tuple(maps.shape[2:]) for maps in (logits, *similarity.values())]
            for row, number in enumerate(numbers):
                order[number] = (file.tell(), shapes)  # type: ignore[assignment]
                file.write((logits[row] / temperature).half().numpy().tobytes())
                for maps in similarity.values():
                    steps = (maps[row] / QUANTUM).round().clamp(-128, 127)
                    file.write(steps.to(torch.int8).numpy().tobytes())
            done += len(numbers)
            if progress is not None:
                progress(done)
    index = {
        "key": maps_key(teacher, store, blocks, classes),
        "blocks": groups,
        "classes": len(classes),
        "images": order,
    }
    write_atomically(index_path, json.dumps(index).encode())


def _framed(teacher: Model, store: DecodedCache | ImageFiles) -> Iterator[tuple[int, Tensor]]:
    """Each image's number and pixels (3, h, w), resized as ``whole`` does."""
    shorter = input_size(teacher.preprocess, "whole")
    mode = teacher.preprocess.interpolation
    for i in range(len(store)):
        image = store[i]
        width, height = whole_size((image.shape[2], image.shape[1]), shorter)
        resized = F.interpolate(image[None].float(), (height, width), mode=mode, antialias=True)
        yield i, resized.clamp(0, 255)[0]


def _look(
    network: nn.Module, batch: Tensor, blocks: Sequence[str], classes: Sequence[int]
) -> tuple[Tensor, dict[str, Tensor]]:
    pool, linear = _head(network)
    features: list[Tensor] = []
    handle = pool.register_forward_pre_hook(lambda _m, inputs: features.append(inputs[0]))
    try:
        with eval_mode(network), torch.inference_mode(), MaskCapture(network, blocks=list(blocks)) as seen:
            network(batch)
    finally:
        handle.remove()
    wanted = torch.tensor(classes)
    weight, bias = linear.weight[wanted].detach(), linear.bias[wanted].detach()
    logits = F.conv2d(features[0].float(), weight[:, :, None, None], bias)
    return logits, {name: seen.similarity[name].float() for name in blocks}


def _head(network: nn.Module) -> tuple[nn.Module, nn.Linear]:
    pool = getattr(network, "global_pool", getattr(network, "avgpool", None))
    linear = getattr(network, "classifier", getattr(network, "fc", None))
    if not isinstance(pool, nn.Module) or not isinstance(linear, nn.Linear):
        raise ChoiceError(
            f"{type(network).__name__} does not average its features before one linear layer, so it has no logits "
            "at places. Use it as a teacher of whole crops: leave out the dense blocks."
        )
    return pool, linear
