"""An analysis as plain data, and back: the JSON of files, reports and the REST API.

A record has two forms. The complete one, ``to_record``, holds all maps as 8-bit atlases. The header,
``to_header``, holds no maps; files that store exact arrays keep it beside them. If the maps of some blocks were not asked
for, ``included`` lists those that are there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from sge.analysis.atlas import MapsRecord, atlas_record, maps_of_record
from sge.analysis.box_record import boxes_of, boxes_record
from sge.analysis.data import SIGNALS, AnalysisData, BlockInfo, ImageInfo, ModelInfo, can_focus
from sge.analysis.effect import Attribution
from sge.analysis.effect_record import (
    ablation_header,
    ablation_of,
    ablation_record,
    attribution_header,
    attribution_of,
    attribution_record,
    decode_effect_arrays,
    effect_arrays,
)
from sge.analysis.fit import Fit
from sge.analysis.part_record import part_map_header, part_map_of, part_of, part_record
from sge.analysis.prediction import Prediction
from sge.analysis.record_version1 import translate_arrays, translate_record
from sge.arrays import Array
from sge.images import Box, Geometry
from sge.parts import BY

VERSION = 2
_PER_BLOCK = ("masks", "similarity", "energy")


def to_header(analysis: AnalysisData) -> dict[str, Any]:
    """Everything but the image and the maps, as JSON-ready data.

    ``attribution`` and ``ablation`` are there if the analysis has them.
    """
    geometry = analysis.geometry
    header = {
        "version": VERSION,
        "image": _fields(analysis.image_info) | {"notes": list(analysis.image_info.notes)},
        "model": _fields(analysis.model)
        | {"notes": list(analysis.model.notes), "part_finders": list(analysis.model.part_finders)},
        "signal": analysis.signal,
        "default_block": analysis.default_block,
        "predictions": [_fields(prediction) for prediction in analysis.predictions],
        "boxes": boxes_record(analysis.boxes),
        "is_detector": analysis.is_detector,
        "fit": _fields(analysis.fit) if analysis.fit else None,
        "blocks": [_block_record(block) for block in analysis.blocks],
        "parts": [part_record(part) for part in analysis.parts],
        "geometry": {
            "image": list(geometry.image),
            "input": list(geometry.input),
            "window": list(geometry.window),
            "framing": geometry.framing,
        },
        "focus": {name: _rounded(analysis.focus(name)) for name in can_focus(analysis)},
        "energy": {name: _rounded(values) for name, values in analysis.energy.items()},
        "part_maps": {part: part_map_header(one) for part, one in analysis.part_maps.items()},
    }
    included = {signal: list(getattr(analysis, signal)) for signal in _PER_BLOCK}
    if any(set(names) != {block.name for block in analysis.blocks} for names in included.values()):
        header["included"] = included
    if analysis.attribution is not None:
        header["attribution"] = attribution_header(analysis.attribution)
    if analysis.ablation is not None:
        header["ablation"] = ablation_header(analysis.ablation, *_shown_classes(analysis))
    return header


def to_record(analysis: AnalysisData, encode: MapsRecord = atlas_record) -> dict[str, Any]:
    """Everything but the image, with all maps at 8 bits.

    Args:
        analysis: What to write.
        encode: How maps are written: ``atlas_record`` (base64; the record is JSON-ready) or ``cells_record`` (arrays, for
            ``pack_atlases``).
    """
    record = to_header(analysis)
    for part, part_map in analysis.part_maps.items():
        record["part_maps"][part] |= encode(part_map.map[None])
    for signal, arrays in (("masks", analysis.masks), ("similarity", analysis.similarity)):
        record[signal] = {name: encode(values) for name, values in arrays.items()}
    if analysis.attribution is not None:
        record["attribution"] = attribution_record(analysis.attribution, encode)
    if analysis.ablation is not None:
        record["ablation"] = ablation_record(analysis.ablation, *_shown_classes(analysis))
    return record


def with_blocks(record: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
    """A record with the maps, focus and energy of some blocks only; everything else stays.

    Args:
        record: From ``to_record``.
        names: Of blocks; others than those of the record are ignored.
    """
    kept = {
        key: {name: values for name, values in record[key].items() if name in names}
        for key in (*_PER_BLOCK, "focus")
    }
    if all(len(kept[key]) == len(record["blocks"]) for key in _PER_BLOCK):
        return record
    return record | kept | {"included": {signal: list(kept[signal]) for signal in _PER_BLOCK}}


def _shown_classes(analysis: AnalysisData) -> tuple[tuple[int, ...], int]:
    """The classes of the record's ablation: the attribution's target, and as many best ones as predictions."""
    targets = () if analysis.attribution is None else (analysis.attribution.target.index,)
    return targets, len(analysis.predictions)


def arrays_of(analysis: AnalysisData) -> dict[str, Array]:
    """All maps, float32, by name.

    ``mask/<block>`` (G, h, w), ``similarity/<block>`` (G, h, w), ``energy/<block>`` (G,), with a part
    finder ``part/<part>`` (h, w), with an attribution ``grad_cam/map`` (h, w), and with an ablation the scores of all
    classes, ``ablation/<field>``.
    """
    part_maps = {part: part_map.map for part, part_map in analysis.part_maps.items()}
    kinds = {
        "mask": analysis.masks,
        "similarity": analysis.similarity,
        "energy": analysis.energy,
        "part": part_maps,
    }
    arrays = {f"{kind}/{name}": values for kind, named in kinds.items() for name, values in named.items()}
    arrays |= effect_arrays(analysis.attribution, analysis.ablation)
    return {name: np.ascontiguousarray(values) for name, values in arrays.items()}


def from_record(record: dict[str, Any]) -> AnalysisData:
    """The analysis that ``to_record`` wrote, of version 1 or 2.

    Raises:
        KeyError, TypeError, ValueError, AttributeError, OSError: not such data.
    """
    record = _current(record)
    arrays = {
        f"{kind}/{name}": maps_of_record(atlas)
        for kind, atlases in (("mask", record["masks"]), ("similarity", record["similarity"]))
        for name, atlas in atlases.items()
    }
    arrays |= {f"energy/{name}": np.asarray(values, np.float32) for name, values in record["energy"].items()}
    arrays |= {
        f"part/{part}": maps_of_record(atlas)[0] for part, atlas in record.get("part_maps", {}).items()
    }
    arrays |= decode_effect_arrays(record.get("attribution"), record.get("ablation"))
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
    blocks = [_block_of(block) for block in record["blocks"]]
    held = _held(record, arrays, blocks)
    opening = record["model"].get("opens_with")
    if opening and not ({"block", "group", "reason"} <= set(opening) and isinstance(opening["group"], int)):
        raise ValueError(f"a model that opens with {opening}")
    geometry = record["geometry"]
    attribution, ablation = record.get("attribution"), record.get("ablation")
    return AnalysisData(
        image_info=ImageInfo(**_with_notes(record["image"])),
        model=_model_of(record["model"]),
        predictions=[Prediction(**prediction) for prediction in record["predictions"]],
        boxes=boxes_of(record.get("boxes", [])),
        is_detector=record.get("is_detector", False) is True,
        fit=Fit(**record["fit"]) if record.get("fit") else None,
        blocks=blocks,
        masks=held["masks"],
        similarity=held["similarity"],
        energy=held["energy"],
        geometry=Geometry(
            image=tuple(geometry["image"]),
            input=tuple(geometry["input"]),
            window=Box(*geometry["window"]),
            framing=geometry["framing"],
            grids={block.name: (block.height, block.width) for block in blocks},
        ),
        parts=[part_of(part) for part in record["parts"]],
        part_maps={
            part: part_map_of(part, header, arrays[f"part/{part}"])
            for part, header in record.get("part_maps", {}).items()
        },
        attribution=None if attribution is None else _attribution(attribution, arrays, blocks),
        ablation=None if ablation is None else ablation_of(ablation, arrays),
    )


def _held(
    record: dict[str, Any], arrays: Mapping[str, Array], blocks: list[BlockInfo]
) -> dict[str, dict[str, Array]]:
    """``masks``, ``similarity`` and ``energy``: of all blocks, or of those that the record lists as included."""
    sizes = {block.name: block for block in blocks}
    included = record.get("included") or {signal: list(sizes) for signal in _PER_BLOCK}
    held: dict[str, dict[str, Array]] = {}
    for signal, kind in zip(_PER_BLOCK, ("mask", "similarity", "energy"), strict=True):
        held[signal] = {name: arrays[f"{kind}/{name}"] for name in included[signal]}
        for name, values in held[signal].items():
            groups, *cells = sizes[name].groups, sizes[name].height, sizes[name].width
            _check_shape(values, (groups,) if kind == "energy" else (groups, *cells))
    return held


def _attribution(record: dict[str, Any], arrays: Mapping[str, Array], blocks: list[BlockInfo]) -> Attribution:
    attribution, groups = attribution_of(record, arrays), {block.name: block.groups for block in blocks}
    for name, effects in attribution.items():
        if len(effects) != groups.get(name):
            raise ValueError(f"{len(effects)} effects of {name}, which has {groups.get(name)} groups")
    return attribution


def _block_record(block: BlockInfo) -> dict[str, Any]:
    """``signals`` is there only where one is missing, so that programs without this field read the record."""
    record = _fields(block) | {"signals": list(block.signals)}
    if block.signals == SIGNALS:
        del record["signals"]
    return record


def _block_of(record: dict[str, Any]) -> BlockInfo:
    signals = record.get("signals", list(SIGNALS))
    if signals not in (list(SIGNALS), ["mask"]):
        raise ValueError(f"a block with the signals {signals!r:.60}")
    return BlockInfo(**record | {"signals": tuple(signals)})


def _with_notes(facts: dict[str, Any]) -> dict[str, Any]:
    notes = facts.get("notes", [])
    if not (isinstance(notes, list) and all(isinstance(note, str) for note in notes)):
        raise ValueError(f"notes that are no list of sentences: {notes!r:.60}")
    return facts | {"notes": tuple(notes)}


def _model_of(record: dict[str, Any]) -> ModelInfo:
    finders = record.get("part_finders", [])
    if not (isinstance(finders, list) and set(finders) <= set(BY)):
        raise ValueError(f"a model with the part finders {finders!r:.60}")
    return ModelInfo(**_with_notes(record) | {"part_finders": tuple(finders)})


def _check_shape(array: Array, shape: tuple[int, ...]) -> None:
    if array.shape != shape or array.dtype != np.float32:
        raise ValueError(f"an array of {array.dtype} {array.shape} instead of float32 {shape}")


def _fields(data: object) -> dict[str, Any]:
    """The fields of a dataclass, by reference; ``dataclasses.asdict`` copies every value, which takes much longer."""
    return dict(vars(data))


def _rounded(values: Array) -> list[float]:
    rounded: list[float] = np.round(values.astype(np.float64), 5).tolist()
    return rounded
