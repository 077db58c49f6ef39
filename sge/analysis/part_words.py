"""The parts of an analysis in words, as summaries, notebooks and the command line write them."""

from __future__ import annotations

from collections.abc import Sequence

from sge.analysis.data import AnalysisData
from sge.parts import Part

UNSURE = "unsure"
"""What is said of a part that is not sure."""


def parts_in_words(analysis: AnalysisData) -> list[str]:
    """One line for each face, such as ``face 2: nose 61 %, left eye 31 % unsure``.

    Returns:
        The model's sentence alone where it found none; nothing for a model without a part finder. A single
        face has no number.
    """
    if not analysis.part_maps:
        return []
    if not analysis.parts:
        return [analysis.model.no_parts or f"No {' or '.join(analysis.part_maps)} found."]
    faces = by_face(analysis.parts)
    lines = [", ".join(map(part_in_words, parts)) for parts in faces.values()]
    if len(lines) == 1:
        return lines
    return [f"face {face + 1}: {line}" for face, line in zip(faces, lines, strict=True)]


def part_in_words(part: Part) -> str:
    """Such as ``left eye 31 % unsure``."""
    words = f"{part.name.replace('_', ' ')} {100 * part.score:.0f} %"
    return words if part.sure else f"{words} {UNSURE}"


def by_face(parts: Sequence[Part]) -> dict[int, list[Part]]:
    """The parts of each face in their order; the best face, whose number is smallest, first."""
    return {face: [part for part in parts if part.face == face] for face in sorted({p.face for p in parts})}


def found_by(analysis: AnalysisData) -> str | None:
    """What the parts are found by, such as ``groups and channels``; None without a part finder."""
    sources = [part_map.source for part_map in analysis.part_maps.values()]
    return sources[0] if sources else None


def key_in_words(analysis: AnalysisData) -> str:
    """What the parts are found by, and the meaning of a dashed ring if there is one."""
    key = f"parts by {found_by(analysis)}"
    return key if all(part.sure for part in analysis.parts) else f"{key}; dashed: {UNSURE}"
