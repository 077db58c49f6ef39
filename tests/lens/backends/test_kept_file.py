"""A lens goes on with the file that it was made from, whatever happens to the file's name."""

from __future__ import annotations

import copy
import os
import pickle
from pathlib import Path

import pytest

from sge.errors import CheckpointError
from sge.lens.backends.kept_file import KeptFile

CONTENT = bytes(range(256)) * 9


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "small.onnx"
    path.write_bytes(CONTENT)
    return path


def replaced(path: Path) -> None:
    (path.parent / "new").write_bytes(b"another model")
    (path.parent / "new").rename(path)


def test_a_file_that_is_replaced_or_removed_is_read_to_its_end(path: Path) -> None:
    kept = KeptFile(path)
    for change in (lambda _: None, replaced, Path.unlink):
        change(path)
        assert kept.content() == CONTENT == kept.content()


def written(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"another")
    os.utime(path, ns=(0, 0))


def cut_off(path: Path) -> None:
    os.truncate(path, 100)


@pytest.mark.parametrize("change", [written, cut_off])
def test_a_file_that_is_written_to_is_refused(path: Path, change) -> None:
    kept = KeptFile(path)
    change(path)
    with pytest.raises(
        CheckpointError, match=r"small\.onnx was changed after this Lens was made\. Make another"
    ):
        kept.content()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda kept: pickle.loads(pickle.dumps(kept))])
def test_a_copy_reads_the_same_file_or_none(path: Path, copied) -> None:
    kept = copied(KeptFile(path))
    assert kept.content() == CONTENT
    replaced(path)
    with pytest.raises(CheckpointError, match="was changed"):
        kept.content()
    path.unlink()
    with pytest.raises(CheckpointError, match=r"cannot be read: No such file.*\. Export the model again"):
        kept.content()


def test_a_file_that_is_not_there_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read"):
        KeptFile(tmp_path / "none.onnx")
