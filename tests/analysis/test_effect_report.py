"""The classes that an ablation is about, and their numbers."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from scipy.special import expit, softmax

from sge.analysis.effect import Ablation
from sge.analysis.effect_report import ablation_report, class_effects, short_numbers
from sge.errors import AnalysisFileError
from tests.analyses import made_ablation


def best(scores: np.ndarray, count: int) -> list[int]:
    return sorted(range(len(scores)), key=lambda index: -scores[index])[:count]


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("field", ["before", "after", "controls", "logits_before", "logits_after"])
def test_a_score_that_is_not_finite_is_refused_with_a_sentence(wrong: float, field: str) -> None:
    ablation = made_ablation()
    getattr(ablation, field)[...] = wrong
    with pytest.raises(AnalysisFileError, match="not finite"):
        ablation_report(ablation)


@pytest.mark.parametrize("logit", [-800.0, -0.8, 0.0, 3.0, 800.0])
def test_the_raw_score_of_a_single_logit_is_its_sigmoid(logit: float) -> None:
    one = np.full((1,), logit, np.float32)
    ablation = dataclasses.replace(
        made_ablation(),
        labels=["red"],
        before=expit(one / 2),
        after=expit(one / 2),
        controls=np.zeros((0, 1), np.float32),
        logits_before=one,
        logits_after=one,
    )
    (found,) = ablation_report(ablation)["predictions_before"]
    assert (found["score"], found["raw_score"]) == pytest.approx((expit(logit / 2), expit(logit)), abs=1e-6)


@pytest.mark.parametrize("top_k", [1, 3, 9, 1000])
@pytest.mark.parametrize("targets", [(), (0,), (8, 2)])
def test_classes_are_the_best_before_and_after_and_the_targets_each_once(
    top_k: int, targets: tuple[int, ...]
) -> None:
    ablation = made_ablation()
    chosen = [effect.index for effect in class_effects(ablation, targets, top_k)]
    assert len(chosen) == len(set(chosen))
    assert set(chosen) == {*best(ablation.before, top_k), *best(ablation.after, top_k), *targets}
    assert chosen[: min(top_k, 9)] == best(ablation.before, top_k)


def test_numbers_are_those_of_the_ablation() -> None:
    ablation = made_ablation()
    for effect in class_effects(ablation, top_k=9):
        index = effect.index
        assert effect.label == ablation.labels[index]
        assert (np.float32(effect.before), np.float32(effect.after)) == (
            ablation.before[index],
            ablation.after[index],
        )
        assert effect.change == pytest.approx(effect.after - effect.before, abs=1e-6)
        assert effect.logit_change == pytest.approx(effect.logit_after - effect.logit_before, abs=1e-5)
        assert effect.controls is not None
        np.testing.assert_array_equal(np.float32(effect.controls.values), ablation.controls[:, index])
        assert effect.controls.mean == pytest.approx(np.mean(effect.controls.values), abs=1e-6)
        assert (effect.controls.lo, effect.controls.hi) == (
            min(effect.controls.values),
            max(effect.controls.values),
        )


def test_many_draws_give_quantiles_and_none_gives_none() -> None:
    for draws in (39, 40, 100):
        effect = class_effects(made_ablation(draws=draws))[0]
        assert effect.controls is not None
        values = effect.controls.values
        expected = (min(values), max(values)) if draws < 40 else tuple(np.quantile(values, (0.025, 0.975)))
        assert (effect.controls.lo, effect.controls.hi) == pytest.approx(expected, rel=1e-6)
    assert class_effects(made_ablation(draws=0))[0].controls is None
    assert ablation_report(made_ablation(draws=0))["controls"] == 0


def test_a_report_is_json_with_predictions_before_and_after() -> None:
    ablation = made_ablation()
    report = json.loads(json.dumps(ablation_report(ablation, (1,), 2), allow_nan=False))
    assert list(report) == [
        *("mode", "groups", "controls", "seed", "predictions_before", "predictions_after", "classes")
    ]
    assert (report["mode"], report["controls"], report["seed"]) == ("zero", 4, 3)
    assert report["groups"] == ablation.groups
    for key, scores, logits in (
        ("predictions_before", ablation.before, ablation.logits_before),
        ("predictions_after", ablation.after, ablation.logits_after),
    ):
        assert [entry["index"] for entry in report[key]] == best(scores, 2)
        for entry in report[key]:
            assert np.float32(entry["score"]) == scores[entry["index"]]
            # Without a temperature, which made_ablation has.
            assert entry["raw_score"] == pytest.approx(softmax(logits)[entry["index"]], rel=1e-4)


def test_nothing_ablated_is_no_change() -> None:
    ablation = made_ablation()
    same: Ablation = dataclasses.replace(ablation, after=ablation.before, logits_after=ablation.logits_before)
    assert {(effect.change, effect.logit_change) for effect in class_effects(same)} == {(0.0, 0.0)}


def test_numbers_are_short_and_give_the_same_float32() -> None:
    values = np.float32([0.1, 1 / 3, 1e-30, -3.4e38, 0, 16777217])
    numbers = short_numbers(values, "made")
    assert numbers[0] == 0.1
    np.testing.assert_array_equal(np.float32(numbers), values)
