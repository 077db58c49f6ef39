from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sge.images import Preprocess, decode, frame, inspect, jpeg_scale
from tests.drawn_images import encoded, scene, turned

PREPROCESS = Preprocess(size=64, resize=72, whole=96)


@pytest.mark.parametrize("turn", [1, 3, 6, 8])
@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize("size", [(801, 640), (640, 641), (1000, 999)])
def test_a_smaller_image_has_the_facts_and_the_geometry_of_the_whole_one(turn, scale, size):
    data = turned(scene(*size), turn, "JPEG", quality=95)
    whole, small = decode(data), decode(data, scale=scale)
    assert small.facts == whole.facts
    assert (small.width, small.height) == (whole.width, whole.height) == size
    assert all(abs(scale * part - side) < scale for part, side in zip(small.rgb.size, size, strict=True))
    for framing in ("whole", "center"):
        one, other = (frame(image, PREPROCESS, framing) for image in (whole, small))
        assert one.array.shape == other.array.shape
        assert one.geometry == other.geometry
        assert np.abs(one.array - other.array).max() < 0.1  # of a smooth image


@pytest.mark.parametrize("framing", ["whole", "center"])
def test_enough_pixels_remain_and_no_more_than_needed(framing):
    shorter = 96 if framing == "whole" else 72
    for width in range(40, 2000, 37):
        found = replace(inspect(encoded(scene(9, 9), "JPEG")), width=width, height=2 * width)
        scale = jpeg_scale(found, PREPROCESS, framing)
        assert scale == 1 or width // scale >= 2 * shorter
        assert scale == 8 or width // (2 * scale) < 2 * shorter
        least = jpeg_scale(found, PREPROCESS, framing, longest=2 * width)
        assert least == 1


def test_other_formats_and_damaged_files_are_read_as_ever():
    found = replace(inspect(encoded(scene(9, 9), "PNG")), width=4000, height=4000)
    assert jpeg_scale(found, PREPROCESS, "whole") == 1
    assert jpeg_scale(replace(found, format="JPEG", width=0), PREPROCESS, "whole") == 1
    png = encoded(scene(64, 48), "PNG")
    assert decode(png, scale=8).rgb.size == (64, 48)
    without_end = encoded(scene(640, 480), "JPEG")[:-2]
    assert decode(without_end, scale=4).notes == decode(without_end).notes
    assert decode(without_end, scale=4).rgb.size == (160, 120)
    assert decode(encoded(scene(3, 1), "JPEG"), scale=8).facts == decode(encoded(scene(3, 1), "JPEG")).facts
