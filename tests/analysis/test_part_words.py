"""The parts of an analysis in words."""

from __future__ import annotations

import dataclasses

import numpy as np

from sge.analysis.analysis import Analysis
from sge.analysis.embedded import embedded
from sge.analysis.part_words import found_by, key_in_words, parts_in_words
from sge.analysis.summary import draw_summary
from sge.images import Box
from sge.parts import Part
from tests.analyses import made

BOX = Box(0, 0, 9, 9)
NOSE, EYE = Part("nose", 5, 5, 0.97, BOX), Part("left_eye", 3, 3, 0.314, BOX, 0, False)
OTHER = Part("right_eye", 30, 30, 0.6, BOX, 1)


def with_parts(*parts: Part, **model: str) -> Analysis:
    analysis = made()
    return dataclasses.replace(
        analysis, parts=list(parts), model=dataclasses.replace(analysis.model, **model)
    )


def test_each_face_has_a_line_and_says_what_is_unsure() -> None:
    assert parts_in_words(with_parts(NOSE, EYE, OTHER)) == [
        "face 1: nose 97 %, left eye 31 % unsure",
        "face 2: right eye 60 %",
    ]


def test_a_single_face_has_no_number() -> None:
    assert parts_in_words(with_parts(NOSE, EYE)) == ["nose 97 %, left eye 31 % unsure"]


def test_where_nothing_is_found_the_models_sentence_says_so() -> None:
    assert parts_in_words(with_parts(no_parts="No nose found; learned on dogs.")) == [
        "No nose found; learned on dogs."
    ]
    assert parts_in_words(with_parts()) == ["No nose found."]


def test_without_a_finder_nothing_is_said() -> None:
    analysis = dataclasses.replace(made(), parts=[], part_maps={})
    assert parts_in_words(analysis) == []
    assert found_by(analysis) is None


def test_dashed_rings_are_explained_where_there_are_some() -> None:
    assert key_in_words(with_parts(NOSE, OTHER)) == "parts by groups"
    assert key_in_words(with_parts(NOSE, EYE)) == "parts by groups; dashed: unsure"


def test_summary_and_notebook_list_them() -> None:
    analysis = with_parts(NOSE, EYE)
    quiet = dataclasses.replace(analysis, part_maps={}, parts=[])
    assert draw_summary(analysis).height >= draw_summary(quiet).height
    assert not np.array_equal(np.asarray(draw_summary(analysis)), np.asarray(draw_summary(quiet)))
    assert "left eye 31 % unsure" in embedded(dataclasses.replace(analysis, image=None))


def test_a_long_sentence_does_not_widen_the_summary() -> None:
    long = with_parts(no_parts="No nose or eyes found; " + "the finder learned on animals, " * 12)
    assert draw_summary(long).width <= draw_summary(with_parts(NOSE)).width + 700
