"""Crops for gate tuning: refused images first, then what seed and step determine."""

from __future__ import annotations

import pytest
import torch

from sge.errors import DataError
from sge.images.framing import Preprocess
from sge.training.crops import MIN_CROP, crops

PREPROCESS = Preprocess(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


@pytest.mark.parametrize("shape", [(1, 40, 40), (40, 40, 3), (40, 40)])
def test_an_image_of_another_shape(shape):
    with pytest.raises(DataError, match="give each as"):
        crops([torch.zeros(shape)], PREPROCESS, 1, 32, 0, 0)


def images(dtype=torch.uint8):
    """Each position has its own color, so that a crop tells where it is."""
    across, down = torch.meshgrid(torch.arange(80), torch.arange(60), indexing="xy")
    return [torch.stack([across, down, torch.full_like(across, 9 * i)]).to(dtype) for i in range(4)]


def test_seed_and_step_determine_a_batch():
    first = crops(images(), PREPROCESS, 6, 32, seed=3, step=5)
    assert torch.equal(first, crops(images(), PREPROCESS, 6, 32, seed=3, step=5))
    assert not torch.equal(first, crops(images(), PREPROCESS, 6, 32, seed=3, step=6))
    assert not torch.equal(first, crops(images(), PREPROCESS, 6, 32, seed=4, step=5))
    assert (first.shape, first.dtype) == ((6, 3, 32, 32), torch.float32)


def test_crops_keep_to_their_sizes_and_half_are_flipped():
    """The range of a crop's horizontal positions is its side, and their direction tells a flip."""
    batch = 255 * crops(images(), PREPROCESS, 200, 32, 0, 0)
    row = batch[:, 0, 16]
    sides = (row.amax(1) - row.amin(1)) * 32 / 31
    assert sides.min() > MIN_CROP * 60 - 3
    assert sides.max() < 60 + 3
    assert sides.max() - sides.min() > 15
    assert 70 < int((row[:, 0] > row[:, -1]).sum()) < 130


def test_a_crop_is_not_enlarged_where_the_image_allows_it():
    batch = 255 * crops(images(), PREPROCESS, 50, 56, 0, 0)
    row = batch[:, 0, 28]
    assert (row.amax(1) - row.amin(1)).min() > 52


def test_floating_images_are_not_normalized_again():
    preprocess = Preprocess()
    floating = crops(images(torch.float32), preprocess, 4, 32, 1, 2)
    raw = crops(images(torch.float32), PREPROCESS, 4, 32, 1, 2)
    assert torch.equal(floating, raw)
    assert floating.max() > 9
