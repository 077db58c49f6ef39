from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from sge.errors import TrainingError
from sge.images.framing import Preprocess
from sge.training.config import TrainConfig
from sge.training.dataset import open_set
from sge.training.distributed import DistributedContext, single_process
from sge.training.supervision import LabelledSupervision
from sge.training.synthetic import make_shapes_dataset

CPU = torch.device("cpu")
CONFIG = TrainConfig(epochs=2, batch=8, sizes=(32,), eval_size=32, mixup=0.5)
PREPROCESS = Preprocess(resize=37, size=32)


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shapes")
    train, dev = make_shapes_dataset(folder)
    first = open_set([train], folder / "train.images")
    return first, open_set([dev], folder / "dev.images", first.classes, evaluate_as=PREPROCESS)


def supervision(sets, config=CONFIG, context=None):
    return LabelledSupervision(*sets, config, PREPROCESS, context or single_process(CPU))


def test_an_epoch_has_whole_batches(sets):
    batches = list(supervision(sets).batches(0, 0))
    assert len(batches) == supervision(sets).steps_per_epoch == 12
    assert batches[0].images.shape == (8, 3, 32, 32)
    assert batches[0].targets.labels.shape == (8, 4), "mixup gives probabilities"
    assert batches[0].targets.logits is None


def test_skipped_steps_are_the_first_ones(sets):
    whole, rest = (list(supervision(sets).batches(1, skip)) for skip in (0, 9))
    assert len(rest) == 3
    for expected, found in zip(whole[9:], rest, strict=True):
        assert torch.equal(expected.images, found.images)


def test_two_processes_share_the_micro_batches_of_one(sets):
    one = list(supervision(sets, replace(CONFIG, accumulate=2)).batches(0, 0))
    ranks = [list(supervision(sets, CONFIG, DistributedContext(r, 2, CPU)).batches(0, 0)) for r in (0, 1)]
    for number, batch in enumerate(one):
        assert torch.equal(batch.images, ranks[number % 2][number // 2].images)
        assert torch.equal(batch.targets.labels, ranks[number % 2][number // 2].targets.labels)


def test_a_batch_larger_than_the_set(sets):
    with pytest.raises(TrainingError, match="fewer than a batch of 4000"):
        supervision(sets, replace(CONFIG, batch=4000))
