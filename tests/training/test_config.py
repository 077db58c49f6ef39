from __future__ import annotations

import json
import math

import pytest
import torch

from sge.errors import ChoiceError
from sge.training.config import RANGES, TrainConfig
from sge.training.optim import optimizer_for, schedule_for
from sge.training.presets import PRESETS


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 0}, "at least 1"),
        ({"sizes": ()}, "at least one side"),
        ({"sizes": (8,)}, "32 to 1024"),
        ({"augment": "wild"}, "plain, colour, strong"),
        ({"optimizer": "lion"}, "sgd, adamw"),
        ({"batch": 10, "accumulate": 3}, "divisor"),
        ({"similarity_blocks": (("layer3.0", "blocks.4.2"),), "cutmix": 1.0}, "each position"),
        ({"similarity_blocks": (("layer3.0", "blocks.4.2"),), "augment": "strong"}, "each position"),
        ({"similarity_blocks": (("layer3.0", "blocks.4.2"),), "feature_weight": 1.0}, "feature_weight=0"),
        ({"attention": "best"}, "none, se, cbam"),
        ({"depth": 20}, "18, 34, 50"),
        ({"crop_scale": (0.5,)}, "fractions"),
        ({"crop_scale": (1.0, 0.25)}, "fractions"),
        ({"crop_scale": (0.0, 1.0)}, "fractions"),
        ({"momentum": 1.0}, "below 1"),
        ({"ema": 1.0}, "at least 0 and below 1"),
        ({"teacher_weight": 1.5}, "at least 0 and at most 1"),
        ({"teacher_temperature": 0.0}, "above 0"),
        ({"target_mask_std": 0.0}, "above 0"),
        ({"seed": 2**63}, "at most 9.2"),
        *(
            ({name: value}, f"{name} is {value}; choose a number")
            for name in RANGES
            for value in (-0.5, math.nan, math.inf)
        ),
    ],
)
def test_settings_out_of_range(values, message):
    with pytest.raises(ChoiceError, match=message):
        TrainConfig(**values)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ema", "name=value"),
        ("emma=1", "there are: .*ema"),
        ("ema=much", "ema cannot be"),
        ("zero_init=maybe", "true or false"),
        ("sizes=64,big", "sizes cannot be"),
        ("similarity_blocks=a", "--dense"),
    ],
)
def test_a_malformed_setting_is_refused(text, message):
    with pytest.raises(ChoiceError, match=message):
        TrainConfig().parsed([text])


def test_settings_are_parsed_by_their_type():
    config = TrainConfig().parsed(
        ["ema=0.5", "zero_init=false", "sizes=64,96", "crop_scale=0.5,1", "batch=4"]
    )
    assert (config.ema, config.zero_init, config.sizes, config.crop_scale, config.batch) == (
        0.5,
        False,
        (64, 96),
        (0.5, 1.0),
        4,
    )


@pytest.mark.parametrize(
    "values", [{"momentum": 0.0}, {"momentum": 0.0, "optimizer": "adamw"}, {"warmup": 1.0, "ema": 0.0}]
)
def test_the_ends_of_the_ranges_can_be_used(values):
    config = TrainConfig(clip=0.0, weight_decay=0.0, teacher_weight=1.0, **values)
    network = torch.nn.Linear(2, 1)
    optimizer = optimizer_for(network, config)
    schedule = schedule_for(optimizer, config.schedule, config.warmup, 4)
    for _ in range(4):
        network(torch.ones(1, 2)).sum().backward()
        optimizer.step()
        schedule.step()
    assert network.weight.isfinite().all()


def test_the_paper_preset_has_the_papers_numbers():
    paper = PRESETS["paper-imagenet"]
    assert (paper.optimizer, paper.lr, paper.momentum, paper.weight_decay) == ("sgd", 0.1, 0.9, 1e-4)
    assert (paper.batch, paper.epochs, paper.schedule, paper.warmup) == (256, 100, "steps", 0.0)
    assert (paper.sizes, paper.eval_size, paper.augment, paper.crop_scale) == (
        (224,),
        224,
        "plain",
        (0.08, 1.0),
    )
    assert (paper.label_smoothing, paper.mixup, paper.cutmix, paper.ema, paper.clip) == (0, 0, 0, 0, 0)
    assert paper.decay_all
    assert not paper.zero_init
    assert paper.gate_weight == 0


def test_sizes_share_the_epochs_in_order():
    config = TrainConfig(epochs=7, sizes=(64, 96, 128))
    assert [config.size_at(epoch) for epoch in range(7)] == [64, 64, 64, 96, 96, 128, 128]


def test_a_config_is_plain_data_with_a_version():
    data = json.loads(json.dumps(PRESETS["imagewoof"].to_dict()))
    assert (data["version"], data["sizes"]) == (2, [128, 160, 192])


def test_the_loop_has_the_weights_of_the_losses():
    loop = TrainConfig(teacher_weight=0.7, flatness_weight=1.5, amp="bfloat16", accumulate=2).loop
    assert (loop.losses.labels, loop.losses.logits) == pytest.approx((0.3, 0.7))
    assert (loop.losses.flatness, loop.precision, loop.accumulate) == (1.5, "bfloat16", 2)
    assert not loop.frozen_statistics
