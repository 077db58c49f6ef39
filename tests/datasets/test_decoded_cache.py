"""The store of decoded images: what is not a store is refused, what is broken is left out, pixels stay."""

from __future__ import annotations

import io
import json
import tarfile

import numpy as np
import pytest

from sge.datasets.decoded_cache import DecodedCache, images_in, write_cache
from sge.errors import ChoiceError
from tests.drawn_images import encoded, noise, scene


def as_tar(path, files):
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def test_paths_that_hold_no_images(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")
    for path in (tmp_path / "nowhere", tmp_path / "notes.txt"):
        with pytest.raises(ChoiceError, match=r"is no folder, \.tar or image that can be read"):
            list(images_in(path))
    assert list(images_in(tmp_path)) == []
    with pytest.raises(ChoiceError, match="no image to learn from"):
        write_cache(tmp_path / "s", [("a.png", b"broken")])
    assert not (tmp_path / "s.json").exists()


def test_a_damaged_archive(tmp_path):
    path = as_tar(tmp_path / "a.tar", {"a.png": encoded(noise(64, 64)), "b.png": encoded(noise(64, 64))})
    path.write_bytes(path.read_bytes()[:6000])
    with pytest.raises(ChoiceError, match=r"a\.tar is no folder"):
        list(images_in(path))


@pytest.mark.parametrize("damage", ["gone", "cut", "no index", "odd index", "empty index"])
def test_a_damaged_store(tmp_path, damage):
    path, index = tmp_path / "s", tmp_path / "s.json"
    write_cache(path, [("a", encoded(scene())), ("b", encoded(scene()))])
    if damage == "gone":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-1])
    elif damage == "no index":
        index.unlink()
    else:
        index.write_text(json.dumps([] if damage == "odd index" else {}))
    with pytest.raises(ChoiceError, match="Make it again"):
        DecodedCache(path)


def test_pixels_stay_and_broken_images_are_left_out(tmp_path):
    one, other = noise(48, 32, 1), noise(20, 40, 2)
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "a.png").write_bytes(encoded(one))
    (tmp_path / "in" / "deep" / "b.PNG").write_bytes(encoded(other))
    (tmp_path / "in" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    done: list[int] = []
    failed = write_cache(tmp_path / "s", images_in(tmp_path / "in"), done.append)
    store = DecodedCache(tmp_path / "s")
    assert store.names == ["a.png", "deep/b.PNG"]
    assert [line.partition(":")[0] for line in failed] == ["broken.jpg"]
    assert done == [1, 2]
    assert np.array_equal(store[0].permute(1, 2, 0), np.asarray(one))
    assert store[1].shape == (3, 30, 20)  # cropped to 1.5 times the shorter side
    assert DecodedCache(tmp_path / "s", [1, 1, 0]).names == ["deep/b.PNG", "deep/b.PNG", "a.png"]
    archived = as_tar(tmp_path / "a.tar", {"x/a.png": encoded(one), "x/readme": b"no"})
    assert [name for name, _ in images_in(archived)] == ["x/a.png"]


def test_large_images_are_made_smaller(tmp_path):
    write_cache(tmp_path / "s", [("wide", encoded(noise(1200, 400)))])
    assert DecodedCache(tmp_path / "s")[0].shape == (3, 256, 384)
