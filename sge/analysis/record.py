"""An analysis as plain data, and back: the JSON of files, reports and the REST API.

A record has two forms. The complete one, ``to_record``, holds all maps as 8-bit atlases. The header,
``to_header``, holds no maps; files that store exact arrays keep it beside them.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from sge.analysis.atlas import Atlas, decode_atlas, encode_atlas
from sge.analysis.data import AnalysisData, BlockInfo, ImageInfo, ModelInfo
from sge.analysis.prediction import Prediction
from sge.analysis.record_version1 import translate_arrays, translate_record
from sge.arrays import Array
from sge.images import Box, Geometry
from sge.parts import GroupWeight, Part, PartMap

VERSION = 2
_ATLAS = ("groups", "height", "width", "lo", "hi", "png")


def to_header(analysis: AnalysisData) -> dict[str, Any]:
    """Everything but the image and the maps, as JSON-ready data."""
    geometry = analysis.geometry
    return {
        "version": VERSION,
        "image": asdict(analysis.image_info),
        "model": asdict(analysis.model),
        "signal": analysis.signal,
        "default_block": analysis.default_block,
        "predictions": [asdict(prediction) for prediction in analysis.predictions],
        "blocks": [asdict(block) for block in analysis.blocks],
        "parts": [asdict(part) | {"box": list(part.box)} for part in analysis.parts],
        "geometry": {
            "image": list(geometry.image),
            "input": list(geometry.input),
            "window": list(geometry.window),
            "framing": geometry.framing,
        },
        "focus": {block.name: _rounded(analysis.focus(block.name)) for block in analysis.blocks},
        "energy": {name: _rounded(values) for name, values in analysis.energy.items()},
        "part_maps": {
            part: {"threshold": part_map.threshold, "terms": [asdict(term) for term in part_map.terms]}
            for part, part_map in analysis.part_maps.items()
        },
    }


def to_record(analysis: AnalysisData) -> dict[str, Any]:
    """Everything but the image, as JSON-ready data; maps as base64 8-bit atlases."""
    record = to_header(analysis)
    for part, part_map in analysis.part_maps.items():
        record["part_maps"][part] |= atlas_record(part_map.map[None])
    for signal, arrays in (("masks", analysis.masks), ("similarity", analysis.similarity)):
        record[signal] = {name: atlas_record(values) for name, values in arrays.items()}
    return record


def atlas_record(maps: Array) -> dict[str, Any]:
    """Maps (G, h, w) as ``{groups, height, width, lo, hi, png}`` with the PNG in base64."""
    atlas = encode_atlas(maps)
    return asdict(atlas) | {"png": base64.b64encode(atlas.png).decode("ascii")}


def arrays_of(analysis: AnalysisData) -> dict[str, Array]:
    """All maps, float32, by name.

    ``mask/<block>`` (G, h, w), ``similarity/<block>`` (G, h, w), ``energy/<block>`` (G,), and with a part
    finder ``part/<part>`` (h, w).
    """
    part_maps = {part: part_map.map for part, part_map in analysis.part_maps.items()}
    kinds = {
        "mask": analysis.masks,
        "similarity": analysis.similarity,
        "energy": analysis.energy,
        "part": part_maps,
    }
    return {
        f"{kind}/{name}": np.ascontiguousarray(values)
        for kind, arrays in kinds.items()
        for name, values in arrays.items()
    }


def from_record(record: dict[str, Any]) -> AnalysisData:
    """The analysis that ``to_record`` wrote, of version 1 or 2.

    Raises:
        KeyError, TypeError, ValueError, AttributeError, OSError: not such data.
    """
    record = _current(record)
    arrays = {
        f"{kind}/{name}": _maps_of(atlas)
        for kind, atlases in (("mask", record["masks"]), ("similarity", record["similarity"]))
        for name, atlas in atlases.items()
    }
    arrays |= {f"energy/{name}": np.asarray(values, np.float32) for name, values in record["energy"].items()}
    arrays |= {f"part/{part}": _maps_of(atlas)[0] for part, atlas in record.get("part_maps", {}).items()}
    return _analysis(record, arrays)


def from_header(header: dict[str, Any], arrays: dict[str, Array]) -> AnalysisData:
    """The analysis of a header and its arrays, of version 1 or 2.

    Args:
        header: From ``to_header``.
        arrays: From ``arrays_of``.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: not such data.
    """
    return _analysis(_current(header), translate_arrays(arrays) if header["version"] == 1 else arrays)


def _current(record: dict[str, Any]) -> dict[str, Any]:
    if record["version"] == 1:
        return translate_record(record)
    if record["version"] != VERSION:
        raise ValueError(f"version {record['version']}; this program reads versions 1 and {VERSION}")
    return record


def _analysis(record: dict[str, Any], arrays: Mapping[str, Array]) -> AnalysisData:
    blocks = [BlockInfo(**block) for block in record["blocks"]]
    for block in blocks:
        for kind in ("mask", "similarity"):
            _check_shape(arrays[f"{kind}/{block.name}"], (block.groups, block.height, block.width))
        _check_shape(arrays[f"energy/{block.name}"], (block.groups,))
    opening = record["model"].get("opens_with")
    if opening and not ({"block", "group", "reason"} <= set(opening) and isinstance(opening["group"], int)):
        raise ValueError(f"a model that opens with {opening}")
    geometry = record["geometry"]
    return AnalysisData(
        image_info=ImageInfo(**record["image"]),
        model=ModelInfo(**record["model"]),
        predictions=[Prediction(**prediction) for prediction in record["predictions"]],
        blocks=blocks,
        masks={block.name: arrays[f"mask/{block.name}"] for block in blocks},
        similarity={block.name: arrays[f"similarity/{block.name}"] for block in blocks},
        energy={block.name: arrays[f"energy/{block.name}"] for block in blocks},
        geometry=Geometry(
            image=tuple(geometry["image"]),
            input=tuple(geometry["input"]),
            window=Box(*geometry["window"]),
            framing=geometry["framing"],
            grids={block.name: (block.height, block.width) for block in blocks},
        ),
        parts=[Part(**part | {"box": Box(*part["box"])}) for part in record["parts"]],
        part_maps={
            part: _part_map(part, part_record, arrays[f"part/{part}"])
            for part, part_record in record.get("part_maps", {}).items()
        },
    )


def _part_map(part: str, record: dict[str, Any], values: Array) -> PartMap:
    if values.ndim != 2 or values.dtype != np.float32:
        raise ValueError(f"a map of {part} of {values.dtype} {values.shape} instead of float32 (h, w)")
    return PartMap(values, float(record["threshold"]), [GroupWeight(**term) for term in record["terms"]])


def _maps_of(record: dict[str, Any]) -> Array:
    atlas = {key: record[key] for key in _ATLAS}
    return decode_atlas(Atlas(**atlas | {"png": base64.b64decode(record["png"], validate=True)}))


def _check_shape(array: Array, shape: tuple[int, ...]) -> None:
    if array.shape != shape or array.dtype != np.float32:
        raise ValueError(f"an array of {array.dtype} {array.shape} instead of float32 {shape}")


def _rounded(values: Array) -> list[float]:
    return [round(float(value), 5) for value in values]
