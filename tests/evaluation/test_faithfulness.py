"""Faithfulness over a set: sets and boxes that cannot be measured, then a network whose answers are known."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from sge.errors import BrokenImageError, CaptureError, ChoiceError, DataError, UnknownBlockError
from sge.evaluation.faithfulness import measure_faithfulness
from sge.evaluation.image_figures import Protocol
from sge.images.framing import Preprocess
from sge.images.geometry import Box
from sge.models.model import Card, Model
from sge.nn.module import SpatialGroupEnhance
from tests.drawn_images import encoded

SIDE, SPOT = 64, 8
SMALL = Protocol(steps=4, randomized=0)


class Spot(nn.Module):
    """Class 0 is the brightness of the brightest cell. SGE's masks are open where the image is bright."""

    def __init__(self, active: bool = True, sharp: float = 2.0) -> None:
        super().__init__()
        self.sharp = sharp
        self.pool = nn.AvgPool2d(8)
        self.block = nn.Module()
        self.block.sge = SpatialGroupEnhance(3, 3)
        if active:
            nn.init.constant_(self.block.sge.weight, 2.0)
        self.inputs = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.inputs += len(x)
        bright = self.block.sge(self.pool(x).relu()).amax((2, 3)).sum(1)
        return torch.stack([self.sharp * (bright - 6), torch.zeros_like(bright)], 1)


def spot_model(network: nn.Module | None = None) -> Model:
    card = Card("Spot", "Finds a bright spot.")
    preprocess = Preprocess((0.2, 0.2, 0.2), (0.25, 0.25, 0.25), SIDE, SIDE)
    return Model("spot", network or Spot(), ["bright", "dark"], card, preprocess)


def spot_image(x: int, y: int) -> bytes:
    image = Image.new("RGB", (SIDE, SIDE), (50, 50, 50))
    image.paste((255, 255, 255), (x, y, x + SPOT, y + SPOT))
    return encoded(image)


SPOTS = [(8, 8), (48, 8), (8, 48), (48, 48), (24, 40), (40, 24)]


@pytest.fixture
def spots(tmp_path):
    folder = tmp_path / "spots"
    (folder / "any").mkdir(parents=True)
    for number, spot in enumerate(SPOTS):
        (folder / "any" / f"{number}.png").write_bytes(spot_image(*spot))
    return folder


@pytest.fixture
def boxes():
    return {f"any/{n}.png": Box(x, y, x + SPOT, y + SPOT) for n, (x, y) in enumerate(SPOTS)}


def by_name(result):
    return {row.name: row for row in result.methods}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"protocol": Protocol(steps=1)}, "steps is 1"),
        ({"protocol": Protocol(steps=None)}, "only the pointing game is left"),
        ({"protocol": Protocol(framing="left")}, "framing"),
        ({"protocol": Protocol(size=8)}, "size"),
        ({"limit": 0}, "limit is 0"),
        ({"batch": 0}, "batch is 0"),
        ({"protocol": Protocol(seed=-1)}, "seed is -1"),
        ({"protocol": Protocol(randomized=-1)}, "randomized is -1"),
    ],
)
def test_settings_out_of_range(spots, options, message):
    with pytest.raises(ChoiceError, match=message):
        measure_faithfulness(spot_model(), spots, **options)


def test_images_of_two_sources_that_have_the_same_name_are_refused(spots, tmp_path):
    """Each would be counted for the other."""
    other = tmp_path / "other" / "spots"
    shutil.copytree(spots, other)
    with pytest.raises(DataError, match="Two of the sources have the same name"):
        measure_faithfulness(spot_model(), [spots, other], SMALL)
    assert measure_faithfulness(spot_model(), tmp_path, SMALL).images == 12


def test_a_log_of_other_weights_is_refused(spots, tmp_path):
    network, log = Spot(), tmp_path / "log.jsonl"
    model = Model("mine", network, ["bright", "dark"], preprocess=Preprocess(size=SIDE, resize=SIDE))
    first = measure_faithfulness(model, spots, SMALL, log=log)
    assert measure_faithfulness(model, spots, SMALL, log=log) == first
    with torch.no_grad():
        network.block.sge.weight += 1
    with pytest.raises(DataError, match="another model"):
        measure_faithfulness(model, spots, SMALL, log=log)


def test_networks_and_blocks_that_cannot_be_measured(spots):
    with pytest.raises(CaptureError, match="has no SGE"):
        measure_faithfulness(spot_model(nn.Conv2d(3, 2, 1)), spots)
    with pytest.raises(UnknownBlockError, match="there are: block"):
        measure_faithfulness(spot_model(), spots, Protocol("layer4"))


def test_sets_without_images(tmp_path, spots):
    for source in (tmp_path / "gone", []):
        with pytest.raises(DataError):
            measure_faithfulness(spot_model(), source, SMALL)
    with pytest.raises(DataError, match="contains 'x'"):
        measure_faithfulness(spot_model(), spots, SMALL, only="x")


def test_no_image_has_a_box(spots):
    with pytest.raises(DataError, match=r"None of the 6 images has a box.*any/0\.png"):
        measure_faithfulness(spot_model(), spots, SMALL, {"0.png": Box(0, 0, 1, 1)})


def test_a_box_outside_its_image(spots, boxes):
    boxes["any/3.png"] = Box(64, 0, 80, 10)
    with pytest.raises(DataError, match=r"any/3\.png.*outside the image of 64 x 64"):
        measure_faithfulness(spot_model(), spots, SMALL, boxes)


def test_broken_images(spots):
    (spots / "any" / "7.png").write_bytes(spot_image(0, 0)[:60])
    with pytest.raises(BrokenImageError, match=r"7\.png"):
        measure_faithfulness(spot_model(), spots, SMALL)
    with pytest.raises(DataError, match="None of the 1 images can be read"):
        measure_faithfulness(spot_model(), spots, SMALL, only="7", skip_broken=True)
    result = measure_faithfulness(spot_model(), spots, replace(SMALL, randomized=7), skip_broken=True)
    assert (result.images, result.skipped) == (6, 1)
    assert next(iter(result.broken)).endswith("7.png")


def test_logits_that_are_not_finite(spots):
    with pytest.raises(ChoiceError, match="not finite"):
        measure_faithfulness(spot_model(Spot(sharp=float("nan"))), spots, SMALL)


def test_one_image_has_values_without_intervals(spots, boxes):
    result = measure_faithfulness(spot_model(), spots, SMALL, boxes, limit=1)
    row = by_name(result)["mask"]
    assert (result.images, row.images, row.insertion.low, row.pointing.high) == (1, 1, None, None)


def test_maps_that_find_the_spot_are_better_than_a_random_map(spots, boxes):
    result = measure_faithfulness(spot_model(), spots, SMALL, boxes)
    rows = by_name(result)
    assert result.block == "block"
    for name in ("mask", "similarity", "effect_mask", "effect_similarity", "grad_cam"):
        # The spot is 1/64 of the image: the first of four steps holds all of it.
        assert rows[name].pointing.value == 1
        assert rows[name].insertion.value > 0.85 * result.full.value
        assert rows[name].against_random["insertion"].low > 0
        assert rows[name].against_random["deletion"].high < 0
    assert result.full.value > 0.9
    assert result.empty.value < 0.1
    assert result.chance.value == pytest.approx(1 / 64)
    assert rows["grad_cam"].against_grad_cam == {}


def test_inactive_masks_rank_as_the_random_map(spots, boxes):
    rows = by_name(measure_faithfulness(spot_model(Spot(active=False)), spots, SMALL, boxes))
    for name in ("mask", "effect_mask"):
        assert rows[name].constant == 6
        assert rows[name].insertion == rows["random"].insertion
        assert rows[name].pointing == rows["random"].pointing
    assert rows["random"].constant == rows["similarity"].constant == 0
    assert rows["similarity"].pointing.value == 1


def test_images_without_a_box_and_boxes_that_the_crop_hides(spots, boxes):
    del boxes["any/1.png"]
    wide = Image.new("RGB", (3 * SIDE, SIDE), (50, 50, 50))
    (spots / "any" / "0.png").write_bytes(encoded(wide))
    result = measure_faithfulness(spot_model(), spots, SMALL, boxes)
    assert (result.without_box, by_name(result)["mask"].pointing.images, result.chance.images) == (2, 4, 4)


def test_the_pointing_game_alone_needs_no_curves(spots, boxes):
    network = Spot()
    result = measure_faithfulness(spot_model(network), spots, replace(SMALL, steps=None), boxes)
    row = by_name(result)["mask"]
    assert (row.insertion, row.deletion, row.drop, row.increase) == (None,) * 4
    assert row.pointing.value == 1
    assert network.inputs < 8 * 6


def test_a_seed_repeats_and_batches_change_nothing(spots, boxes):
    alone, *others = (
        measure_faithfulness(spot_model(), spots, SMALL, boxes, batch=batch) for batch in (1, 1, 5, 100)
    )
    assert others[0] == alone
    for other in others[1:]:
        for ours, theirs in zip(other.methods, alone.methods, strict=True):
            assert ours.insertion.value == pytest.approx(theirs.insertion.value, abs=1e-5)
    seeded = measure_faithfulness(spot_model(), spots, replace(SMALL, seed=1), boxes)
    assert by_name(seeded)["random"] != by_name(alone)["random"]


def test_random_weights_are_measured_on_the_first_images(spots, boxes):
    rows = by_name(measure_faithfulness(spot_model(), spots, replace(SMALL, randomized=2), boxes))
    assert rows["randomized_mask"].images == rows["randomized_mask"].insertion.images == 2
    assert rows["mask"].images == 6
    # This network has no weights but three equal gates, so that its copy gives the same maps.
    assert rows["randomized_mask"].pointing.value == 1


def test_an_interrupted_measurement_continues(spots, boxes, tmp_path):
    log = tmp_path / "log.jsonl"

    def interrupt(files):
        yield from files[:2]
        raise KeyboardInterrupt

    protocol = replace(SMALL, randomized=3)
    with pytest.raises(KeyboardInterrupt):
        measure_faithfulness(spot_model(), spots, protocol, boxes, log=log, track=interrupt)
    assert len(log.read_text().splitlines()) >= 2
    seen = []

    def rest(files):
        seen.extend(files)
        return files

    result = measure_faithfulness(spot_model(), spots, protocol, boxes, log=log, track=rest)
    assert len(seen) < 6
    whole = measure_faithfulness(spot_model(), spots, protocol, boxes)
    assert by_name(result)["randomized_mask"].images == 3
    for ours, theirs in zip(result.methods, whole.methods, strict=True):
        assert ours.insertion.value == pytest.approx(theirs.insertion.value, abs=1e-6)
    with pytest.raises(DataError, match="another model, set of boxes or setting"):
        measure_faithfulness(spot_model(), spots, replace(protocol, steps=5), boxes, log=log)
    assert np.isfinite(result.full.value)
