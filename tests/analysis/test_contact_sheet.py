"""Sheets of all groups of a block."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image

from sge.analysis.colors import color_table
from sge.analysis.contact_sheet import draw_contact_sheet
from sge.errors import ChoiceError, UnknownBlockError, UnknownGroupError
from tests.analyses import COARSE, FINE, made


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB"), np.int64)


def test_unknown_values_are_refused_and_the_known_listed() -> None:
    analysis = dataclasses.replace(made(), image=None)
    with pytest.raises(UnknownBlockError, match=r"layer1\.0, layer2\.0"):
        draw_contact_sheet(analysis, "nope")
    for group in (8, -1):
        with pytest.raises(UnknownGroupError, match="groups 0 to 7"):
            draw_contact_sheet(analysis, FINE, groups=[group])
    for option, known in (
        ({"colormap": "jet"}, "magma, viridis"),
        ({"scale": "log"}, "relative, absolute"),
        ({"signal": "weights"}, "mask, similarity"),
    ):
        with pytest.raises(ChoiceError, match=known):
            draw_contact_sheet(analysis, FINE, **option)


def test_flat_maps_are_crossed_out() -> None:
    analysis = made()
    active = draw_contact_sheet(analysis, COARSE, signal="similarity")
    inactive = draw_contact_sheet(analysis, COARSE, signal="mask")
    tile = pixels(inactive)[64:, :][:20, 8:60]
    assert len(np.unique(tile.reshape(-1, 3), axis=0)) == 2  # the map's color and the line's
    assert active.size == inactive.size


@pytest.mark.parametrize("grid", [(6, 8), (1, 1), (56, 2), (2, 224), (14, 14)])
@pytest.mark.parametrize("groups", [None, [0], [7, 3, 5]])
def test_a_sheet_shows_every_group_that_was_asked_for(
    grid: tuple[int, int], groups: list[int] | None
) -> None:
    analysis = made(grids={FINE: grid, COARSE: (1, 1)})
    # Each group has a constant value and therefore one color on the absolute scale.
    steps = np.linspace(0, 1, 8, dtype=np.float32)
    analysis.masks[FINE] = np.broadcast_to(steps[:, None, None], (8, *grid)).copy()
    sheet = draw_contact_sheet(analysis, FINE, groups=groups, scale="absolute")
    packed = pixels(sheet)[64:] @ [65536, 256, 1]
    table = color_table("magma").astype(np.int64) @ [65536, 256, 1]
    area = [int((packed == table[round(255 * number / 7)]).sum()) for number in range(8)]
    areas = [area[number] for number in groups or range(8)]
    assert min(areas) > 100
    assert max(areas) < 1.3 * min(areas) + 50
    assert all(area[number] < 30 for number in set(range(8)) - set(groups or range(8)))
    assert sheet.width <= 1300
    assert sheet.height <= 1300
    assert sheet.width >= 400  # the head is not cut off


def test_a_sheet_of_many_groups_is_bounded() -> None:
    analysis = made(groups=512)
    sheet = draw_contact_sheet(analysis, FINE)
    assert sheet.width <= 1300
    assert sheet.height <= 3000
