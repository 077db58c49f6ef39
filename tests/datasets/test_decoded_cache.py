"""The cache of decoded images: damage is told, broken images are left out, pixels stay."""

from __future__ import annotations

import gzip
import json
import os

import numpy as np
import pytest
import torch

from sge.datasets.decoded_cache import (
    DecodedCache,
    ImageFiles,
    cache_key,
    evaluation_crop,
    shrink,
    write_cache,
)
from sge.datasets.labelled import decode_files, find_images
from sge.errors import BrokenImageError, DataError, ImageNotFoundError
from sge.images.decoding import decode
from sge.images.framing import Preprocess, frame, normalize
from tests.datasets.test_labelled import tar
from tests.drawn_images import encoded, noise, scene


def images(**named):
    return [(name, decode(encoded(image))) for name, image in named.items()]


def test_no_image_that_can_be_read(tmp_path):
    with pytest.raises(DataError, match="no image that can be read"):
        write_cache(tmp_path / "s", [("a.png", BrokenImageError("It is broken."))])
    assert not (tmp_path / "s.json").exists()


@pytest.mark.parametrize("damage", ["cut", "no index", "no names"])
def test_a_damaged_cache(tmp_path, damage):
    path, index = tmp_path / "s", tmp_path / "s.json"
    write_cache(path, images(a=scene(), b=scene()))
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-1])
    elif damage == "no index":
        index.unlink()
    else:
        index.write_text(json.dumps(json.loads(index.read_text()) | {"facts": {}}))
    with pytest.raises(DataError, match=r"Delete s\.json"):
        DecodedCache(path)


def test_a_cache_of_other_images(tmp_path):
    write_cache(tmp_path / "s", images(a=scene()), key="one")
    with pytest.raises(DataError, match="other images"):
        DecodedCache(tmp_path / "s", key="two")
    assert DecodedCache(tmp_path / "s", key="one").key == "one"


def test_pixels_stay_and_broken_images_are_left_out(tmp_path):
    first, second = noise(48, 32, 1), noise(20, 40, 2)
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "a.png").write_bytes(encoded(first))
    (tmp_path / "in" / "deep" / "b.PNG").write_bytes(encoded(second))
    (tmp_path / "in" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    done: list[int] = []
    found = ((file.name, image) for file, image in decode_files(find_images(tmp_path / "in")))
    failed = write_cache(tmp_path / "s", found, done.append)
    cache = DecodedCache(tmp_path / "s")
    assert cache.names == ["a.png", "deep/b.PNG"]
    assert [line.partition(":")[0] for line in failed] == ["broken.jpg"]
    assert cache.skipped == failed
    assert done == [1, 2]
    assert np.array_equal(cache[0].permute(1, 2, 0), np.asarray(first))
    assert cache[1].shape == (3, 30, 20)  # cropped to 1.5 times the shorter side
    some = DecodedCache(tmp_path / "s", [1, 1, 0])
    assert some.names == ["deep/b.PNG", "deep/b.PNG", "a.png"]
    assert torch.equal(some[2], cache[0])


def test_large_images_are_resized():
    assert shrink(noise(1200, 400)).size == (384, 256)


def test_an_evaluation_crop_is_the_frame_that_evaluation_sees():
    preprocess = Preprocess(size=64, resize=80, interpolation="bicubic")
    image = decode(encoded(noise(500, 300)))
    crop = np.asarray(evaluation_crop(preprocess)(image.rgb))
    np.testing.assert_array_equal(normalize(crop, preprocess), frame(image, preprocess, "center").array)


def test_a_compressed_archive_cannot_be_read_in_any_order(tmp_path):
    path = tar(tmp_path / "a.tar", [("a.png", encoded(noise(8, 8)))])
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(DataError, match="compressed"):
        ImageFiles(find_images(tmp_path / "a.tar.gz"))


def test_files_give_what_the_cache_gives(tmp_path):
    path = tar(tmp_path / "a.tar", [(f"{i}.png", encoded(noise(300 + i, 280, i))) for i in range(3)])
    write_cache(tmp_path / "s", ((file.name, image) for file, image in decode_files(find_images(path))))
    cache, files = DecodedCache(tmp_path / "s"), ImageFiles(find_images(path))
    assert files.names == cache.names
    assert all(torch.equal(files[i], cache[i]) for i in range(3))


def test_a_file_that_is_gone(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(noise(8, 8)))
    files = ImageFiles(find_images(tmp_path))
    (tmp_path / "a.png").unlink()
    with pytest.raises(ImageNotFoundError):
        files[0]


def test_the_key_changes_with_files_and_settings(tmp_path):
    def key(**settings):
        return cache_key(find_images(tmp_path), **settings)

    (tmp_path / "a.png").write_bytes(b"1")
    first = key(size=3)
    assert key(size=3) == first
    assert key(size=4) != first
    (tmp_path / "b.png").write_bytes(b"")
    assert key(size=3) != first
    (tmp_path / "b.png").unlink()
    assert key(size=3) == first
    (tmp_path / "a.png").write_bytes(b"22")
    assert key(size=3) != first


def test_the_key_of_an_archive_is_that_of_its_file(tmp_path):
    path = tar(tmp_path / "a.tar", [("a.png", b"1"), ("b.png", b"2")])
    first = cache_key(find_images(path))
    assert cache_key(find_images(path)[:1]) == first
    os.utime(path, ns=(0, 1))
    assert cache_key(find_images(path)) != first
