from __future__ import annotations

import pytest

from sge.errors import ChoiceError
from sge.training.config import PRESETS, TrainConfig


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"epochs": 0}, "at least 1"),
        ({"sizes": ()}, "one side"),
        ({"sizes": (8,)}, "32 to 1024"),
        ({"augment": "wild"}, "plain, colour, strong"),
        ({"optimizer": "lion"}, "sgd, adamw"),
        ({"batch": 10, "accumulate": 3}, "divisor"),
        ({"dense": (("layer3.0", "blocks.4.2"),), "cutmix": 1.0}, "every place"),
        ({"dense": (("layer3.0", "blocks.4.2"),), "augment": "strong"}, "every place"),
    ],
)
def test_what_cannot_be_is_refused(values, says):
    with pytest.raises(ChoiceError, match=says):
        TrainConfig(**values)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ema", "name=value"),
        ("emma=1", "there are: .*ema"),
        ("ema=much", "ema cannot be"),
        ("zero_init=maybe", "true or false"),
        ("sizes=64,big", "sizes cannot be"),
    ],
)
def test_a_setting_of_another_form_is_refused(text, says):
    with pytest.raises(ChoiceError, match=says):
        TrainConfig().parsed([text])


def test_settings_become_what_their_kind_is():
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


def test_the_papers_recipe_is_the_papers():
    paper = PRESETS["paper-imagenet"]
    assert (paper.optimizer, paper.rate, paper.momentum, paper.weight_decay) == ("sgd", 0.1, 0.9, 1e-4)
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


def test_a_recipe_is_plain_data():
    import json

    assert json.loads(json.dumps(PRESETS["imagewoof"].to_dict()))["sizes"] == [128, 160, 192]
