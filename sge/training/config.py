"""``TrainConfig``, every number that decides a training, in one place."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, ClassVar

from sge.errors import ChoiceError
from sge.images import MAX_SIZE, MIN_SIZE
from sge.nn import ATTENTIONS, DEPTHS
from sge.training.loop_config import LoopConfig
from sge.training.losses import LossWeights
from sge.training.ranges import DECAY, FRACTION, NOT_NEGATIVE, POSITIVE, SEED, check_ranges

AUGMENTS = ("plain", "colour", "strong")
SCHEDULES = ("cosine", "steps")
OPTIMIZERS = ("sgd", "adamw")
RANGES = {
    "mixup": NOT_NEGATIVE,
    "cutmix": NOT_NEGATIVE,
    "label_smoothing": FRACTION,
    "lr": NOT_NEGATIVE,
    "momentum": DECAY,
    "weight_decay": NOT_NEGATIVE,
    "gate_lr_scale": NOT_NEGATIVE,
    "warmup": FRACTION,
    "clip": NOT_NEGATIVE,
    "ema": DECAY,
    "flatness_weight": NOT_NEGATIVE,
    "target_mask_std": POSITIVE,
    "openness_weight": NOT_NEGATIVE,
    "teacher_weight": FRACTION,
    "teacher_temperature": POSITIVE,
    "feature_weight": NOT_NEGATIVE,
    "similarity_weight": NOT_NEGATIVE,
    "match_after": FRACTION,
    "seed": SEED,
}


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides the result of a training, beside the images, the teacher and the initial weights."""

    version: ClassVar[int] = 2
    """Version of the settings' names and meanings; 1 had other names."""

    depth: int = 18
    """Layers of the ResNet: 18, 34, 50, 101 or 152."""
    attention: str = "sge"
    """Attention module of each block: none, se, cbam, bam, sk, gc or sge."""
    groups: int = 64
    """SGE groups in each block."""
    epochs: int = 40
    batch: int = 64
    """Images of a step, over all processes and micro-batches."""
    accumulate: int = 1
    """Micro-batches of a step in each process."""
    sizes: tuple[int, ...] = (128,)
    """Sides of the crops in pixels; each serves an equal share of the epochs, in this order."""
    eval_size: int = 128
    """Side of the center crop on which the dev images are classified, in pixels."""
    crop_scale: tuple[float, float] = (0.25, 1.0)
    """Smallest and largest area of a crop, as fractions of the image's area."""
    augment: str = "plain"
    """plain: crop and flip. colour: also color jitter, grayscale and erasing. strong: RandAugment and erasing."""
    mixup: float = 0.0
    """Alpha of mixup; 0: off."""
    cutmix: float = 0.0
    """Alpha of CutMix; 0: off. When both are on, each batch uses one of the two."""
    label_smoothing: float = 0.0
    optimizer: str = "sgd"
    """sgd or adamw."""
    lr: float = 0.1
    """Maximum learning rate."""
    momentum: float = 0.9
    weight_decay: float = 1e-4
    gate_lr_scale: float = 1.0
    """Learning rate of SGE's parameters as a multiple of ``lr``."""
    decay_all: bool = False
    """Follow the paper: weight decay on all parameters and classical momentum.

    Otherwise norms, biases and SGE are not decayed, and momentum is Nesterov's.
    """
    schedule: str = "cosine"
    """cosine, or steps: divided by ten after 30, 60 and 90 percent of the epochs."""
    warmup: float = 0.05
    """Fraction of the steps in which the learning rate rises linearly."""
    clip: float = 0.0
    """Largest norm of the gradient; 0: not clipped."""
    ema: float = 0.0
    """Decay of the exponential moving average of the weights in each step; 0: no average.

    When weights are averaged, the average is evaluated and kept.
    """
    zero_init: bool = True
    """Initialize the last norm of each block to 0, so that blocks start as identities (Goyal et al., 2017)."""
    gate_weight: float = 0.0
    """SGE's initial weight; 0 in the paper."""
    positive_gates: bool = False
    """Clamp SGE's weights to 0 or above, so that a mask stays open where the group's channels agree."""
    flatness_weight: float = 0.0
    """Weight of the flatness loss: its value when every mask is constant, in nats."""
    target_mask_std: float = 0.12
    """Standard deviation over space from which a mask adds nothing to the flatness loss."""
    openness_weight: float = 0.0
    """Weight of the openness loss: its value when every mask equals its maximum everywhere, in nats."""
    teacher_weight: float = 0.0
    """Weight of the divergence from the teacher's logits; the labels have one minus this weight."""
    teacher_temperature: float = 1.0
    """Temperature that softens the logits in the divergence."""
    feature_weight: float = 0.0
    """Weight of the feature-distillation loss.

    It is the cosine distance between the teacher's penultimate features and a learned linear projection of
    the student's.
    """
    similarity_blocks: tuple[tuple[str, str], ...] = ()
    """Pairs (block, teacher's block): the groups of the first follow the similarity of the second's groups."""
    similarity_weight: float = 0.0
    """Weight of the similarity-distillation loss, ``1 - correlation`` with the matched teacher group."""
    match_after: float = 0.03
    """Fraction of the steps after which the groups are matched to the teacher's, once."""
    amp: str = "off"
    """off, or the dtype of autocast: bfloat16 or float16."""
    compile: bool = False
    """Compile SGE's statistics; needs a C++ compiler."""
    seed: int = 0
    """Decides initial weights, the order of the images and the crops."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "accumulate", "groups"):
            if getattr(self, name) < 1:
                raise ChoiceError(f"{name} is {getattr(self, name)}; it must be at least 1.")
        if not self.sizes:
            raise ChoiceError("sizes is empty; give at least one side of the crops, in pixels.")
        for size in (*self.sizes, self.eval_size):
            if not MIN_SIZE <= size <= MAX_SIZE:
                raise ChoiceError(f"A size is {size}; choose {MIN_SIZE} to {MAX_SIZE} pixels.")
        for name, choices in (
            ("augment", AUGMENTS),
            ("schedule", SCHEDULES),
            ("optimizer", OPTIMIZERS),
            ("amp", ("off", "bfloat16", "float16")),
            ("attention", ATTENTIONS),
            ("depth", tuple(DEPTHS)),
        ):
            if getattr(self, name) not in choices:
                raise ChoiceError(
                    f"{name} is {getattr(self, name)!r}; choose one of {', '.join(map(str, choices))}."
                )
        check_ranges(self, RANGES)
        if len(self.crop_scale) != 2 or not 0 < self.crop_scale[0] <= self.crop_scale[1] <= 1:
            raise ChoiceError(
                f"crop_scale is {', '.join(map(str, self.crop_scale))}; give the smallest and the largest area of a crop as "
                "fractions of the image's, such as 0.25,1."
            )
        if self.batch % self.accumulate:
            raise ChoiceError(
                f"A batch of {self.batch} cannot be split into {self.accumulate} equal micro-batches; set accumulate "
                "to a divisor of the batch."
            )
        if self.similarity_blocks and (self.augment == "strong" or self.mixup or self.cutmix):
            raise ChoiceError(
                "Dense distillation has to know where each position of a crop comes from: set augment=colour or "
                "augment=plain, mixup=0 and cutmix=0."
            )
        if self.similarity_blocks and self.feature_weight:
            raise ChoiceError(
                "Dense distillation has no features, because its teacher's maps are stored. Set feature_weight=0, or leave "
                "out --dense."
            )

    def to_dict(self) -> dict[str, Any]:
        """Version and settings as plain data for JSON, tuples as lists."""
        return {"version": self.version} | {key: _plain(value) for key, value in asdict(self).items()}

    @property
    def precision(self) -> str:
        """``amp`` under the name that ``sge.devices.autocast`` uses."""
        return "float32" if self.amp == "off" else self.amp

    @property
    def loop(self) -> LoopConfig:
        """The numbers that the trainer reads."""
        losses = LossWeights(
            labels=1 - self.teacher_weight,
            label_smoothing=self.label_smoothing,
            logits=self.teacher_weight,
            temperature=self.teacher_temperature,
            features=self.feature_weight,
            similarity=self.similarity_weight,
            flatness=self.flatness_weight,
            target_mask_std=self.target_mask_std,
            openness=self.openness_weight,
        )
        return LoopConfig(
            self.epochs,
            self.batch,
            losses,
            accumulate=self.accumulate,
            schedule=self.schedule,
            warmup=self.warmup,
            clip=self.clip,
            ema=self.ema,
            precision=self.precision,
            positive_gates=self.positive_gates,
        )

    def size_at(self, epoch: int) -> int:
        """Side of the crops in the given epoch, in pixels."""
        return self.sizes[epoch * len(self.sizes) // self.epochs]

    def changed(self, **values: Any) -> TrainConfig:
        """A copy with other values; a value of None leaves the setting as it is.

        Raises:
            ChoiceError: An unknown name, or a value out of range.
        """
        known = {setting.name for setting in fields(self)}
        if unknown := sorted(set(values) - known):
            raise ChoiceError(f"No setting {', '.join(unknown)}; there are: {', '.join(sorted(known))}.")
        return replace(self, **{key: value for key, value in values.items() if value is not None})

    def parsed(self, texts: list[str]) -> TrainConfig:
        """A copy with settings given as ``name=value``, the elements of a list separated by commas.

        Raises:
            ChoiceError: A text of another form, an unknown name, or a value of another type.
        """
        values: dict[str, Any] = {}
        for text in texts:
            name, equals, value = text.partition("=")
            if not equals:
                raise ChoiceError(f"{text!r} is not a setting; write name=value, as in ema=0.999.")
            known = {setting.name: getattr(self, setting.name) for setting in fields(self)}
            if name not in known:
                raise ChoiceError(f"No setting {name!r}; there are: {', '.join(sorted(known))}.")
            try:
                values[name] = _parsed(value, known[name])
            except ValueError as error:
                raise ChoiceError(f"{name} cannot be {value!r}; {error}.") from error
        return self.changed(**values)


def _parsed(text: str, like: Any) -> Any:
    if isinstance(like, bool):
        if text.lower() not in ("true", "false"):
            raise ValueError("write true or false")
        return text.lower() == "true"
    if isinstance(like, tuple):
        if not like:
            raise ValueError("use its own option, --dense")
        return tuple(_parsed(element, like[0]) for element in text.split(","))
    try:
        return type(like)(text)
    except ValueError:
        raise ValueError("write a whole number" if isinstance(like, int) else "write a number") from None


def _plain(value: Any) -> Any:
    return [_plain(element) for element in value] if isinstance(value, tuple | list) else value
