"""Ablations, attributions and the steps of a mask as JSON-ready data, and back.

The effects of an attribution are stored as decimals that give the same float32 again. Of an ablation the JSON names the
classes that matter, and the scores of all classes are stored as arrays beside it. A *record* is complete; a *header*
leaves the arrays (``effect_arrays``) to the file that holds them.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from sge.analysis.atlas import MapsRecord, atlas_record, maps_of_record
from sge.analysis.effect import METHODS, MODES, Ablation, Attribution, GradCam, GroupSteps
from sge.analysis.effect_report import ablation_report, short_numbers
from sge.analysis.prediction import Prediction
from sge.arrays import Array

_SCORES = ("before", "after", "controls", "logits_before", "logits_after", "logits_controls")
_FLOAT32 = "<f4"
_GRAD_CAM, _ABLATION = "grad_cam/map", "ablation"


def attribution_header(attribution: Attribution) -> dict[str, Any]:
    """An attribution without its Grad-CAM map, of which only the layer is named.

    Raises:
        AnalysisFileError: an effect is not finite.
    """
    return {
        "target": asdict(attribution.target),
        "logit": short_numbers([np.float32(attribution.logit)], "the logit")[0],
        "method": dict(attribution.method),
        "effect": {name: short_numbers(values, f"effects of {name}") for name, values in attribution.items()},
        "spatial": {
            name: short_numbers(values, f"effects of {name}") for name, values in attribution.spatial.items()
        },
        "grad_cam": None if attribution.grad_cam is None else {"layer": attribution.grad_cam.layer},
    }


def attribution_record(attribution: Attribution, encode: MapsRecord = atlas_record) -> dict[str, Any]:
    """A complete attribution: ``target``, ``logit``, ``method``, ``effect``, ``spatial``, and ``grad_cam`` as an atlas.

    Args:
        attribution: From ``Lens.attribute``.
        encode: How its map is written: ``atlas_record`` or ``cells_record``.

    Raises:
        AnalysisFileError: an effect is not finite.
    """
    record = attribution_header(attribution)
    if attribution.grad_cam is not None:
        record["grad_cam"] |= encode(attribution.grad_cam.map[None])
    return record


def attribution_of(record: Mapping[str, Any], arrays: Mapping[str, Array]) -> Attribution:
    """The attribution of a record or header.

    Args:
        record: From ``attribution_record`` or ``attribution_header``.
        arrays: From ``effect_arrays`` or ``decode_effect_arrays``.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: not such data.
    """
    effect, spatial = (
        {name: np.asarray(values, np.float32) for name, values in record[key].items()}
        for key in ("effect", "spatial")
    )
    method = dict(record["method"])
    shapes = {name: values.shape for name, values in effect.items()}
    if shapes != {name: values.shape for name, values in spatial.items()} or shapes.keys() != method.keys():
        raise ValueError("effect, spatial and method name different blocks or numbers of groups")
    if not set(method.values()) <= set(METHODS) or any(len(shape) != 1 for shape in shapes.values()):
        raise ValueError("an attribution of another form")
    grad_cam = None
    if record["grad_cam"] is not None:
        grad_cam = GradCam(arrays[_GRAD_CAM], str(record["grad_cam"]["layer"]))
        if grad_cam.map.ndim != 2 or grad_cam.map.dtype != np.float32:
            raise ValueError(
                f"a Grad-CAM of {grad_cam.map.dtype} {grad_cam.map.shape} instead of float32 (h, w)"
            )
    target = Prediction(**record["target"])
    return Attribution(target, float(record["logit"]), effect, spatial, method, grad_cam)


def ablation_header(ablation: Ablation, targets: tuple[int, ...] = (), top_k: int = 5) -> dict[str, Any]:
    """``ablation_report`` with what ``ablation_of`` needs beside the arrays.

    Raises:
        AnalysisFileError: a score is not finite.
    """
    report = ablation_report(ablation, targets, top_k)
    return report | {"control_groups": ablation.control_groups, "labels": ablation.labels}


def ablation_record(ablation: Ablation, targets: tuple[int, ...] = (), top_k: int = 5) -> dict[str, Any]:
    """``ablation_header`` with the scores of all classes: ``arrays``, each little-endian float32 in base64.

    Raises:
        AnalysisFileError: a score is not finite.
    """
    arrays = {
        name: base64.b64encode(getattr(ablation, name).astype(_FLOAT32).tobytes()).decode("ascii")
        for name in _SCORES
    }
    return ablation_header(ablation, targets, top_k) | {"arrays": arrays}


def ablation_of(record: Mapping[str, Any], arrays: Mapping[str, Array]) -> Ablation:
    """The ablation of a record or header.

    Args:
        record: From ``ablation_record`` or ``ablation_header``.
        arrays: From ``effect_arrays`` or ``decode_effect_arrays``.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: not such data.
    """
    labels, draws = [str(label) for label in record["labels"]], list(record["control_groups"])
    scores = {name: arrays[f"{_ABLATION}/{name}"] for name in _SCORES}
    for name, values in scores.items():
        shape = (len(draws), len(labels)) if name.endswith("controls") else (len(labels),)
        if values.shape != shape or values.dtype != np.float32:
            raise ValueError(f"{name}: an array of {values.dtype} {values.shape} instead of float32 {shape}")
    if record["mode"] not in MODES:
        raise ValueError(f"an ablation of mode {record['mode']!r}")
    groups, *control_groups = (
        {str(name): [int(number) for number in numbers] for name, numbers in chosen.items()}
        for chosen in (record["groups"], *draws)
    )
    return Ablation(
        **scores,
        mode=record["mode"],
        groups=groups,
        control_groups=control_groups,
        labels=labels,
        seed=int(record["seed"]),
    )


def effect_arrays(attribution: Attribution | None, ablation: Ablation | None) -> dict[str, Array]:
    """The arrays that the headers leave out, float32.

    ``grad_cam/map`` (h, w), and ``ablation/<field>`` for the scores of all classes.
    """
    arrays = {}
    if attribution is not None and attribution.grad_cam is not None:
        arrays[_GRAD_CAM] = attribution.grad_cam.map
    if ablation is not None:
        arrays |= {f"{_ABLATION}/{name}": getattr(ablation, name) for name in _SCORES}
    return arrays


def decode_effect_arrays(
    attribution: Mapping[str, Any] | None, ablation: Mapping[str, Any] | None
) -> dict[str, Array]:
    """``effect_arrays`` of the records ``attribution_record`` and ``ablation_record``; the map within half a step.

    Raises:
        KeyError, TypeError, ValueError, AttributeError, OSError: not such data.
    """
    arrays = {}
    if attribution is not None and attribution["grad_cam"] is not None:
        arrays[_GRAD_CAM] = maps_of_record(attribution["grad_cam"])[0]
    if ablation is not None:
        classes = len(ablation["labels"])
        for name in _SCORES:
            values = np.frombuffer(base64.b64decode(ablation["arrays"][name], validate=True), _FLOAT32)
            rows = values.reshape(len(values) // max(1, classes), classes).astype(np.float32)
            arrays[f"{_ABLATION}/{name}"] = rows if name.endswith("controls") else rows[0]
    return arrays


def steps_record(steps: GroupSteps) -> dict[str, Any]:
    """The steps of one mask; every map as an atlas of its own range, also the single ones.

    Raises:
        AnalysisFileError: a number is not finite.
    """
    maps = {
        "features": steps.features,
        "product": steps.product[None],
        "similarity": steps.similarity[None],
        "mask": steps.mask[None],
        "output": steps.output,
    }
    weight, bias = short_numbers([np.float32(steps.weight), np.float32(steps.bias)], "weight and bias")
    return {
        "block": steps.block,
        "group": steps.group,
        "weight": weight,
        "bias": bias,
        "mean": short_numbers(steps.mean, "the mean"),
        **{name: atlas_record(values) for name, values in maps.items()},
    }
