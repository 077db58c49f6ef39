"""Part finder files of version 1."""

from __future__ import annotations

import json

import pytest

from sge.errors import FinderError
from sge.parts.finder import Finder, GroupWeight, Readout

RECORD = {
    "version": 1,
    "mixes": {
        "nose": {
            "shares": [
                {"block": "blocks.6.0", "group": 63, "weight": 0.75},
                {"block": "blocks.5.3", "group": 61, "weight": 0.25},
            ],
            "scale": 4.5,
            "bias": 6.25,
            "threshold": 0.5,
        }
    },
    "orders": "ab" * 32,
    "fitted_on": "two images",
    "size": 320,
    "measured": [{"part": "nose", "pictures": "all"}],
}
FINDER = Finder(
    {
        "nose": Readout(
            (GroupWeight("blocks.6.0", 63, 0.75), GroupWeight("blocks.5.3", 61, 0.25)), 4.5, 6.25, 0.5
        )
    },
    "ab" * 32,
    "two images",
    320,
    [{"part": "nose", "images": "all"}],
)


def test_a_file_of_version_1_opens_and_is_saved_as_version_3(tmp_path):
    path = tmp_path / "a.parts.json"
    path.write_text(json.dumps(RECORD))
    finder = Finder.load(path)
    assert finder == FINDER
    finder.save(path)
    assert json.loads(path.read_text())["version"] == 3
    assert Finder.load(path) == FINDER


@pytest.mark.parametrize(
    "change", [{"mixes": None}, {"mixes": {"nose": 3}}, {"mixes": {"tail": RECORD["mixes"]["nose"]}}]
)
def test_a_damaged_file_of_version_1_is_refused(tmp_path, change):
    path = tmp_path / "a.parts.json"
    path.write_text(json.dumps(RECORD | change))
    with pytest.raises(FinderError, match="is not a part finder"):
        Finder.load(path)
