from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from sge.errors import ChoiceError
from sge.training.gate_tuning_config import RANGES, GateTuningConfig


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "steps is 0"),
        ({"batch": 0}, "batch 0"),
        ({"seed": -1}, "seed is -1"),
        ({"sizes": ()}, "sizes are"),
        ({"sizes": (8,)}, "choose one or more of 32 to 1024"),
        ({"target_mask_std": 0.0}, "above 0"),
        ({"warmup": 1.5}, "at most 1"),
        *(({name: value}, f"{name} is {value}") for name in RANGES for value in (-0.5, math.nan, math.inf)),
    ],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(ChoiceError, match=message):
        replace(GateTuningConfig(), **settings)


def test_sizes_share_the_steps_in_order():
    config = GateTuningConfig(steps=12, sizes=(32, 40))
    assert [config.size_at(step) for step in (0, 5, 6, 11)] == [32, 32, 40, 40]


def test_a_config_is_plain_data_with_a_version():
    data = json.loads(json.dumps(GateTuningConfig(acting_blocks=("a",)).to_dict()))
    assert (data["version"], data["acting_blocks"], data["weight_lr"]) == (2, ["a"], 0.04)


def test_the_loop_has_no_labels_and_keeps_the_statistics():
    loop = GateTuningConfig(batch=3).loop
    assert (loop.epochs, loop.batch, loop.losses.labels, loop.losses.logits) == (1, 3, 0, 1)
    assert loop.positive_gates
    assert loop.frozen_statistics
