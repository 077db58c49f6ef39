"""Gate tuning: the gates act afterwards, predictions stay close, and an interruption changes nothing."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from sge.errors import CaptureError, CheckpointError, ChoiceError, DataError, UnknownBlockError
from sge.images.framing import Preprocess
from sge.nn.blocks import sge_blocks
from sge.nn.mask_capture import MaskCapture
from sge.training.crops import crops
from sge.training.gate_tuning import trainable_parameters, tune_gates
from sge.training.gate_tuning_config import GateTuningConfig
from sge.training.losses import divergence
from sge.training.mask_losses import mask_std
from tests.inactive_networks import blobs, inactive_network, without_sge

CONFIG = GateTuningConfig(
    steps=12,
    batch=4,
    sizes=(32, 40),
    target_mask_std=0.1,
    openness_weight=0.0,
    weight_lr=0.06,
    bias_lr=0.03,
    norm_lr=0.0005,
)


@pytest.fixture(autouse=True)
def one_thread():
    """Several threads may add the terms of a sum in another order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def tuned():
    return tune_gates(inactive_network(), blobs(), replace(CONFIG, steps=60))


class StoppedError(Exception):
    """Interrupts a tuning."""


def stop_at(step: int):
    def progress(event):
        if event.step == step:
            raise StoppedError

    return progress


def state(network):
    return {key: value.clone() for key, value in network.state_dict().items()}


def equal(first, second) -> bool:
    return all(torch.equal(first[key], second[key]) for key in first)


def batch(seed: int = 0):
    return crops(blobs(), Preprocess(), 8, 40, seed, 0)


# Refused


def test_no_images_and_images_of_another_shape():
    with pytest.raises(DataError, match="no image to learn from"):
        tune_gates(inactive_network(), [], CONFIG)
    with pytest.raises(DataError, match=r"\(40, 40\)"):
        tune_gates(inactive_network(), [torch.zeros(40, 40)], CONFIG)


def test_a_network_without_sge():
    with pytest.raises(CaptureError, match=r"no SGE module whose gates could be tuned"):
        tune_gates(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1)), blobs(), CONFIG)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_another_type(dtype):
    with pytest.raises(ChoiceError, match=r"network.float\(\)"):
        tune_gates(inactive_network().to(dtype), blobs(), CONFIG)


def test_a_teacher_that_lacks_a_block():
    with pytest.raises(ChoiceError, match="The teacher has no module first"):
        tune_gates(inactive_network(), blobs(), CONFIG, teacher=torch.nn.Flatten())


def test_the_plain_network_is_the_same_teacher():
    """The gates of a network with inactive gates change nothing, so that it may also be given without them."""
    tuned = tune_gates(inactive_network(), blobs(), CONFIG, teacher=without_sge())
    expected = tune_gates(inactive_network(), blobs(), CONFIG)
    for name, value in state(tuned).items():
        assert torch.allclose(value.float(), state(expected)[name].float(), atol=1e-4), name


def test_an_unknown_block():
    with pytest.raises(UnknownBlockError, match="no block third; choose from first, second"):
        tune_gates(inactive_network(), blobs(), replace(CONFIG, acting_blocks=("first", "third")))


# The result


@pytest.mark.slow
def test_gates_act_and_masks_are_open_where_the_channels_agree(tuned):
    weights = torch.cat([module.weight.detach().flatten() for module in sge_blocks(tuned).values()])
    assert bool((weights >= 0).all())
    assert float(weights.median()) > 0.2
    with torch.inference_mode(), MaskCapture(tuned) as capture:
        tuned(batch())
    for mask in capture.masks.values():
        assert float(mask_std(mask).median()) > 0.08


@pytest.mark.slow
def test_norms_compensate_for_the_gates():
    config = replace(CONFIG, steps=100, norm_lr=0.005, feature_weight=0.0)
    tuned, gates_only = tune_gates(inactive_network(), blobs(), config), inactive_network()
    gates = {key: value for key, value in tuned.state_dict().items() if ".sge." in key}
    gates_only.load_state_dict(gates, strict=False)
    x = crops(blobs(), Preprocess(), 32, 40, 7, 0)
    with torch.inference_mode():
        teacher = inactive_network()(x)
        together, alone = (divergence(network(x), teacher) for network in (tuned, gates_only))
    assert float(together) < 0.5 * float(alone)


def test_only_gates_and_norms_change(tuned):
    before, after = state(inactive_network()), state(tuned)
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    trainable = {key for parameters in trainable_parameters(tuned).values() for key in parameters}
    assert changed == trainable
    assert "first.bn.weight" in changed
    assert "first.bn.running_mean" not in changed
    assert "fc.weight" not in changed


def test_flags_and_gradients_are_restored_and_no_hook_stays(tuned):
    assert not tuned.training
    assert all(p.requires_grad and p.grad is None for p in tuned.parameters())
    assert not [m for m in tuned.modules() if m._forward_hooks or m._forward_pre_hooks]


@pytest.mark.slow
def test_blocks_outside_the_mask_losses_stay_flatter():
    config = replace(CONFIG, steps=60, acting_blocks=("second",))
    network = tune_gates(inactive_network(), blobs(), config)
    with torch.inference_mode(), MaskCapture(network) as capture:
        network(batch())
    stds = {name: float(mask_std(mask).mean()) for name, mask in capture.masks.items()}
    assert stds["first"] < 0.6 * stds["second"]


@pytest.mark.slow
def test_a_tuned_network_is_tuned_further_with_its_inactive_self_as_teacher(tuned):
    before = state(tuned)
    network = inactive_network()
    network.load_state_dict(before)
    config = replace(CONFIG, flatness_weight=0.0, steps=30)
    tune_gates(network, blobs(), config, teacher=inactive_network())
    x = batch(7)
    with torch.inference_mode():
        teacher = inactive_network()(x)
        assert float(divergence(network(x), teacher)) < float(divergence(tuned(x), teacher))
    assert not equal(before, state(network))


@pytest.mark.slow
def test_the_seed_decides_the_result():
    seeds = (0, 0, 1)
    results = [state(tune_gates(inactive_network(), blobs(), replace(CONFIG, seed=seed))) for seed in seeds]
    assert equal(results[0], results[1])
    assert not equal(results[0], results[2])
    by_arguments = tune_gates(inactive_network(), blobs(), steps=1, seed=3)
    by_config = tune_gates(inactive_network(), blobs(), GateTuningConfig(steps=1, seed=3))
    assert equal(state(by_arguments), state(by_config))


# Interruption


@pytest.mark.slow
@pytest.mark.parametrize("stop", [1, 5, 6, 11])
def test_interrupted_and_resumed_equals_undisturbed(tmp_path, stop):
    undisturbed = state(tune_gates(inactive_network(), blobs(), CONFIG))
    file = tmp_path / "state"
    with pytest.raises(StoppedError):
        tune_gates(inactive_network(), blobs(), CONFIG, state_file=file, save_every=1, progress=stop_at(stop))
    steps = []
    resumed = tune_gates(
        inactive_network(),
        blobs(),
        CONFIG,
        state_file=file,
        progress=lambda event: steps.append(event.step),
    )
    assert equal(undisturbed, state(resumed))
    assert steps[0] == stop, "the interrupted step is repeated"
    assert [path.name for path in tmp_path.iterdir()] == ["state"]
    again = tune_gates(inactive_network(), blobs(), CONFIG, state_file=file)
    assert equal(undisturbed, state(again)), "a finished tuning is only loaded"


def test_a_state_of_another_tuning_or_a_damaged_one(tmp_path):
    file = tmp_path / "state"
    tune_gates(inactive_network(), blobs(), CONFIG, state_file=file)
    different = r"seed \(0 there, 2 here\), steps \(12 there, 3 here\).*delete state to start again"
    with pytest.raises(CheckpointError, match=different):
        tune_gates(inactive_network(), blobs(), replace(CONFIG, steps=3, seed=2), state_file=file)
    with pytest.raises(CheckpointError, match="the initial weights, the teacher"):
        tune_gates(inactive_network(1), blobs(), CONFIG, state_file=file)
    with pytest.raises(CheckpointError, match="the number of images"):
        tune_gates(inactive_network(), blobs()[:5], CONFIG, state_file=file)
    whole = file.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"hello", json.dumps({}).encode()):
        file.write_bytes(damaged)
        network = inactive_network()
        with pytest.raises(CheckpointError, match="no state of a training, or damaged"):
            tune_gates(network, blobs(), CONFIG, state_file=file)
        assert equal(state(network), state(inactive_network()))


def test_a_state_of_version_1_is_refused(tmp_path):
    file = tmp_path / "state"
    torch.save({"recipe": {}, "teacher": "", "images": 12, "step": 3, "learned": {}, "optimizer": {}}, file)
    with pytest.raises(CheckpointError, match=r"another version of SGE Lens.*delete state to start again"):
        tune_gates(inactive_network(), blobs(), CONFIG, state_file=file)


def test_progress():
    events = []
    tune_gates(inactive_network(), blobs(), CONFIG, progress=events.append)
    assert [event.step for event in events] == list(range(1, 13))
    assert events[-1].seconds_left == 0
    assert all(event.images_per_second > 0 and event.steps == 12 for event in events)
    assert set(events[0].terms) == {"logits", "features", "flatness"}, "a term of weight 0 is left out"
    assert events[-1].terms["flatness"] < events[0].terms["flatness"]
