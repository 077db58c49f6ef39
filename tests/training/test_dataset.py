"""Opening labelled sets: what is refused first, then that both decoding modes and all sources agree."""

from __future__ import annotations

import io
import itertools
import os
import shutil
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

from sge.datasets import checked
from sge.datasets.decoded_cache import ImageFiles
from sge.errors import DataError
from sge.images.decoding import decode
from sge.images.framing import Preprocess, frame, normalize
from sge.training.dataset import open_set
from sge.training.synthetic import make_shapes_dataset
from tests.trees import archive_of, draw_tree


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return make_shapes_dataset(tmp_path_factory.mktemp("drawn"))


def test_no_such_folder(tmp_path):
    with pytest.raises(DataError, match="There is no folder"):
        open_set([tmp_path / "nothing"], tmp_path / "store")


def test_a_folder_without_classes(tmp_path):
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="holds no images"):
        open_set([tmp_path], tmp_path / "store")


def test_an_empty_class_is_named(tmp_path):
    (tmp_path / "set" / "cats").mkdir(parents=True)
    (tmp_path / "set" / "dogs").mkdir()
    Image.new("RGB", (40, 40)).save(tmp_path / "set" / "dogs" / "a.png")
    with pytest.raises(DataError, match="No image of cats"):
        open_set([tmp_path / "set"], tmp_path / "store")


def test_a_class_of_which_nothing_can_be_read_is_named(tmp_path):
    for name in ("cats", "dogs", "owls"):
        (tmp_path / "set" / name).mkdir(parents=True)
        Image.new("RGB", (40, 40)).save(tmp_path / "set" / name / "a.png")
    (tmp_path / "set" / "cats" / "a.png").write_bytes(b"no image")
    for ahead in (True, False):
        with pytest.raises(DataError, match=r"No image of cats can be read \(cats/a\.png: "):
            open_set([tmp_path / "set"], tmp_path / "store", ahead=ahead)


def test_one_class_cannot_be_learned(tmp_path):
    (tmp_path / "set" / "dogs").mkdir(parents=True)
    Image.new("RGB", (40, 40)).save(tmp_path / "set" / "dogs" / "a.png")
    with pytest.raises(DataError, match="one class only"):
        open_set([tmp_path / "set"], tmp_path / "store")


def test_a_shard_without_folders(tmp_path):
    file = io.BytesIO()
    Image.new("RGB", (40, 40)).save(file, "PNG")
    with tarfile.open(tmp_path / "flat.tar", "w") as archive:
        info = tarfile.TarInfo("a.png")
        info.size = len(file.getvalue())
        archive.addfile(info, io.BytesIO(file.getvalue()))
    with pytest.raises(DataError, match="CLASS/image"):
        open_set([tmp_path / "flat.tar"], tmp_path / "store")


def test_a_dev_class_that_is_not_learned(drawn, tmp_path):
    with pytest.raises(DataError, match=r"circle.*no such class"):
        open_set([drawn[1]], tmp_path / "store", classes=["cross", "square", "triangle"])


def test_a_broken_image_is_counted_and_left_out(drawn, tmp_path):
    shutil.copytree(drawn[1], tmp_path / "set")
    (tmp_path / "set" / "cross" / "00.png").write_bytes(b"no image")
    for ahead in (True, False):
        data = open_set([tmp_path / "set"], tmp_path / "store", ahead=ahead)
        assert len(data.broken) == 1
        assert "cross/00.png" in data.broken[0]
        assert len(data.targets) == 23


def test_shards_and_folders_give_the_same(drawn, tmp_path):
    with tarfile.open(tmp_path / "one.tar", "w") as archive:
        archive.add(drawn[1] / "circle", "circle")
        archive.add(drawn[1] / "cross", "cross")
    with tarfile.open(tmp_path / "two.tar", "w") as archive:
        archive.add(drawn[1] / "square", "square")
        archive.add(drawn[1] / "triangle", "triangle")
    folder = open_set([drawn[1]], tmp_path / "a")
    shards = open_set([tmp_path / "one.tar", tmp_path / "two.tar"], tmp_path / "b")
    assert folder.classes == shards.classes == ["circle", "cross", "square", "triangle"]
    by_name = dict(zip(folder.images.names, folder.targets, strict=True))
    assert by_name == dict(zip(shards.images.names, shards.targets, strict=True))


def test_new_images_are_decoded_anew(drawn, tmp_path):
    shutil.copytree(drawn[1], tmp_path / "set")
    assert len(open_set([tmp_path / "set"], tmp_path / "store").targets) == 24
    Image.new("RGB", (40, 40)).save(tmp_path / "set" / "cross" / "new.png")
    assert len(open_set([tmp_path / "set"], tmp_path / "store").targets) == 25


def test_images_that_are_decoded_when_asked_for_are_the_same(drawn, tmp_path):
    shard = archive_of(drawn[1], tmp_path / "dev.tar")
    stored = open_set([drawn[1]], tmp_path / "store", ahead=True)
    for source in (drawn[1], shard):
        files = open_set([source], tmp_path / "other", ahead=False)
        assert isinstance(files.images, ImageFiles)
        assert files.classes == stored.classes
        assert dict(zip(files.images.names, files.targets, strict=True)) == dict(
            zip(stored.images.names, stored.targets, strict=True)
        )
        at = {name: i for i, name in enumerate(files.images.names)}
        for i, name in enumerate(stored.images.names):
            assert torch.equal(files.images[at[name]], stored.images[i])
    assert not (tmp_path / "other").exists()  # nothing is kept but what can be read


@pytest.mark.parametrize("seed", range(3))
def test_both_ways_of_decoding_give_the_same_accounting(tmp_path, seed):
    drawn = draw_tree(tmp_path / "set", seed)
    shard = archive_of(tmp_path / "set", tmp_path / "set.tar")
    sets = [
        open_set([source], tmp_path / f"{source.name}.{ahead}", ahead=ahead)
        for source in (tmp_path / "set", shard)
        for ahead in (True, False)
    ]
    for data, again in itertools.pairwise([*sets, sets[0]]):
        assert dict(zip(data.images.names, data.targets, strict=True)) == dict(
            zip(again.images.names, again.targets, strict=True)
        )
    for data in sets:
        assert set(data.images.names) == drawn.good
        assert {line.partition(": ")[0] for line in data.broken} == drawn.broken
        assert len(data.skipped) == len(drawn.skipped)
    for ahead, each in (sets[:2], sets[2:]):
        assert (ahead.images.names, ahead.broken, ahead.notes) == (each.images.names, each.broken, each.notes)


def test_what_can_be_read_is_checked_once(drawn, tmp_path, monkeypatch):
    first = open_set([drawn[1]], tmp_path / "store", ahead=False)
    monkeypatch.setattr(checked, "decode_file", lambda file: pytest.fail("decoded again"))
    assert open_set([drawn[1]], tmp_path / "store", ahead=False).images.names == first.images.names


@pytest.mark.parametrize("name", [b"\xff", b"a\nb", b"\x1b[2J"])
def test_a_class_whose_name_is_no_text(drawn, tmp_path, name):
    shutil.copytree(drawn[1], tmp_path / "set")
    (tmp_path / "set" / "cross").rename(tmp_path / "set" / os.fsdecode(name))
    with pytest.raises(DataError, match="characters that cannot be shown"):
        open_set([tmp_path / "set"], tmp_path / "store")


def test_a_compressed_shard_cannot_be_read_in_any_order(drawn, tmp_path):
    shard = archive_of(drawn[1], tmp_path / "dev.tar.gz", "w:gz")
    assert len(open_set([shard], tmp_path / "store").targets) == 24
    with pytest.raises(DataError, match="compressed"):
        open_set([shard], tmp_path / "store", ahead=False)


def test_a_damaged_store_is_made_anew(drawn, tmp_path):
    first = open_set([drawn[1]], tmp_path / "store")
    last = first.images[23]
    (tmp_path / "store").write_bytes((tmp_path / "store").read_bytes()[:-1])
    again = open_set([drawn[1]], tmp_path / "store")
    assert again.images.names == first.images.names
    assert torch.equal(again.images[23], last)


def test_a_store_is_not_made_twice(drawn, tmp_path):
    open_set([drawn[1]], tmp_path / "store")
    stamp = (tmp_path / "store").stat().st_mtime_ns
    open_set([drawn[1]], tmp_path / "store")
    assert (tmp_path / "store").stat().st_mtime_ns == stamp


@pytest.mark.parametrize("ahead", [True, False])
def test_evaluation_crops_are_the_frames_of_an_evaluation(drawn, tmp_path, ahead):
    """Decoded ahead or later, and whatever was in the store before."""
    preprocess = Preprocess(size=32, resize=37)
    open_set([drawn[1]], tmp_path / "store")
    data = open_set([drawn[1]], tmp_path / "store", ahead=ahead, evaluate_as=preprocess)
    for i, name in enumerate(data.images.names):
        expected = frame(decode(drawn[1] / name), preprocess, "center").array
        np.testing.assert_array_equal(normalize(data.images[i].numpy(), preprocess), expected)
