"""Every number that decides a training, and the named recipes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from sge.errors import ChoiceError
from sge.images.framing import MAX_SIZE, MIN_SIZE

AUGMENTS = ("plain", "colour", "strong")
SCHEDULES = ("cosine", "steps")
OPTIMIZERS = ("sgd", "adamw")


@dataclass(frozen=True)
class TrainConfig:
    """All that decides what is learned, beside the images and the teacher."""

    depth: int = 18
    """Layers of the ResNet: 18, 34, 50, 101, 152."""
    attention: str = "sge"
    groups: int = 64
    """SGE's groups a block."""
    epochs: int = 40
    batch: int = 64
    """Images a step, over all processes and accumulated parts."""
    accumulate: int = 1
    """Parts that each process takes its share of a batch in."""
    sizes: tuple[int, ...] = (128,)
    """Sides of the crops in pixels; each serves an equal share of the epochs, in this order."""
    eval_size: int = 128
    """Side of the centre crop on which the dev images are classified, in pixels."""
    crop_scale: tuple[float, float] = (0.25, 1.0)
    """Area of a crop as a fraction of the image's."""
    augment: str = "plain"
    """plain: crop and flip. colour: with jitter, grey and erasing. strong: with RandAugment and erasing."""
    mixup: float = 0.0
    """Alpha of mixup; 0 is off."""
    cutmix: float = 0.0
    """Alpha of CutMix; where both are on, each batch takes one of the two."""
    label_smoothing: float = 0.0
    optimizer: str = "sgd"
    rate: float = 0.1
    """Largest learning rate."""
    momentum: float = 0.9
    weight_decay: float = 1e-4
    gate_lr_scale: float = 1.0
    """SGE parameters' learning rate as a multiple of the others'."""
    decay_all: bool = False
    """As the paper trains: decay on norms, biases and SGE too, plain momentum. Else none on these, and Nesterov's."""
    schedule: str = "cosine"
    """cosine, or steps: a tenth at 30, 60 and 90 percent of the epochs."""
    warmup: float = 0.05
    """Part of the steps in which the rate rises linearly."""
    clip: float = 0.0
    """Largest norm of the gradient; 0 is off."""
    ema: float = 0.0
    """Decay a step of the averaged weights, which are then the ones evaluated and kept; 0 is off."""
    zero_init: bool = True
    """The last batch norm of each block begins at 0, so that blocks begin as identities (Goyal et al., 2017)."""
    gate_weight: float = 0.0
    """SGE's weight at the first step; the paper's is 0."""
    positive_gates: bool = False
    """Hold SGE's weights at 0 or above: a mask then stays open where the group's channels agree."""
    flatness_weight: float = 0.0
    """Price of masks that miss the wanted spread, when all do so wholly, in nats."""
    target_mask_std: float = 0.12
    """Standard deviation over space that each mask should reach."""
    openness_weight: float = 0.0
    """Price of masks as open everywhere as at their maximum, when all are so, in nats."""
    teacher_weight: float = 0.0
    """Share of the teacher's answers in the loss; the rest is the labels'."""
    teacher_temperature: float = 1.0
    feature_weight: float = 0.0
    """Price of last features from which the teacher's cannot be told, by a learned linear map."""
    dense: tuple[tuple[str, str], ...] = ()
    """(block, teacher's block): groups whose similarity is pulled towards that of the teacher's groups."""
    similarity_weight: float = 0.0
    """Price of similarity that has nothing to do with the teacher's, in nats."""
    match_after: float = 0.03
    """Part of the steps after which groups and teacher's groups are matched, once."""
    amp: str = "off"
    """off, bfloat16 or float16 autocast."""
    compile: bool = False
    """Compile SGE's statistics; needs a C++ compiler."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "accumulate", "groups"):
            if getattr(self, name) < 1:
                raise ChoiceError(f"{name} is {getattr(self, name)}; it must be at least 1.")
        if not self.sizes:
            raise ChoiceError("sizes is empty; name one side of the crops at least.")
        for size in (*self.sizes, self.eval_size):
            if not MIN_SIZE <= size <= MAX_SIZE:
                raise ChoiceError(f"A size is {size}; choose {MIN_SIZE} to {MAX_SIZE} pixels.")
        for name, choices in (
            ("augment", AUGMENTS),
            ("schedule", SCHEDULES),
            ("optimizer", OPTIMIZERS),
            ("amp", ("off", "bfloat16", "float16")),
        ):
            if getattr(self, name) not in choices:
                raise ChoiceError(f"{name} is {getattr(self, name)!r}; choose one of {', '.join(choices)}.")
        if self.batch % self.accumulate:
            raise ChoiceError(
                f"A batch of {self.batch} cannot be taken in {self.accumulate} equal parts; choose a divisor."
            )
        if self.dense and (self.augment == "strong" or self.mixup or self.cutmix):
            raise ChoiceError(
                "Dense distillation needs to know where every place of a crop comes from: choose --augment colour "
                "or plain, without mixup and CutMix."
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {key: _plain(value) for key, value in asdict(self).items()}

    @property
    def precision(self) -> str:
        """``amp`` as ``sge.devices.autocast`` calls it."""
        return "float32" if self.amp == "off" else self.amp

    def size_at(self, epoch: int) -> int:
        """Side of the crops in an epoch."""
        return self.sizes[epoch * len(self.sizes) // self.epochs]

    def changed(self, **values: Any) -> TrainConfig:
        """The same with other values; None leaves one as it is.

        Raises:
            ChoiceError: an unknown name, or a value out of range.
        """
        known = {one.name for one in fields(self)}
        if unknown := sorted(set(values) - known):
            raise ChoiceError(f"No setting {', '.join(unknown)}; there are: {', '.join(sorted(known))}.")
        return replace(self, **{key: value for key, value in values.items() if value is not None})

    def parsed(self, texts: list[str]) -> TrainConfig:
        """The same with settings given as ``name=value``, lists separated by commas.

        Raises:
            ChoiceError: no such form or name, or a value of another kind.
        """
        values: dict[str, Any] = {}
        for text in texts:
            name, equals, value = text.partition("=")
            if not equals:
                raise ChoiceError(f"{text!r} is no setting; write name=value, as in ema=0.999.")
            known = {one.name: getattr(self, one.name) for one in fields(self)}
            if name not in known:
                raise ChoiceError(f"No setting {name!r}; there are: {', '.join(sorted(known))}.")
            try:
                values[name] = _parsed(value, known[name])
            except ValueError as error:
                raise ChoiceError(f"{name} cannot be {value!r} ({error}).") from error
        return self.changed(**values)


def _parsed(text: str, like: Any) -> Any:
    if isinstance(like, bool):
        if text.lower() not in ("true", "false"):
            raise ValueError("write true or false")
        return text.lower() == "true"
    if isinstance(like, tuple):
        # The list of dense pairs is the only one that may be empty; it is given by an option of its own.
        return tuple(type(like[0])(one) for one in text.split(","))
    return type(like)(text)


def _plain(value: Any) -> Any:
    return [_plain(each) for each in value] if isinstance(value, tuple | list) else value


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
    rate=0.1,
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
        rate=0.1,
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
        rate=0.001,
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
        rate=0.03,
        ema=0.7,
        gate_lr_scale=2.0,
        crop_scale=(0.6, 1.0),
    ),
}
"""``paper-imagenet`` is FACTS of the paper exactly; the others are modern recipes from scratch."""
