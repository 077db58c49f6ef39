"""Awakening: the gates act afterwards, the answers stay, and an interruption changes nothing."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from sge.awaken import Recipe, awaken, learned_parameters
from sge.capture import MaskCapture, sge_blocks
from sge.crops import crops
from sge.distil import openness, spread, watch
from sge.errors import CaptureError, CheckpointError, ChoiceError
from sge.framing import Preprocess
from tests.sleepers import blobs, sleeper

RECIPE = Recipe(steps=12, batch=4, sizes=(32, 40), wanted_spread=0.1)


@pytest.fixture(autouse=True)
def one_thread():
    """Sums are added in the same order each time."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def awakened():
    return awaken(sleeper(), blobs(), recipe=replace(RECIPE, steps=60))


class Interrupted(Exception):
    """What a test stops a training with."""


def stop_at(step: int):
    def progress(report):
        if report.step == step:
            raise Interrupted

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


def test_no_pictures_and_odd_pictures():
    with pytest.raises(ChoiceError, match="no picture to learn from"):
        awaken(sleeper(), [], recipe=RECIPE)
    with pytest.raises(ChoiceError, match=r"shape \(40, 40\); give each as \(3, height, width\)"):
        awaken(sleeper(), [torch.zeros(40, 40)], recipe=RECIPE)


def test_a_network_without_sge():
    with pytest.raises(CaptureError, match=r"no SGE whose gates could awake"):
        awaken(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1)), blobs(), recipe=RECIPE)


# What is learned


def test_the_gates_act_and_open_where_the_channels_agree(awakened):
    weights = torch.cat([module.weight.flatten() for module in sge_blocks(awakened).values()])
    assert bool((weights >= 0).all())
    assert float(weights.median()) > 0.2
    with torch.inference_mode(), MaskCapture(awakened) as seen:
        awakened(batch())
    for mask in seen.masks.values():
        assert float(spread(mask).median()) > 0.08


def test_the_answers_stay(awakened):
    x = batch(7)
    with torch.inference_mode():
        before, after = sleeper()(x).softmax(1), awakened(x).softmax(1)
        opened = sleeper()
        for module, learned in zip(
            sge_blocks(opened).values(), sge_blocks(awakened).values(), strict=True
        ):
            module.weight.copy_(learned.weight)
            module.bias.copy_(learned.bias)
        unadapted = opened(x).softmax(1)
    assert float((before - after).abs().mean()) < 0.7 * float((before - unadapted).abs().mean())


def test_only_gates_and_norms_change(awakened):
    before, after = state(sleeper()), state(awakened)
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


def test_seeds():
    results = [state(awaken(sleeper(), blobs(), recipe=replace(RECIPE, seed=seed))) for seed in (0, 0, 1)]
    assert same(results[0], results[1])
    assert not same(results[0], results[2])
    plain = awaken(sleeper(), blobs(), steps=1, seed=3)
    assert same(state(plain), state(awaken(sleeper(), blobs(), recipe=Recipe(steps=1, seed=3))))


# Interruption


@pytest.mark.parametrize("stop", [1, 5, 6, 11])
def test_interrupted_and_resumed_equals_undisturbed(tmp_path, stop):
    undisturbed = state(awaken(sleeper(), blobs(), recipe=RECIPE))
    file = tmp_path / "state"
    with pytest.raises(Interrupted):
        awaken(sleeper(), blobs(), recipe=RECIPE, state_file=file, save_every=1, progress=stop_at(stop))
    steps = []
    resumed = awaken(
        sleeper(), blobs(), recipe=RECIPE, state_file=file, progress=lambda report: steps.append(report.step)
    )
    assert same(undisturbed, state(resumed))
    assert steps[0] == max(stop, 1)  # the step that was cut off is done again
    assert [path.name for path in tmp_path.iterdir()] == ["state"]
    assert same(undisturbed, state(awaken(sleeper(), blobs(), recipe=RECIPE, state_file=file)))


def test_a_state_of_another_training_or_damaged(tmp_path):
    file = tmp_path / "state"
    awaken(sleeper(), blobs(), recipe=RECIPE, state_file=file)
    with pytest.raises(CheckpointError, match=r"another recipe \(steps, seed\).*delete state to begin anew"):
        awaken(sleeper(), blobs(), recipe=replace(RECIPE, steps=3, seed=2), state_file=file)
    with pytest.raises(CheckpointError, match="training of another network"):
        awaken(sleeper(1), blobs(), recipe=RECIPE, state_file=file)
    whole = file.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"hello", json.dumps({}).encode()):
        file.write_bytes(damaged)
        network = sleeper()
        with pytest.raises(CheckpointError, match="no state of a training, or damaged"):
            awaken(network, blobs(), recipe=RECIPE, state_file=file)
        assert same(state(network), state(sleeper()))


def test_progress_says_where_it_stands():
    reports = []
    awaken(sleeper(), blobs(), recipe=RECIPE, progress=reports.append)
    assert [one.step for one in reports] == list(range(1, 13))
    assert reports[-1].seconds_left == 0
    assert all(one.images_per_second > 0 and one.steps == 12 for one in reports)
    assert set(reports[0].losses) == {"answers", "features", "flat", "open"}
    assert [RECIPE.size_at(step) for step in (0, 5, 6, 11)] == [32, 32, 40, 40]


# Its parts


def test_spread_and_openness_of_known_masks():
    flat = torch.full((2, 1, 4, 4), 0.3, requires_grad=True)
    assert float(spread(flat)) == pytest.approx(0, abs=1e-6)
    assert float(openness(flat)) == pytest.approx(1)
    spread(flat).sum().backward()
    assert bool(flat.grad.isfinite().all())
    half = torch.cat([torch.zeros(1, 1, 2, 4), torch.ones(1, 1, 2, 4)], 2)
    assert float(spread(half)) == pytest.approx(float(half.std()))
    assert float(openness(half)) == pytest.approx(0.5)


def test_watching_keeps_gradients():
    network = sleeper()
    with watch(network) as seen:
        network(batch())
    assert seen.masks["first"].requires_grad
    assert seen.features["second"].shape == (8, 16, 40, 40)


def test_crops_depend_on_seed_and_step_alone():
    pictures = blobs()
    one = crops(pictures, Preprocess(), 6, 32, 0, 5)
    assert one.shape == (6, 3, 32, 32)
    assert torch.equal(one, crops(pictures, Preprocess(), 6, 32, 0, 5))
    assert not torch.equal(one, crops(pictures, Preprocess(), 6, 32, 0, 6))
    assert not torch.equal(one, crops(pictures, Preprocess(), 6, 32, 1, 5))


def test_floats_are_taken_as_normalised():
    preprocess = Preprocess(mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    grey = torch.full((3, 40, 48), 128, dtype=torch.uint8)
    ready = (grey.float() / 255 - torch.tensor(preprocess.mean).view(3, 1, 1)) / torch.tensor(
        preprocess.std
    ).view(3, 1, 1)
    assert torch.allclose(
        crops([grey], preprocess, 2, 32, 0, 0), crops([ready], preprocess, 2, 32, 0, 0), atol=1e-5
    )
