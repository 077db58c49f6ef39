"""The data of an analysis, made up."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from sge.analysis.data import BlockInfo
from sge.errors import AnalysisFileError, ChoiceError, UnknownBlockError, UnknownGroupError
from tests.analyses import COARSE, FINE, made


def test_unknown_names_and_numbers_list_the_known() -> None:
    analysis = made()
    with pytest.raises(UnknownBlockError, match=r"'nope'; there are: layer1\.0, layer2\.0"):
        analysis.maps("nope")
    with pytest.raises(ChoiceError, match="mask, similarity"):
        analysis.maps(FINE, "weights")
    for number in (8, -1, 10**9):
        with pytest.raises(UnknownGroupError, match="groups 0 to 7"):
            analysis.group_map(FINE, number)


def test_the_signal_is_the_mask_unless_every_gate_is_inactive() -> None:
    analysis = made()
    assert analysis.signal == "mask"
    assert analysis.maps(FINE) is analysis.masks[FINE]
    inactive = [dataclasses.replace(block, inactive=block.groups) for block in analysis.blocks]
    assert dataclasses.replace(analysis, blocks=inactive).signal == "similarity"


def test_focus_is_near_one_for_a_single_cell_and_zero_without_a_pattern() -> None:
    analysis = made()
    maps = np.full((8, 6, 8), -0.1, np.float32)
    maps[0, 2, 3] = 5  # one cell of 48
    maps[1, :, :4] = 1  # half of the cells
    maps[2] = 0  # nothing
    maps[3] = 1  # everything
    analysis.similarity[FINE] = maps
    focus = analysis.focus(FINE)
    assert focus[:5] == pytest.approx([1 - 1 / 48, 0.5, 0, 0, 0], abs=1e-6)
    assert np.isfinite(focus).all()


@pytest.mark.parametrize(
    ("strides", "wanted"),
    [
        ([4, 8, 16, 16, 32], 3),  # the last of stride 16
        ([4, 8, 32], 1),  # none of 16: the last of the middle block's stride
        ([8], 0),
        ([32, 32, 32], 2),
    ],
)
def test_the_default_block_is_coarse_but_not_the_coarsest(strides: list[int], wanted: int) -> None:
    blocks = [BlockInfo(f"b{i}", 8, 4, 4, stride, 64, 0) for i, stride in enumerate(strides)]
    assert dataclasses.replace(made(), blocks=blocks).default_block == f"b{wanted}"


def test_it_is_frozen() -> None:
    analysis = made()
    with pytest.raises(dataclasses.FrozenInstanceError):
        analysis.image = None  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        analysis.blocks[0].groups = 3  # type: ignore[misc]


def test_the_image_is_there_or_its_absence_is_explained() -> None:
    analysis = made()
    assert analysis.require_image() is analysis.image
    with pytest.raises(AnalysisFileError, match=r"image=\.\.\."):
        dataclasses.replace(analysis, image=None).require_image()


def test_the_models_card_decides_the_default_block_where_it_exists() -> None:
    analysis = made()
    for block, expected in ((FINE, FINE), ("nope", COARSE)):
        model = dataclasses.replace(analysis.model, opens_with={"block": block, "group": 0, "reason": ""})
        assert dataclasses.replace(analysis, model=model).default_block == expected
