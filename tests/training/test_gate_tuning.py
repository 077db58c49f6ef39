"""Awakening: the gates act afterwards, the answers stay, and an interruption changes nothing."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from sge.errors import CaptureError, CheckpointError, ChoiceError, UnknownBlockError
from sge.images.framing import Preprocess
from sge.nn.blocks import sge_blocks
from sge.nn.capture import MaskCapture
from sge.training.crops import crops
from sge.training.gate_tuning import learned_parameters, tune_gates
from sge.training.gate_tuning_config import GateTuningConfig
from sge.training.mask_losses import answers_loss, openness, spread, watch
from tests.inactive_networks import blobs, inactive_network

RATES = {"weight_rate": 0.06, "bias_rate": 0.03, "norm_rate": 0.0005}
RECIPE = GateTuningConfig(
    steps=12, batch=4, sizes=(32, 40), target_mask_std=0.1, openness_weight=0.0, **RATES
)


@pytest.fixture(autouse=True)
def one_thread():
    """Sums are added in the same order each time."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def awakened():
    return tune_gates(inactive_network(), blobs(), recipe=replace(RECIPE, steps=60))


class StoppedError(Exception):
    """What a test stops a training with."""


def stop_at(step: int):
    def progress(report):
        if report.step == step:
            raise StoppedError

    return progress


def state(network):
    return {key: value.clone() for key, value in network.state_dict().items()}


def same(one, other) -> bool:
    return all(torch.equal(one[key], other[key]) for key in one)


def batch(seed: int = 0):
    return crops(blobs(), Preprocess(), 8, 40, seed, 0)


# What is refused


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"steps": 0}, "steps is 0"),
        ({"batch": 0}, "batch 0"),
        ({"seed": -1}, "seed is -1"),
        ({"sizes": ()}, "sizes are"),
        ({"sizes": (8,)}, "choose one or more of 32 to 1024"),
    ],
)
def test_settings_out_of_range(wrong, says):
    with pytest.raises(ChoiceError, match=says):
        replace(RECIPE, **wrong)


def test_no_images_and_odd_images():
    with pytest.raises(ChoiceError, match="no image to learn from"):
        tune_gates(inactive_network(), [], recipe=RECIPE)
    with pytest.raises(ChoiceError, match=r"shape \(40, 40\); give each as \(3, height, width\)"):
        tune_gates(inactive_network(), [torch.zeros(40, 40)], recipe=RECIPE)


def test_a_network_without_sge():
    with pytest.raises(CaptureError, match=r"no SGE whose gates could awake"):
        tune_gates(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1)), blobs(), recipe=RECIPE)


def test_a_block_that_is_not_there():
    with pytest.raises(UnknownBlockError, match="No block third; there are: first, second"):
        tune_gates(inactive_network(), blobs(), recipe=replace(RECIPE, acting=("first", "third")))


# What is learned


def test_the_gates_act_and_open_where_the_channels_agree(awakened):
    weights = torch.cat([module.weight.detach().flatten() for module in sge_blocks(awakened).values()])
    assert bool((weights >= 0).all())
    assert float(weights.median()) > 0.2
    with torch.inference_mode(), MaskCapture(awakened) as seen:
        awakened(batch())
    for mask in seen.masks.values():
        assert float(spread(mask).median()) > 0.08


def test_norms_make_up_for_what_the_gates_change():
    recipe = replace(RECIPE, steps=100, norm_rate=0.005, feature_weight=0.0)
    awakened, gates_only = tune_gates(inactive_network(), blobs(), recipe=recipe), inactive_network()
    learned = {key: value for key, value in awakened.state_dict().items() if ".sge." in key}
    gates_only.load_state_dict(learned, strict=False)
    x = crops(blobs(), Preprocess(), 32, 40, 7, 0)
    with torch.inference_mode():
        wanted = inactive_network()(x)
        together, alone = (answers_loss(network(x), wanted) for network in (awakened, gates_only))
    assert float(together) < 0.5 * float(alone)


def test_only_gates_and_norms_change(awakened):
    before, after = state(inactive_network()), state(awakened)
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    learned = {key for group in learned_parameters(awakened).values() for key in group}
    assert changed == learned
    assert "first.bn.weight" in changed
    assert "first.bn.running_mean" not in changed
    assert "fc.weight" not in changed


def test_flags_gradients_and_hooks_are_put_back(awakened):
    assert not awakened.training
    assert all(p.requires_grad and p.grad is None for p in awakened.parameters())
    hooked = [m for m in awakened.modules() if m._forward_hooks]
    assert not hooked


def test_blocks_without_a_price_are_left_alone():
    recipe = replace(RECIPE, steps=60, acting=("second",))
    network = tune_gates(inactive_network(), blobs(), recipe=recipe)
    with torch.inference_mode(), watch(network) as seen:
        network(batch())
    assert float(spread(seen.masks["first"]).mean()) < 0.6 * float(spread(seen.masks["second"]).mean())


def test_an_awake_network_goes_on_with_its_sleeping_self_as_teacher(awakened):
    before = state(awakened)
    network = inactive_network()
    network.load_state_dict(before)
    tune_gates(network, blobs(), recipe=replace(RECIPE, flatness_weight=0.0, steps=30), teacher=inactive_network())
    x = batch(7)
    with torch.inference_mode():
        wanted = inactive_network()(x)
        assert float(answers_loss(network(x), wanted)) < float(answers_loss(awakened(x), wanted))
    assert not same(before, state(network))


def test_seeds():
    results = [state(tune_gates(inactive_network(), blobs(), recipe=replace(RECIPE, seed=seed))) for seed in (0, 0, 1)]
    assert same(results[0], results[1])
    assert not same(results[0], results[2])
    plain = tune_gates(inactive_network(), blobs(), steps=1, seed=3)
    assert same(state(plain), state(tune_gates(inactive_network(), blobs(), recipe=GateTuningConfig(steps=1, seed=3))))


# Interruption


@pytest.mark.parametrize("stop", [1, 5, 6, 11])
def test_interrupted_and_resumed_equals_undisturbed(tmp_path, stop):
    undisturbed = state(tune_gates(inactive_network(), blobs(), recipe=RECIPE))
    file = tmp_path / "state"
    with pytest.raises(StoppedError):
        tune_gates(inactive_network(), blobs(), recipe=RECIPE, state_file=file, save_every=1, progress=stop_at(stop))
    steps = []
    resumed = tune_gates(
        inactive_network(), blobs(), recipe=RECIPE, state_file=file, progress=lambda report: steps.append(report.step)
    )
    assert same(undisturbed, state(resumed))
    assert steps[0] == max(stop, 1)  # the step that was cut off is done again
    assert [path.name for path in tmp_path.iterdir()] == ["state"]
    assert same(undisturbed, state(tune_gates(inactive_network(), blobs(), recipe=RECIPE, state_file=file)))


def test_a_state_of_another_training_or_damaged(tmp_path):
    file = tmp_path / "state"
    tune_gates(inactive_network(), blobs(), recipe=RECIPE, state_file=file)
    with pytest.raises(CheckpointError, match=r"another recipe \(steps, seed\).*delete state to begin anew"):
        tune_gates(inactive_network(), blobs(), recipe=replace(RECIPE, steps=3, seed=2), state_file=file)
    with pytest.raises(CheckpointError, match="training of another network"):
        tune_gates(inactive_network(1), blobs(), recipe=RECIPE, state_file=file)
    whole = file.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"hello", json.dumps({}).encode()):
        file.write_bytes(damaged)
        network = inactive_network()
        with pytest.raises(CheckpointError, match="no state of a training, or damaged"):
            tune_gates(network, blobs(), recipe=RECIPE, state_file=file)
        assert same(state(network), state(inactive_network()))


def test_progress_says_where_it_stands():
    reports = []
    tune_gates(inactive_network(), blobs(), recipe=RECIPE, progress=reports.append)
    assert [one.step for one in reports] == list(range(1, 13))
    assert reports[-1].seconds_left == 0
    assert all(one.images_per_second > 0 and one.steps == 12 for one in reports)
    assert set(reports[0].losses) == {"answers", "features", "flat", "open"}
    assert [RECIPE.size_at(step) for step in (0, 5, 6, 11)] == [32, 32, 40, 40]


# Its parts


def test_spread_and_openness_of_known_masks():
    flat = torch.full((2, 1, 4, 4), 0.3, requires_grad=True)
    assert float(spread(flat).detach()) == pytest.approx(0, abs=1e-6)
    assert float(openness(flat).detach()) == pytest.approx(1)
    spread(flat).sum().backward()
    assert bool(flat.grad.isfinite().all())
    half = torch.cat([torch.zeros(1, 1, 2, 4), torch.ones(1, 1, 2, 4)], 2)
    assert float(spread(half)) == pytest.approx(float(half.std()))
    assert float(openness(half)) == pytest.approx(0.5)


def test_watching_keeps_gradients():
    network = inactive_network()
    with watch(network) as seen:
        network(batch())
    assert seen.masks["first"].requires_grad
    assert seen.features["second"].shape == (8, 16, 40, 40)


def test_a_crop_is_not_enlarged_where_the_image_is_large_enough():
    stripes = torch.zeros(3, 64, 96)
    stripes[:, :, ::2] = 1
    assert set(crops([stripes], Preprocess(), 8, 64, 0, 0).unique().tolist()) == {0.0, 1.0}
    assert crops([torch.zeros(3, 20, 30)], Preprocess(), 2, 64, 0, 0).shape == (2, 3, 64, 64)


def test_crops_depend_on_seed_and_step_alone():
    images = blobs()
    one = crops(images, Preprocess(), 6, 32, 0, 5)
    assert one.shape == (6, 3, 32, 32)
    assert torch.equal(one, crops(images, Preprocess(), 6, 32, 0, 5))
    assert not torch.equal(one, crops(images, Preprocess(), 6, 32, 0, 6))
    assert not torch.equal(one, crops(images, Preprocess(), 6, 32, 1, 5))


def test_floats_are_taken_as_normalised():
    preprocess = Preprocess(mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    grey = torch.full((3, 40, 48), 128, dtype=torch.uint8)
    ready = (grey.float() / 255 - torch.tensor(preprocess.mean).view(3, 1, 1)) / torch.tensor(
        preprocess.std
    ).view(3, 1, 1)
    assert torch.allclose(
        crops([grey], preprocess, 2, 32, 0, 0), crops([ready], preprocess, 2, 32, 0, 0), atol=1e-5
    )
