"""Gate measurements: refusals first, then values that can be computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sge.errors import CaptureError, DataError, ShapeError
from sge.evaluation.gates import best_single_group, flat_masks, mask_std
from sge.images.decoding import decode
from sge.images.framing import Preprocess, frame
from sge.nn.blocks import sge_blocks
from sge.nn.mask_capture import MaskCapture
from sge.nn.resnet import SGE_RESNETS
from tests.conftest import fill
from tests.drawn_images import noise


@pytest.fixture(scope="module")
def network():
    return fill(SGE_RESNETS["sge_resnet18"](4))


@pytest.fixture(scope="module")
def frames():
    return [frame(decode(noise(64, 64, seed)), Preprocess(size=64), "center") for seed in range(3)]


def hooks(network):
    return sum(len(module._forward_hooks) for module in network.modules())


def test_no_images_and_no_masks(network, frames):
    with pytest.raises(DataError, match="no image"):
        mask_std(network, [])
    with pytest.raises(CaptureError):
        mask_std(torch.nn.Conv2d(3, 4, 1), frames)


@pytest.mark.parametrize("shape", [(3,), (1, 5), (0, 5)])
def test_too_few_images_to_leave_one_out(shape):
    with pytest.raises(ShapeError, match="two images"):
        best_single_group(np.zeros(shape), 0.1)


def test_flat_masks_are_restored_after_an_exception(network, frames):
    batch = torch.from_numpy(frames[0].array)[None]
    before, attached = network(batch), hooks(network)
    with pytest.raises(ZeroDivisionError), flat_masks(network):
        raise ZeroDivisionError
    assert hooks(network) == attached
    assert torch.equal(network(batch), before)


@torch.no_grad()
def test_flat_masks_multiply_by_their_mean(network):
    """One module alone, because flat masks of earlier blocks change the inputs of later ones."""
    module = next(iter(sge_blocks(network).values()))
    x = torch.randn(2, module.channels, 5, 7)
    gains = []
    handle = module.gate.register_forward_hook(lambda _m, _x, mask: gains.append(mask))
    module(x)
    handle.remove()
    expected = x * gains[0].mean((2, 3), keepdim=True).repeat_interleave(module.channels // module.groups, 1)
    with flat_masks(network):
        out = module(x)
    assert torch.allclose(out, expected, atol=1e-5)
    assert not torch.allclose(out, module(x), atol=1e-2)


def test_mask_std_is_the_mean_over_images(network, frames):
    found = mask_std(network.train(), frames)
    assert network.training
    network.eval()
    with torch.no_grad(), MaskCapture(network) as captured:
        network(torch.from_numpy(np.stack([image.array for image in frames])))
    for name, mask in captured.masks.items():
        np.testing.assert_allclose(found[name], mask.std((2, 3)).mean(0), atol=1e-4)


def test_the_best_group_is_chosen_without_the_image_itself():
    """Group 0 hits images 0 and 1, group 1 hits images 2 and 3; the image's own hit must not decide."""
    distances = np.array([[0.0, 0.9], [0.0, 0.9], [0.9, 0.0], [0.9, 0.0]])
    found = best_single_group(distances, 0.1)
    assert found.groups.tolist() == [1, 1, 0, 0]
    assert found.distances.tolist() == [0.9] * 4
    always = best_single_group(np.array([[0.5, 0.05], [0.5, 0.04], [0.0, 0.03]]), 0.1)
    assert (always.groups.tolist(), always.distances.tolist()) == ([1, 1, 1], [0.05, 0.04, 0.03])
