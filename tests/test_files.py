"""Atomic writes and hashes."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from sge.files import sha256_of, write_atomically


def test_a_file_is_written_with_its_folders_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c.bin"
    for data in (b"first", b"second"):
        write_atomically(path, data)
        assert path.read_bytes() == data
        assert sha256_of(path) == hashlib.sha256(data).hexdigest()
    assert path.stat().st_mode & 0o777 == 0o644
    assert [file.name for file in path.parent.iterdir()] == ["c.bin"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_file_and_no_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"before")

    def fail(*_args: object) -> None:
        raise error

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(type(error)):
        write_atomically(path, b"after")
    assert path.read_bytes() == b"before"
    assert [file.name for file in tmp_path.iterdir()] == ["a.bin"]
