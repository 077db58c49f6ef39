"""Folders and archives of labelled images, mostly ones that are not what they should be."""

from __future__ import annotations

import io
import tarfile

import pytest

from sge.datasets.labelled import contents, find_samples
from sge.errors import BrokenImageError, ChoiceError


def tar(path, members, mode="w"):
    """Writes files in the order given; a name that ends in / is a folder."""
    with tarfile.open(path, mode) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            if name.endswith("/"):
                info.type = tarfile.DIRTYPE
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def test_no_source(tmp_path):
    with pytest.raises(ChoiceError, match=r"There is no folder or \.tar file"):
        find_samples([tmp_path / "gone"])
    with pytest.raises(ChoiceError, match="Nothing holds no images"):
        find_samples([])


@pytest.mark.parametrize("data", [b"", b"no archive", b"\xff\xd8\xff\xe0"])
def test_a_file_that_is_no_archive(tmp_path, data):
    (tmp_path / "x.tar").write_bytes(data)
    with pytest.raises(ChoiceError, match=r"x\.tar is no folder or \.tar file that can be read"):
        find_samples([tmp_path / "x.tar"])


def test_a_tar_without_classes(tmp_path):
    with pytest.raises(ChoiceError, match=r"CLASS/image\.jpg"):
        find_samples([tar(tmp_path / "flat.tar", [("a.jpg", b"x"), ("./b.jpg", b"x")])])


def test_a_cut_archive(tmp_path):
    whole = tar(tmp_path / "x.tar", [("a/1.jpg", b"x" * 2000), ("a/2.jpg", b"y" * 2000)]).read_bytes()
    (tmp_path / "cut.tar").write_bytes(whole[:4000])
    with pytest.raises(ChoiceError, match="can be read"):
        find_samples([tmp_path / "cut.tar"])


def test_an_archive_that_is_cut_after_it_was_listed(tmp_path):
    path = tar(tmp_path / "x.tar", [("a/1.jpg", b"x" * 2000), ("a/2.jpg", b"y" * 2000)])
    found = find_samples([path])
    path.write_bytes(path.read_bytes()[:4000])
    (_, first), (_, second) = contents(found.samples)
    assert first == b"x" * 2000
    assert isinstance(second, BrokenImageError)


def test_only_looks_at_file_names(tmp_path):
    path = tar(tmp_path / "x.tar", [("val_a/train_1.jpg", b"x"), ("b/val_2.jpg", b"x")])
    found = find_samples([path], only="val_")
    assert ([one.name for one in found.samples], found.empty) == (["b/val_2.jpg"], ["val_a"])
    with pytest.raises(ChoiceError, match="whose name contains 'ILSVRC'"):
        find_samples([path], only="ILSVRC")


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
    found = find_samples([path, tmp_path / "set", path])
    assert (found.folders, found.empty) == (["a", "b", "c"], ["c"])
    read = [(one.name, one.folder, content) for one, content in contents(found.samples)]
    assert read == [
        ("b/2.jpg", "b", b"2"),
        ("b/deep/1.png", "b", b"1"),
        ("a/3.jpg", "a", tmp_path / "set" / "a" / "3.jpg"),
    ]
