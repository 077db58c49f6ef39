"""The shipped SGE-ResNet that was trained here: its file, its card and the table of docs/models.md agree."""

from __future__ import annotations

import re

import pytest
import torch
from sge.models.catalogue import shipped_cards, shipped_files

import sge
from scripts.models.opening_group import count_hits
from sge.evaluation.accuracy import evaluate
from sge.models.checkpoint import read_weights
from sge.models.names import DEFAULT_MODEL, DOGS_MODEL, TUNED_MODEL
from sge.nn.blocks import sge_blocks
from tests.conftest import ROOT

CARD = shipped_cards()[DOGS_MODEL]
SAMPLES = sorted((ROOT / "static" / "samples").glob("*[a-z].jpg"))
ONE = 1.01
"""Images either way: another processor may round a draw, or a peak, differently."""


@pytest.fixture(scope="module")
def model():
    return sge.load_model(DOGS_MODEL)


def table() -> dict[str, float]:
    """First column to value, of the section's first table."""
    text = (ROOT / "docs" / "models.md").read_text("utf-8")
    section = re.split(r"^## ", text, flags=re.M)
    ours = next(one for one in section if one.startswith(DOGS_MODEL))
    return {what: float(value) for what, value in re.findall(r"^\| ([^|]+?) \| ([\d.]+) \|", ours, re.M)}


def test_the_file_is_half_precision_and_its_gates_are_open_to_act(model):
    state = read_weights(shipped_files()[DOGS_MODEL]).state
    assert {value.dtype for value in state.values()} == {torch.float16, torch.int64}
    gates = sge_blocks(model.network)
    assert len(gates) == 8
    assert all(gate.groups == 64 for gate in gates.values())
    assert all(float(gate.weight.detach().median()) > 0.5 for gate in gates.values())
    assert not model.inactive


def test_masks_act_on_the_shipped_samples(model):
    lens = sge.Lens(model)
    for path in SAMPLES:
        seen = lens.analyze(path)
        assert seen.signal == "mask"
        for block in seen.blocks:
            spread = seen.masks[block.name].std(axis=(1, 2))
            assert float(torch.tensor(spread).median()) > 0.1, (path.name, block.name)


def test_the_opening_group_is_one_of_the_networks(model):
    opening = CARD["opens_with"]
    assert opening["group"] < sge_blocks(model.network)[opening["block"]].groups


def test_the_documents_table_says_what_the_card_says():
    stated = table()
    dev, unseen = CARD["accuracy"]
    for words, value in (
        ("top-1, ten breeds", dev["top1"]),
        ("top-5, ten breeds", dev["top5"]),
        ("top-1 on the images that the teacher has not seen either", unseen["top1"]),
        ("top-1 with every mask at its mean over space", CARD["made_from"]["measured"]["top1_flat"]),
    ):
        assert stated[words] == value, words


def test_the_service_opens_with_another_for_measured_reasons():
    cards = shipped_cards()
    reason = cards[DEFAULT_MODEL]["opens_service"]
    right = [100 * cards[name]["accuracy"][0]["top1"] for name in (DEFAULT_MODEL, TUNED_MODEL)]
    assert f"({right[0]:.1f} % against {right[1]:.1f} %)" in reason
    finder = sge.load_model(DEFAULT_MODEL).finder
    nose, eye = (
        next(one for one in finder.measured if (one["part"], one["images"]) == (part, "all"))
        for part in ("nose", "eye")
    )
    found = [100 * one["hits"]["0.1"]["value"] for one in (nose, eye)]
    assert f"the nose in {found[0]:.0f} % and an eye in {found[1]:.0f} %" in reason
    assert not any(card.get("opens_service") for name, card in cards.items() if name != DEFAULT_MODEL)


@pytest.mark.slow
def test_the_cards_figures_are_the_measured_ones(model, shared):
    for stated, only in zip(CARD["accuracy"], (None, "ILSVRC2012_val"), strict=True):
        result = evaluate(model, shared / "data" / "dogs_dev.tar", only=only, batch=32)
        assert result.images == stated["images"]
        assert abs(result.top1 - stated["top1"]) <= ONE / result.images + 0.0005


@pytest.mark.slow
@pytest.mark.usefixtures("shared")
def test_the_opening_groups_faces_are_counted(model):
    opening = CARD["opens_with"]
    hits = count_hits(sge.Lens(model))["face"][f"{opening['block']}/g{opening['group']}"]
    stated = re.search(r"(\d+) of (\d+)", opening["reason"])
    assert stated is not None
    assert len(hits) == int(stated[2])
    assert abs(sum(hits) - int(stated[1])) <= ONE
