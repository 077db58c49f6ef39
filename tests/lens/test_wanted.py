"""What a caller asks a lens for: nothing else is there, and what is there is as if everything had been asked for."""

from __future__ import annotations

import numpy as np
import pytest

from sge.analysis import Analysis
from sge.errors import UnknownBlockError
from sge.lens import EVERYTHING, Lens, Wanted
from sge.parts.finder import Finder, GroupWeight, Readout
from tests.drawn_images import noise
from tests.lens.networks import Residual, lens_of

IMAGE = noise(96, 96)
SIGNALS = ("masks", "similarity", "energy")


@pytest.fixture(scope="module")
def lens() -> Lens:
    made = lens_of(Residual())
    terms = (GroupWeight("second", 1, 1.0),)
    made.model.finder = Finder({"nose": Readout(terms, 1.0, 0.0, 0.1)}, made.model.permutations)
    return made


@pytest.fixture(scope="module")
def whole(lens: Lens) -> Analysis:
    return lens.analyze(IMAGE)


@pytest.mark.parametrize("blocks", [("third",), ("first", ""), "third", ["first", "SECOND"], (3,)])
def test_unknown_blocks(lens: Lens, blocks: object) -> None:
    with pytest.raises(UnknownBlockError, match="there are: first, second"):
        lens.analyze(IMAGE, wanted=Wanted(blocks=blocks))


@pytest.mark.parametrize("blocks", [None, (), ("second",), ("second", "first", "second"), "first", ["first"]])
@pytest.mark.parametrize("masks", [True, False])
@pytest.mark.parametrize("similarity", [True, False])
@pytest.mark.parametrize("energy", [True, False])
@pytest.mark.parametrize("parts", [True, False])
def test_what_is_wanted(
    lens: Lens, whole: Analysis, blocks: object, masks: bool, similarity: bool, energy: bool, parts: bool
) -> None:
    found = lens.analyze(IMAGE, wanted=Wanted(blocks, masks, similarity, energy, parts))
    assert found.predictions == whole.predictions
    assert found.blocks == whole.blocks
    assert found.geometry == whole.geometry
    assert found.default_block == whole.default_block
    names = [name for name in ("first", "second") if blocks is None or name in blocks]
    for signal, there in zip(SIGNALS, (masks, similarity, energy), strict=True):
        maps = getattr(found, signal)
        assert list(maps) == (names if there else [])
        for name, values in maps.items():
            np.testing.assert_array_equal(values, getattr(whole, signal)[name])
    assert found.parts == (whole.parts if parts else [])
    assert list(found.part_maps) == (["nose"] if parts else [])
    if parts:
        np.testing.assert_array_equal(found.part_maps["nose"].map, whole.part_maps["nose"].map)


def test_everything_is_the_default(lens: Lens, whole: Analysis) -> None:
    assert Wanted() == EVERYTHING
    assert [list(getattr(whole, signal)) for signal in SIGNALS] == [["first", "second"]] * 3
    assert whole.part_maps
