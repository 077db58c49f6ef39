"""Stored outputs of a teacher: refused teachers and damaged files first, then the stored values."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from sge.datasets.batching import normalize_batch
from sge.datasets.decoded_cache import DecodedCache, write_cache
from sge.errors import ChoiceError, DataError
from sge.images.decoding import decode
from sge.images.framing import Preprocess
from sge.models.model import Card, Model
from sge.nn.mask_capture import MaskCapture
from sge.nn.resnet import SGE_RESNETS
from sge.training.teacher_maps import QUANTUM, TeacherMaps, maps_key, write_maps
from tests.conftest import fill
from tests.drawn_images import encoded, noise

SIZES = ((64, 64), (96, 64), (64, 96), (64, 64))
BLOCKS = ["layer2.1", "layer3.0"]
CLASSES = [3, 1]


@pytest.fixture(scope="module")
def teacher():
    network = fill(SGE_RESNETS["sge_resnet18"](5))
    preprocess = Preprocess(size=64, whole_temperature=0.5)
    return Model("teacher", network, list("abcde"), Card("t", "t"), preprocess, "sge_resnet18")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "images"
    write_cache(path, [(f"c/{i}.png", decode(encoded(noise(w, h, i)))) for i, (w, h) in enumerate(SIZES)])
    return DecodedCache(path)


@pytest.fixture
def written(teacher, store, tmp_path):
    write_maps(tmp_path / "maps", teacher, store, BLOCKS, CLASSES)
    return tmp_path / "maps"


def test_a_teacher_without_average_and_linear_layer(store, tmp_path):
    class Bare(nn.Sequential):
        pass

    network = Bare(SGE_RESNETS["sge_resnet18"](5))
    model = Model("bare", network, list("abcde"), Card("t", "t"), Preprocess(size=64), "x")
    with pytest.raises(ChoiceError, match="leave out the dense blocks"):
        write_maps(tmp_path / "maps", model, store, [], CLASSES)


def test_no_file(tmp_path):
    with pytest.raises(DataError, match="cannot be used"):
        TeacherMaps(tmp_path / "maps", "key")


def test_of_other_images_or_another_teacher(written, teacher, store):
    with pytest.raises(DataError, match="made from other images"):
        TeacherMaps(written, "another key")
    assert maps_key(teacher, store, BLOCKS, CLASSES) != maps_key(teacher, store, BLOCKS, [1, 3])


def test_cut_off(written, teacher, store):
    written.write_bytes(written.read_bytes()[:-1])
    with pytest.raises(DataError, match="cut off"):
        TeacherMaps(written, maps_key(teacher, store, BLOCKS, CLASSES))


def test_an_index_of_another_form(written):
    index = written.with_name("maps.json")
    index.write_text(json.dumps({"key": "key"}))
    with pytest.raises(DataError, match="cannot be used"):
        TeacherMaps(written, "key")


def test_the_mean_over_positions_is_the_logit_of_the_teacher(written, teacher, store):
    maps = TeacherMaps(written, maps_key(teacher, store, BLOCKS, CLASSES))
    assert len(maps) == len(SIZES)
    for i in range(len(SIZES)):
        with torch.no_grad(), MaskCapture(teacher.network) as captured:
            logits = teacher.network(normalize_batch(store[i][None], teacher.preprocess))[0]
        stored = maps[i].logits.mean((1, 2))
        assert torch.allclose(stored, logits[CLASSES] / 0.5, rtol=2e-2, atol=2e-2)
        for block in BLOCKS:
            expected = captured.similarity[block][0]
            assert maps[i].similarity[block].shape == expected.shape
            assert (maps[i].similarity[block] - expected.clamp(-8, 7.9)).abs().max() < QUANTUM
