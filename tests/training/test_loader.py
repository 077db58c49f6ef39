"""Crops and batches: what cannot be read, then what determines a crop and its order."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from sge.training.config import TrainConfig
from sge.training.dataset import open_set
from sge.training.loader import Crops, batch_keys, collate, derived_seed
from sge.training.synthetic import make_shapes_dataset


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return make_shapes_dataset(tmp_path_factory.mktemp("drawn"))


def test_two_processes_see_the_parts_that_one_sees_in_turn():
    alone = list(batch_keys(TrainConfig(batch=8, accumulate=2), 40, 3, 0, 1, 0))
    both = [list(batch_keys(TrainConfig(batch=8), 40, 3, rank, 2, 0)) for rank in range(2)]
    assert alone == [part for pair in zip(*both, strict=True) for part in pair]
    assert len({number for part in alone for _, number, _ in part}) == 40


def test_epochs_differ_and_a_skip_goes_on():
    config = TrainConfig(batch=8)
    assert list(batch_keys(config, 40, 0, 0, 1, 0)) != list(batch_keys(config, 40, 1, 0, 1, 0))
    assert list(batch_keys(config, 40, 0, 0, 1, 3)) == list(batch_keys(config, 40, 0, 0, 1, 0))[3:]


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
    assert batch.logits is None
    assert batch.similarity is None


def test_an_image_that_breaks_later_is_named_and_another_of_its_class_stands_in(drawn, tmp_path):
    shutil.copytree(drawn[1], tmp_path / "set")
    data = open_set([tmp_path / "set"], tmp_path / "store", ahead=False)
    crops = Crops(data, TrainConfig())
    for name, stand_in in (("cross/05.png", "cross/00.png"), ("square/02.png", "square/03.png")):
        broken = data.images.names.index(name)
        (tmp_path / "set" / name).write_bytes(b"no image")
        sample = crops[(0, broken, 32)]
        assert int(sample.broken) == broken
        assert not bool(sample.lost)
        same = crops[(0, data.images.names.index(stand_in), 32)]
        assert int(same.broken) == -1
        assert torch.equal(sample.image, same.image)
        assert sample.target == same.target == data.targets[broken]


def test_a_class_that_vanishes_is_told(drawn, tmp_path):
    shutil.copytree(drawn[1], tmp_path / "set")
    data = open_set([tmp_path / "set"], tmp_path / "store", ahead=False)
    for path in (tmp_path / "set" / "square").iterdir():
        path.unlink()
    crops = Crops(data, TrainConfig())
    batch = collate([crops[(0, i, 32)] for i in range(len(crops))])
    gone = [data.classes[target] == "square" for target in data.targets]
    assert batch.lost.tolist() == gone
    assert (batch.broken >= 0).tolist() == gone


def test_seeds_depend_on_every_number_and_their_order():
    """The values are fixed by NumPy, so that a training resumed under another Python sees the same crops."""
    assert derived_seed(0, 1, 2) == int(np.random.SeedSequence([0, 1, 2]).generate_state(1, np.uint64)[0])
    assert len({derived_seed(*numbers) for numbers in ((0, 1, 2), (0, 2, 1), (1, 1, 2), (-1, 1, 2))}) == 4
