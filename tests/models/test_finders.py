from __future__ import annotations

import json
import shutil

import pytest
from sge.models.finders import finder_file

import sge
from sge.errors import FinderError
from sge.paths import shipped

NAME = "sge_efficientnet_lite0"
SHIPPED = shipped("weights") / f"{NAME}.parts.json"


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A copy of the shipped finder among the user's own files."""
    monkeypatch.setenv("SGE_MODEL_DIR", str(tmp_path))
    return shutil.copy(SHIPPED, tmp_path / SHIPPED.name)


def test_a_finder_of_another_order_stops_the_model_with_a_sentence(own):
    own.write_text(json.dumps(json.loads(own.read_text()) | {"orders": "0" * 64}))
    with pytest.raises(FinderError, match="another order of channels"):
        sge.load_model(NAME)
    assert sge.load_model(NAME, finder=False).finder is None


def test_a_damaged_finder_stops_the_model_with_a_sentence(own):
    own.write_text("{}")
    with pytest.raises(FinderError, match="no part finder"):
        sge.load_model(NAME)


def test_the_users_own_finder_goes_before_the_shipped_one(own):
    assert finder_file(NAME) == own
    own.unlink()
    assert finder_file(NAME) == SHIPPED
    assert finder_file("nobody") is None


def test_the_shipped_finder_belongs_to_the_shipped_model():
    model = sge.load_model(NAME)
    assert model.finder is not None
    assert set(model.finder.readouts) == {"nose", "eye"}
    assert model.finder.permutations == model.permutations
    assert model.finder.size == model.preprocess.whole
    assert {row["part"] for row in model.finder.measured} == {"nose", "eye"}
