"""Whether any class fits: scores as scipy computes them, and the threshold of the framing, before any temperature."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import entr, logsumexp, softmax

from sge.analysis import Fit
from sge.errors import ChoiceError
from sge.images import Preprocess
from sge.lens import Lens, find_fit, fit_scores, readout_inputs
from sge.models import FIT_SCORES, READOUT, Card, Model, NoneFits
from tests.lens.test_lens import model, network, scene

SENTENCE = "None of its seven classes fits this image."
LOGITS = st.lists(st.floats(-50, 50, width=32), min_size=2, max_size=9)


def threshold(score: str, whole: float, center: float = 0.0) -> NoneFits:
    return NoneFits(score, {"whole": whole, "center": center}, SENTENCE)


@settings(deadline=None)
@given(LOGITS)
def test_scores_are_the_reference(logits: list[float]) -> None:
    values = np.array(logits, np.float64)
    reference = {
        "max_probability": softmax(values).max(),
        "max_logit": values.max(),
        "energy": logsumexp(values),
        "negative_entropy": -entr(softmax(values)).sum(),
    }
    scores = fit_scores(torch.tensor(logits))
    for name, value in reference.items():
        assert float(scores[name]) == pytest.approx(value, rel=1e-5, abs=1e-5)


def test_scores_of_several_images_are_those_of_each() -> None:
    logits = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    for name, values in fit_scores(logits).items():
        alone = [float(fit_scores(row)[name]) for row in logits]
        assert values.tolist() == pytest.approx(alone)


@settings(deadline=None)
@given(LOGITS, st.integers(0, 1000))
def test_a_readout_is_the_reference(logits: list[float], seed: int) -> None:
    values = np.array(logits, np.float64)
    weights = np.random.default_rng(seed).standard_normal(len(values) + 4)
    figures = [values.max(), logsumexp(values), values.mean(), values.std()]
    none_fits = NoneFits(READOUT, {"whole": 0.0}, SENTENCE, weights=tuple(weights.tolist()))
    found = find_fit(none_fits, torch.tensor(logits).numpy(), "whole")
    assert found is not None
    wanted = float(weights @ np.concatenate([values, figures]))
    assert found.score == pytest.approx(wanted, rel=1e-4, abs=1e-4 * np.abs(values).sum() + 1e-4)
    assert found.fits == (found.score >= 0)


def test_weights_of_another_number_of_classes() -> None:
    none_fits = NoneFits(READOUT, {"whole": 0.0}, SENTENCE, weights=(1.0,) * 6)
    assert find_fit(none_fits, torch.zeros(2).numpy(), "whole") is not None
    with pytest.raises(ChoiceError, match="has 6 weights; 3 classes need 7"):
        find_fit(none_fits, torch.zeros(3).numpy(), "whole")


def test_inputs_of_several_images_are_those_of_each() -> None:
    logits = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(0)).numpy()
    inputs = readout_inputs(logits)
    assert inputs.shape == (2, 4, 9)
    assert inputs[1, 2] == pytest.approx(readout_inputs(logits[1, 2]))


def test_without_a_threshold_nothing_is_said() -> None:
    assert find_fit(None, torch.zeros(3), "whole") is None
    of_whole_images = NoneFits("energy", {"whole": 1.0}, SENTENCE)
    assert find_fit(of_whole_images, torch.zeros(3), "center") is None
    assert find_fit(of_whole_images, torch.zeros(3), "whole") is not None


@pytest.mark.parametrize("score", FIT_SCORES)
def test_a_score_at_the_threshold_fits_and_one_below_does_not(score: str) -> None:
    logits = torch.tensor([0.5, 2.0, -1.0])
    value = float(fit_scores(logits)[score])
    assert find_fit(threshold(score, value), logits, "whole") == Fit(True, value, value, SENTENCE)
    above = value + 1e-3
    assert find_fit(threshold(score, above), logits, "whole") == Fit(False, value, above, SENTENCE)
    assert find_fit(threshold(score, value, above), logits, "center") == Fit(False, value, above, SENTENCE)


@pytest.mark.parametrize("framing", ["whole", "center"])
@pytest.mark.parametrize("score", FIT_SCORES)
def test_the_lens_compares_before_any_temperature(framing: str, score: str) -> None:
    card = Card("Mine", "Knows seven.", none_fits=threshold(score, -1e9, 1e9))
    preprocess = Preprocess(whole_temperature=0.25)
    mine = Model("mine", network(7), [f"class {i}" for i in range(7)], card, preprocess)
    lens = Lens(mine, "cpu")
    frame = lens.frame(scene(), framing)
    with torch.no_grad():
        logits = lens.network(torch.from_numpy(frame.array)[None])[0]
    fit = lens.analyze(scene(), framing).fit
    assert fit is not None
    assert fit.fits == (framing == "whole")
    assert fit.score == pytest.approx(float(fit_scores(logits)[score]), abs=1e-5)
    found = lens.classify(scene(), framing, top_k=3)
    assert found.fit == fit
    assert found.predictions == lens.predict(scene(), framing, 3)


def test_a_model_without_a_threshold_has_no_fit() -> None:
    lens = Lens(model(network(7), 7), "cpu")
    assert lens.analyze(scene()).fit is None
    assert lens.classify(scene()).fit is None


@pytest.mark.parametrize("framing", ["whole", "center"])
def test_raw_scores_have_no_temperature(framing: str) -> None:
    plain = model(network(7), 7)
    sharp = replace(plain, preprocess=replace(plain.preprocess, whole_temperature=0.25))
    unchanged = Lens(plain, "cpu").analyze(scene(), framing, 7).predictions
    rescaled = Lens(sharp, "cpu").analyze(scene(), framing, 7).predictions
    assert [found.index for found in rescaled] == [found.index for found in unchanged]
    for raw, found in zip(unchanged, rescaled, strict=True):
        assert raw.raw_score == pytest.approx(raw.score, abs=1e-6)
        assert found.raw_score == pytest.approx(raw.score, abs=1e-6)
    best = rescaled[0].score
    assert best > unchanged[0].score if framing == "whole" else best == unchanged[0].score
    logs = np.log([found.raw_score for found in rescaled]) / (0.25 if framing == "whole" else 1)
    assert [found.score for found in rescaled] == pytest.approx(softmax(logs).tolist(), abs=1e-5)
