"""Files that commands write: whatever is in the way stays, unless the same command wrote it."""

from __future__ import annotations

import os
import random
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from PIL import Image

from sge.analysis import is_record
from sge.analysis.files import ENDINGS
from sge.cli import analyze, parts
from sge.cli.inputs import Input
from sge.cli.outputs import MAX_NAME, check_free, record_files, writable_folder
from sge.errors import OutputError
from sge.images.framing import Preprocess
from tests.analyses import made
from tests.drawn_images import encoded, noise, scene
from tests.lens.test_lens import model


@pytest.mark.parametrize("ending", ENDINGS)
def test_records_are_recognized_by_their_content(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    made().save(path)
    assert is_record(path)
    content = path.read_bytes()
    for other in (
        b"",
        content[:20],
        b"{}",
        b"[]",
        b"null",
        b"<html>",
        encoded(scene()),
        b"PK\x03\x04",
    ):
        path.write_bytes(other)
        assert not is_record(path)
    path.unlink()
    assert not is_record(path)
    path.mkdir()
    assert not is_record(path)


def test_a_record_under_another_ending_is_none(tmp_path):
    made().save(tmp_path / "a.json")
    for ending in set(ENDINGS) - {".json"}:
        (tmp_path / f"b{ending}").write_bytes((tmp_path / "a.json").read_bytes())
        assert not is_record(tmp_path / f"b{ending}")


def test_what_is_in_the_way(tmp_path):
    foreign, folder, link = tmp_path / "a.json", tmp_path / "folder.json", tmp_path / "link.json"
    foreign.write_text("mine")
    folder.mkdir()
    link.symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.json")
    check_free(tmp_path / "new.json", is_record, overwrite=False)
    for path in (foreign, link):
        with pytest.raises(OutputError, match="--overwrite"):
            check_free(path, is_record, overwrite=False)
        check_free(path, is_record, overwrite=True)
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="is a folder"):
            check_free(folder, is_record, overwrite)
        for path in (tmp_path / "pipe.json", Path("/dev/null")):
            with pytest.raises(OutputError, match="device or named pipe"):
                check_free(path, is_record, overwrite)
    made().save(foreign)
    check_free(foreign, is_record, overwrite=False)


def test_no_two_images_share_a_record(tmp_path):
    """Also not on a disk that takes names of another case or Unicode form for the same."""
    draw = random.Random(1)
    stems = [
        "a",
        "A",
        "\u00e9",
        "e\u0301",
        "b.c",
        ".d",
        "x" * 251,
        "\u72ac" * 83,
        "a-2",
        "--out",
        os.fsdecode(b"\xff"),
    ]
    inputs = [
        Input(
            tmp_path / "in" / str(i),
            Path(draw.choice(["", "deep"])) / (draw.choice(stems) + draw.choice([".jpg", ".png", ""])),
        )
        for i in range(200)
    ]
    for ending in ("json", "safetensors"):
        files = record_files(inputs, tmp_path / "out", ending)
        keys = {unicodedata.normalize("NFC", str(path)).casefold() for path in files.values()}
        assert len(keys) == len(inputs)
        for image, file in files.items():
            assert file.parent == tmp_path / "out" / image.relative.parent
            assert len(os.fsencode(file.name)) <= MAX_NAME
            assert file.suffix == f".{ending}"
    (tmp_path / "out" / "deep").mkdir(parents=True)
    for file in files.values():
        made().save(file)  # the temporary file beside it has a longer name
    assert len(list((tmp_path / "out").rglob("*.safetensors"))) == len(inputs)


def test_folders_for_results(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    writable_folder(tmp_path / "new" / "deep", "--out")
    assert not (tmp_path / "new").exists()
    for folder in ("file", "file/deep/er", "link"):
        with pytest.raises(typer.BadParameter, match="cannot hold the results"):
            writable_folder(tmp_path / folder, "--out")
    if os.geteuid() == 0:
        for parent in (tmp_path, *tmp_path.parents[:-1]):
            parent.chmod(parent.stat().st_mode | 0o055)
        os.seteuid(65534)
        try:
            with pytest.raises(typer.BadParameter, match="no permission"):
                writable_folder(tmp_path / "new", "--out")
        finally:
            os.seteuid(0)


@pytest.mark.parametrize("ending", ["json", "png", "html", "npz", "safetensors"])
def test_analyze_never_replaces_what_is_not_a_record(sge_command, monkeypatch, tmp_path, ending):
    small = replace(model(), preprocess=Preprocess(size=64, resize=64))
    monkeypatch.setattr(analyze, "loaded_model", lambda name: small)
    other, photos = tmp_path / "other", tmp_path / "photos"
    for folder in (other, photos):
        folder.mkdir()
        for name in ("a", "b"):
            (folder / f"{name}.png").write_bytes(encoded(noise(48, 40)))
    mine = photos / f"a.{ending}"
    mine.write_bytes(encoded(scene()) if ending == "png" else b"mine")
    before = mine.read_bytes()
    arguments = ("analyze", other, "-o", photos, "--format", ending)
    result = sge_command(*arguments)
    assert result.exit_code == 1
    assert mine.read_bytes() == before
    assert f"a.{ending} exists and was not written by this command" in result.stderr
    assert "--overwrite" in result.stderr
    assert sge_command("analyze", other / "b.png", "-o", tmp_path / "out", "--format", ending).exit_code == 0
    assert sge_command(*arguments, "--overwrite").exit_code == 0
    assert is_record(mine)
    assert sge_command(*arguments).exit_code == 0  # its own records are replaced
    assert all(Image.open(other / f"{name}.png").size == (48, 40) for name in ("a", "b"))


def test_images_and_records_may_share_a_folder(sge_command, monkeypatch, tmp_path):
    """However often the images are analyzed: drawings of an earlier run are no images."""
    small = replace(model(), preprocess=Preprocess(size=64, resize=64))
    monkeypatch.setattr(analyze, "loaded_model", lambda name: small)
    for name, kind in (("a.png", "PNG"), ("b.jpg", "JPEG")):
        (tmp_path / name).write_bytes(encoded(noise(48, 40), kind))
    before = {name: (tmp_path / name).read_bytes() for name in ("a.png", "b.jpg")}
    for source in (tmp_path, tmp_path, f"{tmp_path}/*"):
        assert sge_command("analyze", source, "-o", tmp_path, "--format", "png").exit_code == 0
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a-2.png", "a.png", "b.jpg", "b.png"]
        assert {name: (tmp_path / name).read_bytes() for name in before} == before


def test_other_commands_keep_what_they_did_not_write(sge_command, monkeypatch, tmp_path):
    monkeypatch.setattr(parts, "loaded_model", lambda *_, **__: pytest.fail("the model was loaded first"))
    mine = tmp_path / "mine.png"
    mine.write_bytes(encoded(scene()))
    (tmp_path / "a").mkdir()
    for arguments in (
        ("parts", "fit", tmp_path / "labels.json", "-o", mine),
        ("eval", tmp_path, "--confusion", mine),
    ):
        result = sge_command(*arguments)
        assert isinstance(result.exception, OutputError)
        assert "--overwrite" in str(result.exception)
        assert mine.read_bytes() == encoded(scene())
