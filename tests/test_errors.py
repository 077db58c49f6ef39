"""Errors that a user can cause."""

from __future__ import annotations

import pytest

import sge.errors
from sge.errors import ChoiceError, SGEError, UnknownBlockError, UnknownModelError, check_choice


def test_every_error_is_an_sge_error():
    found = [value for value in vars(sge.errors).values() if isinstance(value, type)]
    assert len(found) > 20
    assert all(issubclass(error, SGEError) for error in found)


@pytest.mark.parametrize("error", [UnknownBlockError, UnknownModelError])
def test_key_errors_show_their_sentence_without_quotes(error):
    assert str(error("No such name.")) == "No such name."
    assert isinstance(error(), KeyError)


def test_check_choice():
    assert check_choice("framing", "whole", ("whole", "center")) == "whole"
    with pytest.raises(ChoiceError, match=r"framing is 'half'; choose one of: whole, center\."):
        check_choice("framing", "half", ("whole", "center"))
