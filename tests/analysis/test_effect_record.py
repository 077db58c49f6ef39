"""Attributions, ablations and steps as JSON and as files."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sge.analysis.analysis import Analysis
from sge.analysis.atlas import maps_of_record
from sge.analysis.effect import Ablation, Attribution, GroupSteps
from sge.analysis.effect_record import steps_record
from sge.analysis.effect_report import ablation_report
from sge.analysis.record import arrays_of, from_header, from_record, to_header, to_record
from sge.errors import AnalysisFileError
from tests.analyses import COARSE, FINE, made, made_ablation, made_attribution


def full() -> Analysis:
    analysis = made()
    return dataclasses.replace(analysis, attribution=made_attribution(analysis), ablation=made_ablation(300))


@pytest.fixture
def record() -> dict[str, Any]:
    return to_record(full())


def check_same(one: Attribution | None, two: Attribution | None, step: float = 0) -> None:
    assert one is not None
    assert two is not None
    for name in ("target", "logit", "method"):
        assert getattr(one, name) == getattr(two, name)
    for key in ("effect", "spatial"):
        assert list(getattr(one, key)) == list(getattr(two, key))
        for block, values in getattr(one, key).items():
            np.testing.assert_array_equal(values, getattr(two, key)[block])
    assert one.grad_cam is not None
    assert two.grad_cam is not None
    assert one.grad_cam.layer == two.grad_cam.layer
    np.testing.assert_allclose(one.grad_cam.map, two.grad_cam.map, rtol=0, atol=step)


def check_same_ablation(one: Ablation | None, two: Ablation | None) -> None:
    assert one is not None
    assert two is not None
    for name, value in vars(one).items():
        other = getattr(two, name)
        if isinstance(value, np.ndarray):
            assert value.dtype == other.dtype == np.float32
            np.testing.assert_array_equal(value, other)
        else:
            assert value == other, name


WRONG: dict[str, Callable[[dict[str, Any]], Any]] = {
    "an effect of a block that is not there": lambda r: [
        r["attribution"][key].update(other=r["attribution"][key].pop(FINE))
        for key in ("effect", "spatial", "method")
    ],
    "too few effects": lambda r: [r["attribution"][key][FINE].pop() for key in ("effect", "spatial")],
    "spatial effects of other groups": lambda r: r["attribution"]["spatial"][FINE].pop(),
    "a block without its method": lambda r: r["attribution"]["method"].pop(FINE),
    "an unknown method": lambda r: r["attribution"]["method"].update({FINE: "guess"}),
    "effects that are no numbers": lambda r: r["attribution"]["effect"].update({FINE: ["a"] * 8}),
    "no target": lambda r: r["attribution"].pop("target"),
    "a logit that is no number": lambda r: r["attribution"].update(logit=[1]),
    "a Grad-CAM without its layer": lambda r: r["attribution"]["grad_cam"].pop("layer"),
    "a Grad-CAM without its PNG": lambda r: r["attribution"]["grad_cam"].pop("png"),
    "an attribution that is a list": lambda r: r.update(attribution=[1]),
    "an unknown mode": lambda r: r["ablation"].update(mode="half"),
    "no labels": lambda r: r["ablation"].pop("labels"),
    "labels of none": lambda r: r["ablation"].update(labels=[]),
    "a label too few": lambda r: r["ablation"]["labels"].pop(),
    "a draw too few": lambda r: r["ablation"]["control_groups"].pop(),
    "groups that are a list": lambda r: r["ablation"].update(groups=[3]),
    "group numbers that are words": lambda r: r["ablation"]["groups"].update({FINE: ["x"]}),
    "an array too few": lambda r: r["ablation"]["arrays"].pop("after"),
    "an array that is cut off": lambda r: r["ablation"]["arrays"].update(
        after=r["ablation"]["arrays"]["after"][:16]
    ),
    "an array that is no base64": lambda r: r["ablation"]["arrays"].update(after="?"),
    "no arrays": lambda r: r["ablation"].update(arrays={}),
}


@pytest.mark.parametrize("what", WRONG)
def test_other_data_is_refused(record: dict[str, Any], what: str, tmp_path: Path) -> None:
    other = copy.deepcopy(record)
    WRONG[what](other)
    with pytest.raises((KeyError, TypeError, ValueError, AttributeError, OSError)):
        from_record(other)
    (tmp_path / "a.json").write_text(json.dumps(other))
    with pytest.raises(AnalysisFileError, match="is damaged or was not written by"):
        Analysis.open(tmp_path / "a.json")


def test_arrays_of_another_shape_or_kind_are_refused() -> None:
    header, arrays = to_header(full()), arrays_of(full())
    names = [name for name in arrays if name.startswith(("grad_cam", "ablation"))]
    assert len(names) == 7
    for name in names:
        for wrong in (arrays[name][None], arrays[name].astype(np.float64)):
            with pytest.raises(ValueError, match="instead of float32"):
                from_header(header, arrays | {name: wrong})
        with pytest.raises(KeyError):
            from_header(header, {key: values for key, values in arrays.items() if key != name})


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_an_effect_that_is_not_finite_is_refused_with_a_sentence(wrong: float) -> None:
    for key in ("effect", "spatial"):
        analysis = full()
        getattr(analysis.attribution, key)[COARSE][3] = wrong
        with pytest.raises(AnalysisFileError, match=rf"effects of {COARSE}: .* not finite"):
            to_record(analysis)


def test_a_record_is_json_and_comes_back(record: dict[str, Any]) -> None:
    back, analysis = from_record(json.loads(json.dumps(record, allow_nan=False))), full()
    grad_cam = record["attribution"]["grad_cam"]
    check_same(analysis.attribution, back.attribution, (grad_cam["hi"] - grad_cam["lo"]) / 510 + 1e-6)
    check_same_ablation(analysis.ablation, back.ablation)


@pytest.mark.parametrize("ending", ["json", "npz", "safetensors"])
def test_files_keep_both_or_either_or_none(ending: str, tmp_path: Path) -> None:
    path, analysis = tmp_path / f"a.{ending}", full()
    for kept in ({"attribution", "ablation"}, {"attribution"}, {"ablation"}, set()):
        dropped = {name: None for name in ("attribution", "ablation") if name not in kept}
        dataclasses.replace(analysis, **dropped).save(path)  # type: ignore[arg-type]
        back = Analysis.open(path)
        assert {name for name in ("attribution", "ablation") if getattr(back, name) is not None} == kept
        if "attribution" in kept:
            check_same(analysis.attribution, back.attribution, 0.01 if ending == "json" else 0)
        if "ablation" in kept:
            check_same_ablation(analysis.ablation, back.ablation)


def test_an_attribution_without_a_grad_cam_and_an_ablation_without_draws_come_back(tmp_path: Path) -> None:
    analysis = full()
    assert analysis.attribution is not None
    bare = dataclasses.replace(
        analysis,
        attribution=dataclasses.replace(analysis.attribution, grad_cam=None),
        ablation=made_ablation(300, draws=0),
    )
    for ending in ("json", "npz", "safetensors"):
        bare.save(tmp_path / f"a.{ending}")
        back = Analysis.open(tmp_path / f"a.{ending}")
        assert back.attribution is not None
        assert back.attribution.grad_cam is None
        check_same_ablation(bare.ablation, back.ablation)


def test_a_record_has_the_keys_only_if_the_analysis_has_them(record: dict[str, Any]) -> None:
    assert set(record) - set(to_record(made())) == {"attribution", "ablation"}
    assert set(to_header(full())) - set(to_header(made())) == {"attribution", "ablation"}
    assert "arrays" not in to_header(full())["ablation"]
    assert set(to_header(full())["attribution"]["grad_cam"]) == {"layer"}


def test_the_records_ablation_is_the_report_of_its_predictions_and_target(record: dict[str, Any]) -> None:
    analysis = full()
    assert analysis.ablation is not None
    assert analysis.attribution is not None
    target = dataclasses.replace(analysis.attribution.target, index=7)
    attribution = dataclasses.replace(analysis.attribution, target=target)
    record = to_record(dataclasses.replace(analysis, attribution=attribution))["ablation"]
    report = ablation_report(analysis.ablation, (7,), len(analysis.predictions))
    assert {key: record[key] for key in report} == report
    assert set(record) - set(report) == {"labels", "control_groups", "arrays"}
    assert 7 in [entry["index"] for entry in record["classes"]]


def test_steps_are_json_with_each_map_in_a_range_of_its_own() -> None:
    rs = np.random.RandomState(0)
    features, map_ = rs.randn(4, 3, 5).astype(np.float32), rs.randn(3, 5).astype(np.float32)
    steps = GroupSteps(
        FINE, 2, features, features.mean((1, 2)), 9 * map_, map_, abs(map_), -features, weight=0.1, bias=0.7
    )
    record = json.loads(json.dumps(steps_record(steps), allow_nan=False))
    assert (record["block"], record["group"], record["weight"], record["bias"]) == (FINE, 2, 0.1, 0.7)
    np.testing.assert_array_equal(np.float32(record["mean"]), steps.mean)
    for name, count in (("features", 4), ("product", 1), ("similarity", 1), ("mask", 1), ("output", 4)):
        values = getattr(steps, name).reshape(count, 3, 5)
        atlas = record[name]
        assert (atlas["lo"], atlas["hi"]) == (values.min(), values.max())
        np.testing.assert_allclose(
            maps_of_record(atlas), values, rtol=0, atol=(atlas["hi"] - atlas["lo"]) / 510 + 1e-6
        )
