"""An analysis as plain data, and back: the JSON of files, reports and the REST API."""

from __future__ import annotations

import base64
from dataclasses import asdict
from typing import Any

import numpy as np

from sge.analysis.analysis import Analysis, BlockInfo, ImageInfo, ModelInfo, Prediction
from sge.analysis.atlas import Atlas, decode_atlas, encode_atlas
from sge.arrays import Array
from sge.images.geometry import Box, Geometry
from sge.parts.finder import GroupWeight, Part, PartMap

VERSION = 1


def to_record(analysis: Analysis, *, maps: bool = True) -> dict[str, Any]:
    """Everything but the image, as JSON-ready data.

    Args:
        analysis: What to write.
        maps: With the maps as base64 8-bit atlases; without them for files that hold the arrays themselves.
    """
    geometry = analysis.geometry
    record: dict[str, Any] = {
        "version": VERSION,
        "image": asdict(analysis.image_info),
        "model": asdict(analysis.model),
        "signal": analysis.signal,
        "default_block": analysis.default_block,
        "predictions": [asdict(one) for one in analysis.predictions],
        "blocks": [asdict(one) for one in analysis.blocks],
        "parts": [asdict(one) | {"box": list(one.box)} for one in analysis.parts],
        "geometry": {
            "image": list(geometry.image),
            "input": list(geometry.input),
            "window": list(geometry.window),
            "framing": geometry.framing,
        },
        "focus": {b.name: _rounded(analysis.focus(b.name)) for b in analysis.blocks},
        "energy": {name: _rounded(terms) for name, terms in analysis.energy.items()},
    }
    record["part_maps"] = {
        kind: (atlas_record(one.map[None]) if maps else {})
        | {"threshold": one.threshold, "mix": [asdict(share) for share in one.mix]}
        for kind, one in analysis.part_maps.items()
    }
    if maps:
        for signal, arrays in (("masks", analysis.masks), ("similarity", analysis.similarity)):
            record[signal] = {name: atlas_record(values) for name, values in arrays.items()}
    return record


def _rounded(values: Array) -> list[float]:
    return [round(float(value), 5) for value in values]


def atlas_record(maps: Array) -> dict[str, Any]:
    """``{groups, height, width, lo, hi, png}`` with the PNG in base64."""
    atlas = encode_atlas(maps)
    return asdict(atlas) | {"png": base64.b64encode(atlas.png).decode("ascii")}


def _maps_of(record: dict[str, Any]) -> Array:
    return decode_atlas(Atlas(**record | {"png": base64.b64decode(record["png"], validate=True)}))


def from_record(record: dict[str, Any], arrays: dict[str, Array] | None = None) -> Analysis:
    """The analysis that ``to_record`` wrote.

    Args:
        record: Its data.
        arrays: ``mask/<block>``, ``similarity/<block>``, ``energy/<block>`` and ``part/<kind>``, where
            the record holds no atlases.

    Raises:
        KeyError, TypeError, ValueError: not such data.
    """
    if record["version"] != VERSION:
        raise ValueError(f"version {record['version']} instead of {VERSION}")
    blocks = [BlockInfo(**one) for one in record["blocks"]]
    names = [block.name for block in blocks]
    if arrays is None:
        masks = {name: _maps_of(record["masks"][name]) for name in names}
        similarity = {name: _maps_of(record["similarity"][name]) for name in names}
        energy = {name: np.asarray(record["energy"][name], np.float32) for name in names}
    else:
        masks = {name: arrays[f"mask/{name}"] for name in names}
        similarity = {name: arrays[f"similarity/{name}"] for name in names}
        energy = {name: arrays[f"energy/{name}"] for name in names}
    for block in blocks:
        _check_shape(masks[block.name], (block.groups, block.height, block.width))
        _check_shape(similarity[block.name], (block.groups, block.height, block.width))
        _check_shape(energy[block.name], (block.groups,))
    opening = record["model"].get("opens_with")
    if opening and not ({"block", "group", "reason"} <= set(opening) and isinstance(opening["group"], int)):
        raise ValueError(f"a model that opens with {opening}")
    geometry = record["geometry"]
    return Analysis(
        image_info=ImageInfo(**record["image"]),
        model=ModelInfo(**record["model"]),
        predictions=[Prediction(**one) for one in record["predictions"]],
        blocks=blocks,
        masks=masks,
        similarity=similarity,
        energy=energy,
        geometry=Geometry(
            image=tuple(geometry["image"]),
            input=tuple(geometry["input"]),
            window=Box(*geometry["window"]),
            framing=geometry["framing"],
            grids={block.name: (block.height, block.width) for block in blocks},
        ),
        parts=[Part(**one | {"box": Box(*one["box"])}) for one in record["parts"]],
        part_maps={kind: _part_map(kind, one, arrays) for kind, one in record.get("part_maps", {}).items()},
    )


def _part_map(kind: str, record: dict[str, Any], arrays: dict[str, Array] | None) -> PartMap:
    atlas = (
        {key: record[key] for key in ("groups", "height", "width", "lo", "hi", "png")}
        if arrays is None
        else {}
    )
    values = _maps_of(atlas)[0] if arrays is None else arrays[f"part/{kind}"]
    if values.ndim != 2 or values.dtype != np.float32:
        raise ValueError(f"a map of {kind} of {values.dtype} {values.shape} instead of float32 (h, w)")
    return PartMap(values, float(record["threshold"]), [GroupWeight(**share) for share in record["mix"]])


def _check_shape(array: Array, shape: tuple[int, ...]) -> None:
    if array.shape != shape or array.dtype != np.float32:
        raise ValueError(f"an array of {array.dtype} {array.shape} instead of float32 {shape}")
