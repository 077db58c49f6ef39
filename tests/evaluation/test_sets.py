"""Samples of images."""

from __future__ import annotations

import pytest

from sge.errors import ChoiceError, DataError
from sge.evaluation.sets import listed_images, sampled
from tests.drawn_images import encoded, noise


@pytest.mark.parametrize("limit", [0, -1])
def test_no_images_asked_for(limit):
    with pytest.raises(ChoiceError, match="at least 1"):
        sampled([1, 2], limit)


def test_a_larger_sample_begins_with_the_smaller_one():
    files = list(range(50))
    assert sampled(files, None) == files
    assert sampled(files, 20)[:7] == sampled(files, 7)
    assert sorted(sampled(files, 99)) == files
    assert sampled(files, 7, 1) != sampled(files, 7, 0)


def test_images_of_folders_and_archives_count_once(tmp_path):
    with pytest.raises(DataError, match="holds no images"):
        listed_images([tmp_path])
    with pytest.raises(DataError, match="Nothing holds no images"):
        listed_images([])
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.png").write_bytes(encoded(noise(8, 8)))
    assert len(listed_images([tmp_path, tmp_path, tmp_path / "a"]).files) == 1
    with pytest.raises(DataError, match="contains 'x'"):
        listed_images(tmp_path, "x")
