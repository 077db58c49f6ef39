"""The trainer itself: what it refuses, and that each teacher is heard."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from sge.errors import TrainingError
from sge.images.framing import Preprocess
from sge.models.model import Card, Model
from sge.nn.resnet import SGE_RESNETS
from sge.training.config import TrainConfig
from sge.training.dataset import open_set
from sge.training.distributed import DistributedContext
from sge.training.initial_model import from_nothing
from sge.training.loader import TargetGrid
from sge.training.supervision import GATHERING_STEPS, Supervision
from sge.training.synthetic import draw_set
from sge.training.teacher_maps import TeacherMaps, maps_key, write_maps
from sge.training.teachers import CropTeacher
from sge.training.trainer import Trainer
from tests.conftest import fill

CPU = torch.device("cpu")
CONFIG = TrainConfig(epochs=1, batch=8, sizes=(32,), eval_size=32, rate=0.01)


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    train, dev = draw_set(folder)
    first = open_set([train], folder / "train.images")
    return first, open_set([dev], folder / "dev.images", first.classes)


@pytest.fixture
def teacher(sets):
    network = fill(SGE_RESNETS["sge_resnet18"](4))
    return Model("teacher", network, sets[0].classes, Card("t", "t"), Preprocess(size=64), "sge_resnet18")


def trainer(lesson, config, folder, team=None):
    return Trainer(from_nothing(config, 4), lesson, config, folder, team or DistributedContext(0, 1, CPU))


def reports(trained):
    steps = []
    trained.run(steps.append)
    return steps


def test_processes_that_cannot_share_a_batch(sets, tmp_path):
    with pytest.raises(TrainingError, match="cannot be shared by 3 processes"):
        trainer(Supervision(*sets), CONFIG, tmp_path, DistributedContext(0, 3, CPU))


def test_a_loss_that_is_no_number_ends_the_training(sets, tmp_path):
    with pytest.raises(TrainingError, match="smaller --rate"):
        reports(trainer(Supervision(*sets), replace(CONFIG, rate=1e9, warmup=0.0), tmp_path))


def test_a_teacher_of_crops_is_heard(sets, teacher, tmp_path):
    crops = CropTeacher(teacher.network, teacher.preprocess, [0, 1, 2, 3], CPU)
    config = replace(CONFIG, teacher_weight=0.5, feature_weight=0.5, clip=1.0, amp="bfloat16")
    heard = trainer(Supervision(*sets, teacher=crops), config, tmp_path)
    before = {key: value.clone() for key, value in teacher.network.state_dict().items()}
    steps = reports(heard)
    assert set(steps[-1].parts) == {"labels", "answers", "features"}
    assert steps[-1].parts["features"] < steps[0].parts["features"], "the learned map tells the teacher's"
    assert all(torch.equal(value, before[key]) for key, value in teacher.network.state_dict().items())


def test_groups_are_matched_once_and_then_followed(sets, teacher, tmp_path):
    path = tmp_path / "maps"
    write_maps(path, teacher, sets[0].images, ["layer3.0"], [0, 1, 2, 3])
    maps = TeacherMaps(path, maps_key(teacher, sets[0].images, ["layer3.0"], [0, 1, 2, 3]))
    config = replace(
        CONFIG,
        batch=2,
        match_after=0.0,
        teacher_weight=0.5,
        dense=(("layer2.0", "layer3.0"),),
        similarity_weight=1.0,
    )
    follows = trainer(Supervision(*sets, maps, {"layer2.0": TargetGrid("layer3.0", 8)}), config, tmp_path)
    steps = reports(follows)
    assert ["dense" in step.parts for step in steps] == [i > GATHERING_STEPS - 1 for i in range(len(steps))]
    assert sorted(follows.matching.matches["layer2.0"].tolist()) == list(range(64))


def test_gates_are_held_above_zero_and_reported(sets, tmp_path):
    config = replace(CONFIG, gate_weight=0.3, positive_gates=True, flatness_weight=1.0, gate_lr_scale=50.0)
    epochs = []
    acting = trainer(Supervision(*sets), config, tmp_path)
    acting.run(on_epoch=epochs.append)
    facts = epochs[-1].gates
    assert len(facts) == 8
    assert all(one.weight > 0 for one in facts.values())
    assert max(one.spread for one in facts.values()) > 0.02
    assert all(
        float(module.min()) >= 0
        for name, module in acting.network.state_dict().items()
        if name.endswith("sge.weight")
    )
