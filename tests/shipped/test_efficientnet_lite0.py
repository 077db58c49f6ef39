"""The figures beside the two EfficientNet-Lite0 models agree with their cards, their finders and what is measured."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

import sge
from scripts.common import REACH, ROOT, decoded, held_back, peak_distances, sure_labels
from scripts.gates.config import make_run, read_runs
from scripts.measure.gate_effect import ACTING_STD, evaluation_inputs
from scripts.measure.tuned import SIZE
from scripts.models.opening_group import count_hits
from scripts.models.temperature import find_temperature
from scripts.render_tables import read_figures, row
from sge.datasets.labelled import find_images, find_labelled
from sge.evaluation.accuracy import evaluate
from sge.evaluation.gates import best_single_group, flat_masks
from sge.models.names import ORIGINAL_MODEL, TUNED_MODEL
from sge.models.registry import pretrained_model, shipped_entries

LITE0, TUNED = read_figures(ORIGINAL_MODEL), read_figures(TUNED_MODEL)
CARDS = {name: shipped_entries()[name].card for name in (ORIGINAL_MODEL, TUNED_MODEL)}
IMAGES = 500
ONE = 1.01
"""Tolerance in images, because another processor may round a tie or a peak differently."""


def agrees(measured: float, stated: float, images: int) -> bool:
    return abs(measured - stated) <= ONE / images + 0.0005


def test_the_cards_state_the_figures():
    accuracy, tuned = LITE0["accuracy"], TUNED["accuracy"]
    for measure in ("top1", "top5"):
        stated = row(accuracy, measure)["value"]
        assert CARDS[ORIGINAL_MODEL].accuracy[0][measure] == stated == row(tuned, measure)["inactive"]
        assert CARDS[TUNED_MODEL].accuracy[0][measure] == row(tuned, measure)["tuned"]
    measured = CARDS[TUNED_MODEL].made_from["measured"]
    assert measured["agreement_validation_dogs"] == row(tuned, "agreement_validation")["tuned"]
    assert measured["agreement_held_out"] == row(tuned, "agreement_held_out")["tuned"]
    assert measured["top1_masks_at_their_means"] == row(tuned, "top1_flat")["tuned"]
    acting = sum(block["std"] >= ACTING_STD for block in TUNED["blocks"]["rows"])
    assert measured["blocks_with_mask_std_of_a_tenth"] == [acting, len(TUNED["blocks"]["rows"])]
    assert row(tuned, "acting_blocks")["tuned"].startswith(f"{acting} of {len(TUNED['blocks']['rows'])} ")


def test_the_frontier_has_the_shipped_run():
    run = row(TUNED["frontier"], CARDS[TUNED_MODEL].made_from["run"])
    for identifier in ("top1", "top1_flat", "agreement_validation", "agreement_held_out"):
        assert run[identifier] == row(TUNED["accuracy"], identifier)["tuned"]
    config = make_run(CARDS[TUNED_MODEL].made_from["config"], None)
    stated = [
        run for run in read_runs(ROOT / "scripts" / "gates" / "runs.json") if run["name"] == config.name
    ]
    assert len(stated) == 1
    assert all(
        getattr(config, key) == value for key, value in stated[0].items() if key not in ("file", "compact")
    )


def test_the_temperature_is_the_models():
    stated = row(LITE0["confidence"], "temperature")["value"]
    for name in CARDS:
        assert sge.load_model(name).preprocess.whole_temperature == stated


@pytest.mark.parametrize("name", CARDS)
def test_the_part_finder_states_the_figures(name):
    rows = read_figures(name)["cross_validation"]
    of_readouts = [one for one in sge.load_model(name).finder.measured if "by" not in one]
    assert len(of_readouts) == len(rows["rows"])
    for measured in of_readouts:
        stated = row(rows, f"{measured['part']}_{measured['images']}")
        for key in ("shown", "absent", "auc", "missed", "false_alarms", "groups"):
            assert stated[key] == measured[key]
        for within, hits in measured["hits"].items():
            assert stated[f"within_{within}"] == hits


@pytest.mark.parametrize("name", CARDS)
def test_the_card_states_the_opening_groups_hits(name):
    face = row(read_figures(name)["opening_group"], "face")
    opening = CARDS[name].opens_with
    assert face["group"] == f"`{opening['block']}/g{opening['group']}`"
    assert re.search(r"on (\d+) of (\d+)", opening["reason"]).groups() == (
        str(face["hits"]),
        str(face["images"]),
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", CARDS)
@pytest.mark.usefixtures("shared")
def test_the_opening_groups_hits_are_the_measured_ones(name):
    opening = CARDS[name].opens_with
    hits = count_hits(sge.Lens(sge.load_model(name)))
    for stated in read_figures(name)["opening_group"]["rows"]:
        found = hits[stated["part"]][f"{opening['block']}/g{opening['group']}"]
        assert len(found) == stated["images"]
        assert abs(sum(found) - stated["hits"]) <= ONE


@pytest.mark.slow
def test_the_accuracy_in_whole_framing_is_the_measured_one(shared):
    stated = row(LITE0["accuracy"], "top1_whole")["value"]
    result = evaluate(
        sge.load_model(ORIGINAL_MODEL), shared / "data" / "imagenet_val_dogs", framing="whole", batch=16
    )
    assert result.images == IMAGES
    assert agrees(result.top1, stated, IMAGES)


@pytest.mark.slow
def test_flat_masks_and_agreement_of_the_tuned_model_are_the_measured_ones(shared):
    model = sge.load_model(TUNED_MODEL)
    folder = shared / "data" / "imagenet_val_dogs"
    with flat_masks(model.network):
        flat = evaluate(model, folder, batch=25)
    assert agrees(flat.top1, row(TUNED["accuracy"], "top1_flat")["tuned"], IMAGES)
    inactive = pretrained_model(TUNED_MODEL).network(inactive=True)
    names = set(held_back())
    others = [file for file in find_images(shared / "data" / "one_each.tar") if file.name in names]
    for identifier, files in (
        ("agreement_validation", find_labelled([folder]).files),
        ("agreement_held_out", others),
    ):
        inputs = evaluation_inputs(model.preprocess, decoded(files)).split(25)
        with torch.inference_mode():
            same = [model.network(x).argmax(1) == inactive(x).argmax(1) for x in inputs]
        share = float(torch.cat(same).float().mean())
        assert agrees(share, row(TUNED["accuracy"], identifier)["tuned"], len(files)), identifier


@pytest.mark.slow
@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize(("signal", "gates"), [("mask", "tuned"), ("similarity", "inactive")])
def test_the_single_groups_hits_are_the_measured_ones(signal, gates):
    model = sge.load_model(TUNED_MODEL)
    if gates == "inactive":
        model.network.load_state_dict(pretrained_model(TUNED_MODEL).network(inactive=True).state_dict())
    for part, all_distances in peak_distances(sge.Lens(model), signal, sure_labels(), SIZE).items():
        distances = all_distances[np.isfinite(all_distances).all(1)]
        chosen = best_single_group(distances, REACH).distances
        stated = row(TUNED["single_groups"], part)[gates]
        for reach, value in zip((REACH, REACH / 2), stated, strict=True):
            assert abs((chosen < reach).mean() - value) <= ONE / len(chosen) + 0.005, (part, reach)


@pytest.mark.slow
def test_the_temperature_is_the_measured_one(shared):
    dogs = decoded(find_images(shared / "data" / "imagenet_val_dogs")[::3])
    things = decoded(find_images(shared / "data" / "no_face"))
    assert len(dogs) + len(things) == 302
    measured = find_temperature(sge.load_model(ORIGINAL_MODEL), dogs + things)
    for identifier, value in zip(("center", "whole", "temperature"), measured, strict=True):
        assert abs(value - row(LITE0["confidence"], identifier)["value"]) < 0.006, identifier
