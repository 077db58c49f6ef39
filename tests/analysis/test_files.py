"""Analyses as files, also damaged ones."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sge.analysis.analysis import Analysis
from sge.analysis.files import ENDINGS, to_bytes
from sge.errors import AnalysisFileError, ImageNotFoundError
from sge.images.decoding import decode
from tests.analyses import FINE, made

READABLE = (".safetensors", ".npz", ".json")


def same(one: Analysis, two: Analysis) -> None:
    for name in ("image_info", "model", "predictions", "blocks", "parts", "geometry"):
        assert getattr(one, name) == getattr(two, name), name


# Files that cannot be opened.


@pytest.mark.slow
@pytest.mark.parametrize("ending", READABLE)
def test_damaged_files_are_refused_with_a_sentence(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    made().save(path)
    whole = path.read_bytes()
    rs = random.Random(0)
    for length in (0, 1, 8, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(AnalysisFileError, match="is damaged or was not written by"):
            Analysis.open(path)
    for _ in range(200):
        at = rs.randrange(len(whole))
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << rs.randrange(8))]) + whole[at + 1 :])
        with contextlib.suppress(AnalysisFileError):  # A flipped bit may give another valid value.
            Analysis.open(path)


@pytest.mark.parametrize("ending", READABLE)
def test_foreign_files_are_refused_with_a_sentence(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    np.savez(tmp_path / "b.npz", mask=np.zeros(3))
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    pickled = io.BytesIO()
    np.savez(pickled, **{"sge.analysis": np.array([{}], dtype=object)})  # type: ignore[arg-type]
    foreign = [
        b"[]",
        b"null",
        b"{}",
        b'{"version": 1}',
        b'{"version": 2}',
        b"[" * 100_000,
        bytes(1000),
        b"\xff\xfe",
        (tmp_path / "b.npz").read_bytes(),
        buffer.getvalue(),
        pickled.getvalue(),
        to_bytes(made(), ".json").replace(b'"version": 2', b'"version": 3'),
    ]
    for data in foreign:
        path.write_bytes(data)
        with pytest.raises(AnalysisFileError, match="is damaged or was not written by") as refused:
            Analysis.open(path)
        cause = refused.value.__cause__
        ours = (
            str(refused.value)
            .partition(" (")[2]
            .startswith(("version", "an entry", "'", "its content", "it "))
        )
        assert ours, (cause, refused.value)


@pytest.mark.parametrize("name", ["a.html", "a.png", "a.jpg", "a", "a.json.gz", ".json", "a.pkl"])
def test_other_endings_cannot_be_opened(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(AnalysisFileError, match=r"these can: \.safetensors, \.npz, \.json"):
        Analysis.open(tmp_path / name)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AnalysisFileError, match="There is no file"):
        Analysis.open(tmp_path / "a.npz")
    (tmp_path / "b.npz").mkdir()
    with pytest.raises(AnalysisFileError, match="cannot be read"):
        Analysis.open(tmp_path / "b.npz")


def test_another_image_is_refused_and_the_right_one_is_drawn_on(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (80, 60), "gray").save(buffer, "PNG")
    right = buffer.getvalue()
    image = decode(right)
    info = dataclasses.replace(made().image_info, sha256=image.sha256)
    analysis = dataclasses.replace(made(), image_info=info, image=image.rgb)
    path = tmp_path / "a.json"
    analysis.save(path)
    with pytest.raises(AnalysisFileError, match=r"This is not the image of a\.json"):
        Analysis.open(path, right + b"\0")
    with pytest.raises(ImageNotFoundError):
        Analysis.open(path, tmp_path / "nothing.png")
    with pytest.raises(AnalysisFileError, match="holds no image"):
        Analysis.open(path).overlay(FINE, 0)
    drawn = Analysis.open(path, right).overlay(FINE, 0)
    assert np.abs(np.asarray(drawn, int) - np.asarray(analysis.overlay(FINE, 0), int)).max() <= 4


# Files that cannot be written.


@pytest.mark.parametrize("name", ["a.pkl", "a", "a.jpeg", "a.npz.bak"])
def test_other_endings_are_not_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(AnalysisFileError, match=r"use \.safetensors, \.npz, \.json, \.html, \.png"):
        made().save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", [".html", ".png"])
def test_reports_need_the_image(tmp_path: Path, ending: str) -> None:
    with pytest.raises(AnalysisFileError, match="holds no image"):
        dataclasses.replace(made(), image=None).save(tmp_path / f"a{ending}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("when", ["write", "sync", "rename"])
def test_a_file_appears_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"before")

    def fail(*_args: object, **_kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    where = {"write": (os, "fdopen"), "sync": (os, "fsync"), "rename": (Path, "replace")}[when]
    monkeypatch.setattr(*where, fail)
    with pytest.raises(AnalysisFileError, match="cannot be written: No space left"):
        made().save(path)
    monkeypatch.undo()
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]
    assert path.read_bytes() == b"before"


# Saved and opened again.


@pytest.mark.parametrize("ending", [".safetensors", ".npz"])
def test_arrays_come_back_exactly(tmp_path: Path, ending: str) -> None:
    analysis, path = made(), tmp_path / f"a{ending}"
    analysis.save(path)
    back = Analysis.open(path)
    same(back, analysis)
    assert back.image is None
    for kind in ("masks", "similarity", "energy"):
        assert list(getattr(back, kind)) == list(getattr(analysis, kind))
        for block, values in getattr(analysis, kind).items():
            np.testing.assert_array_equal(getattr(back, kind)[block], values, strict=True)


def test_json_comes_back_within_half_a_step(tmp_path: Path) -> None:
    analysis, path = made(), tmp_path / "a.json"
    analysis.save(path)
    json.loads(path.read_text("utf-8"), parse_constant=lambda name: pytest.fail(name))  # no NaN in it
    back = Analysis.open(path)
    same(back, analysis)
    for block, values in analysis.similarity.items():
        half = (float(values.max()) - float(values.min())) / 510
        assert np.abs(back.similarity[block] - values).max() <= half + 1e-6


def test_arrays_that_are_not_contiguous_are_written(tmp_path: Path) -> None:
    analysis = made()
    analysis.masks[FINE] = analysis.masks[FINE][:, ::-1]  # a view with negative strides
    analysis.save(tmp_path / "a.safetensors")
    back = Analysis.open(tmp_path / "a.safetensors")
    np.testing.assert_array_equal(back.masks[FINE], analysis.masks[FINE])


def test_endings_are_read_in_any_case_and_old_files_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "A.NPZ"
    made(seed=1).save(path)
    made(seed=2).save(path)
    np.testing.assert_array_equal(Analysis.open(path).masks[FINE], made(seed=2).masks[FINE])
    assert [file.name for file in path.parent.iterdir()] == ["A.NPZ"]


def test_a_summary_is_a_png() -> None:
    image = Image.open(io.BytesIO(to_bytes(made(), ".png")))
    assert (image.format, image.mode) == ("PNG", "RGB")


@pytest.mark.parametrize("ending", ENDINGS)
def test_bytes_and_files_are_the_same(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    made().save(path)
    if ending != ".npz":  # A zip file contains the time.
        assert path.read_bytes() == to_bytes(made(), ending)
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("ending", [".safetensors", ".npz"])
def test_part_maps_come_back_exactly(tmp_path, ending):
    analysis = made()
    analysis.save(tmp_path / f"a{ending}")
    again = Analysis.open(tmp_path / f"a{ending}").part_maps
    assert (again["nose"].map == analysis.part_maps["nose"].map).all()
    assert again["nose"].terms == analysis.part_maps["nose"].terms
