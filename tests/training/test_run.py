"""Whole trainings in processes of their own: killed and resumed, and two processes instead of one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
import torch

from sge.models.checkpoint import read_weights
from sge.training.state import LAST
from sge.training.synthetic import make_shapes_dataset

ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
KILLED_AT, SAVED_EVERY = 8, 3

KILLED_TRAINING = f"""
import os, signal, sys
from pathlib import Path
import torch
from sge.training.presets import PRESETS
from sge.training.distributed import single_process
from sge.training.request import TrainingRequest
from sge.training.run import Callbacks, train

def kill_itself(event):
    if event.step == {KILLED_AT}:
        os.kill(os.getpid(), signal.SIGKILL)

def ignore(event):
    pass

images, dev, out = map(Path, sys.argv[1:])
config = PRESETS["smoke"].changed(epochs=1)
request = TrainingRequest((images,), (dev,), out, config, save_every={SAVED_EVERY})
train(request, single_process(torch.device("cpu")), Callbacks(kill_itself, ignore, ignore, ignore))
"""


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    return make_shapes_dataset(tmp_path_factory.mktemp("images"))


def smoke(shapes, out, *more):
    return ["train", "smoke", "--train", shapes[0], "--dev", shapes[1], "--out", out, *more]


def run(*command) -> subprocess.CompletedProcess:
    arguments = [sys.executable, *map(str, command)]
    return subprocess.run(
        arguments, env=os.environ | ONE_THREAD, capture_output=True, text=True, timeout=500, check=False
    )


def succeed(*command) -> None:
    done = run(*command)
    assert done.returncode == 0, done.stderr


def state_of(out):
    return torch.load(out / LAST, weights_only=True)


@pytest.mark.slow
def test_a_killed_training_is_resumed_to_the_same_weights(shapes, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    options = ("--epochs", 1, "--save-every", SAVED_EVERY)
    succeed("-m", "sge", *smoke(shapes, whole, *options))
    done = run("-c", KILLED_TRAINING, *shapes, killed)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert state_of(killed)["step"] == KILLED_AT // SAVED_EVERY * SAVED_EVERY
    succeed("-m", "sge", *smoke(shapes, killed, *options))
    expected, resumed = state_of(whole), state_of(killed)
    for key in ("student", "average", "best_state"):
        assert all(torch.equal(value, resumed[key][name]) for name, value in expected[key].items()), key
    digests = [read_weights(out / "best.safetensors").digest for out in (whole, killed)]
    assert digests[0] == digests[1]


@pytest.mark.slow
def test_two_processes_are_resumed_to_the_same_weights(shapes, tmp_path):
    """Also the running statistics, which each process estimates from its own crops; the state is of the first alone."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2)
    options = ("--epochs", 1, "--save-every", SAVED_EVERY)
    succeed(*launcher, "-m", "sge", *smoke(shapes, whole, *options))
    script = tmp_path / "killed.py"
    script.write_text(
        KILLED_TRAINING.replace("import single_process", "import distributed_context")
        .replace("train(request, single_process(", "with distributed_context(")
        .replace('("cpu")), Callbacks', '("cpu")) as context:\n    train(request, context, Callbacks')
    )
    assert run(*launcher, script, *shapes, killed).returncode != 0
    assert state_of(killed)["step"] == KILLED_AT // SAVED_EVERY * SAVED_EVERY
    succeed(*launcher, "-m", "sge", *smoke(shapes, killed, *options))
    expected, resumed = state_of(whole), state_of(killed)
    for key in ("student", "average"):
        assert all(torch.equal(value, resumed[key][name]) for name, value in expected[key].items()), key


@pytest.mark.slow
def test_two_processes_equal_one_with_two_micro_batches(shapes, tmp_path):
    """Weights to 1e-4 after 12 steps; running statistics belong to each process and are averaged after an epoch."""
    succeed("-m", "sge", *smoke(shapes, tmp_path / "one", "--epochs", 1, "--set", "accumulate=2"))
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2, "-m", "sge")
    succeed(*launcher, *smoke(shapes, tmp_path / "two", "--epochs", 1))
    one, two = state_of(tmp_path / "one")["student"], state_of(tmp_path / "two")["student"]
    trained = [key for key in one if "running" not in key and "num_batches" not in key]
    assert max(float((one[key] - two[key]).abs().max()) for key in trained) < 1e-4
    assert float((one["network.conv1.weight"] - two["network.conv1.weight"]).abs().max()) < 1e-5
