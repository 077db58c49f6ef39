"""Shipping the network of 45 breeds, prepared before its training ends: kinds of images, thresholds, tables and the card."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import asdict

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from scripts.measure import none_of_these, trained
from scripts.measure.none_of_these import (
    ANIMALS,
    BREEDS,
    CHOICE,
    CHOOSING_OTHERS,
    NO_FACE,
    OTHERS,
    OWN,
    THINGS,
    Outputs,
    compute_scores,
    kind_rows,
    make_none_fits,
    score_rows,
)
from scripts.models import pets_figures, ship_pets
from scripts.models.pets_data import LABELS
from scripts.models.pets_figures import Measurements, make_figures
from scripts.models.pets_training import configs_of, read_log
from scripts.render_tables import render
from sge.evaluation.accuracy import evaluate
from sge.evaluation.gates import flat_masks
from sge.images.preprocess import Preprocess
from sge.lens.fit import find_fit, readout_inputs
from sge.models.cards import read_card
from sge.models.model import Model
from sge.models.none_fits import READOUT
from sge.nn.resnet import build_resnet
from tests.conftest import fill
from tests.drawn_images import noise

PREPROCESS = Preprocess(resize=183, size=160, whole=192, whole_temperature=0.7)
CONFIG = {"sizes": [96, 128], "eval_size": 160}
CONFIGS = [CONFIG, CONFIG | {"sizes": [144]}]


def drawn_outputs(seed=0):
    """Logits of 45 classes: those of its own classes have one large value, those of others a smaller one."""
    generator = np.random.default_rng(seed)
    kinds = np.array([CHOICE, CHOOSING_OTHERS, *OWN, *OTHERS] * 40)
    logits = generator.standard_normal((len(kinds), 45)).astype(np.float32)
    own = np.isin(kinds, (CHOICE, *OWN))
    height = np.where(own, 6.0, 3.0) + generator.standard_normal(len(kinds))
    logits[np.arange(len(kinds)), generator.integers(45, size=len(kinds))] += height
    logits[~own, 7] += 2  # a direction that no largest logit shows, and a readout can use
    return Outputs(kinds, logits)


@pytest.fixture(scope="module")
def scores():
    return compute_scores({"whole": drawn_outputs(), "center": drawn_outputs(0)})


@pytest.fixture
def found(scores):
    accuracy = [
        {"id": name, "images": images, "top1": 0.8, "top5": 0.9, "flat": 0.5}
        for name, images in (("dogs", 2016), ("rest", 1512), ("unseen", 84), ("pets", 472))
    ]
    part = {"nose": [0.5, 0.4], "nose_group": 1, "nose_random": [0.1, 0.0]}
    part |= {key.replace("nose", "eye"): value for key, value in part.items()}
    blocks = [{"id": "layer1.0"} | part, {"id": "center", "nose": [0.1, 0.0], "eye": [0.2, 0.1]}]
    first, last = (
        {
            "best": best,
            "seconds": "1800",
            "weight a": weight,
            "mask_std a": "0.11",
            "weight b": "0.5",
            "mask_std b": "0.2",
        }
        for best, weight in (("0.5", "0.25"), ("0.625", "0.75"))
    )
    return Measurements(
        accuracy=accuracy,
        whole=accuracy,
        sizes={"center": {160: 0.7, 176: 0.71}, "whole": {160: 0.7, 192: 0.75}},
        stds={"layer1.0": 0.123},
        blocks=blocks,
        hits={"face": (50, 66), "nose": (20, 66), "eye": (30, 62)},
        opening="layer3.0/g7",
        none_fits=make_none_fits(scores, ship_pets.SENTENCE),
        score_rows=score_rows(scores),
        kind_rows=kind_rows(scores.by_framing["whole"][scores.best]),
        logs=[[first], [first, last]],
    )


def test_the_threshold_keeps_what_it_says_and_the_area_is_that_of_scikit_learn(scores):
    energy = scores.by_framing["whole"]["energy"]
    assert energy.below(CHOICE) == pytest.approx(0.1, abs=0.026)
    own = np.isin(energy.kinds, OWN)
    test = own | np.isin(energy.kinds, OTHERS)
    assert energy.auroc(OWN, OTHERS) == pytest.approx(roc_auc_score(own[test], energy.values[test]))
    # Probability that a random image of its own has the larger score.
    pairs = energy.values[own][:, None] > energy.values[test & ~own][None]
    assert pairs.mean() == pytest.approx(energy.auroc(OWN, OTHERS))


def test_the_readout_finds_what_the_other_scores_do_not_see(scores):
    assert scores.best == READOUT
    named = scores.by_framing["whole"]
    assert named[READOUT].auroc(OWN, OTHERS) > named["max_logit"].auroc(OWN, OTHERS)
    assert scores.weights[7] < 0


def test_the_cards_weights_give_the_scores_of_the_test_images(scores):
    outputs, none_fits = drawn_outputs(), make_none_fits(scores, ship_pets.SENTENCE)
    readout, rows = scores.by_framing["whole"][READOUT], np.flatnonzero(outputs.rows(*OWN, *OTHERS))
    fits = [find_fit(none_fits, outputs.logits[row], "whole") for row in rows]
    assert [fit.score for fit in fits] == pytest.approx(readout.values[rows].tolist(), abs=1e-3)
    kept = [fit.fits for fit, row in zip(fits, rows, strict=True) if outputs.kinds[row] in OWN]
    assert np.mean(kept) == pytest.approx(none_fits.measured["kept"], abs=0.02)


def test_test_images_have_no_part_in_the_weights_the_choice_and_the_threshold(scores):
    outputs = drawn_outputs()
    other = outputs.logits.copy()
    other[outputs.rows(*OWN, *OTHERS)] = 0
    again = compute_scores({framing: Outputs(outputs.kinds, other) for framing in ("whole", "center")})
    assert (again.weights, again.best) == (scores.weights, scores.best)
    assert make_none_fits(again, "No.").threshold == make_none_fits(scores, "No.").threshold
    of_energy = scores.by_framing["whole"]["energy"]
    assert again.by_framing["whole"]["energy"].choosing == of_energy.choosing


def test_scores_of_images_that_fit_the_weights_come_from_fits_without_them():
    """Labels drawn at random cannot be told apart, though a fit on the images themselves seems to."""
    generator = np.random.default_rng(0)
    kinds = np.array([CHOICE, CHOOSING_OTHERS] * 60 + [*OWN, *OTHERS])
    outputs = Outputs(kinds, generator.standard_normal((len(kinds), 45)).astype(np.float32))
    found = compute_scores({"whole": outputs})
    assert abs(found.by_framing["whole"][READOUT].choosing - 0.5) < 0.15
    itself = readout_inputs(outputs.logits)[:120] @ np.array(found.weights)
    assert roc_auc_score(kinds[:120] == CHOICE, itself) > 0.75


def test_rows_of_kinds_add_up(scores):
    rows = {row["id"]: row for row in kind_rows(scores.by_framing["whole"]["energy"])}
    assert sum(rows[kind]["images"] for kind in OTHERS) == rows["all others"]["images"] == 160
    assert sum(rows[kind]["images"] for kind in OWN) == rows["all own"]["images"] == 80
    stated = score_rows(scores)
    assert max(stated, key=lambda row: row["choosing"])["id"] == scores.best
    assert [row["id"] for row in stated if row["score"].endswith("(used)")] == [scores.best]


def test_kinds_of_imagenets_images(shared):
    assert shared
    files = list(none_of_these.files_by_kind())
    counts = {kind: sum(one == kind for one, _ in files) for kind in (CHOICE, CHOOSING_OTHERS, *OWN, *OTHERS)}
    assert counts[CHOICE] == 1008 + 236
    assert [counts[kind] for kind in OWN] == [1008, 236]
    assert counts[NO_FACE] == 135
    assert counts[CHOOSING_OTHERS] == counts[BREEDS] + counts[ANIMALS] + counts[THINGS] == 450
    assert len(files) == 2016 + 472 + 932 - 32 + 135
    assert len({(file.source, file.name) for _, file in files}) == len(files)


def test_the_figures_are_rendered_and_their_rows_complete(found):
    figures = make_figures(found, PREPROCESS, CONFIGS)
    json.dumps(figures)
    for name, table in figures["tables"].items():
        keys = {column["key"] for column in table["columns"]}
        assert all(keys <= row.keys() for row in table["rows"]), name
        assert len({row["id"] for row in table["rows"]}) == len(table["rows"]), name
        assert "set" in table or "set" in keys
        assert render(table).count("\n| ") == len(table["rows"]) + 1
    accuracy = {row["id"]: row for row in figures["tables"]["accuracy"]["rows"]}
    assert accuracy["error_unseen"]["value"] == pytest.approx(0.044, abs=0.0005)
    assert [row["weight"] for row in figures["tables"]["gates"]["rows"]] == ["0.25 to 0.50", "0.50 to 0.75"]
    assert [tuple(row.values())[1:] for row in figures["tables"]["training"]["rows"]] == [
        (1, 1, "96 / 128", 0.5, 0.5),
        (2, 2, "144", 0.625, 1.0),
    ]
    labels = ", ".join(row["labels"] for row in figures["tables"]["classes"]["rows"]).split(", ")
    assert sorted(labels) == LABELS


def test_the_card_is_one(found, tmp_path):
    (tmp_path / "file").write_bytes(b"weights")
    record = ship_pets.make_card(tmp_path / "file", found, PREPROCESS, {"config": CONFIG})
    card = read_card(json.loads(json.dumps(record)))
    assert card.gates == "trained"
    assert asdict(card.none_fits) == asdict(found.none_fits)
    assert set(card.none_fits.threshold) == {"whole", "center"}
    assert card.sentence.startswith("Recognizes 33 kinds of dogs and 12 breeds of cats")
    assert card.opens_with == {
        "block": "layer3.0",
        "group": 7,
        "reason": "on 50 of 66 labelled dog images the peak of its mask is on the face",
    }
    assert card.accuracy[0]["command"] == (
        "python -m scripts.models.pets_data OUT && sge eval OUT/dev.tar --only woof-- --model sge_resnet18_pets"
    )
    assert set(pets_figures.SETS) == set(pets_figures.COMMANDS) == {row["id"] for row in found.accuracy}


def test_tables_of_other_documents_stay(found, tmp_path):
    figures = make_figures(found, PREPROCESS, CONFIGS)
    old = {"accuracy": {"document": "docs/models.md"}, "gone": {"document": "docs/models.md"}}
    effect = {"effect": {"document": "docs/faithfulness.md", "rows": [1]}}
    (tmp_path / "figures").write_text(json.dumps({"tables": old | effect}))
    kept = ship_pets.with_other_documents(figures, tmp_path / "figures")["tables"]
    assert kept == figures["tables"] | effect
    assert ship_pets.with_other_documents(figures, tmp_path / "none") == figures


def test_configurations_of_the_last_trainings_of_a_card():
    made_from = {"config": 3, "start": {"name": "two", "made_from": {"config": 2, "start": {"name": "one"}}}}
    assert configs_of(made_from, 1) == [3]
    assert configs_of(made_from, 2) == [2, 3]
    with pytest.raises(ValueError, match="states 2 trainings, and there are 3 logs"):
        configs_of(made_from, 3)


def test_logs_of_version_1_and_of_today(tmp_path):
    for name in ("spread", "mask_std"):
        (tmp_path / "log.csv").write_text(f"epoch,seconds,weight a,{name} a\n0,1,0.5,0.25\n")
        assert read_log(tmp_path / "log.csv") == [
            {"epoch": "0", "seconds": "1", "weight a": "0.5", "mask_std a": "0.25"}
        ]


@pytest.mark.slow
def test_accuracy_is_that_of_evaluate(monkeypatch, tmp_path):
    """On drawn sets: every set is a part of the first, and its figures are those that the command gives."""
    for number, label in enumerate(LABELS[:3] * 4):
        (tmp_path / label).mkdir(exist_ok=True)
        noise(32, 32, number).save(tmp_path / label / f"{'woof--' if number % 2 else 'pets--'}{number}.png")
    sets = [trained.MeasuredSet(name, tmp_path, only) for name, only in (("all", None), ("dogs", "woof--"))]
    monkeypatch.setattr(trained, "measured_sets", lambda labels: nullcontext(sets))
    torch.manual_seed(0)
    network = fill(build_resnet(18, "sge", num_classes=45))
    model = Model("drawn", network, labels=LABELS, preprocess=Preprocess(resize=32, size=32))
    for one, found in zip(sets, trained.accuracy_rows(model), strict=True):
        acting = evaluate(model, tmp_path, only=one.only)
        with flat_masks(network):
            flat = evaluate(model, tmp_path, only=one.only)
        assert found == {
            "id": one.name,
            "images": acting.images,
            "top1": round(acting.top1, 3),
            "top5": round(acting.top5, 3),
            "flat": round(flat.top1, 3),
        }
    assert [row["images"] for row in trained.accuracy_rows(model, flat=False)] == [12, 6]


def test_sets_by_labels(monkeypatch):
    built = []
    monkeypatch.setattr(trained.pets_data, "build", lambda folder, training: built.append(folder))
    with trained.measured_sets(["beagle", "dingo"]) as sets:
        assert [one.name for one in sets] == ["dogs", "unseen"]
    assert not built
    with trained.measured_sets(LABELS) as sets:
        assert [(one.name, one.source.name, one.only) for one in sets] == [
            ("dogs", "dev.tar", "woof--"),
            ("rest", "dev_rest.tar", None),
            ("unseen", "dev.tar", "ILSVRC2012_val"),
            ("pets", "dev.tar", "pets--"),
        ]
        assert built == [sets[0].source.parent]
    assert not built[0].exists()
