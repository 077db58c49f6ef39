"""Fitting detectors to made-up maps: what they read, that folds are held out, and that a seed repeats a fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sge.errors import FinderError
from sge.parts.detector import detector_of
from sge.parts.detector_calibration import MOST_ALARMS, calibrated_detector, learned_calibration, least_shown
from sge.parts.detector_fit import FOLDS, RECIPES, Recipe, fit_readouts, folds_of
from sge.parts.face_evaluation import evaluate_faces
from sge.parts.face_scores import Found, Scored
from sge.parts.finder import PARTS
from sge.parts.labelled_faces import Face, FacesImage
from sge.parts.logistic import fit_logistic
from tests.parts.made_faces import SIZES, face, images, source_of

LISTED = images()


@pytest.fixture(scope="module")
def fit():
    recipes = [*RECIPES.values(), Recipe(1e-3, channels=False, non_negative=True)]
    return fit_readouts(LISTED, source_of(LISTED), recipes, SIZES[1:], sizes=SIZES)


def test_no_face_and_too_few_faces():
    with pytest.raises(FinderError, match="No image shows"):
        fit_readouts([FacesImage("a.png")], source_of([]), [RECIPES["mix"]], SIZES)
    few = images(shown=2)
    with pytest.raises(FinderError, match="Fewer than 3 images show a sure nose"):
        fit_readouts(few, source_of(few), [RECIPES["mix"]], SIZES, sizes=SIZES)
    unsure = [FacesImage(f"{n}.png", (face(n, unsure=True),)) for n in range(9)]
    with pytest.raises(FinderError, match="No image shows a sure"):
        fit_readouts(unsure, source_of(unsure), [RECIPES["mix"]], SIZES, sizes=SIZES)


def test_images_that_give_no_position():
    """Every third image chooses negative positions first; here all of these show faces that nobody labelled."""
    listed = [
        FacesImage(f"{n}.png", (), unlabelled=True) if n % 3 == 0 else FacesImage(f"{n}.png", (face(n),))
        for n in range(12)
    ]
    with pytest.raises(FinderError, match="no position"):
        fit_readouts(listed, source_of(listed), [RECIPES["mix"]], SIZES, sizes=SIZES)


def test_each_part_is_read_where_it_responds(fit):
    mix = fit.final.weights[:2]
    assert fit.parts == ("nose", "eye")
    assert [run.count for run in fit.columns] == [3, 4, 2]
    assert mix[0].argmax() == 1
    assert mix[1].argmax() == 3 + 2
    groups, sparse = fit.final.weights[2:4], fit.final.weights[4:]
    assert not groups[:, 3:7].any()
    assert groups[0].argmax() == 1
    assert (sparse >= 0).all()


def test_the_folds_spread_each_kind_and_are_those_of_the_seed():
    folds = folds_of(LISTED, 0)
    with_faces = np.array([bool(image.faces) for image in LISTED])
    for chosen in (with_faces, ~with_faces):
        assert np.ptp(np.bincount(folds[chosen], minlength=FOLDS)) <= 1
    assert np.array_equal(folds, folds_of(LISTED, 0))
    assert not np.array_equal(folds, folds_of(LISTED, 1))


def test_the_logits_of_an_image_come_from_the_other_folds():
    """An image whose label is wrong is not learned by its own readout, but would be by the final one."""
    listed = images(12, 6)
    fit = fit_readouts(listed, source_of(listed), [RECIPES["mix"]], SIZES[:1], sizes=SIZES[:1])
    changed = list(listed)
    at = next(i for i in range(12) if fit.folds[i] == 0)
    changed[at] = FacesImage(listed[at].file, (face(99),))

    def source(number, sizes):
        return source_of(listed)(number, sizes)

    other = fit_readouts(changed, source, [RECIPES["mix"]], SIZES[:1], sizes=SIZES[:1])
    same = [i for i in range(18) if fit.folds[i] == 0]
    # The first readouts, which choose hard negatives, may see the change; the labels that are fitted may not.
    for i in same:
        assert other.held_out[i][0].logits == pytest.approx(fit.held_out[i][0].logits, abs=0.5)
    assert not np.allclose(other.final.weights, fit.final.weights, atol=1e-3)


def test_a_seed_repeats_a_fit(fit):
    again = fit_readouts(LISTED, source_of(LISTED), [RECIPES["mix"]], SIZES[1:], sizes=SIZES)
    assert np.array_equal(again.final.weights, fit.final.weights[:2])
    assert again.rows == fit.rows


@pytest.mark.parametrize("recipe", [0, 1])
def test_a_detector_finds_what_it_was_not_fitted_on(fit, recipe):
    found = calibrated_detector(fit, LISTED, SIZES[1:], recipe)
    detector = found.detector
    assert detector.source == ("groups and channels" if recipe == 0 else "groups")
    assert detector_of(detector.to_record(), PARTS).sizes == SIZES[1:]
    record = evaluate_faces(found.held_out, detector.shown, detector.sure)
    rows = {row["part"]: row for row in record["hits"]}
    assert rows["nose"]["main_0.1"]["value"] > 0.9
    assert rows["nose"]["auc"]["value"] > 0.95
    if recipe == 0:
        assert rows["eye"]["main_0.1"]["value"] > 0.75  # A cell is 0.13 of the shorter side.
        assert record["calibration"][1]["error"] < 0.05


@pytest.mark.parametrize(("part", "empty"), [("eye", 9), ("eye", 0), ("nose", 9)])
def test_labels_of_one_part_alone_are_fitted_and_measured(part, empty):
    """As of birds, which have a beak and no nose."""
    listed = images(12, empty)
    for at, image in enumerate(listed):
        faces = [
            {name: xy for name, xy in one.points.items() if (name == "nose") == (part == "nose")}
            for one in image.faces
        ]
        listed[at] = replace(image, faces=tuple(Face(points, 40.0) for points in faces))
    fit = fit_readouts(listed, source_of(listed), [RECIPES["mix"]], SIZES[1:], sizes=SIZES)
    found = calibrated_detector(fit, listed, SIZES[1:], 0)
    assert found.detector.parts == (part,)
    record = evaluate_faces(found.held_out, found.detector.shown, found.detector.sure)
    assert {row["part"] for row in record["hits"]} == {part}
    assert {row["part"] for row in record["faces"]} == {part}
    assert record["images"] == {"with_faces": 12, "without": empty}


def test_the_offsets_are_those_of_the_faces(fit):
    pairs = calibrated_detector(fit, LISTED, SIZES[1:]).detector.pairs
    assert set(pairs) == {"nose-eye", "eye-nose", "eye-eye"}
    # Eyes lie 32 pixels above the nose: 1.6 cells at the smaller size, 2.1 at the larger one.
    assert -2.2 < pairs["nose-eye"].mean[1] < -1.5
    assert pairs["nose-eye"].mean[0] == pytest.approx(0, abs=0.3)
    assert 1.5 < pairs["eye-nose"].mean[1] < 2.2
    assert 1.9 < pairs["eye-eye"].mean[0] < 2.8
    assert pairs["eye-eye"].covariance[0][1] == pairs["eye-eye"].covariance[1][0]


def test_confidence_is_the_share_that_is_right():
    rs = np.random.RandomState(0)
    features = np.column_stack([rs.standard_normal(4000), rs.standard_normal((4000, 2))])
    truth = 1 / (1 + np.exp(-(2 * features[:, 0] + features[:, 1] - 1)))
    found = learned_calibration(features, rs.uniform(size=4000) < truth)
    assert found.weights == pytest.approx((2, 1, 0), abs=0.2)
    assert found.intercept == pytest.approx(-1, abs=0.2)
    slope, level = found.alone
    weights, bias = fit_logistic(
        features[:, :1], rs.uniform(size=4000) < truth, np.full(4000, 1 / 4000, np.float32), 1e-6
    )
    assert (slope, level) == pytest.approx((weights[0], bias), abs=0.2)
    with pytest.raises(FinderError, match="calibrates no confidence"):
        learned_calibration(features, np.ones(4000, bool))


def without_faces(scores):
    """Images without a face; each has a nose or an eye of a given confidence."""
    parts = [{"nose": [Found(0.5, 0.5, one)], "eye": []} for one in scores]
    return [Scored(FacesImage(f"{n}.png"), 100.0, one) for n, one in enumerate(parts)]


@pytest.mark.parametrize("seed", range(5))
def test_a_part_is_shown_from_the_lowest_confidence_with_few_false_alarms(seed):
    rs = np.random.RandomState(seed)
    scores = rs.beta(1, 8, rs.randint(20, 200))
    shown = least_shown(without_faces(scores), 0.2, 0.5)
    assert 0.2 <= shown <= 0.5
    assert shown == 0.5 or np.mean(scores >= shown) <= MOST_ALARMS
    if shown > 0.2:
        assert np.mean(scores >= max(shown - 0.01, 0.2)) > MOST_ALARMS


def test_without_an_image_that_has_no_face_the_lowest_confidence_stays():
    assert least_shown([], 0.2, 0.5) == 0.2
    with_face = [Scored(FacesImage("a.png", (face(0),)), 100.0, {"nose": [Found(0, 0, 0.9)], "eye": []})]
    assert least_shown(with_face, 0.2, 0.5) == 0.2
    assert least_shown(without_faces([0.9] * 10), 0.2, 0.5) == 0.5
