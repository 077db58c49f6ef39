"""Copies with random weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sge.evaluation.randomized import randomized_model
from sge.images.decoding import decode
from sge.images.framing import Preprocess, frame
from sge.models.model import Model
from sge.nn.blocks import sge_blocks
from sge.nn.insertion.insert import insert_sge
from sge.nn.mask_capture import MaskCapture
from sge.nn.resnet import SGE_RESNETS
from tests.conftest import fill
from tests.drawn_images import noise


@pytest.fixture(scope="module")
def model():
    return Model("tiny", fill(SGE_RESNETS["sge_resnet18"](4)), list("abcd"), preprocess=Preprocess(size=64))


@pytest.fixture(scope="module")
def frames(model):
    return [frame(decode(noise(64, 64, seed)), model.preprocess, "center") for seed in range(3)]


def state(model):
    return {key: value.clone() for key, value in model.network.state_dict().items()}


def test_the_model_and_the_global_generator_are_not_changed(model, frames):
    before = state(model)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    randomized_model(model, frames)
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(value, before[key]) for key, value in model.network.state_dict().items())


def test_every_layer_changes_and_a_seed_repeats_it(model, frames):
    made, again, other = (state(randomized_model(model, frames, seed)) for seed in (0, 0, 1))
    before = state(model)
    assert all(torch.equal(made[key], again[key]) for key in made)
    for key, value in made.items():
        if value.is_floating_point() and value.numel() > 1:
            assert not torch.equal(value, before[key]), key
        if key.endswith("conv1.weight"):
            assert not torch.equal(value, other[key]), key


def test_gates_are_permuted_within_their_block(model, frames):
    made = sge_blocks(randomized_model(model, frames).network)
    for name, module in sge_blocks(model.network).items():
        ours = torch.stack([made[name].weight, made[name].bias], 1).flatten(2)[0].T.tolist()
        theirs = torch.stack([module.weight, module.bias], 1).flatten(2)[0].T.tolist()
        assert ours != theirs
        assert sorted(ours) == sorted(theirs)


def test_inactive_gates_remain_inactive(frames):
    from torchvision.models import resnet18

    network = insert_sge(fill(resnet18(num_classes=4)), groups=8)
    assert randomized_model(Model("x", network, list("abcd")), frames).inactive


@pytest.mark.parametrize("count", [1, 3])
def test_the_norms_have_the_statistics_of_the_frames(model, frames, count):
    made = randomized_model(model, frames[:count])
    assert not made.network.training
    with torch.inference_mode(), MaskCapture(made.network) as captured:
        logits = made.network(torch.from_numpy(np.stack([image.array for image in frames])))
    assert logits.isfinite().all()
    for name, mask in captured.masks.items():
        assert mask.std((2, 3)).median() > 0.02, name
