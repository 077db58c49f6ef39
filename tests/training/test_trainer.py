"""The trainer: what it refuses, and that each teacher and each setting has its effect."""

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
from sge.training.distributed import DistributedContext, single_process
from sge.training.group_matching import GATHERING_STEPS
from sge.training.initial_model import from_scratch
from sge.training.loader import TargetGrid
from sge.training.optim import optimizer_for
from sge.training.state import StateFiles
from sge.training.student import Student
from sge.training.supervision import LabelledSupervision
from sge.training.synthetic import make_shapes_dataset
from sge.training.teacher_maps import TeacherMaps, maps_key, write_maps
from sge.training.teachers import CropTeacher, MapTeacher
from sge.training.trainer import Trainer
from tests.conftest import fill

CPU = torch.device("cpu")
CONFIG = TrainConfig(epochs=1, batch=8, sizes=(32,), eval_size=32, lr=0.01)


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shapes")
    train, dev = make_shapes_dataset(folder)
    initial = from_scratch(CONFIG, 4)
    first = open_set([train], folder / "train.images")
    return first, open_set([dev], folder / "dev.images", first.classes, evaluate_as=initial.preprocess)


@pytest.fixture
def teacher(sets):
    network = fill(SGE_RESNETS["sge_resnet18"](4))
    return Model("teacher", network, sets[0].classes, Card("t", "t"), Preprocess(size=64), "sge_resnet18")


def trainer(sets, config, folder=None, teacher=None, distributed=None):
    distributed = distributed or single_process(CPU)
    initial = from_scratch(config, 4)
    supervision = LabelledSupervision(*sets, config, initial.preprocess, distributed, teacher=teacher)
    features = teacher.features if isinstance(teacher, CropTeacher) and config.feature_weight else 0
    torch.manual_seed(0)
    student = Student(initial.network.to(memory_format=torch.channels_last), features)
    files = StateFiles.in_folder(folder) if folder else None
    optimizer = optimizer_for(student, config)
    return Trainer(student, optimizer, supervision, config.loop, distributed, files, config.to_dict())


def steps_of(trainer):
    steps = []
    trainer.run(steps.append)
    return steps


def test_batches_that_processes_cannot_share(sets):
    with pytest.raises(TrainingError, match="divisible by 3"):
        trainer(sets, CONFIG, distributed=DistributedContext(0, 3, CPU))


@pytest.mark.slow
def test_a_loss_that_is_not_finite_ends_the_training(sets):
    with pytest.raises(TrainingError, match="--lr"):
        steps_of(trainer(sets, replace(CONFIG, lr=1e9, warmup=0.0)))


@pytest.mark.slow
def test_a_classifier_as_teacher(sets, teacher):
    crops = CropTeacher(teacher.network, teacher.preprocess, [0, 1, 2, 3], CPU)
    config = replace(CONFIG, teacher_weight=0.5, feature_weight=0.5, clip=1.0, amp="bfloat16")
    before = {key: value.clone() for key, value in teacher.network.state_dict().items()}
    steps = steps_of(trainer(sets, config, teacher=crops))
    assert set(steps[-1].terms) == {"labels", "logits", "features"}
    assert steps[-1].loss == pytest.approx(sum(steps[-1].terms.values()))
    assert steps[-1].terms["features"] < steps[0].terms["features"], "the projection learns"
    assert all(torch.equal(value, before[key]) for key, value in teacher.network.state_dict().items())


@pytest.mark.slow
def test_groups_are_matched_once_and_then_follow_the_teacher(sets, teacher, tmp_path):
    path = tmp_path / "maps"
    write_maps(path, teacher, sets[0].images, ["layer3.0"], [0, 1, 2, 3])
    maps = TeacherMaps(path, maps_key(teacher, sets[0].images, ["layer3.0"], [0, 1, 2, 3]))
    config = replace(
        CONFIG,
        batch=2,
        match_after=0.0,
        teacher_weight=0.5,
        similarity_blocks=(("layer2.0", "layer3.0"),),
        similarity_weight=1.0,
    )
    stored = MapTeacher(maps, {"layer2.0": TargetGrid("layer3.0", 8)}, "digest")
    trained = trainer(sets, config, teacher=stored)
    with_similarity = ["similarity" in step.terms for step in steps_of(trained)]
    assert with_similarity == [i >= GATHERING_STEPS for i in range(len(with_similarity))]
    assert sorted(trained.supervision.matching.matches["layer2.0"].tolist()) == list(range(64))


@pytest.mark.slow
def test_gates_are_clamped_and_summarized(sets):
    config = replace(CONFIG, gate_weight=0.3, positive_gates=True, flatness_weight=1.0, gate_lr_scale=50.0)
    epochs = []
    trained = trainer(sets, config)
    trained.run(on_epoch=epochs.append)
    gates = epochs[-1].gates
    assert len(gates) == 8
    assert all(facts.weight > 0 for facts in gates.values())
    assert max(facts.mask_std for facts in gates.values()) > 0.02
    weights = [value for key, value in trained.network.state_dict().items() if key.endswith("sge.weight")]
    assert all(float(weight.min()) >= 0 for weight in weights)


@pytest.mark.slow
def test_interrupted_and_resumed_equals_undisturbed(sets, tmp_path):
    config = replace(CONFIG, ema=0.9, mixup=0.2, accumulate=2)
    whole = trainer(sets, config)
    whole.run()

    class StoppedError(Exception):
        pass

    def stop(event):
        if event.step == 5:
            raise StoppedError

    interrupted = trainer(sets, config, tmp_path)
    interrupted.save_every = 2
    with pytest.raises(StoppedError):
        interrupted.run(stop)
    resumed = trainer(sets, config, tmp_path)
    resumed.restore()
    assert resumed.step == 4
    resumed.run()
    for first, second in ((whole.student, resumed.student), (whole.network, resumed.network)):
        state = second.state_dict()
        assert all(torch.equal(value, state[key]) for key, value in first.state_dict().items())


@pytest.mark.slow
def test_the_average_carries_no_hooks(sets):
    trained = trainer(sets, replace(CONFIG, ema=0.9))
    trained.run()
    assert not [m for m in trained.network.modules() if m._forward_hooks or m._forward_pre_hooks]
