"""Augmentation: crops of maps and images agree, sizes and dtypes, and mixing by seed."""

from __future__ import annotations

import pytest
import torch

from sge.training.augment import Augment, mixed
from sge.training.config import TrainConfig


@pytest.mark.parametrize("seed", range(6))
def test_a_crop_of_maps_lies_where_the_crop_of_the_image_does(seed):
    """An image whose color is its position: maps of the position, cropped alike, must equal the pixels."""
    across = torch.linspace(0, 250, 96).round()
    down = torch.linspace(0, 250, 64).round()
    image = torch.stack([across.expand(64, 96), down[:, None].expand(64, 96), torch.zeros(64, 96)])
    torch.manual_seed(seed)
    cut, crop = Augment(TrainConfig(crop_scale=(0.3, 0.8)))(image.to(torch.uint8), 32)
    maps = torch.nn.functional.adaptive_avg_pool2d(image[:2], (16, 24))
    expected = torch.nn.functional.adaptive_avg_pool2d(cut[:2].float(), (8, 8))
    inner = (slice(None), slice(1, -1), slice(1, -1))  # at the image's edge cells are cut off
    assert (crop.of(maps, 8)[inner] - expected[inner]).abs().max() < 8


def test_crops_are_flipped_half_of_the_time():
    augment = Augment(TrainConfig())
    torch.manual_seed(0)
    flips = sum(augment(torch.zeros(3, 40, 40, dtype=torch.uint8), 32)[1].flipped for _ in range(200))
    assert 70 < flips < 130


@pytest.mark.parametrize("augment", ["plain", "colour", "strong"])
def test_every_augmentation_gives_bytes_of_the_size(augment):
    image = torch.randint(0, 256, (3, 50, 70), dtype=torch.uint8)
    for _ in range(10):
        cut, _ = Augment(TrainConfig(augment=augment))(image, 48)
        assert cut.shape == (3, 48, 48)
        assert cut.dtype == torch.uint8


def test_mixing_gives_probabilities_and_is_the_seeds():
    images, targets = torch.randn(8, 3, 16, 16), torch.arange(8) % 4
    config = TrainConfig(mixup=0.4, cutmix=1.0)
    first = mixed(images, targets, 4, config, 5)
    again = mixed(images, targets, 4, config, 5)
    assert torch.equal(first[0], again[0])
    assert torch.allclose(first[1].sum(1), torch.ones(8))
    assert not torch.equal(first[0], mixed(images, targets, 4, config, 6)[0])
    same, plain = mixed(images, targets, 4, TrainConfig(), 5)
    assert same is images
    assert plain is targets
