"""The figures of docs/faithfulness.md: what they must say of each other, and a part of them measured again."""

from __future__ import annotations

import json

import pytest

import sge
from scripts.measure.faithfulness import DOCUMENT, MEASURES, MODELS, STEPS, dumped
from scripts.render_tables import SUFFIX, read_figures, row
from sge.evaluation.faithfulness import measure_faithfulness
from sge.evaluation.faithfulness_result import TITLES
from sge.evaluation.gate_accuracy import ALL
from sge.evaluation.image_figures import Protocol
from sge.nn.blocks import sge_blocks
from sge.paths import shipped

NAMES = [measured.model for measured in MODELS]
FAR = 0.02
"""Another processor rounds differently, and pixels of nearly equal rank change places."""


@pytest.mark.parametrize("name", NAMES)
def test_the_file_is_as_the_script_writes_it(name):
    text = (shipped("weights") / f"{name}{SUFFIX}").read_text("utf-8")
    assert dumped(json.loads(text)) == text


@pytest.mark.parametrize("name", NAMES)
def test_every_map_and_every_block_has_a_row(name):
    tables = read_figures(name)
    assert {entry["id"] for entry in tables["faithfulness"]["rows"]} == set(TITLES)
    blocks = list(sge_blocks(sge.load_model(name, finder=False).network))
    assert [entry["id"] for entry in tables["flat_masks"]["rows"]] == [
        "plain",
        ALL.replace(" ", "_"),
        *blocks,
    ]
    assert all(tables[table]["document"] == DOCUMENT for table in ("faithfulness", "flat_masks"))


@pytest.mark.parametrize("name", NAMES)
def test_intervals_hold_their_values(name):
    for entry in read_figures(name)["faithfulness"]["rows"]:
        for measure in (*MEASURES, "pointing"):
            assert entry[measure]["low"] <= entry[measure]["value"] <= entry[measure]["high"]
            if measure in entry["against_random"]:
                difference = entry["against_random"][measure]
                assert difference["low"] <= difference["value"] <= difference["high"]


@pytest.mark.parametrize("name", NAMES)
def test_an_inactive_mask_ranks_as_the_random_map_and_flat_masks_change_nothing(name):
    tables = read_figures(name)
    mask, random = (row(tables["faithfulness"], identifier) for identifier in ("mask", "random"))
    flat = row(tables["flat_masks"], ALL.replace(" ", "_"))
    inactive = sge.load_model(name, finder=False).inactive
    assert (mask["constant"] > 0) == inactive
    if inactive:
        assert mask["insertion"] == random["insertion"]
        assert flat["difference"]["value"] == flat["mask_std"] == 0
    else:
        assert flat["difference"]["high"] < 0


@pytest.mark.slow
@pytest.mark.parametrize("measured", MODELS, ids=NAMES)
def test_the_first_images_have_the_stated_figures(measured, shared):
    stated = read_figures(measured.model)["faithfulness"]["checked"]
    result = measure_faithfulness(
        sge.load_model(measured.model, finder=False),
        shared / "data" / measured.images,
        Protocol(steps=STEPS, randomized=0),
        limit=len(stated),
    )
    assert result.full.value == pytest.approx(sum(record["full"] for record in stated) / len(stated), abs=FAR)
    for method in result.methods:
        for measure in ("insertion", "deletion", "drop"):
            values = [record["methods"][method.name][measure] for record in stated]
            found = getattr(method, measure).value
            assert found == pytest.approx(sum(values) / len(values), abs=FAR), (method.name, measure)
