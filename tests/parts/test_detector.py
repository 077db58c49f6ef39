"""Detectors in finder files, also hostile ones."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sge.errors import FinderError
from sge.images import Box, Geometry
from sge.nn.permutation.permute import IDENTITY_PERMUTATION
from sge.parts import (
    BlockReadout,
    Calibration,
    Detector,
    Finder,
    Pair,
    PartLogits,
    block_logits,
    combined,
    detect,
)
from sge.parts.json_values import MAX_NUMBER
from tests.parts.made_detectors import made_detector

FINDER = Finder({}, IDENTITY_PERMUTATION, "made up", detectors={"mix": made_detector(channels=True)})


def test_what_is_saved_comes_back_with_weights_of_four_digits(tmp_path):
    finder = Finder(
        {},
        IDENTITY_PERMUTATION,
        detectors={"mix": made_detector(channels=True), "groups": made_detector(channels=False)},
    )
    finder.save(tmp_path / "a.parts.json")
    read = Finder.load(tmp_path / "a.parts.json")
    assert read.detectors.keys() == finder.detectors.keys()
    for by, detector in finder.detectors.items():
        for one, other in zip(detector.blocks, read.detectors[by].blocks, strict=True):
            np.testing.assert_allclose(one.groups, other.groups, rtol=5e-4)
            assert other.groups.dtype == np.float32
    read.save(tmp_path / "b.parts.json")
    assert Finder.load(tmp_path / "b.parts.json") == read
    assert (tmp_path / "a.parts.json").read_bytes() == (tmp_path / "b.parts.json").read_bytes()


def test_a_detector_takes_one_line_of_its_file(tmp_path):
    FINDER.save(tmp_path / "a.parts.json")
    text = (tmp_path / "a.parts.json").read_text()
    assert len(text.splitlines()) < 20
    assert json.loads(text) == FINDER.to_record()


def test_a_finder_finds_the_parts_of_its_detectors():
    assert FINDER.parts == ("nose", "eye")
    assert FINDER.nothing_found == "No nose or eyes found."


def test_the_source_tells_whether_channels_are_read():
    assert made_detector(channels=True).source == "groups and channels"
    assert made_detector(channels=False).source == "groups"


def test_another_network_is_refused():
    detector = made_detector(channels=True)
    groups = {one.block: one.groups.shape[1] for one in detector.blocks if one.groups is not None}
    channels = {one.block: one.channels.shape[1] for one in detector.blocks if one.channels is not None}
    detector.check(groups)
    detector.check(groups, channels)
    for name in groups:
        with pytest.raises(FinderError, match=f"groups of {name}"):
            detector.check(groups | {name: 3})
    for name in channels:
        with pytest.raises(FinderError, match=f"channels of {name}"):
            detector.check(groups, channels | {name: 3})


def _in(*path):
    """Sets a value deep in the record of the detector."""

    def change(record, value):
        at = record["detectors"]["mix"]
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = value

    return change


HOSTILE = {
    "detectors that are a list": (lambda r, v: r.update(detectors=v), [1]),
    "an unknown kind": (lambda r, v: r["detectors"].update(v), {"best": made_detector().to_record()}),
    "no detector": (lambda r, v: r.update(detectors=v), {}),
    "a detector that is a text": (lambda r, v: r["detectors"].update(mix=v), "x"),
    "no parts": (_in("parts"), []),
    "an unknown part": (_in("parts"), ["nose", "tail"]),
    "a part twice": (_in("parts"), ["nose", "nose"]),
    "parts that are numbers": (_in("parts"), [1, 2]),
    "parts that are lists": (_in("parts"), [[], []]),
    "parts that are the keys of an object": (_in("parts"), {"nose": 1, "eye": 2}),
    "no sizes": (_in("sizes"), []),
    "sizes that descend": (_in("sizes"), [416, 256]),
    "a size twice": (_in("sizes"), [256, 256]),
    "a size of zero": (_in("sizes"), [0]),
    "a size that is huge": (_in("sizes"), [10**6]),
    "a size that is true": (_in("sizes"), [True]),
    "a size and a half": (_in("sizes"), [256.5]),
    "many sizes": (_in("sizes"), list(range(64, 1024, 32))),
    "no blocks": (_in("blocks"), []),
    "a million blocks": (_in("blocks"), [{}] * 1_000_000),
    "a block twice": (_in("blocks", 1, "block"), "layer1.0"),
    "a block without a name": (_in("blocks", 0, "block"), None),
    "a block with nothing to read": (_in("blocks", 0), {"block": "x", "groups": None, "channels": None}),
    "weights of one part": (_in("blocks", 0, "groups"), [[1.0]]),
    "rows of different lengths": (_in("blocks", 0, "groups"), [[1.0], [1.0, 2.0]]),
    "rows that are empty": (_in("blocks", 0, "groups"), [[], []]),
    "weights that are texts": (_in("blocks", 0, "groups"), [["1"], ["2"]]),
    "weights that are deeper lists": (_in("blocks", 0, "groups"), [[[1.0]], [[1.0]]]),
    "weights that are not a number": (_in("blocks", 0, "groups"), [[float("nan")], [1.0]]),
    "weights that are infinite": (_in("blocks", 0, "groups"), [[float("inf")], [1.0]]),
    "weights whose sum overflows": (_in("blocks", 0, "groups"), [[1e38] * 8, [1.0] * 8]),
    "weights beyond single precision": (_in("blocks", 0, "groups"), [[1e300], [1.0]]),
    "whole numbers beyond double precision": (_in("blocks", 0, "groups"), [[10**400], [1]]),
    "one bias": (_in("bias"), [0.0]),
    "a bias that is null": (_in("bias"), [None, 0.0]),
    "a bias beyond single precision": (_in("bias"), [1e300, 0.0]),
    "a slope beyond single precision": (_in("calibration", "nose", "alone"), [1e300, 0.0]),
    "an intercept that overflows": (_in("calibration", "nose", "intercept"), 1e308),
    "an offset whose square overflows": (_in("pairs", "nose-eye", "mean"), [1e200, 0.0]),
    "a correlation of 1 but for rounding": (
        _in("pairs", "nose-eye", "covariance"),
        [[1e6, 1e6], [1e6, 1e6 + 1e-4]],
    ),
    "figures that are an object": (lambda r, v: r.update(measured=v), {"by": "mix"}),
    "figures that are texts": (lambda r, v: r.update(measured=v), ["good"]),
    "groups alone that read channels": (
        lambda r, v: r["detectors"].update(groups=v),
        made_detector(channels=True).to_record(),
    ),
    "no calibration of a part": (_in("calibration"), {"nose": {}}),
    "a confidence that falls": (_in("calibration", "nose", "weights"), [-1.0, 0.0, 0.0]),
    "a map that falls": (_in("calibration", "nose", "alone"), [0.0, 0.0]),
    "two weights of a calibration": (_in("calibration", "nose", "weights"), [1.0, 0.0]),
    "an unknown pair": (_in("pairs", "nose-tail"), {"mean": [0, 0], "covariance": [[1, 0], [0, 1]]}),
    "a covariance that is singular": (_in("pairs", "nose-eye", "covariance"), [[1.0, 1.0], [1.0, 1.0]]),
    "a covariance that is not symmetric": (_in("pairs", "nose-eye", "covariance"), [[1.0, 0.5], [0.0, 1.0]]),
    "a negative variance": (_in("pairs", "nose-eye", "covariance"), [[-1.0, 0.0], [0.0, -1.0]]),
    "a mean of three numbers": (_in("pairs", "nose-eye", "mean"), [0.0, 0.0, 0.0]),
    "shown above sure": (_in("shown"), 0.9),
    "a threshold of 1": (_in("sure"), 1.0),
    "a threshold that is not a number": (_in("shown"), float("nan")),
}


@pytest.mark.parametrize(("change", "value"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_refused(tmp_path, change, value):
    record = json.loads(json.dumps(FINDER.to_record()))
    change(record, value)
    (tmp_path / "a.parts.json").write_text(json.dumps(record))
    with pytest.raises(FinderError, match=r"a\.parts\.json is not a part finder") as caught:
        Finder.load(tmp_path / "a.parts.json")
    assert len(str(caught.value)) < 400


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_the_largest_numbers_of_a_file_give_finite_maps(tmp_path):
    record = json.loads(json.dumps(FINDER.to_record()))
    one = record["detectors"]["mix"]
    most = [MAX_NUMBER, -MAX_NUMBER]
    for block in one["blocks"]:
        block["groups"] = [[value] * len(block["groups"][0]) for value in most]
    one |= {"bias": most}
    for calibration in one["calibration"].values():
        calibration |= {"weights": [MAX_NUMBER, *most], "intercept": MAX_NUMBER, "alone": [MAX_NUMBER, 0]}
    for pair in one["pairs"].values():
        pair |= {"mean": most, "covariance": [[1e5, 0], [0, 1e-9]]}
    (tmp_path / "a.parts.json").write_text(json.dumps(record))
    detector = Finder.load(tmp_path / "a.parts.json").detectors["mix"]
    rs = np.random.RandomState(0)
    blocks = {
        b.block: block_logits(b, *(_drawn(rs, weights) for weights in (b.groups, b.channels)))
        for b in detector.blocks
    }
    geometry = Geometry((90, 60), (96, 64), Box(0.0, 0.0, 90.0, 60.0), "whole")
    maps, parts = detect(detector, [PartLogits(combined(detector, blocks), geometry)], everything=True)
    assert all(np.isfinite(one.map).all() for one in maps.values())
    assert all(np.isfinite((part.x, part.y, part.score)).all() for part in parts)


def _drawn(rs, weights):
    return None if weights is None else rs.standard_normal((weights.shape[1], 4, 6)).astype(np.float32)


def test_detectors_are_compared_by_their_weights():
    one = BlockReadout("a", np.ones((1, 2), np.float32))
    assert one == BlockReadout("a", np.ones((1, 2), np.float32))
    assert one != BlockReadout("a", np.zeros((1, 2), np.float32))
    assert one != BlockReadout("a", np.ones((1, 2), np.float32), np.ones((1, 2), np.float32))
    assert Detector(("nose",), (64,), (one,), (0.0,), {"nose": Calibration((1, 0, 0), 0)}) != Detector(
        ("nose",), (64,), (one,), (0.0,), {}, {"nose-eye": Pair((0, 0), ((1, 0), (0, 1)))}
    )
