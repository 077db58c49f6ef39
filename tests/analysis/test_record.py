"""Analyses as plain data."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sge.analysis.analysis import Analysis
from sge.analysis.fit import Fit
from sge.analysis.prediction import Prediction
from sge.analysis.record import VERSION, arrays_of, from_header, from_record, to_header, to_record
from sge.errors import UnknownBlockError
from tests.analyses import COARSE, FINE, made


@pytest.fixture
def record() -> dict[str, Any]:
    return to_record(made())


def changed(record: dict[str, Any], change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    other = copy.deepcopy(record)
    change(other)
    return other


WRONG: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no version": lambda r: r.pop("version"),
    "another version": lambda r: r.update(version=VERSION + 1),
    "no blocks": lambda r: r.pop("blocks"),
    "no maps": lambda r: r.pop("masks"),
    "a block's map is missing": lambda r: r["similarity"].pop(FINE),
    "a field too many": lambda r: r["blocks"][0].update(color="red"),
    "more groups than maps": lambda r: r["blocks"][0].update(groups=9),
    "rows that are not there": lambda r: r["blocks"][1].update(height=4),
    "a PNG that is not one": lambda r: r["masks"][FINE].update(png="aGVsbG8="),
    "letters that are not base64": lambda r: r["masks"][FINE].update(png="?" + r["masks"][FINE]["png"]),
    "an atlas of another shape": lambda r: r["masks"][FINE].update(height=8, width=6),
    "too little energy": lambda r: r["energy"][FINE].pop(),
    "energy that is not a number": lambda r: r["energy"].update({FINE: ["a"] * 8}),
    "a part's map without its threshold": lambda r: r["part_maps"]["nose"].pop("threshold"),
    "a part's map without its PNG": lambda r: r["part_maps"]["nose"].pop("png"),
    "terms that are not a list": lambda r: r["part_maps"]["nose"].update(terms=3),
    "a term without its group": lambda r: r["part_maps"]["nose"]["terms"][0].pop("group"),
    "a window with three sides": lambda r: r["geometry"]["window"].pop(),
    "an opening without its group": lambda r: r["model"].update(opens_with={"block": FINE, "reason": "x"}),
    "a fit without its threshold": lambda r: r.update(fit={"fits": True, "score": 1.0, "sentence": "x"}),
    "notes that are one text": lambda r: r["image"].update(notes="The end is missing."),
    "notes that are numbers": lambda r: r["image"].update(notes=[1]),
    "a list instead of everything": lambda r: r.update(blocks={}, geometry=[]),
}


@pytest.mark.parametrize("what", WRONG)
def test_other_data_is_refused(record: dict[str, Any], what: str) -> None:
    with pytest.raises((KeyError, TypeError, ValueError, OSError)):
        from_record(changed(record, WRONG[what]))


def test_arrays_of_another_shape_or_kind_are_refused() -> None:
    analysis = made()
    header, arrays = to_header(analysis), arrays_of(analysis)
    assert from_header(header, arrays).masks[FINE] is arrays[f"mask/{FINE}"]
    for key in arrays:
        for wrong in (
            arrays[key][None] if key.startswith("part/") else arrays[key][:-1],
            arrays[key].astype(np.float64),
        ):
            with pytest.raises(ValueError, match="instead of float32"):
                from_header(header, arrays | {key: wrong})
        with pytest.raises(KeyError):
            from_header(header, {name: values for name, values in arrays.items() if name != key})


def test_a_record_is_json_and_comes_back(record: dict[str, Any]) -> None:
    analysis = made()
    back = from_record(json.loads(json.dumps(record, allow_nan=False)))
    for name in (
        "image_info",
        "model",
        "predictions",
        "blocks",
        "parts",
        "geometry",
        "signal",
        "default_block",
    ):
        assert getattr(back, name) == getattr(analysis, name), name
    assert back.image is None
    for kind in ("masks", "similarity"):
        for block, values in getattr(analysis, kind).items():
            step = (values.max() - values.min()) / 255
            np.testing.assert_allclose(getattr(back, kind)[block], values, rtol=0, atol=step / 2 + 1e-6)
    for block, values in analysis.energy.items():
        np.testing.assert_allclose(back.energy[block], values, atol=1e-5)


def test_whether_a_class_fits_and_raw_scores_are_kept() -> None:
    analysis = replace(
        made(),
        predictions=[Prediction("tabby", 0.75, 281, 0.5)],
        fit=Fit(False, 1.25, 2.5, "None of its two cats fits this image."),
    )
    back = from_record(json.loads(json.dumps(to_record(analysis))))
    assert (back.predictions, back.fit) == (analysis.predictions, analysis.fit)


def test_a_record_from_before_raw_scores_fits_and_notes_is_read(record: dict[str, Any]) -> None:
    def older(r: dict[str, Any]) -> None:
        r.pop("fit")
        for prediction in r["predictions"]:
            prediction.pop("raw_score")

        r["image"].pop("notes")

    back = from_record(changed(record, older))
    assert back.image_info.notes == ()
    assert back.fit is None
    assert [found.raw_score for found in back.predictions] == [None, None]


def test_a_record_never_holds_the_image(record: dict[str, Any]) -> None:
    assert set(record) == {
        *("version", "image", "model", "signal", "default_block", "predictions", "blocks", "parts"),
        *("part_maps", "geometry", "focus", "energy", "masks", "similarity", "fit", "boxes", "is_detector"),
    }
    assert set(record["image"]) == {"name", "width", "height", "format", "sha256", "notes"}
    assert set(to_header(made())) == set(record) - {"masks", "similarity"}


def test_the_records_figures_are_those_of_the_analysis(record: dict[str, Any]) -> None:
    analysis: Analysis = made()
    assert record["signal"] == "mask"
    assert record["default_block"] == COARSE
    for block in (FINE, COARSE):
        assert record["focus"][block] == pytest.approx(analysis.focus(block), abs=1e-5)
        assert record["masks"][block]["groups"] == 8


def test_part_maps_come_back_and_records_without_them_open(record: dict[str, Any]) -> None:
    original, again = made().part_maps["nose"], from_record(record).part_maps["nose"]
    assert np.abs(again.map - original.map).max() < 0.003
    assert (again.threshold, again.terms) == (original.threshold, original.terms)
    assert set(record["part_maps"]["nose"]) == {
        *("groups", "height", "width", "lo", "hi", "png"),
        *("threshold", "terms", "source"),
    }
    record.pop("part_maps")
    assert from_record(record).part_maps == {}


def partial() -> Analysis:
    """An analysis for which only the fine block's mask, and the energy of both blocks, were asked."""
    analysis = made()
    return replace(analysis, masks={FINE: analysis.masks[FINE]}, similarity={})


def test_maps_that_were_not_asked_for_may_be_missing() -> None:
    analysis = partial()
    record = to_record(analysis)
    assert record["included"] == {"masks": [FINE], "similarity": [], "energy": [FINE, COARSE]}
    assert (list(record["masks"]), record["similarity"], record["focus"]) == ([FINE], {}, {})
    assert record["default_block"] == COARSE
    for back in (
        from_record(json.loads(json.dumps(record))),
        from_header(to_header(analysis), arrays_of(analysis)),
    ):
        assert back.blocks == analysis.blocks
        assert (list(back.masks), back.similarity, list(back.energy)) == ([FINE], {}, [FINE, COARSE])
        with pytest.raises(
            UnknownBlockError, match=r"holds no similarity of layer1\.0.*Analyze the image again"
        ):
            back.maps(FINE, "similarity")


@pytest.mark.parametrize(
    "included",
    [
        {"masks": [FINE, COARSE], "similarity": [], "energy": [FINE, COARSE]},
        {"masks": [FINE], "similarity": [FINE], "energy": []},
        {"masks": ["layer9"], "similarity": [], "energy": []},
        {"masks": [FINE]},
        {"masks": 3, "similarity": [], "energy": []},
    ],
)
def test_maps_that_are_listed_must_be_there(included: object) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        from_record(to_record(partial()) | {"included": included})


def test_faces_doubts_and_sources_come_back_and_older_records_have_none(record: dict[str, Any]) -> None:
    record["parts"][0] |= {"face": 2, "sure": False}
    record["part_maps"]["nose"]["source"] = "groups and channels"
    record["model"]["part_finders"] = ["mix", "groups"]
    back = from_record(record)
    assert (back.parts[0].face, back.parts[0].sure) == (2, False)
    assert back.part_maps["nose"].source == "groups and channels"
    assert back.model.part_finders == ("mix", "groups")
    assert to_record(back)["model"]["part_finders"] == ["mix", "groups"]
    del record["parts"][0]["face"], record["parts"][0]["sure"]
    del record["part_maps"]["nose"]["source"], record["model"]["part_finders"]
    back = from_record(record)
    assert (back.parts[0].face, back.parts[0].sure) == (0, True)
    assert (back.part_maps["nose"].source, back.model.part_finders) == ("groups", ())


@pytest.mark.parametrize(
    ("where", "key", "value"),
    [
        ("part", "face", -1),
        ("part", "face", True),
        ("part", "face", "0"),
        ("part", "sure", 1),
        ("map", "source", "<b>"),
        ("map", "source", ["groups"]),
        ("model", "part_finders", "mix"),
        ("model", "part_finders", ["best"]),
        ("model", "part_finders", [["mix"]]),
    ],
)
def test_hostile_faces_doubts_and_sources_are_refused(
    record: dict[str, Any], where: str, key: str, value: Any
) -> None:
    held = {"part": record["parts"][0], "map": record["part_maps"]["nose"], "model": record["model"]}
    held[where][key] = value
    with pytest.raises((TypeError, ValueError)):
        from_record(record)
