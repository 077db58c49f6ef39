"""Paths, folders and globs of the command line, and the loop over images."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from sge.cli.console import ResultsClosedError
from sge.cli.inputs import find, for_each
from sge.errors import BrokenImageError


@pytest.fixture
def folder(tmp_path):
    for name in ("b.jpg", "a.PNG", "notes.txt", ".hidden.jpg", "deep/er/c.webp", "deep/.d.gif"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return tmp_path


def test_a_folder_gives_every_image_below_it_and_nothing_else(folder):
    assert [str(item.relative) for item in find([str(folder)])] == ["a.PNG", "b.jpg", "deep/er/c.webp"]


def test_a_quoted_glob(folder):
    assert [item.relative.name for item in find([f"{folder}/**/*.webp", f"{folder}/*.jpg"])] == [
        "c.webp",
        "b.jpg",
    ]


def test_a_file_that_is_named_twice_comes_once(folder):
    assert len(find([str(folder / "b.jpg"), str(folder), str(folder / "deep" / ".." / "b.jpg")])) == 3


def test_a_named_file_is_tried_whatever_its_suffix_and_even_if_missing(folder):
    assert [item.path.name for item in find([str(folder / "notes.txt"), str(folder / "gone.jpg")])] == [
        "notes.txt",
        "gone.jpg",
    ]


def test_a_file_whose_name_looks_like_a_glob(folder):
    (folder / "x[1].jpg").write_bytes(b"")
    assert [item.path.name for item in find([str(folder / "x[1].jpg")])] == ["x[1].jpg"]


@pytest.mark.parametrize("argument", ["empty", "empty/*.jpg"])
def test_nothing_found_is_a_usage_error(tmp_path, argument):
    (tmp_path / "empty").mkdir()
    with pytest.raises(typer.BadParameter, match="No images in"):
        find([str(tmp_path / argument)])


def test_one_bad_image_does_not_end_the_rest(folder, capsys):
    done = []

    def work(item):
        if item.path.name == "b.jpg":
            raise BrokenImageError("It is broken.")
        done.append(item.path.name)

    with pytest.raises(typer.Exit) as exit_info:
        for_each(find([str(folder)]), work)
    assert exit_info.value.exit_code == 1
    assert done == ["a.PNG", "c.webp"]
    assert "2 done, 1 failed" in capsys.readouterr().err


def test_a_bug_is_not_hidden_as_a_bad_image(folder):
    def work(_item):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        for_each(find([str(folder)]), work)


def test_relative_paths_keep_folders(folder):
    assert find([str(folder / "deep")])[0].relative == Path("er/c.webp")


@pytest.mark.parametrize("argument", ["empty", "no*.jpg"])
def test_an_argument_without_images_is_told_beside_those_that_have_some(folder, capsys, argument):
    (folder / "empty").mkdir()
    done = []
    with pytest.raises(typer.Exit):
        for_each(
            find([str(folder / "b.jpg"), str(folder / argument)]), lambda item: done.append(item.path.name)
        )
    assert done == ["b.jpg"]
    assert f"{argument}: " in capsys.readouterr().err


def test_a_closed_pipe_is_no_bad_image_and_ends_the_work(folder, capsys):
    done = []

    def work(item):
        done.append(item)
        raise ResultsClosedError

    for_each(find([str(folder)]), work)
    assert len(done) == 1
    assert "failed" not in capsys.readouterr().err
