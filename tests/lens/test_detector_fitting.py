"""Detectors fitted with a small network whose groups and channels respond to colors."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import sge
from sge.errors import ChoiceError, FinderError
from sge.images.framing import Preprocess
from sge.lens.detector_fitting import exhaustive, find_everything, fit_detectors
from sge.lens.part_features import PartFeatures, default_channels
from sge.models.model import Card, Model
from sge.parts.detector import check_sizes
from sge.parts.finder import Finder
from sge.parts.labelled_faces import Face, FacesImage

SIZE = (192, 128)
SIZES, LOOKS_AT = (96, 128, 160), (128, 160)


class TwoBlocks(nn.Module):
    """SGE at stride 16 (red, green, blue, gray as channels of two groups) and at stride 32."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(16)
        self.color = nn.Conv2d(3, 4, 1)
        self.first = nn.Sequential()
        self.first.sge = sge.SpatialGroupEnhance(4, 2)
        self.down = nn.AvgPool2d(2)
        self.second = nn.Sequential()
        self.second.sge = sge.SpatialGroupEnhance(4, 4)
        with torch.no_grad():
            mixed = torch.tensor([[2.0, -1, -1], [0.1, 0.1, 0.1], [-1, 2, -1], [0.1, 0.1, 0.1]])
            self.color.weight.copy_(mixed.view(4, 3, 1, 1))
            self.color.bias.fill_(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first.sge(self.color(self.pool(x)))
        return self.second.sge(self.down(x)).mean((2, 3))


@pytest.fixture(scope="module")
def lens():
    preprocess = Preprocess(mean=(0, 0, 0), std=(1, 1, 1), resize=128, size=128)
    return sge.Lens(Model("colors", TwoBlocks(), list("rgbk"), Card("C", "C."), preprocess, "none"), "cpu")


def drawn(number, shown=True):
    """A red square (the nose) with two green ones above it."""
    rs = np.random.RandomState(number)
    pixels = rs.randint(60, 120, (SIZE[1], SIZE[0], 3)).astype(np.uint8)
    x, y = 16 * rs.randint(3, 9) + 8, 16 * rs.randint(4, 7) + 8
    points = {"nose": (x, y), "left_eye": (x - 24, y - 40), "right_eye": (x + 24, y - 40)}
    if not shown:
        return sge.decode(Image.fromarray(pixels)), ()
    for name, (u, v) in points.items():
        pixels[v - 8 : v + 8, u - 8 : u + 8] = (230, 20, 20) if name == "nose" else (20, 230, 20)
    face = Face({name: (float(u), float(v)) for name, (u, v) in points.items()}, 48.0)
    return sge.decode(Image.fromarray(pixels)), (face,)


def labelled(shown, empty):
    pixels, listed = {}, []
    for number in range(shown + empty):
        pixels[f"{number}.png"], faces = drawn(number, number < shown)
        listed.append(FacesImage(f"{number}.png", faces))
    return listed, lambda image: pixels[image.file]


def test_the_default_channels_are_those_around_the_change_of_stride():
    strides = {"a": 8, "b": 16, "c": 16, "d": 16, "e": 32, "f": 32, "g": 32}
    assert default_channels(strides) == ("c", "d", "e", "f")
    assert default_channels({"a": 16}) == ("a",)


def test_the_maps_are_the_similarity_and_the_standardized_channels(lens):
    image, _ = drawn(3)
    frame = lens.frame(image)
    features = PartFeatures(lens)
    assert (features.blocks, features.channels) == (("first", "second"), ("first", "second"))
    ((maps, geometry), (larger, _)) = features.of_frame(frame, (128, 160))
    assert geometry.input == SIZE
    similarity = lens.analyze(image).similarity["first"]
    assert maps["first"].groups == pytest.approx(similarity.clip(-1, 3), abs=1e-5)
    network = lens.network
    with torch.no_grad():
        channels = network.color(network.pool(torch.from_numpy(frame.array)[None]))[0].numpy()
    std = channels.std((1, 2), ddof=1, keepdims=True) + 1e-5
    expected = ((channels - channels.mean((1, 2), keepdims=True)) / std).clip(-1, 3)
    assert maps["first"].channels == pytest.approx(expected, abs=1e-3)
    assert larger["first"].groups.shape == (2, 10, 16)
    assert PartFeatures(lens, ()).channels == ()


@pytest.mark.parametrize("fixed", [(128, 128), (128, 160)])
def test_a_network_of_one_size_is_fitted_at_that_one(fixed):
    preprocess = Preprocess(mean=(0, 0, 0), std=(1, 1, 1), resize=128, size=128, fixed=fixed)
    lens = sge.Lens(Model("colors", TwoBlocks(), list("rgbk"), Card("C", "C."), preprocess, "none"), "cpu")
    shapes = set()
    hook = lens.network.register_forward_pre_hook(lambda _, inputs: shapes.add(tuple(inputs[0].shape[2:])))
    try:
        frame = lens.frame(drawn(0)[0])
        ((maps, geometry),) = PartFeatures(lens).of_frame(frame, (min(fixed),))
    finally:
        hook.remove()
    assert shapes == {fixed}
    assert (geometry.input, geometry.window) == (fixed[::-1], frame.geometry.window)
    assert maps["first"].groups.shape[1:] == (fixed[0] // 16, fixed[1] // 16)


@pytest.mark.parametrize(
    "choice",
    [
        {"looks_at": ()},
        {"looks_at": (64, 96, 128, 160, 192, 224)},
        {"looks_at": (16,)},
        {"looks_at": (128.5,)},
        {"looks_at": ("128",)},
        {"sizes": ()},
        {"sizes": (128, 4096)},
    ],
)
def test_sizes_at_which_no_detector_looks_are_refused_before_the_fit(lens, choice):
    listed, open_image = labelled(4, 2)
    with pytest.raises(FinderError, match="cannot look at the sizes"):
        fit_detectors(lens, listed, open_image, **choice)
    with pytest.raises(ChoiceError, match="by is 'best'"):
        fit_detectors(lens, listed, open_image, by=("best",))


def test_sizes_may_have_any_order():
    assert check_sizes([416, 192, 192]) == (192, 416)


def test_a_block_that_is_not_there(lens):
    with pytest.raises(FinderError, match="Channels of third cannot be read; there are first, second"):
        PartFeatures(lens, ["third"])


def test_points_outside_of_their_image_are_refused(lens):
    """As those of a photo that is stored on its side, in pixels of the stored image."""
    listed, open_image = labelled(8, 4)
    points = listed[5].faces[0].points | {"nose": (SIZE[0] + 1.0, 20.0)}
    listed[5] = FacesImage("5.png", (Face(points, 48.0),))
    message = re.escape("5.png: the nose at (193, 20) lies outside the image, which has 192 x 128 pixels")
    with pytest.raises(FinderError, match=message):
        fit_detectors(lens, listed, open_image, looks_at=LOOKS_AT, sizes=SIZES)
    measured = sge.Lens(lens.model, "cpu")
    with pytest.raises(FinderError, match=message):
        find_everything(measured, listed[5], open_image(listed[5]), "readouts")


def test_held_images_are_refused(lens):
    listed, open_image = labelled(4, 2)
    held = [FacesImage(image.file, image.faces, held=True) for image in listed[:1]] + listed[1:]
    with pytest.raises(FinderError, match="held back for measuring"):
        fit_detectors(lens, held, open_image)


@pytest.mark.slow
def test_fitted_detectors_find_the_parts_as_a_user_finds_them(lens, tmp_path):
    listed, open_image = labelled(12, 6)
    fitted = fit_detectors(lens, listed, open_image, looks_at=LOOKS_AT, sizes=SIZES)
    assert set(fitted.detectors) == set(fitted.held_out) == {"mix", "groups"}
    finder = Finder({}, lens.model.permutations, detectors=fitted.detectors)
    finder.save(tmp_path / "a.parts.json")
    finder = Finder.load(tmp_path / "a.parts.json")
    try:
        lens.model.finder = exhaustive(finder, "mix")
        for number in range(50, 55):
            image, faces = drawn(number)
            found = find_everything(lens, FacesImage("a.png", faces), image, "mix")
            for part in ("nose", "eye"):
                near = found.points(part, faces) - [found.found[part][0].x, found.found[part][0].y]
                assert np.hypot(*near.T).min() < 0.08
    finally:
        lens.model.finder = None


def test_a_finder_without_what_is_asked_for():
    with pytest.raises(FinderError, match="has no groups"):
        exhaustive(Finder({}, "none"), "groups")
