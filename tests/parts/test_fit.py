"""Fitting on a small network whose groups answer to colours."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import sge
from sge.errors import FinderError
from sge.images.framing import Preprocess
from sge.models.model import Card, Model
from sge.parts.evaluate import evaluate_parts, few_shot_hit_rate, rate
from sge.parts.labels import read_labels
from sge.parts.objective import solve, target

SIZE = (128, 96)


class Colours(nn.Module):
    """Four groups at stride 16: red, green, blue, grey, each the higher the more of it is there."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(16)
        self.mix = nn.Conv2d(3, 4, 1)
        self.sge = sge.SpatialGroupEnhance(4, 4)
        with torch.no_grad():
            self.mix.weight.copy_(torch.cat([2 * torch.eye(3) - 1, torch.full((1, 3), 0.3)]).view(4, 3, 1, 1))
            self.mix.bias.fill_(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.sge(self.mix(self.pool(x))).mean((2, 3))


@pytest.fixture(scope="module")
def lens():
    preprocess = Preprocess(mean=(0, 0, 0), std=(1, 1, 1), resize=96, size=96)
    return sge.Lens(Model("colours", Colours(), list("rgbk"), Card("C", "C."), preprocess, "none"), "cpu")


def image(seed, *, nose=True):
    """Noise with a red square (the nose) and a green one; (image, place of the red one)."""
    rs = np.random.RandomState(seed)
    pixels = rs.randint(90, 110, (SIZE[1], SIZE[0], 3)).astype(np.uint8)
    cells = rs.permutation(8 * 6)[:2]
    places = [(16 * (cell % 8) + 8, 16 * (cell // 8) + 8) for cell in cells]
    for (x, y), colour in zip(places, ((230, 20, 20), (20, 230, 20)), strict=True):
        if colour[0] == 20 or nose:
            pixels[y - 8 : y + 8, x - 8 : x + 8] = colour
    return Image.fromarray(pixels), places[0]


def examples(seeds, **points):
    made = ((image(seed), seed) for seed in seeds)
    return [sge.Example(image, {"nose": [place], **points}, f"image {seed}") for (image, place), seed in made]


def nothing(seeds):
    return [sge.Example(image(seed, nose=False)[0], {"nose": []}) for seed in seeds]


def test_no_examples(lens):
    with pytest.raises(FinderError, match="no example"):
        sge.fit_parts(lens, [])
    with pytest.raises(FinderError, match="no example"):
        sge.fit_parts(lens, nothing([1]))


def test_an_unknown_part(lens):
    with pytest.raises(FinderError, match="no part 'tail'; label nose or eye"):
        sge.fit_parts(lens, examples([1], tail=[(3, 3)]))


@pytest.mark.parametrize("point", [(-1, 5), (129, 5), (5, 97), (float("nan"), 5), (5, float("inf"))])
def test_a_point_outside_its_image(lens, point):
    with pytest.raises(FinderError, match=re.escape("lies outside the image, which has 128 x 96 pixels")):
        sge.fit_parts(lens, [sge.Example(image(1)[0], {"nose": [point]})])


def test_a_broken_image(lens):
    with pytest.raises(sge.SGEError):
        sge.fit_parts(lens, [sge.Example(b"no image", {"nose": [(1, 1)]})])


@pytest.mark.parametrize("count", [1, 2, 6])
def test_a_few_images_are_enough(lens, count):
    finder = sge.fit_parts(lens, examples(range(count)))
    assert set(finder.readouts) == {"nose"}
    assert finder.readouts["nose"].terms[0].group == 0
    for seed in range(100, 110):
        shown, (x, y) = image(seed)
        (part, *_) = sge.find_parts(lens.analyze(shown), finder)
        assert np.hypot(part.x - x, part.y - y) < 8


def test_weights_are_shares(lens):
    mix = sge.fit_parts(lens, examples(range(6))).readouts["nose"]
    assert all(share.weight > 0 for share in mix.terms)
    assert sum(share.weight for share in mix.terms) == pytest.approx(1)
    assert mix.scale > 0


def test_a_finder_survives_its_file_and_finds_the_same(lens, tmp_path):
    finder = sge.fit_parts(lens, examples(range(4)), fitted_on="four squares")
    finder.save(tmp_path / "a.json")
    again = sge.Finder.load(tmp_path / "a.json")
    assert again == finder
    assert again.fitted_on == "four squares"


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


def test_measuring_holds_images_out(lens):
    from sge.parts.fit import see

    sights = see(lens, [*examples(range(10)), *nothing(range(20, 30))])
    unsure = [i == 0 for i in range(20)]
    every, sure = evaluate_parts(sights, unsure)
    assert (every.shown, every.absent, sure.shown) == (10, 10, 9)
    assert every.hits["0.1"].value == 1
    assert every.auc is not None
    assert few_shot_hit_rate(sights, 3, draws=2)["nose"]["0.1"] == 1


def test_an_interval_is_around_its_value():
    some = rate(np.array([True] * 30 + [False] * 10))
    assert some.low < 0.75 == some.value < some.high
    assert rate(np.ones(5, bool)).low == 1


def test_the_problem_picks_the_group_that_tells():
    rs = np.random.RandomState(0)
    truth = [rs.randint(40) for _ in range(8)]
    features = [rs.standard_normal((6, 40)).astype(np.float32) for _ in truth]
    for one, place in zip(features, truth, strict=True):
        one[4, place] = 4
    targets = [np.eye(40, dtype=np.float32)[place] for place in truth]
    weights = solve(features, targets)
    assert weights.argmax() == 4
    assert (weights >= 0).all()
    assert not solve(features, targets, price=100.0).any()


def test_targets_sum_to_one_even_beside_the_grid():
    for points in ([[5.0, 5.0]], [[0.0, 0.0], [100.0, 50.0]]):
        goal = target((3, 4), np.array(points), (100.0, 50.0))
        assert goal.sum() == pytest.approx(1)
    assert target((5, 10), np.array([[95.0, 5.0]]), (100.0, 50.0)).argmax() == 9


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"images": 3}',
        '{"images": [{"nose": [1, 2]}]}',
        '{"images": [{"file": "a.png", "nose": [1]}]}',
        '{"images": [{"file": "a.png", "nose": [1, NaN]}]}',
        '{"images": [{"file": "a.png", "nose": "ab"}]}',
    ],
)
def test_files_that_are_no_labels(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(FinderError, match="is no labels file"):
        read_labels(tmp_path / "a.json")


def test_labels_of_images_that_are_not_there(tmp_path):
    (tmp_path / "a.json").write_text('{"images": [{"file": "a.png", "nose": [1, 2]}]}')
    with pytest.raises(FinderError, match=r"not in .*: a\.png"):
        read_labels(tmp_path / "a.json")
    with pytest.raises(FinderError, match="cannot be read"):
        read_labels(tmp_path / "b.json")


def test_null_is_not_there_and_no_key_was_not_looked_for(tmp_path):
    image(1)[0].save(tmp_path / "a.png")
    entry = {"file": "a.png", "left_eye": None, "right_eye": [3, 4], "unsure": True}
    (tmp_path / "a.json").write_text(json.dumps({"images": [entry, entry | {"nose": None}]}))
    first, second = read_labels(tmp_path / "a.json")
    assert first.example.points == {"eye": [(3, 4)]}
    assert second.example.points == {"nose": [], "eye": [(3, 4)]}
    assert first.unsure
