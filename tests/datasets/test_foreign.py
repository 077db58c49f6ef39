"""Trees as they are found on disks: the same accounting for folders and archives, and nothing left out without a word."""

from __future__ import annotations

import io
import os
import socket
import tarfile

import pytest

from sge.datasets.labelled import decode_files, find_images, find_labelled, list_images, read_files
from sge.errors import DataError, ImageError
from tests.datasets.test_labelled import tar
from tests.drawn_images import encoded, noise
from tests.trees import FOLDERS, archive_of, draw_tree

PNG = encoded(noise(8, 8))


@pytest.mark.parametrize("seed", range(8))
def test_every_file_of_a_tree_is_accounted_for(tmp_path, seed):
    root = tmp_path / "set"
    drawn = draw_tree(root, seed)
    archives = [archive_of(root, tmp_path / f"set.{mode[2:] or 'tar'}", mode) for mode in ("w", "w:gz")]
    for source in (root, *archives):
        found = find_labelled([source])
        assert (found.folders, found.unreadable) == (["a", "b"], [])
        assert {file.name for file in found.files} == drawn.good | drawn.broken
        assert {str(entry.path.relative_to(source)) for entry in found.skipped} == drawn.skipped
        assert all(entry.reason for entry in found.skipped)
        broken = {file.name for file, image in decode_files(found.files) if isinstance(image, ImageError)}
        assert broken == drawn.broken
        listed = list_images(source)
        outside = {"cover.jpg"}
        assert {file.name for file in listed.files} == drawn.good | drawn.broken | outside
        assert {str(entry.path.relative_to(source)) for entry in listed.skipped} == drawn.skipped - outside


@pytest.mark.parametrize("name", [*FOLDERS, ".hidden"])
@pytest.mark.parametrize("depth", ["", "a/", "a/b/"])
def test_a_folder_that_a_system_makes_is_no_class(tmp_path, name, depth):
    root = tmp_path / "set"
    for file in (f"{depth}{name}/1.png", f"{depth}{name}/x/2.png", "a/3.png"):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(PNG)
    for source in (root, archive_of(root, tmp_path / "x.tar")):
        found = find_labelled([source])
        assert (found.folders, [file.name for file in found.files]) == (["a"], ["a/3.png"])
        assert [str(entry.path.relative_to(source)) for entry in found.skipped] == [f"{depth}{name}"]


@pytest.mark.parametrize("kind", ["heic", "tif", "bmp", "psd", "cr2", "jxl"])
def test_an_image_of_another_format_is_not_left_out_without_a_word(tmp_path, kind):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / f"1.{kind}").write_bytes(
        b"\0\0\0\x18ftypheic" if kind == "heic" else b"II*\0 not pixels"
    )
    ((_, image),) = decode_files(find_labelled([tmp_path]).files)
    assert isinstance(image, ImageError)


def test_nothing_but_foreign_files_is_told_with_an_example(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "Thumbs.db").write_bytes(b"x")
    with pytest.raises(DataError, match=r"other kinds: 1, such as .*Thumbs\.db"):
        find_labelled([tmp_path])


def test_links(tmp_path):
    root, elsewhere = tmp_path / "set", tmp_path / "elsewhere"
    for folder in (root / "a" / "deep", elsewhere):
        folder.mkdir(parents=True)
    for file in (root / "a" / "1.png", root / "a" / "deep" / "2.png", elsewhere / "3.png"):
        file.write_bytes(PNG)
    links = {
        "up": "..",
        "self": ".",
        "a/up": "..",
        "a/deep/back": "../../a",
        "a/again": "deep",
        "a/out": "../../elsewhere",
        "a/loop": "loop",
        "a/loop.png": "loop.png",
        "a/gone.png": "nowhere",
        "b": "../elsewhere",
        "gone": "nowhere",
        "a/zero.png": "/dev/zero",
    }
    for name, target in links.items():
        (root / name).symlink_to(target)
    os.mkfifo(root / "a" / "pipe.png")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(root / "a" / "sock.png"))
        found = find_labelled([root])
    names = ["a/1.png", "a/deep/2.png", "a/gone.png", "a/loop.png", "a/out/3.png", "b/3.png"]
    assert [file.name for file in found.files] == names
    assert {entry.path.relative_to(root).as_posix(): entry.reason for entry in found.skipped} == {
        "up": "a link to a folder that holds it",
        "self": "a link to a folder that holds it",
        "a/up": "a link to a folder that holds it",
        "a/deep/back": "a link to a folder that holds it",
        "a/again": "a link to a folder that is listed already",
        "a/zero.png": "a device",
        "a/pipe.png": "a named pipe",
        "a/sock.png": "a socket",
    }
    assert [entry.path.relative_to(root).as_posix() for entry in found.unreadable] == ["a/loop", "gone"]
    results = {file.name: image for file, image in decode_files(found.files)}
    broken = {name for name, image in results.items() if isinstance(image, ImageError)}
    assert broken == {"a/gone.png", "a/loop.png"}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user, whom the folder refuses")
def test_a_folder_that_cannot_be_listed_is_named(tmp_path):
    for name in ("a/1.png", "a/shut/2.png", "b/3.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(PNG)
    (tmp_path / "b" / "unknown").write_bytes(PNG)
    for parent in (tmp_path, *tmp_path.parents[:-1]):
        parent.chmod(parent.stat().st_mode | 0o055)
    (tmp_path / "a" / "shut").chmod(0)
    (tmp_path / "b" / "unknown").chmod(0)
    (tmp_path / "b" / "3.png").chmod(0)
    os.seteuid(65534)
    try:
        found = find_labelled([tmp_path])
        (_, good), (_, shut) = decode_files(found.files)
    finally:
        os.seteuid(0)
    assert [file.name for file in found.files] == ["a/1.png", "b/3.png"]
    assert not isinstance(good, ImageError)
    assert isinstance(shut, ImageError)
    assert [(e.path.name, "Permission denied" in e.reason) for e in found.unreadable] == [
        ("shut", True),
        ("unknown", True),
    ]


def test_a_class_in_two_forms_of_unicode_is_one(tmp_path):
    for folder, name in (("caf\u00e9", "1.png"), ("cafe\u0301", "2.png"), ("Caf\u00e9", "3.png")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_bytes(PNG)
    found = find_labelled([tmp_path])
    assert found.folders == ["Caf\u00e9", "caf\u00e9"]  # letters of another case are another class
    assert sorted(file.folder for file in found.files) == ["Caf\u00e9", "caf\u00e9", "caf\u00e9"]
    assert not found.empty


def test_names_that_are_no_text(tmp_path):
    folder = tmp_path / "a"
    folder.mkdir()
    for name in (
        b"\xff.png",
        b"new\nline.png",
        b"\x1b[31m.png",
        b"-rf.png",
        b"a:b.png",
        b"x" * 250 + b".png",
    ):
        (folder / os.fsdecode(name)).write_bytes(PNG)
    found = find_labelled([tmp_path])
    images = [image for _, image in decode_files(found.files)]
    assert len(images) == 6
    assert not any(isinstance(image, ImageError) for image in images)
    assert all(image.name.isprintable() and image.name.encode() for image in images)


def test_every_cut_of_an_archive_is_refused(tmp_path):
    whole = tar(tmp_path / "x.tar", [(f"a/{i}.png", PNG) for i in range(3)]).read_bytes()
    end = len(whole.rstrip(b"\0")) // 512 * 512 + 512
    for size in (*range(1, end + 1, 171), end - 512, end):
        (tmp_path / "cut.tar").write_bytes(whole[:size])
        with pytest.raises(DataError, match=r"cut\.tar is (cut off or damaged|no folder)"):
            find_images(tmp_path / "cut.tar")
    (tmp_path / "cut.tar").write_bytes(whole[: end + 512])
    assert len(find_images(tmp_path / "cut.tar")) == 3


def test_damaged_headers_and_joined_archives_are_refused(tmp_path):
    path = tar(tmp_path / "x.tar", [(f"a/{i}.png", PNG) for i in range(3)])
    whole, step = path.read_bytes(), 512 + -(-len(PNG) // 512) * 512
    for number in range(3):
        path.write_bytes(whole[: number * step + 100] + b"\xff" + whole[number * step + 101 :])
        with pytest.raises(DataError, match=r"x\.tar is"):
            find_images(path)
    path.write_bytes(whole + whole)
    with pytest.raises(DataError, match="several archives were joined"):
        find_images(path)


def test_links_and_replaced_members_of_an_archive(tmp_path):
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as archive:
        for name, content in (("a/1.png", b"old"), ("./a/1.png", PNG), ("/b/2.png", PNG)):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, kind, target in (
            ("a/hard.png", tarfile.LNKTYPE, "./a/1.png"),
            ("b/soft.png", tarfile.SYMTYPE, "../a/hard.png"),
            ("b/gone.png", tarfile.SYMTYPE, "nowhere.png"),
            ("b/loop.png", tarfile.SYMTYPE, "loop.png"),
            ("b/pipe.png", tarfile.FIFOTYPE, ""),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            archive.addfile(info)
    found = find_labelled([path])
    contents = {file.name: content for file, content in read_files(found.files)}
    assert contents == dict.fromkeys(["a/1.png", "b/2.png", "a/hard.png", "b/soft.png"], PNG)
    assert [entry.path.name for entry in found.unreadable] == ["gone.png", "loop.png"]
    assert [(entry.path.name, entry.reason) for entry in found.skipped] == [
        ("pipe.png", "a named pipe or device")
    ]


@pytest.mark.parametrize("start", [b"PK\x03\x04", b"7z\xbc\xaf'\x1c", b"Rar!\x1a\x07"])
def test_other_archives_are_named(tmp_path, start):
    (tmp_path / "x.tar").write_bytes(start + b"\0" * 600)
    with pytest.raises(DataError, match=r"is a (zip|7z|rar) archive, which is not read\. Unpack it"):
        find_images(tmp_path / "x.tar")


def test_devices_and_pipes_are_no_sources(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        for find in (find_images, lambda source: find_labelled([source])):
            with pytest.raises(DataError, match="neither a folder nor a file"):
                find(path)
