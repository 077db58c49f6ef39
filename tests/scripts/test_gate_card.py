"""The card and the figures of a gate tuning, and what is measured for them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from scripts.gates.card import accuracy_rows, judged, opening, opening_sentence, part_rows
from scripts.measure.gate_effect import GateEffect, gate_effect
from sge.models import LITE0, TUNED_MODEL, pretrained_model
from sge.parts import Finder
from tests.conftest import ROOT


def effect(**accuracy):
    stds = {"a": 0.0999, "b": 0.1, "c": 0.3}
    return GateEffect(500, 0.9496, 0.1, stds, dict.fromkeys(stds, 0.5), 0.2, accuracy)


def test_a_target_is_met_by_what_is_stated():
    """0.9496 is stated as 0.950, and a reader compares what is stated."""
    dogs = effect(top1=0.761, top5=0.9, top1_flat=0.662, top1_inactive=0.766, top5_inactive=0.9)
    rows = {entry["id"]: entry for entry in accuracy_rows(dogs, effect())}
    assert rows["top1"]["target"] == "at most 0.005 lower: met"
    assert rows["top1_flat"]["target"] == "at least 0.10 lower than with masks: **missed by 0.001** (0.099)"
    assert rows["acting_blocks"]["tuned"] == "2 of 3 (std 0.10 to 0.30)"
    assert rows["agreement_validation"]["target"] == "0.95: met"
    assert judged("a", -1e-9) == "a: met"
    said = opening_sentence(dogs, {"nose": 0.9146, "eye": 1.0})
    assert "from 76.1 % to 66.2 %" in said
    assert "within half a point" in said
    assert "the nose in 91 % and an eye in 100 %" in said


def test_a_viewer_opens_with_the_group_that_follows_noses():
    hits = {
        "face": {"b/g0": [True, True], "b/g11": [True, False]},
        "nose": {"b/g0": [False], "b/g11": [True]},
        "eye": {"b/g0": [True], "b/g11": [False]},
    }
    opens, rows = opening(hits)
    assert (opens["block"], opens["group"]) == ("b", 11)
    assert opens["reason"].startswith("on 1 of 2 labelled")
    assert [(entry["part"], entry["hits"], entry["images"]) for entry in rows] == [
        ("face", 1, 2),
        ("nose", 1, 1),
    ]


def test_the_figures_of_parts_are_those_of_readouts():
    """Also where the finder has detectors, whose figures have another form."""
    finder = Finder.load(ROOT / "weights" / f"{TUNED_MODEL}.parts.json")
    rows = part_rows(finder)
    assert rows
    assert part_rows(replace(finder, measured=[*finder.measured, {"by": "mix", "images": {}}])) == rows


def test_gates_that_are_inactive_change_nothing():
    network = pretrained_model(LITE0).network()
    inputs = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        theirs = network(inputs)
    found = gate_effect(network, theirs, inputs, theirs.argmax(1).tolist())
    assert (found.agreement, found.acting, found.mean_std) == (1.0, 0, 0.0)
    assert found.kl == pytest.approx(0, abs=1e-6)
    assert found.accuracy == dict.fromkeys(found.accuracy, 1.0)
