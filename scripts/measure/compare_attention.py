"""The paper's comparison on images that we have: a ResNet with none, SE, CBAM, BAM and SGE, from scratch, several seeds.

    python -m scripts.measure.compare_attention --train dogs_train.tar --dev dogs_dev.tar --out runs/compare

All networks of a seed are trained side by side on the very same crops, and the averaged weights after the last step are
measured: no epoch is chosen on the images that measure. ``OUT/compare.json`` is written after each seed, and the same
command again continues with the seeds that are missing. ``python -m scripts.measure.comparison_table`` prints its table.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from torch import Tensor

from scripts.measure import comparison_images as images
from scripts.measure.comparison_training import ComparisonConfig, Contestant
from sge.devices import find_device
from sge.errors import TrainingError
from sge.files import write_atomically

KINDS = ("none", "se", "cbam", "bam", "sge")
CHUNK = 256
"""Images of a forward pass that measures."""
RESULT = "compare.json"

Result = dict[str, Any]


class Comparison:
    """The images of a comparison, and what is done with them for one seed after the other.

    Args:
        config: Decides the trainings.
        train: Images to train on.
        dev: Squares of ``comparison_images.SQUARE`` pixels to measure on, of the same classes.
        device: Where everything happens.
        kinds: Attention modules.

    Raises:
        TrainingError: The two sets have other classes, or there are fewer images than a batch has.
    """

    def __init__(
        self,
        config: ComparisonConfig,
        train: images.ImageSet,
        dev: images.ImageSet,
        device: torch.device,
        kinds: tuple[str, ...] = KINDS,
    ) -> None:
        if train.folders != dev.folders:
            raise TrainingError(
                "The images to measure have other classes. Name two sets of the same folders."
            )
        self.config, self.device, self.kinds = config, device, kinds
        self.train, self.dev = train.to(device), dev.to(device)
        self.per_epoch = len(train.targets) // config.batch
        self.steps = self.per_epoch * config.epochs
        if not self.steps:
            raise TrainingError(f"{len(train.targets)} images are fewer than a batch of {config.batch}.")

    def facts(self) -> Result:
        """What the result states beside the seeds: another comparison has other facts."""
        return {
            "config": self.config.to_dict(),
            "kinds": list(self.kinds),
            "steps": self.steps,
            "classes": self.train.folders,
            "train_images": len(self.train.targets),
            "dev_images": len(self.dev.targets),
        }

    def run_seed(self, seed: int) -> Result:
        """Trains and measures every kind with one seed.

        Returns:
            By kind: ``top1``, the last ``loss``, the number of ``parameters``, and ``correct``: one bit for each dev
            image, in hexadecimal.
        """
        classes = len(self.train.folders)
        contestants = [Contestant(kind, self.config, classes, seed, self.device) for kind in self.kinds]
        torch.manual_seed(seed)
        orders, losses = self._orders(), dict.fromkeys(self.kinds, torch.zeros(()))
        for step in range(self.steps):
            chosen = next(orders)
            batch, targets = self._crops(chosen), self.train.targets[chosen]
            for one in contestants:
                losses[one.kind] = one.step(batch, targets, step, self.steps)
            if step % 100 == 0 or step == self.steps - 1:
                texts = ", ".join(f"{kind} {float(loss):.3f}" for kind, loss in losses.items())
                typer.echo(f"seed {seed}, step {step + 1} of {self.steps}: {texts}", err=True)
        norms = [self._crops(next(orders)) for _ in range(self.config.norm_batches)]
        found = {}
        for one in contestants:
            one.measure_norms(norms)
            correct = one.correct(self._dev_batches(), self.dev.targets)
            found[one.kind] = {
                "top1": round(float(correct.float().mean()), 5),
                "loss": round(float(losses[one.kind]), 4),
                "parameters": sum(parameter.numel() for parameter in one.network.parameters()),
                "correct": np.packbits(correct.numpy()).tobytes().hex(),
            }
        return found

    @torch.no_grad()
    def _crops(self, chosen: Tensor) -> Tensor:
        """Normalized crops, cut at twice the size and then reduced, so that no pixel is skipped."""
        large = images.random_crops(self.train, chosen, 2 * self.config.size, self.config.scale)
        return images.normalized(images.erased(images.jittered(images.resized(large, self.config.size))))

    def _orders(self) -> Iterator[Tensor]:
        """Numbers of the images of each batch, without end."""
        while True:
            order = torch.randperm(len(self.train.targets), device=self.device)
            yield from order[: self.per_epoch * self.config.batch].view(-1, self.config.batch)

    def _dev_batches(self) -> Iterator[Tensor]:
        numbers = torch.arange(len(self.dev.targets), device=self.device)
        for chosen in torch.split(numbers, CHUNK):
            yield images.normalized(images.center_crops(self.dev, chosen, self.config.eval_size))


def compare(comparison: Comparison, out: Path, seeds: int) -> Path:
    """Runs the seeds that the folder's result lacks, and writes the result after each.

    Raises:
        TrainingError: The folder holds the result of another comparison.
    """
    path, facts = out / RESULT, comparison.facts()
    found: Result = json.loads(path.read_text("utf-8")) if path.exists() else {**facts, "seeds": {}}
    if other := sorted(key for key in facts if found.get(key) != facts[key]):
        raise TrainingError(
            f"{path} holds another comparison: {', '.join(other)} differ. Name another --out."
        )
    out.mkdir(parents=True, exist_ok=True)
    for seed in range(seeds):
        if str(seed) not in found["seeds"]:
            found["seeds"][str(seed)] = comparison.run_seed(seed)
            found |= {"torch": torch.__version__, "device": device_name(comparison.device)}
            write_atomically(path, json.dumps(found, indent=1).encode())
    return path


def device_name(device: torch.device) -> str:
    """The name of a device for people."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def main(
    train: Annotated[Path, typer.Option(help="Folder or .tar of labelled images to train on.")],
    dev: Annotated[Path, typer.Option(help="Folder or .tar of labelled images to measure on.")],
    out: Annotated[Path, typer.Option(help="Folder of the result.")],
    seeds: Annotated[int, typer.Option(min=1)] = 3,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    settings: Annotated[list[str] | None, typer.Option("--set", help="name=number, as in epochs=2.")] = None,
) -> None:
    """Trains what is missing, and writes the result."""
    kinds = {field.name: field.type for field in fields(ComparisonConfig) if field.name != "scale"}
    values: dict[str, Any] = {}
    for name, _, value in (text.partition("=") for text in settings or []):
        if name not in kinds:
            raise typer.BadParameter(f"There is no setting {name!r}; there are {', '.join(kinds)}.")
        values[name] = int(value) if kinds[name] == "int" else float(value)
    sets = images.load_images(train), images.load_images(dev, images.square)
    comparison = Comparison(ComparisonConfig(**values), *sets, find_device(device))
    typer.echo(compare(comparison, out, seeds))


if __name__ == "__main__":
    typer.run(main)
