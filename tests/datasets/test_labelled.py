"""Listing of folders and archives: damaged sources first, then order, hidden files and unlabelled images."""

from __future__ import annotations

import io
import tarfile

import pytest

from sge.datasets.labelled import decode_files, find_images, find_labelled, read_files
from sge.errors import BrokenImageError, DataError, ImageError
from tests.drawn_images import encoded, noise


def tar(path, members, mode="w"):
    """Writes an archive with its members in the given order; a name that ends in / is a folder."""
    with tarfile.open(path, mode) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            if name.endswith("/"):
                info.type = tarfile.DIRTYPE
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def test_no_source(tmp_path):
    with pytest.raises(DataError, match=r"There is no folder or \.tar file"):
        find_labelled([tmp_path / "gone"])
    with pytest.raises(DataError, match="Nothing holds no images"):
        find_labelled([])


@pytest.mark.parametrize("data", [b"", b"no archive", b"\x1f\x8b no gzip"])
def test_a_file_that_is_no_archive(tmp_path, data):
    (tmp_path / "x.tar").write_bytes(data)
    with pytest.raises(DataError, match=r"x\.tar is no folder, \.tar file or image that can be read"):
        find_labelled([tmp_path / "x.tar"])


def test_a_single_image_is_no_labelled_set(tmp_path):
    for name, data in (("x.tar", b"\xff\xd8\xff\xe0"), ("x.JPG", b"")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DataError, match=r"is a single image\. Name a folder"):
            find_labelled([tmp_path / name])


def test_a_tar_without_classes(tmp_path):
    with pytest.raises(DataError, match=r"CLASS/image\.jpg"):
        find_labelled([tar(tmp_path / "flat.tar", [("a.jpg", b"x"), ("./b.jpg", b"x")])])


def test_a_cut_archive(tmp_path):
    whole = tar(tmp_path / "x.tar", [("a/1.jpg", b"x" * 2000), ("a/2.jpg", b"y" * 2000)]).read_bytes()
    (tmp_path / "cut.tar").write_bytes(whole[:4000])
    with pytest.raises(DataError, match=r"cut\.tar is cut off or damaged"):
        find_labelled([tmp_path / "cut.tar"])


def test_an_archive_that_is_cut_after_it_was_listed(tmp_path):
    path = tar(tmp_path / "x.tar", [("a/1.jpg", b"x" * 2000), ("a/2.jpg", b"y" * 2000)])
    found = find_labelled([path])
    path.write_bytes(path.read_bytes()[:4000])
    (_, first), (_, second) = read_files(found.files)
    assert first == b"x" * 2000
    assert isinstance(second, BrokenImageError)


def test_only_looks_at_file_names(tmp_path):
    path = tar(tmp_path / "x.tar", [("val_a/train_1.jpg", b"x"), ("b/val_2.jpg", b"x")])
    found = find_labelled([path], only="val_")
    assert ([file.name for file in found.files], found.empty) == (["b/val_2.jpg"], ["val_a"])
    with pytest.raises(DataError, match="whose name contains 'ILSVRC'"):
        find_labelled([path], only="ILSVRC")


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_folders_and_archives_in_order(tmp_path, mode):
    members = [
        ("./b/2.jpg", b"2"),
        ("c/", b""),
        ("b/deep/1.png", b"1"),
        ("b/._1.png", b"x"),
        ("README", b"x"),
    ]
    path = tar(tmp_path / "x.tar", members, mode)
    (tmp_path / "set" / "a" / ".hidden").mkdir(parents=True)
    (tmp_path / "set" / "a" / ".hidden" / "x.jpg").write_bytes(b"x")
    (tmp_path / "set" / "a" / "3.jpg").write_bytes(b"3")
    found = find_labelled([path, tmp_path / "set", path])
    assert (found.folders, found.empty) == (["a", "b", "c"], ["c"])
    read = [(file.name, file.folder, content) for file, content in read_files(found.files)]
    assert read == [
        ("b/2.jpg", "b", b"2"),
        ("b/deep/1.png", "b", b"1"),
        ("a/3.jpg", "a", tmp_path / "set" / "a" / "3.jpg"),
    ]


def test_a_linked_class_folder_is_read(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "1.jpg").write_bytes(b"1")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a").symlink_to(tmp_path / "elsewhere")
    assert [file.name for file in find_labelled([tmp_path / "set"]).files] == ["a/1.jpg"]


def test_paths_that_hold_no_images(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(DataError, match="nowhere cannot be read: No such file"):
        find_images(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"is no folder, \.tar file or image that can be read"):
        find_images(tmp_path / "notes.txt")
    assert find_images(tmp_path) == []


def test_a_damaged_archive_of_unlabelled_images(tmp_path):
    path = tar(tmp_path / "a.tar", [("a.png", b"x" * 5000), ("b.png", b"x" * 5000)])
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DataError, match=r"a\.tar is cut off or damaged"):
        find_images(path)


def test_unlabelled_images_of_folders_archives_and_single_files(tmp_path):
    for name in ("b.jpg", "a.PNG", "deep/er/c.webp", "notes.txt", ".hidden.jpg", ".cache/d.jpg"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(b"")
    assert [file.name for file in find_images(tmp_path / "in")] == ["a.PNG", "b.jpg", "deep/er/c.webp"]
    path = tar(
        tmp_path / "x.tar", [("z.png", b"1"), ("x/a.png", b"2"), ("x/readme", b"3"), ("x/._a.png", b"4")]
    )
    assert [(file.name, data) for file, data in read_files(find_images(path))] == [
        ("z.png", b"1"),
        ("x/a.png", b"2"),
    ]
    (single,) = find_images(tmp_path / "in" / "a.PNG")
    assert (single.name, single.path) == ("a.PNG", tmp_path / "in" / "a.PNG")


def test_decoding_continues_after_a_broken_image(tmp_path):
    path = tar(tmp_path / "x.tar", [("a.png", b"broken"), ("deep/b.png", encoded(noise(8, 6)))])
    (_, error), (file, image) = decode_files(find_images(path))
    assert isinstance(error, ImageError)
    assert (file.name, image.name, image.rgb.size) == ("deep/b.png", "b.png", (8, 6))
