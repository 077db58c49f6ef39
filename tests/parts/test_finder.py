"""Finder files, also damaged ones."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from sge.errors import FinderError
from sge.nn.permutation.permute import IDENTITY_PERMUTATION, permutation_digest
from sge.parts.finder import Finder, GroupWeight, Readout

READOUT = Readout((GroupWeight("layer1.0", 3, 0.75), GroupWeight("layer2.0", 1, 0.25)), 4.0, 6.0, 0.5)
FINDER = Finder({"nose": READOUT, "eye": READOUT}, IDENTITY_PERMUTATION, "made up", 320, [{"part": "nose"}])


def test_what_is_saved_comes_back(tmp_path):
    FINDER.save(tmp_path / "a.parts.json")
    assert Finder.load(tmp_path / "a.parts.json") == FINDER


@pytest.mark.parametrize(
    ("readouts", "limits", "sentence"),
    [
        (("nose", "eye"), "", "No nose or eyes found."),
        (("eye",), "", "No eyes found."),
        (
            ("nose", "eye"),
            "was fitted on dogs",
            "No nose or eyes found; the finder was fitted on dogs.",
        ),
    ],
)
def test_the_sentence_for_an_image_without_parts_names_the_parts_and_the_limits(readouts, limits, sentence):
    finder = Finder(dict.fromkeys(readouts, READOUT), IDENTITY_PERMUTATION, limits=limits)
    assert finder.nothing_found == sentence


def test_a_file_without_limits_is_read(tmp_path):
    FINDER.save(tmp_path / "a.parts.json")
    record = json.loads((tmp_path / "a.parts.json").read_text())
    del record["limits"]
    (tmp_path / "a.parts.json").write_text(json.dumps(record))
    assert Finder.load(tmp_path / "a.parts.json").limits == ""


def _term(**change):
    return lambda r: r["readouts"]["nose"]["terms"][0].update(change)


WRONG = {
    "another version": lambda r: r.update(version=4),
    "no readouts": lambda r: r.pop("readouts"),
    "empty readouts": lambda r: r.update(readouts={}),
    "a list of readouts": lambda r: r.update(readouts=[1]),
    "an unknown part": lambda r: r["readouts"].update(tail=r["readouts"]["nose"]),
    "no terms": lambda r: r["readouts"]["nose"].update(terms=[]),
    "a negative weight": _term(weight=-0.75),
    "weights that do not sum to 1": _term(weight=0.5),
    "a weight that is text": _term(weight="0.75"),
    "an infinite weight": _term(weight=float("inf")),
    "a weight that is not a number": _term(weight=float("nan")),
    "a negative group": _term(group=-1),
    "a group and a half": _term(group=1.5),
    "a group that is true": _term(group=True),
    "the same group twice": lambda r: r["readouts"]["nose"]["terms"][1].update(block="layer1.0", group=3),
    "a threshold of 1": lambda r: r["readouts"]["nose"].update(threshold=1),
    "no scale": lambda r: r["readouts"]["nose"].pop("scale"),
    "permutations that are not text": lambda r: r.update(permutations=5),
    "limits that are not text": lambda r: r.update(limits=["dogs"]),
    "a size that is text": lambda r: r.update(size="big"),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_a_damaged_file_is_refused(tmp_path, change):
    path = tmp_path / "a.parts.json"
    FINDER.save(path)
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))
    with pytest.raises(FinderError, match=r"a\.parts\.json is not a part finder"):
        Finder.load(path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe\x00", b"[" * 100_000])
def test_other_content_is_refused(tmp_path, content):
    path = tmp_path / "a.parts.json"
    path.write_bytes(content)
    with pytest.raises(FinderError):
        Finder.load(path)


def test_files_that_cannot_be_read_or_written(tmp_path):
    with pytest.raises(FinderError, match="cannot be read"):
        Finder.load(tmp_path / "none.json")
    (tmp_path / "file").write_text("")
    with pytest.raises(FinderError, match="cannot be written"):
        FINDER.save(tmp_path / "file" / "a.json")


def test_missing_groups_are_named():
    FINDER.check({"layer1.0": 4, "layer2.0": 2})
    with pytest.raises(FinderError, match=re.escape("layer1.0/g3")):
        FINDER.check({"layer1.0": 3, "layer2.0": 2})
    with pytest.raises(FinderError, match=re.escape("layer2.0/g1")):
        FINDER.check({"layer1.0": 4})


def test_another_channel_permutation_is_refused():
    FINDER.check_permutation(IDENTITY_PERMUTATION)
    with pytest.raises(FinderError, match="another channel permutation"):
        FINDER.check_permutation(permutation_digest({"layer1.0": np.arange(4)}))


def test_the_digest_is_of_numbers_in_order_of_names():
    one, two = np.array([2, 0, 1]), np.array([1, 0])
    digest = permutation_digest({"a": one, "b": two})
    assert digest == permutation_digest({"b": two.astype(np.int32), "a": one.astype(np.int64)})
    assert digest != permutation_digest({"a": two, "b": one})
    assert digest != permutation_digest({"a": one, "b": two[::-1]})
