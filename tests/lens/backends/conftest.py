"""Lenses on exported files beside the lenses of the same networks in torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from PIL import Image
from torch import nn

from sge.images import Frame
from sge.lens import Lens
from sge.lens.backends.base import EXPORTED
from sge.models import ExportedModel, export_onnx
from sge.nn.attention import BottleneckAttention, ConvolutionalBlockAttention
from sge.parts.finder import Finder, GroupWeight, Readout
from tests.drawn_images import noise
from tests.lens.networks import CLASSES, Concat, Residual, lens_of, resnet


def attended(attention: nn.Module) -> nn.Module:
    """A network with one attention module that has a single map."""
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, 4, 1),
        nn.Sequential(nn.Conv2d(32, 32, 3, 2, 1), nn.ReLU(), attention),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, CLASSES),
    )


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "residual": Residual,
    "concat": Concat,
    "resnet": resnet,
    "cbam": lambda: attended(ConvolutionalBlockAttention(32)),
    "bam": lambda: attended(BottleneckAttention(32)),
}
Pairs = Callable[[str], tuple[Lens, Lens]]
"""Name of a network to a lens in torch, and one on the exported file."""
ExportOf = Callable[[str], tuple[Lens, ExportedModel]]
"""Name of a network to a lens in torch, and the exported file."""


@pytest.fixture(scope="package", params=EXPORTED)
def backend(request: pytest.FixtureRequest) -> str:
    """Each backend that runs exported files."""
    pytest.importorskip(request.param)
    return str(request.param)


@pytest.fixture(scope="package")
def export_of(tmp_path_factory: pytest.TempPathFactory) -> ExportOf:
    folder = tmp_path_factory.mktemp("exported")

    @cache
    def export(name: str) -> tuple[Lens, ExportedModel]:
        lens = lens_of(NETWORKS[name]())
        if name == "residual":
            terms = (GroupWeight("second", 1, 0.5), GroupWeight("first", 2, 0.5))
            readout = Readout(terms, 2.0, 1.0, 0.3)
            lens.model.finder = Finder({"nose": readout}, lens.model.permutations)
        return lens, export_onnx(lens.model, folder / f"{name}.onnx")

    return export


@pytest.fixture(scope="package")
def pair_of(export_of: ExportOf, backend: str) -> Pairs:
    @cache
    def pair(name: str) -> tuple[Lens, Lens]:
        lens, exported = export_of(name)
        return lens, Lens(exported, backend=backend, threads=1)

    return pair


@pytest.fixture(scope="package")
def exported(pair_of: Pairs) -> Lens:
    return pair_of("residual")[1]


def smooth_frames(lens: Lens, rows: int, seed: int, width: int = 96, height: int = 96) -> list[Frame]:
    """Random images without sharp edges as frames, as photographs are."""
    random = np.random.default_rng(seed)
    frame = lens.frame(noise(96, 96))
    made = []
    for _ in range(rows):
        cells = Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8))
        pixels = np.asarray(cells.resize((width, height), Image.Resampling.BICUBIC), np.float32)
        array = np.ascontiguousarray((pixels.transpose(2, 0, 1) / 255 - 0.45) / 0.23)
        made.append(replace(frame, array=array))
    return made
