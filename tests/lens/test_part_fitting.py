"""Fitting on a small network whose groups respond to colors."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import sge
from sge.errors import FinderError
from sge.images.framing import Preprocess
from sge.lens.part_fitting import Example, analyze_examples
from sge.models.model import Card, Model
from sge.parts.evaluate import evaluate_parts, few_shot_hit_rate
from sge.parts.labels import LabelledImage

SIZE = (128, 96)


class Colors(nn.Module):
    """Four groups at stride 16: red, green, blue, gray, each responding to the amount of its color."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(16)
        self.color = nn.Conv2d(3, 4, 1)
        self.sge = sge.SpatialGroupEnhance(4, 4)
        with torch.no_grad():
            self.color.weight.copy_(
                torch.cat([2 * torch.eye(3) - 1, torch.full((1, 3), 0.3)]).view(4, 3, 1, 1)
            )
            self.color.bias.fill_(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.sge(self.color(self.pool(x))).mean((2, 3))


@pytest.fixture(scope="module")
def lens():
    preprocess = Preprocess(mean=(0, 0, 0), std=(1, 1, 1), resize=96, size=96)
    return sge.Lens(Model("colors", Colors(), list("rgbk"), Card("C", "C."), preprocess, "none"), "cpu")


def image(seed, *, nose=True):
    """Noise with a red square (the nose) and a green one; (image, center of the red one)."""
    rs = np.random.RandomState(seed)
    pixels = rs.randint(90, 110, (SIZE[1], SIZE[0], 3)).astype(np.uint8)
    cells = rs.permutation(8 * 6)[:2]
    centers = [(16 * (cell % 8) + 8, 16 * (cell // 8) + 8) for cell in cells]
    for (x, y), color in zip(centers, ((230, 20, 20), (20, 230, 20)), strict=True):
        if color[0] == 20 or nose:
            pixels[y - 8 : y + 8, x - 8 : x + 8] = color
    return Image.fromarray(pixels), centers[0]


def examples(seeds, **points):
    made = ((image(seed), seed) for seed in seeds)
    return [
        sge.Example(image, {"nose": [center], **points}, f"image {seed}") for (image, center), seed in made
    ]


def negatives(seeds):
    return [sge.Example(image(seed, nose=False)[0], {"nose": []}) for seed in seeds]


def test_no_examples(lens):
    with pytest.raises(FinderError, match="no example"):
        sge.fit_parts(lens, [])
    with pytest.raises(FinderError, match="no example"):
        sge.fit_parts(lens, negatives([1]))


def test_an_unknown_part(lens):
    with pytest.raises(FinderError, match="no part 'tail'; label nose or eye"):
        sge.fit_parts(lens, examples([1], tail=[(3, 3)]))


@pytest.mark.parametrize("point", [(-1, 5), (129, 5), (5, 97), (float("nan"), 5), (5, float("inf"))])
def test_a_point_outside_its_image(lens, point):
    with pytest.raises(FinderError, match=re.escape("lies outside the image, which has 128 x 96 pixels")):
        sge.fit_parts(lens, [sge.Example(image(1)[0], {"nose": [point]})])


def test_a_broken_image(lens):
    with pytest.raises(sge.SGEError):
        sge.fit_parts(lens, [sge.Example(b"not an image", {"nose": [(1, 1)]})])


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 6])
def test_a_few_images_are_enough(lens, count):
    finder = sge.fit_parts(lens, examples(range(count)))
    assert set(finder.readouts) == {"nose"}
    assert finder.readouts["nose"].terms[0].group == 0
    for seed in range(100, 110):
        shown, (x, y) = image(seed)
        (part, *_) = sge.find_parts(lens.analyze(shown), finder)
        assert np.hypot(part.x - x, part.y - y) < 8


@pytest.mark.slow
def test_weights_are_positive_and_sum_to_one(lens):
    readout = sge.fit_parts(lens, examples(range(6))).readouts["nose"]
    assert all(term.weight > 0 for term in readout.terms)
    assert sum(term.weight for term in readout.terms) == pytest.approx(1)
    assert readout.scale > 0


@pytest.mark.slow
def test_a_finder_survives_its_file_and_finds_the_same(lens, tmp_path):
    finder = sge.fit_parts(lens, examples(range(4)), fitted_on="four squares")
    finder.save(tmp_path / "a.json")
    again = sge.Finder.load(tmp_path / "a.json")
    assert again == finder
    assert again.fitted_on == "four squares"


@pytest.mark.slow
def test_a_model_with_a_finder_fills_its_analyses(lens):
    shown = image(7)[0]
    assert lens.analyze(shown).part_maps == {}
    finder = sge.fit_parts(lens, examples(range(4)))
    try:
        lens.model.finder = finder
        seen = lens.analyze(shown)
    finally:
        lens.model.finder = None
    assert seen.parts == sge.find_parts(seen, finder)
    assert seen.parts[0].name == "nose"
    assert set(seen.part_maps) == {"nose"}


@pytest.mark.slow
def test_cross_validation_holds_images_out(lens):
    maps = analyze_examples(lens, [*examples(range(10)), *negatives(range(20, 30))])
    unsure = [i == 0 for i in range(20)]
    every, sure = evaluate_parts(maps, unsure)
    assert (every.shown, every.absent, sure.shown) == (10, 10, 9)
    assert every.hits["0.1"].value == 1
    assert every.auc is not None
    assert few_shot_hit_rate(maps, 3, draws=2)["nose"]["0.1"] == 1


def test_an_example_of_a_labelled_image(lens, tmp_path):
    shown, center = image(3)
    shown.save(tmp_path / "a.png")
    example = Example.from_label(LabelledImage(tmp_path / "a.png", {"nose": [center]}))
    assert example.name == "a.png"
    (maps,) = analyze_examples(lens, [example])
    assert maps.points == {"nose": [center]}
    assert maps.grid == (6, 8)
    assert maps.features.shape == (4, 48)
