"""Effects that a request names, checked before the upload is read."""

from __future__ import annotations

from typing import Any, cast

import pytest

from app.effect_choice import (
    MAX_MEASURED,
    AblationChoice,
    AttributionChoice,
    StepsChoice,
    choose_ablation,
    choose_attribution,
    choose_steps,
    choose_target,
)
from app.slots import Slot
from sge.errors import ChoiceError, SGEError, UnknownBlockError, UnknownGroupError


class _Lens:
    has_gradients = True

    def find_target(self, target: str) -> int:
        if target != "beagle":
            raise ChoiceError(f"No class is named {target!r}.")
        return 162


@pytest.fixture
def slot() -> Slot:
    """A loaded model of three SGE blocks."""
    sizes = {"a.0": 8, "b.1": 16, "c.2": MAX_MEASURED}
    return Slot("made", "made", lens=cast(Any, _Lens()), groups=sizes, default_block="b.1")


@pytest.mark.parametrize("target", [None, "", " ", "predicted", " predicted "])
def test_no_target_is_the_predicted_class(slot: Slot, target: str | None) -> None:
    assert choose_target(slot, target) is None


def test_a_target_is_looked_up_in_the_model(slot: Slot) -> None:
    assert choose_target(slot, "beagle") == 162
    with pytest.raises(ChoiceError, match="No class is named"):
        choose_target(slot, "begle")


@pytest.mark.parametrize("blocks", ["d.3", ",", "a.0,,b.1", "A.0", "a.0;b.1", "x" * 2000])
def test_an_unknown_block_is_refused_with_those_that_have_groups(slot: Slot, blocks: str) -> None:
    with pytest.raises(UnknownBlockError, match=r"there are: a\.0, b\.1, c\.2\.") as refused:
        choose_attribution(slot, None, blocks)
    assert len(str(refused.value)) < 200
    with pytest.raises(UnknownBlockError, match=r"there are: a\.0, b\.1, c\.2\."):
        choose_steps(slot, blocks, 0)


def test_blocks_keep_their_order_and_count_once(slot: Slot) -> None:
    assert choose_attribution(slot, "beagle", " b.1,a.0, b.1", "gradient") == AttributionChoice(
        162, ["b.1", "a.0"], "gradient"
    )
    for nothing in (None, ""):
        assert choose_attribution(slot, None, nothing) == AttributionChoice(None, None, "auto")


@pytest.mark.parametrize(
    ("method", "blocks"), [("ablation", None), ("ablation", "a.0,c.2"), ("auto", "a.0,c.2")]
)
def test_groups_measured_one_by_one_are_bounded(slot: Slot, method: str, blocks: str | None) -> None:
    with pytest.raises(ChoiceError, match=rf"at most {MAX_MEASURED} .*blocks=.*a\.0 8, b\.1 16, c\.2 128\."):
        choose_attribution(slot, None, blocks, method)
    assert choose_attribution(slot, None, "c.2", method).method == method
    assert choose_attribution(slot, None, blocks, "gradient").method == "gradient"
    assert choose_attribution(slot, None, None, "auto").blocks is None
    slot.groups = {"a.0": MAX_MEASURED}  # a small network needs no blocks=
    assert choose_attribution(slot, None, None, "ablation").blocks is None


def test_the_group_of_steps_must_exist(slot: Slot) -> None:
    assert choose_steps(slot, None, 15) == StepsChoice("b.1", 15)
    assert choose_steps(slot, "a.0", 0) == StepsChoice("a.0", 0)
    with pytest.raises(UnknownGroupError, match=r"a\.0 has groups 0 to 7; there is no group 8"):
        choose_steps(slot, "a.0", 8)


def test_an_ablation_keeps_what_was_named(slot: Slot) -> None:
    chosen = choose_ablation(slot, "a.0:1;b.1", "only", 3, 7)
    assert chosen == AblationChoice({"a.0": [1], "b.1": list(range(16))}, "only", 3, 7)


def test_a_model_without_sge_is_refused_with_a_sentence(slot: Slot) -> None:
    slot.groups = {}
    for choose in (
        lambda: choose_ablation(slot, "all", "mean", 0, 0),
        lambda: choose_ablation(slot, "b.1:0", "mean", 0, 0),
        lambda: choose_attribution(slot, None),
        lambda: choose_attribution(slot, None, "b.1"),
        lambda: choose_steps(slot, None, 0),
    ):
        with pytest.raises(SGEError, match="no SGE block, so it has no groups"):
            choose()


def test_without_gradients_every_effect_is_measured(slot: Slot) -> None:
    cast(Any, slot.lens).has_gradients = False
    assert choose_attribution(slot, None, "default", "auto") == AttributionChoice(None, ["b.1"], "auto")
    with pytest.raises(ChoiceError, match=rf"at most {MAX_MEASURED} .* Name fewer blocks in blocks="):
        choose_attribution(slot, None, None, "auto")
