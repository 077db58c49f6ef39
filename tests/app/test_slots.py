"""A slot says why its model does not answer, and describes the model once it does."""

from __future__ import annotations

import pytest

import app.slots
from app.errors import ProblemError
from app.slots import Slot
from sge.errors import CheckpointError


def test_a_slot_that_loads_asks_for_patience():
    slot = Slot("mine", "mine.safetensors")
    assert not slot.ready
    with pytest.raises(ProblemError, match="mine is still loading") as refused:
        slot.require_lens()
    assert (refused.value.status, refused.value.retry_after_s) == (503, 2)


@pytest.mark.parametrize(
    ("raised", "stated"),
    [
        (CheckpointError("a.safetensors is cut off. Download it again."), "a.safetensors is cut off"),
        (RuntimeError("secret path"), "the server's log says why"),
    ],
)
def test_a_model_that_cannot_be_loaded_is_kept_as_an_error(monkeypatch, raised, stated):
    def fail(_source: str):
        raise raised

    monkeypatch.setattr(app.slots, "load_model", fail)
    slot = Slot("mine", "a.safetensors")
    slot.load("cpu", "auto")
    assert not slot.ready
    with pytest.raises(ProblemError, match=stated) as refused:
        slot.require_lens()
    assert refused.value.status == 503
    assert "secret" not in str(refused.value)


@pytest.mark.slow
def test_a_loaded_slot_knows_its_blocks():
    slot = Slot("sge_resnet18_dogs", "sge_resnet18_dogs")
    slot.load("cpu", "auto")
    assert slot.require_lens().model.name == "sge_resnet18_dogs"
    assert [block.groups for block in slot.blocks] == [64] * 8
    assert slot.default_block in {block.name for block in slot.blocks}
    assert slot.signal == "mask"
