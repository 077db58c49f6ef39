from __future__ import annotations

import io
import tarfile

import pytest
import torch
from PIL import Image

from sge.errors import ChoiceError, TrainingError
from sge.training.config import TrainConfig
from sge.training.dataset import ImageFiles, open_set
from sge.training.loader import Crops, collate, places
from sge.training.synthetic import draw_set


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return draw_set(tmp_path_factory.mktemp("drawn"))


def test_no_such_folder(tmp_path):
    with pytest.raises(ChoiceError, match="There is no folder"):
        open_set([tmp_path / "nothing"], tmp_path / "store")


def test_a_folder_without_classes(tmp_path):
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    with pytest.raises(ChoiceError, match="holds no images"):
        open_set([tmp_path], tmp_path / "store")


def test_an_empty_class_is_named(tmp_path):
    (tmp_path / "set" / "cats").mkdir(parents=True)
    (tmp_path / "set" / "dogs").mkdir()
    Image.new("RGB", (40, 40)).save(tmp_path / "set" / "dogs" / "a.png")
    with pytest.raises(ChoiceError, match="No image of cats"):
        open_set([tmp_path / "set"], tmp_path / "store")


def test_a_class_of_which_nothing_can_be_read_is_named(tmp_path):
    for name in ("cats", "dogs", "owls"):
        (tmp_path / "set" / name).mkdir(parents=True)
        Image.new("RGB", (40, 40)).save(tmp_path / "set" / name / "a.png")
    (tmp_path / "set" / "cats" / "a.png").write_bytes(b"no image")
    with pytest.raises(ChoiceError, match="No image of cats can be read"):
        open_set([tmp_path / "set"], tmp_path / "store")


def test_one_class_cannot_be_learned(tmp_path):
    (tmp_path / "set" / "dogs").mkdir(parents=True)
    Image.new("RGB", (40, 40)).save(tmp_path / "set" / "dogs" / "a.png")
    with pytest.raises(ChoiceError, match="one class only"):
        open_set([tmp_path / "set"], tmp_path / "store")


def test_a_shard_without_folders(tmp_path):
    file = io.BytesIO()
    Image.new("RGB", (40, 40)).save(file, "PNG")
    with tarfile.open(tmp_path / "flat.tar", "w") as archive:
        info = tarfile.TarInfo("a.png")
        info.size = len(file.getvalue())
        archive.addfile(info, io.BytesIO(file.getvalue()))
    with pytest.raises(ChoiceError, match="CLASS/image"):
        open_set([tmp_path / "flat.tar"], tmp_path / "store")


def test_a_dev_class_that_is_not_learned(drawn, tmp_path):
    with pytest.raises(ChoiceError, match=r"circle.*no such class"):
        open_set([drawn[1]], tmp_path / "store", classes=["cross", "square", "triangle"])


def test_a_broken_image_is_counted_and_left_out(drawn, tmp_path):
    import shutil

    shutil.copytree(drawn[1], tmp_path / "set")
    (tmp_path / "set" / "cross" / "00.png").write_bytes(b"no image")
    data = open_set([tmp_path / "set"], tmp_path / "store")
    assert len(data.skipped) == 1
    assert "cross/00.png" in data.skipped[0]
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
    import shutil

    shutil.copytree(drawn[1], tmp_path / "set")
    assert len(open_set([tmp_path / "set"], tmp_path / "store").targets) == 24
    Image.new("RGB", (40, 40)).save(tmp_path / "set" / "cross" / "new.png")
    assert len(open_set([tmp_path / "set"], tmp_path / "store").targets) == 25


def test_two_processes_see_the_parts_that_one_sees_in_turn():
    one = list(places(TrainConfig(batch=8, accumulate=2), 40, 3, 0, 1, 0))
    two = [list(places(TrainConfig(batch=8), 40, 3, rank, 2, 0)) for rank in range(2)]
    assert one == [part for pair in zip(*two, strict=True) for part in pair]
    assert len({number for part in one for _, number, _ in part}) == 40


def test_epochs_differ_and_a_skip_goes_on():
    config = TrainConfig(batch=8)
    assert list(places(config, 40, 0, 0, 1, 0)) != list(places(config, 40, 1, 0, 1, 0))
    assert list(places(config, 40, 0, 0, 1, 3)) == list(places(config, 40, 0, 0, 1, 0))[3:]


def test_a_crop_depends_on_seed_epoch_and_number_alone(drawn, tmp_path):
    data = open_set([drawn[1]], tmp_path / "store")
    crops = Crops(data, TrainConfig(augment="colour"))
    first = crops[(2, 5, 32)].image
    torch.manual_seed(99)
    crops[(0, 1, 32)]
    state = torch.random.get_rng_state()
    assert torch.equal(crops[(2, 5, 32)].image, first)
    assert torch.equal(torch.random.get_rng_state(), state), "the user's generator is left alone"
    assert not torch.equal(crops[(3, 5, 32)].image, first)
    assert not torch.equal(Crops(data, TrainConfig(augment="colour", seed=1))[(2, 5, 32)].image, first)


def test_samples_are_stacked(drawn, tmp_path):
    data = open_set([drawn[1]], tmp_path / "store")
    crops = Crops(data, TrainConfig())
    batch = collate([crops[(0, i, 32)] for i in range(3)])
    assert batch.image.shape == (3, 3, 32, 32)
    assert batch.target.tolist() == data.targets[:3]
    assert batch.answers is None
    assert batch.similarity is None


def archive_of(folder, path, mode="w"):
    with tarfile.open(path, mode) as archive:
        for one in sorted(folder.iterdir()):
            archive.add(one, one.name)
    return path


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
    assert not (tmp_path / "other").exists()


def test_a_compressed_shard_cannot_be_read_in_any_order(drawn, tmp_path):
    shard = archive_of(drawn[1], tmp_path / "dev.tar.gz", "w:gz")
    assert len(open_set([shard], tmp_path / "store").targets) == 24
    with pytest.raises(ChoiceError, match="compressed"):
        open_set([shard], tmp_path / "store", ahead=False)


def test_a_image_that_breaks_later_is_counted_and_another_stands_for_it(drawn, tmp_path):
    import shutil

    shutil.copytree(drawn[1], tmp_path / "set")
    data = open_set([tmp_path / "set"], tmp_path / "store", ahead=False)
    broken = data.images.names.index("cross/05.png")
    (tmp_path / "set" / "cross" / "05.png").write_bytes(b"no image")
    sample = Crops(data, TrainConfig())[(0, broken, 32)]
    assert bool(sample.broken)
    assert int(sample.target) == data.targets[broken + 1]
    assert not bool(Crops(data, TrainConfig())[(0, broken + 1, 32)].broken)


def test_when_everything_is_broken_it_ends(drawn, tmp_path):
    import shutil

    shutil.copytree(drawn[1], tmp_path / "set")
    data = open_set([tmp_path / "set"], tmp_path / "store", ahead=False)
    for path in (tmp_path / "set").rglob("*.png"):
        path.unlink()
    with pytest.raises(TrainingError, match="in a row cannot be read"):
        Crops(data, TrainConfig())[(0, 0, 32)]
