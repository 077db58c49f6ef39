"""Color maps and the colors of groups."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from PIL import Image, ImageCms

from sge.analysis.colors import COLOR_MAPS, GROUP_COLORS, color_table, rgb
from sge.errors import ChoiceError


def lightness(colors: np.ndarray) -> np.ndarray:
    """L of CIE Lab, 0 to 100."""
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    change = ImageCms.buildTransform(srgb, lab, "RGB", "LAB")
    image = ImageCms.applyTransform(Image.fromarray(colors[None].astype(np.uint8)), change)
    assert image is not None
    return np.asarray(image)[0, :, 0] / 255 * 100


@pytest.mark.parametrize("name", ["jet", "rainbow", "hsv", "turbo", "Magma", "", "viridis_r", "../magma"])
def test_other_maps_are_refused_and_the_good_ones_listed(name: str) -> None:
    with pytest.raises(ChoiceError, match="magma, viridis, cividis, inferno, plasma"):
        color_table(name)


@pytest.mark.parametrize("name", COLOR_MAPS)
def test_every_map_grows_evenly_lighter(name: str) -> None:
    table = color_table(name)
    assert (table.shape, table.dtype) == ((256, 3), np.uint8)
    light = lightness(table)
    # Steps over an eighth of the table, so that rounding to bytes does not count.
    steps = np.diff(light[::32])
    assert steps.min() > 0
    assert steps.max() < 3 * steps.min()
    assert light[-1] - light[0] > 50


def test_group_colors_differ_in_hue_or_lightness() -> None:
    assert len(GROUP_COLORS) == 6
    colors = np.array([rgb(color) for color in GROUP_COLORS], np.int64)
    for one, two in itertools.combinations(colors, 2):
        assert np.abs(one - two).sum() > 80
    assert lightness(colors).min() > 50  # they show on a dark page and over a dark image


def test_colors_are_read_as_bytes() -> None:
    assert rgb("#ff8001") == (255, 128, 1)
