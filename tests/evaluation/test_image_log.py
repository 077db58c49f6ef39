"""The file of figures by image: logs of other measurements and damaged ones, then a run that was interrupted."""

from __future__ import annotations

import pytest

from sge.errors import DataError
from sge.evaluation.image_log import ImageLog

KEY = {"model": "x", "steps": 10}


@pytest.mark.parametrize(
    "text",
    [
        '{"version": 1, "measurement": {"model": "x", "steps": 11}}\n',
        '{"version": 2, "measurement": {"model": "x", "steps": 10}}\n',
        "no JSON\n",
        "no end of a line",
        "[]\n",
        '{"version": 1, "measurement": {"model": "x", "steps": 10}}\n{"no": "image"}\n',
        '{"version": 1, "measurement": {"model": "x", "steps": 10}}\n7\n',
    ],
)
def test_a_file_that_is_no_log_of_this_measurement_is_kept(tmp_path, text):
    path = tmp_path / "log.jsonl"
    path.write_text(text)
    with pytest.raises(DataError, match="Name another file"), ImageLog(path, KEY):
        pass
    assert path.read_text() == text


def test_a_folder_and_a_missing_folder(tmp_path):
    for path in (tmp_path, tmp_path / "gone" / "log.jsonl"):
        with pytest.raises(DataError, match="cannot be continued"), ImageLog(path, KEY):
            pass


def test_a_run_continues_after_an_interruption(tmp_path):
    path = tmp_path / "log.jsonl"
    with ImageLog(path, KEY) as log:
        log.add({"image": "a", "figure": 1})
        log.add({"image": "ä", "figure": 2})
        # Both are in the file at once, and not only when it is closed.
        assert len(path.read_text().splitlines()) == 3
    with path.open("a") as file:
        file.write('{"image": "c", "fig')  # killed while it wrote
    with ImageLog(path, KEY) as log:
        assert sorted(log) == ["a", "ä"]
        assert log["ä"]["figure"] == 2
        log.add({"image": "c", "figure": 3})
    with ImageLog(path, KEY) as log:
        assert (len(log), log["c"]["figure"]) == (3, 3)


def test_without_a_file_figures_are_in_memory():
    with ImageLog(None, KEY) as log:
        log.add({"image": "a"})
        assert list(log) == ["a"]
