"""Figures of a part finder on images with labelled faces, as JSON-ready data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sge.arrays import Float64Array
from sge.parts.evaluate import rate
from sge.parts.face_scores import (
    KINDS,
    WITHIN,
    Candidates,
    Hits,
    Scored,
    area_under_curve,
    calibration_error,
    candidates,
    curve_interval,
    false_alarms,
    main_hits,
    reliability,
    share_interval,
)
from sge.parts.finder import PARTS

FEWEST = 3
"""A kind with fewer images that show a part has no row."""
LOWEST_BIN = 0.05
"""The second calibration error is of found parts with at least this confidence: nearly all others are at 0."""
DIGITS = 4

Record = dict[str, Any]


def evaluate_faces(images: Sequence[Scored], shown: float, sure: float, seed: int = 0) -> Record:
    """All figures of one finder.

    Args:
        images: With and without faces; see ``scored``.
        shown: Confidence from which a part is listed.
        sure: Confidence from which it is not drawn as unsure.
        seed: Of the bootstrap.

    Returns:
        ``images`` (counts), ``hits`` (a row for each part and kind), ``false_alarms``, ``faces`` (precision and recall over
        all faces) and ``calibration`` (a row for each part). Distances are fractions of the shorter side; ``low`` and
        ``high`` are the ends of a 95 % interval: of a bootstrap over images, or of Wilson where ``of`` is stated.
    """
    limits = {"shown": shown, "sure": sure}
    hits, alarms, faces, calibration = [], [], [], []
    without = {part: false_alarms(images, part) for part in PARTS}
    for part in PARTS:
        for kind in KINDS:
            rows = main_hits(images, part, kind)
            if len(rows) >= FEWEST:
                hits.append({"part": part, "kind": kind} | _hits(rows, without[part], limits, seed))
        if len(without[part]):
            alarms.append({"part": part} | _alarms(without[part], limits))
        found = candidates(images, part)
        if found.points:
            faces.append({"part": part} | _faces(found, limits))
            calibration.append({"part": part} | _calibration(found))
    if len(without[PARTS[0]]):
        either = np.maximum.reduce([without[part] for part in PARTS])
        alarms.append({"part": "any"} | _alarms(either, limits))
    return {
        "images": {"with_faces": sum(bool(one.sure) for one in images), "without": len(without[PARTS[0]])},
        "shown": shown,
        "sure": sure,
        "hits": hits,
        "false_alarms": alarms,
        "faces": faces,
        "calibration": calibration,
    }


def _hits(rows: Sequence[Hits], without: Float64Array, limits: dict[str, float], seed: int) -> Record:
    score = np.array([row.score for row in rows])
    record: Record = {"images": len(rows)}
    for name, distances in (("main", [row.main for row in rows]), ("any", [row.any for row in rows])):
        for within in WITHIN:
            found = rate(np.array(distances) <= within, seed)
            record[f"{name}_{within}"] = _interval(found.value, found.low, found.high)
    area = area_under_curve(score.tolist(), without.tolist())
    if area is not None:
        record["auc"] = _interval(area, *curve_interval(score.tolist(), without.tolist(), seed))
    right = np.array([row.any for row in rows]) <= WITHIN[0]
    for name, limit in limits.items():
        record[f"{name}_right"] = _rounded(float(np.mean(right & (score >= limit))))
        record[f"{name}_wrong"] = _rounded(float(np.mean(~right & (score >= limit))))
        record[f"{name}_missed"] = _rounded(float(np.mean(score < limit)))
    return record


def _alarms(score: Float64Array, limits: dict[str, float]) -> Record:
    record: Record = {"images": len(score)}
    for name, limit in limits.items():
        count = int((score >= limit).sum())
        record[name] = _interval(count / len(score), *share_interval(count, len(score))) | {"of": count}
    return record


def _faces(found: Candidates, limits: dict[str, float]) -> Record:
    record: Record = {"points": found.points}
    for name, limit in limits.items():
        listed = found.score >= limit
        right = int((listed & found.right).sum())
        record[f"{name}_recall"] = _rounded(right / found.points)
        record[f"{name}_precision"] = _rounded(right / int(listed.sum())) if listed.any() else None
    return record


def _calibration(found: Candidates) -> Record:
    rows = reliability(found.score, found.right)
    kept = found.score >= LOWEST_BIN
    above = reliability(found.score[kept], found.right[kept])
    return {
        "error": _rounded(calibration_error(rows)),
        "error_above": _rounded(calibration_error(above)),
        "above": LOWEST_BIN,
        "bins": [[_rounded(row.stated), _rounded(row.right), row.count] for row in rows],
    }


def _interval(value: float, low: float, high: float) -> Record:
    return {"value": _rounded(value), "low": _rounded(low), "high": _rounded(high)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)
