"""Named configurations of a training."""

from __future__ import annotations

from dataclasses import replace

from sge.training.config import TrainConfig

_IMAGEWOOF = TrainConfig(
    depth=50,
    epochs=80,
    batch=64,
    sizes=(128, 160, 192),
    eval_size=224,
    augment="strong",
    mixup=0.2,
    cutmix=1.0,
    label_smoothing=0.1,
    lr=0.1,
    weight_decay=5e-4,
    gate_lr_scale=2.0,
    ema=0.999,
    clip=5.0,
    amp="bfloat16",
)

PRESETS: dict[str, TrainConfig] = {
    "paper-imagenet": TrainConfig(
        depth=50,
        epochs=100,
        batch=256,
        sizes=(224,),
        eval_size=224,
        crop_scale=(0.08, 1.0),
        lr=0.1,
        weight_decay=1e-4,
        decay_all=True,
        schedule="steps",
        warmup=0.0,
        zero_init=False,
    ),
    "imagewoof": _IMAGEWOOF,
    "imagewoof-cpu": replace(
        _IMAGEWOOF,
        depth=18,
        epochs=30,
        sizes=(64, 96, 128),
        eval_size=128,
        augment="colour",
        mixup=0.0,
        cutmix=0.0,
        optimizer="adamw",
        lr=0.001,
        weight_decay=0.05,
        gate_lr_scale=5.0,
        ema=0.998,
        crop_scale=(0.3, 1.0),
    ),
    "smoke": TrainConfig(
        epochs=6,
        batch=8,
        sizes=(32,),
        eval_size=32,
        lr=0.03,
        ema=0.7,
        gate_lr_scale=2.0,
        crop_scale=(0.6, 1.0),
    ),
}
"""Named configurations: ``paper-imagenet`` has the paper's numbers, the others those of current practice."""
