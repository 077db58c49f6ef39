"""The other servers get the same network input as this one, and are named when they cannot be measured."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from sge.bench.service.contenders import OTHERS, OURS, PEERS, Contender, Setup, contenders, port_of
from sge.images import Preprocess, decode, frame
from sge.paths import shipped

SETUP = Setup("sge_efficientnet_lite0", Path("net.onnx"), Path("facts.json"), 2)


@pytest.fixture
def plain(monkeypatch):
    spec = importlib.util.spec_from_file_location("plain", PEERS / "plain.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_the_peers_compute_on_the_same_pixels(plain, tmp_path, interpolation):
    preprocess = Preprocess(interpolation=interpolation)
    facts = tmp_path / "facts.json"
    facts.write_text(json.dumps(asdict(preprocess) | {"labels": ["a", "b"]}))
    peer = plain.Classifier(facts, lambda batch: np.array([[1.0, 3.0]] * len(batch)))
    for name in ("koala", "shepherd"):
        data = (shipped("static") / "samples" / f"{name}.jpg").read_bytes()
        ours = frame(decode(data), preprocess, "center").array
        # The peers crop after resizing. A few values are then rounded to the other side.
        apart = np.abs(peer.decode(data) - ours) * 255 * min(preprocess.std)
        assert apart.max() < 1.01
        assert (apart > 0.01).mean() < 0.01
        best, other = peer.predict(data)
        assert (best["label"], best["index"], other["label"]) == ("b", 1, "a")
        assert best["score"] == pytest.approx(1 / (1 + np.exp(-2)))


def test_every_program_is_there_and_every_port_is_its_own():
    listed = contenders(SETUP, 9000)
    assert (
        len({port_of(one) for one in listed}) == len({one.key for one in listed}) == len(OURS) + len(OTHERS)
    )
    for _key, script, *_rest in OTHERS:
        compile((PEERS / script).read_text(), script, "exec")
        # A program's folder comes first when it is run: its name must not hide a package.
        assert importlib.util.find_spec(script.removesuffix(".py")) is None
    assert {one.environment["SGE_BACKEND"] for one in listed if one.ours} == set(OURS)
    assert [one.key for one in listed if one.only_named] == ["ours-openvino"]
    for one in listed:
        assert one.command[0] == sys.executable
        threads = one.environment["SGE_THREADS"] if one.ours else one.command[-1]
        assert threads == "2"
        assert one.ours or one.command[one.command.index("--backend") + 1] == one.backend


def test_a_program_runs_the_network_of_its_backend(plain, monkeypatch):
    monkeypatch.setattr(plain, "onnx_network", lambda file, threads: ("onnxruntime", file, threads))
    monkeypatch.setattr(plain, "torch_network", lambda name, threads: ("torch", name, threads))
    for backend in ("onnxruntime", "torch"):
        assert plain.network("the file", backend) == (backend, "the file", 1)


def test_a_missing_package_is_noticed():
    assert Contender("x", "X", [], [], package="no_such_package_here").missing
    assert not Contender("x", "X", [], [], package="numpy").missing
    assert not Contender("x", "X", [], []).missing
