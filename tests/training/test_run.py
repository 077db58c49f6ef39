"""The command itself: it learns, goes on exactly after kill -9, and two processes equal one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from sge.errors import MissingPackageError
from sge.models.checkpoint import read_weights
from sge.training.state import LAST
from sge.training.synthetic import make_shapes_dataset

SGE = Path(sys.executable).with_name("sge")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return make_shapes_dataset(tmp_path_factory.mktemp("images"))


def smoke(drawn, out, *more):
    return [str(SGE), "train", "smoke", "--train", drawn[0], "--dev", drawn[1], "--out", out, *map(str, more)]


def start(command, **environment):
    return subprocess.Popen(
        list(map(str, command)),
        env=os.environ | ONE_THREAD | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out, err


def state_of(out):
    return torch.load(out / LAST, weights_only=True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nothing"], "paper-imagenet"),
        (["imagewoof"], "Name the images"),
        (["smoke", "--attention", "magic"], "magic"),
        (["smoke", "--set", "teacher_weight=0.5"], "--teacher"),
        (["smoke", "--dense", "layer3.0"], "BLOCK=TEACHER_BLOCK"),
        (["smoke", "--batch", "4000"], "fewer than a batch"),
    ],
)
def test_what_cannot_be_trained_is_a_sentence(sge_command, tmp_path, arguments, says):
    result = sge_command("train", *arguments, "--out", tmp_path / "out")
    assert result.exit_code != 0
    assert says in str(result.exception)


def test_a_missing_package_is_told_before_images_are_decoded(sge_command, drawn, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    result = sge_command(*smoke(drawn, tmp_path / "out")[1:])
    assert isinstance(result.exception, MissingPackageError)
    assert "pip install 'sge-lens[train]'" in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_smoke_learns_and_eval_measures_it(sge_command, tmp_path):
    import json

    result = sge_command("train", "smoke", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.exception
    best = Path(result.stdout.strip())
    top1 = read_weights(best).metadata["sge.card"]["accuracy"][0]["top1"]
    assert top1 >= 0.6, "four classes: a quarter would be right by chance"
    rows = (tmp_path / "out" / "log.csv").read_text().splitlines()
    assert rows[0].startswith("epoch,step,top1")
    assert any((tmp_path / "out" / "tensorboard").iterdir())
    measured = sge_command("eval", tmp_path / "out" / "drawn" / "dev", "--model", best, "--json")
    assert measured.exit_code == 0, measured.exception
    # The same images by Pillow's resizing instead of torch's: one of 24 may fall to the other side.
    assert json.loads(measured.stdout)["top1"] == pytest.approx(top1, abs=2 / 24)


def test_killed_and_started_again_it_ends_the_same(drawn, tmp_path):
    short = ("--epochs", 2, "--save-every", 3)
    finish(start(smoke(drawn, tmp_path / "whole", *short)))
    command = smoke(drawn, tmp_path / "killed", *short)
    process = start(command)
    while not (tmp_path / "killed" / LAST).exists():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    at, end = state_of(tmp_path / "killed")["step"], state_of(tmp_path / "whole")["step"]
    assert 0 < at < end, "the kill came in the middle"
    finish(start(command))
    whole, again = state_of(tmp_path / "whole"), state_of(tmp_path / "killed")
    for part in ("student", "average", "best_state"):
        assert all(torch.equal(value, again[part][key]) for key, value in whole[part].items()), part
    files = [read_weights(tmp_path / name / "best.safetensors").digest for name in ("whole", "killed")]
    assert files[0] == files[1]


def test_two_processes_equal_one_that_takes_its_batches_in_halves(drawn, tmp_path):
    """Weights to 1e-4 after 24 steps; running statistics are each process's own, averaged after each epoch."""
    finish(start(smoke(drawn, tmp_path / "one", "--epochs", 2, "--set", "accumulate=2")))
    launcher = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "--master-port",
        "29517",
    ]
    finish(start([*launcher, *smoke(drawn, tmp_path / "two", "--epochs", 2)]))
    one, two = state_of(tmp_path / "one")["student"], state_of(tmp_path / "two")["student"]
    learned = [key for key in one if "running" not in key and "num_batches" not in key]
    assert max(float((one[key] - two[key]).abs().max()) for key in learned) < 1e-4
    assert float((one["network.conv1.weight"] - two["network.conv1.weight"]).abs().max()) < 1e-5


def test_another_recipe_in_the_same_folder_is_refused(sge_command, drawn, tmp_path):
    arguments = ("train", "smoke", "--train", drawn[0], "--dev", drawn[1], "--out", tmp_path, "--epochs", 1)
    assert sge_command(*arguments).exit_code == 0
    refused = sge_command(*arguments, "--rate", 0.5)
    assert "another training: recipe differ" in str(refused.exception)
