"""``sge.regroup`` and ``sge.tune_gates`` take images in the forms that ``analyze`` takes."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torchvision import models

import sge
from sge.errors import DataError, ImageError, ShapeError
from sge.images import decode, frame
from tests.conftest import fill
from tests.drawn_images import encoded, noise
from tests.inactive_networks import inactive_network

PREPROCESS = sge.Preprocess(size=64, resize=64, mean=(0.4, 0.4, 0.4), std=(0.3, 0.3, 0.3))
CONFIG = sge.GateTuningConfig(steps=2, batch=2, sizes=(32,))
DRAWN = [noise(80, 64, seed) for seed in range(3)]


def state(network: nn.Module) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in network.state_dict().items()}


def equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(first[key], second[key]) for key in first)


def test_regrouping_on_files_is_regrouping_on_their_frames(tmp_path):
    for number, image in enumerate(DRAWN):
        (tmp_path / f"{number}.png").write_bytes(encoded(image))
    network = sge.insert_sge(
        fill(models.mobilenet_v3_small(width_mult=0.5)), groups=8, where=["features.2", "features.4"]
    )
    frames = [frame(decode(image), PREPROCESS) for image in DRAWN]
    calls = []
    by_frames = sge.regroup(copy.deepcopy(network), frames, progress=lambda *done: calls.append(done))
    assert calls == [(1, 3), (2, 3), (3, 3)]
    by_tensors = sge.regroup(
        copy.deepcopy(network), torch.from_numpy(np.stack([one.array for one in frames]))
    )
    by_files = sge.regroup(copy.deepcopy(network), tmp_path, preprocess=PREPROCESS)
    assert equal(state(by_frames), state(by_files))
    assert equal(state(by_frames), state(by_tensors))
    assert not equal(state(by_frames), state(network))
    x = torch.from_numpy(frames[0].array)[None]
    with torch.inference_mode():
        before = network(x)
        assert float((by_files(x) - before).abs().max() / before.abs().max()) < 1e-5


def test_gates_are_tuned_on_pil_images_as_on_their_pixels():
    tensors = [torch.from_numpy(np.array(image)).permute(2, 0, 1) for image in DRAWN]
    torch.set_num_threads(1)
    by_images = sge.tune_gates(inactive_network(), [encoded(image) for image in DRAWN], CONFIG)
    by_tensors = sge.tune_gates(inactive_network(), tensors, CONFIG)
    assert equal(state(by_images), state(by_tensors))
    assert not equal(state(by_images), state(inactive_network()))


def test_what_is_no_image_changes_nothing():
    network = inactive_network()
    before = state(network)
    with pytest.raises(DataError, match="without labels"):
        sge.tune_gates(network, [(DRAWN[0], 1)], CONFIG)
    with pytest.raises(ImageError, match="Image 2 of those given"):
        sge.tune_gates(network, [DRAWN[0], b"broken"], CONFIG)
    with pytest.raises(DataError, match="no image to learn from"):
        sge.tune_gates(network, iter([]), CONFIG)
    with pytest.raises(DataError, match=r"\(1, 40, 40\)"):
        sge.tune_gates(network, [torch.zeros(1, 40, 40)], CONFIG)
    assert equal(state(network), before)
    inserted = sge.insert_sge(fill(models.mobilenet_v3_small(width_mult=0.5)), groups=8, where=["features.2"])
    with pytest.raises(ShapeError, match="No image was given"):
        sge.regroup(inserted, [])


def test_a_network_of_one_channel_takes_gray_frames():
    gray = sge.Preprocess(size=64, resize=64, mean=(0.4,), std=(0.3,))
    network = fill(models.mobilenet_v3_small(width_mult=0.5))
    network.features[0][0] = nn.Conv2d(1, 8, 3, stride=2, padding=1, bias=False)
    network = sge.insert_sge(network.eval(), groups=8, where=["features.2"])
    sge.regroup(network, DRAWN, preprocess=gray)
    with pytest.raises(ShapeError, match=r"\(1, H, W\)"):
        sge.regroup(network, torch.zeros(1, 3, 64, 64))
