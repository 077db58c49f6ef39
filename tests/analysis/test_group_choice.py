"""Groups named by a text."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sge.analysis.group_choice import choose_groups, parse_numbers
from sge.errors import ChoiceError, SGEError, UnknownBlockError, UnknownGroupError

BLOCKS = {"a.0": 8, "b.1": 16}


@pytest.mark.parametrize("text", ["", " ", ";", "a.0;", ";a.0", "a.0;;b.1", ":3", "a.0:1;:2", " ; "])
def test_a_missing_block_is_refused_with_the_form_and_the_blocks(text: str) -> None:
    with pytest.raises(ChoiceError, match=r"BLOCK:NUMBERS .* a\.0:0,3, or all\. Blocks: a\.0, b\.1\."):
        choose_groups(text, BLOCKS)


@pytest.mark.parametrize(
    "text", ["c.2", "A.0:1", "a.0,b.1", "all;a.0", "ALL", "3", "a.0;c.2:1", "__proto__:1"]
)
def test_an_unknown_block_is_refused_with_those_that_exist(text: str) -> None:
    with pytest.raises(UnknownBlockError, match=r"there are: a\.0, b\.1\."):
        choose_groups(text, BLOCKS)


@pytest.mark.parametrize(
    "numbers", ["", "-1", "3-1", "1,,2", "x", "1.5", "²", "9999999", ",", "1 2", "all", "1:2"]
)
def test_other_numbers_are_refused_with_an_example(numbers: str) -> None:
    with pytest.raises(ChoiceError, match=r"0,3,8-15"):
        choose_groups(f"a.0:{numbers}", BLOCKS)
    with pytest.raises(ChoiceError, match=r"0,3,8-15"):
        parse_numbers(numbers)


@pytest.mark.parametrize("numbers", ["8", "0-8", "999999", "0-999999", "1,8,2"])
def test_a_group_that_a_block_lacks_is_refused_with_those_it_has(numbers: str) -> None:
    with pytest.raises(UnknownGroupError, match=r"a\.0 has groups 0 to 7; there is no group"):
        choose_groups(f"b.1:8;a.0:{numbers}", BLOCKS)


def test_a_network_without_groups_is_refused_with_a_sentence() -> None:
    with pytest.raises(ChoiceError, match="no SGE block"):
        choose_groups("all", {})


def test_blocks_and_numbers_keep_their_order_and_count_once() -> None:
    assert choose_groups(" b.1 : 3 , 1-2,3 ; a.0:7", BLOCKS) == {"b.1": [3, 1, 2], "a.0": [7]}
    assert choose_groups("a.0:1;b.1:0;a.0:0-2", BLOCKS) == {"a.0": [1, 0, 2], "b.1": [0]}


def test_a_block_alone_is_all_of_its_groups_and_all_is_everything() -> None:
    assert choose_groups("a.0", BLOCKS) == {"a.0": list(range(8))}
    assert choose_groups("a.0:0-7;b.1", BLOCKS) == choose_groups(" all ", BLOCKS)


@given(st.text(alphabet="ab.01:;,- l", max_size=30))
def test_any_text_gives_existing_groups_or_a_sentence(text: str) -> None:
    chosen = {}
    with contextlib.suppress(SGEError):
        chosen = choose_groups(text, BLOCKS)
        assert chosen
    for name, numbers in chosen.items():
        assert numbers
        assert len(set(numbers)) == len(numbers)
        assert set(numbers) <= set(range(BLOCKS[name]))


@given(st.dictionaries(st.sampled_from(sorted(BLOCKS)), st.sets(st.integers(0, 7), min_size=1), min_size=1))
def test_what_is_written_is_what_is_chosen(groups: dict[str, set[int]]) -> None:
    text = ";".join(f"{name}:{','.join(map(str, sorted(numbers)))}" for name, numbers in groups.items())
    assert choose_groups(text, BLOCKS) == {name: sorted(numbers) for name, numbers in groups.items()}
