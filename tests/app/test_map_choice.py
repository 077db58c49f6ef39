from __future__ import annotations

import pytest

from app.map_choice import MapChoice, choose_blocks, choose_maps, choose_one_block, choose_overlay
from app.slots import Slot
from sge.analysis.data import BlockInfo
from sge.errors import ChoiceError, UnknownBlockError, UnknownGroupError
from sge.lens import Wanted


@pytest.fixture
def slot() -> Slot:
    """A loaded model of two blocks, whose gates are inactive."""
    blocks = [
        BlockInfo("a.0", groups=8, height=28, width=28, stride=8, channels=64, inactive=8),
        BlockInfo("b.1", groups=16, height=14, width=14, stride=16, channels=128, inactive=16),
    ]
    return Slot("made", "made", blocks=blocks, default_block="b.1", signal="similarity")


def test_nothing_named_is_every_map_of_the_signal_that_opens(slot: Slot) -> None:
    for nothing in (None, ""):
        chosen = choose_maps(slot, nothing, nothing, None)
        assert chosen == MapChoice("similarity", ["a.0", "b.1"], None)
        assert chosen.numbers(8) == list(range(8))


def test_names_and_numbers_keep_their_order_and_count_once(slot: Slot) -> None:
    chosen = choose_maps(slot, " b.1 ,a.0,b.1", "3,1-2, 3", "mask")
    assert chosen == MapChoice("mask", ["b.1", "a.0"], [3, 1, 2])
    assert chosen.numbers(8) == [3, 1, 2]


@pytest.mark.parametrize("blocks", ["c.2", ",", "a.0,,b.1", "A.0"])
def test_an_unknown_block_is_refused_with_those_that_exist(slot: Slot, blocks: str) -> None:
    with pytest.raises(UnknownBlockError, match=r"there are: a\.0, b\.1\."):
        choose_maps(slot, blocks, None, None)


def test_a_group_must_exist_in_every_named_block(slot: Slot) -> None:
    assert choose_maps(slot, "b.1", "15", None).groups == [15]
    with pytest.raises(UnknownGroupError, match=r"a\.0 has groups 0 to 7; there is no group 15"):
        choose_maps(slot, None, "15", None)
    with pytest.raises(UnknownGroupError):
        choose_maps(slot, "b.1", "0-999999", None)


def test_one_block_is_the_default_block_if_none_is_named(slot: Slot) -> None:
    assert choose_one_block(slot, None, None, None).blocks == ["b.1"]
    assert choose_one_block(slot, "a.0", None, None).blocks == ["a.0"]
    with pytest.raises(ChoiceError, match=r"name one of: a\.0, b\.1"):
        choose_one_block(slot, "a.0,b.1", None, None)


def test_an_overlay_has_at_most_six_groups(slot: Slot) -> None:
    assert choose_overlay(slot, None, "0-5", None).groups == [0, 1, 2, 3, 4, 5]
    for groups in ("0-6", None):
        with pytest.raises(ChoiceError, match="choose 1 to 6"):
            choose_overlay(slot, None, groups, None)


def test_blocks_are_names_and_the_one_that_opens(slot: Slot) -> None:
    assert choose_blocks(slot, None) is None
    assert choose_blocks(slot, f" default ,{slot.blocks[0].name},default") == list(
        dict.fromkeys([slot.default_block, slot.blocks[0].name])
    )
    with pytest.raises(UnknownBlockError):
        choose_blocks(slot, "default,nothing")


def test_only_the_maps_that_are_named_are_wanted(slot: Slot) -> None:
    wanted = choose_maps(slot, "b.1", None, "similarity").wanted
    assert wanted == Wanted(("b.1",), masks=False, similarity=True, energy=False, parts=False)
