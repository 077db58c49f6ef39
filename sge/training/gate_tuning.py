"""Gate tuning: the inactive gates of a pretrained network learn to act by self-distillation, without labels.

A network with inactive gates already gives the outputs that its teacher, the same network, asks for, so
distillation alone changes nothing. The flatness and openness losses penalize masks that are constant over space;
gates and norms learn to reduce them while the outputs stay close to the teacher's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from sge.datasets import DecodedCache, GivenImages, Images, images_to_crop
from sge.errors import CaptureError, ChoiceError, DataError, UnknownBlockError
from sge.images import Preprocess
from sge.nn import gate_parameters, sge_blocks
from sge.training.crops import check_image, crops
from sge.training.distributed import single_process
from sge.training.events import StepEvent
from sge.training.gate_tuning_config import GateTuningConfig
from sge.training.gates import set_gate_weights
from sge.training.losses import Targets
from sge.training.optim import gate_optimizer
from sge.training.state import StateFiles
from sge.training.student import Student
from sge.training.supervision import Batch, Supervision, names_digest
from sge.training.teachers import SelfTeacher
from sge.training.trainer import Trainer

INITIAL_WEIGHT = 0.1
"""Weight of an inactive gate at the first step: at 0 the mask has no gradient from which it could learn to act."""

Progress = Callable[[StepEvent], None]


def tune_gates(
    network: nn.Module,
    images: Images | Sequence[Tensor],
    config: GateTuningConfig | None = None,
    *,
    steps: int = GateTuningConfig.steps,
    seed: int = GateTuningConfig.seed,
    teacher: nn.Module | None = None,
    preprocess: Preprocess | None = None,
    state_file: Path | None = None,
    save_every: int = 25,
    progress: Progress | None = None,
) -> nn.Module:
    """Trains the gates of a network to act while its predictions stay close to the teacher's; no labels are needed.

    Trained are the gates, with weights clamped to 0 or above so that a mask stays open where the group's
    channels agree, and the weights and biases of batch norms. Everything else stays, also running statistics.
    The loss is the divergence from the teacher's logits plus the weighted error of the block outputs,
    flatness and openness of the masks.

    On one CPU thread, network, images and config decide the result bit for bit, interrupted or not.

    Args:
        network: A network with SGE modules whose gates are inactive; it is changed in place.
        images: A list of images, or one, in every form that ``sge.regroup`` takes: paths, bytes, PIL images, frames, arrays,
            a folder or ``.tar``. Files are reduced to 256 px on the shorter side. Or a sequence of tensors (3, H, W), uint8
            RGB or floating and already normalized, whose items are read when they are needed, such as a ``DecodedCache``.
        config: All numbers of the tuning.
        steps: Number of steps, used when ``config`` is None.
        seed: Decides the crops, used when ``config`` is None.
        teacher: The network whose predictions are kept; by default a frozen copy of ``network``. To continue
            with a tuned network, pass the same network with inactive gates.
        preprocess: Normalization of uint8 images; by default that of ImageNet.
        state_file: File of the training's state; if it exists, the tuning continues from it.
        save_every: Steps between two writes of the state file; it is also written at the end.
        progress: Called after every step.

    Returns:
        ``network``, in eval mode.

    Raises:
        CaptureError: The network has no SGE module.
        ChoiceError: The weights are not float32, or the teacher lacks a block of the network.
        UnknownBlockError: ``config.acting_blocks`` names a block without SGE.
        DataError: There are no images, or an image has another shape.
        ImageError: An image cannot be used; the message says which. In a folder it is left out and logged.
        CheckpointError: The state file belongs to another training, or is damaged.
        TrainingError: The loss is not finite.
    """
    config = config or GateTuningConfig(steps=steps, seed=seed)
    trainable = trainable_parameters(network)
    _check_blocks(network, config)
    if other := {parameter.dtype for parameter in network.parameters()} - {torch.float32}:
        raise ChoiceError(f"The network has weights of {other.pop()}. Tune it in float32: network.float().")
    tensors = images_to_crop(images)
    if not len(tensors):
        raise DataError(
            "There is no image to learn from. Give some hundred images that the network recognizes."
        )
    if isinstance(tensors, list | tuple):  # Others are made at each access.
        for image in tensors:
            check_image(image, preprocess or Preprocess())
    device = next(network.parameters()).device
    supervision = SelfDistillation(
        SelfTeacher(teacher or network, device, tuple(sge_blocks(network))),
        tensors,
        config,
        preprocess or Preprocess(),
        device,
    )
    with _only_trainable(network, trainable):
        trainer = Trainer(
            Student(network, block_outputs=True),
            gate_optimizer(trainable, config),
            supervision,
            config.loop,
            single_process(device),
            StateFiles(state_file) if state_file is not None else None,
            config.to_dict(),
            save_every=save_every,
        )
        trainer.restore()
        if trainer.step == 0:
            set_gate_weights(network, INITIAL_WEIGHT)
        trainer.run(progress)
    return network


class SelfDistillation(Supervision):
    """Random crops of unlabelled images, with the outputs of the network's teacher as targets.

    Args:
        teacher: The network with inactive gates, frozen.
        images: Each (3, H, W).
        config: Batch size, sizes, steps and seed.
        preprocess: Normalization of uint8 images.
        device: Device of the student.
    """

    def __init__(
        self,
        teacher: SelfTeacher,
        images: Sequence[Tensor],
        config: GateTuningConfig,
        preprocess: Preprocess,
        device: torch.device,
    ) -> None:
        self.teacher, self.images, self.config = teacher, images, config
        self.preprocess, self.device = preprocess, device
        self.steps_per_epoch = config.steps
        self.identity = {"teacher": teacher.digest, "number of images": len(images)}
        if isinstance(images, DecodedCache | GivenImages):
            self.identity["names of the images"] = names_digest(images.names)

    def batches(self, epoch: int, skip: int) -> Iterator[Batch]:
        """Crops that depend on the seed and the step alone."""
        for step in range(skip, self.steps_per_epoch):
            size = self.config.size_at(step)
            batch = crops(self.images, self.preprocess, self.config.batch, size, self.config.seed, step)
            batch = batch.to(self.device).contiguous(memory_format=self.teacher.memory_format)
            logits, block_outputs = self.teacher(batch)
            yield Batch(batch, Targets(logits=logits, block_outputs=block_outputs))


def trainable_parameters(network: nn.Module) -> dict[str, dict[str, nn.Parameter]]:
    """The parameters that gate tuning changes.

    Returns:
        By kind (``weight`` and ``bias`` of the gates, ``norm``): state-dict key to parameter.

    Raises:
        CaptureError: The network has no SGE module.
    """
    keys = {id(parameter): key for key, parameter in network.named_parameters()}
    gates = [gate_parameters(block) for block in sge_blocks(network).values()]
    if not gates:
        raise CaptureError(
            f"{type(network).__name__} has no SGE module whose gates could be tuned. Insert some with sge.insert_sge."
        )
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm) and module.affine]
    return {
        "weight": {keys[id(weight)]: weight for weight, _ in gates},
        "bias": {keys[id(bias)]: bias for _, bias in gates},
        "norm": {keys[id(p)]: p for norm in norms for p in (norm.weight, norm.bias)},
    }


def _check_blocks(network: nn.Module, config: GateTuningConfig) -> None:
    known = list(sge_blocks(network))
    if unknown := [name for name in config.acting_blocks or () if name not in known]:
        raise UnknownBlockError(f"There is no block {', '.join(unknown)}; choose from {', '.join(known)}.")


@contextmanager
def _only_trainable(network: nn.Module, trainable: dict[str, dict[str, nn.Parameter]]) -> Iterator[None]:
    """Eval mode, and gradients for these parameters only; afterwards each parameter's own flag again."""
    flags = {parameter: parameter.requires_grad for parameter in network.parameters()}
    network.eval().requires_grad_(False)
    try:
        for parameters in trainable.values():
            for parameter in parameters.values():
                parameter.requires_grad_(True)
        yield
    finally:
        for parameter, flag in flags.items():
            parameter.requires_grad_(flag)
            parameter.grad = None
