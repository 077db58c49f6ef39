"""``sge train``: trains networks with SGE or other attention modules on images in folders or tar shards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import torch
import typer

from sge.cli.accounts import say_notes, say_skipped
from sge.cli.console import emit, say, training_bar
from sge.cli.outputs import OverwriteOption, writable_folder
from sge.devices import find_device
from sge.errors import ChoiceError, check_choice
from sge.training import (
    PRESETS,
    Callbacks,
    EpochEvent,
    StepEvent,
    TrainingRequest,
    TrainingSet,
    distributed_context,
    make_shapes_dataset,
    train,
)

DECODE_AHEAD = {"auto": None, "ahead": True, "each": False}


def train_network(
    preset: Annotated[str, typer.Argument(help=f"The configuration: {', '.join(PRESETS)}.")],
    images: Annotated[
        list[Path] | None,
        typer.Option(
            "--train", help="A folder with one folder for each class, or .tar shards of CLASS/NAME.EXT."
        ),
    ] = None,
    dev: Annotated[
        list[Path] | None, typer.Option("--dev", help="The same; the best epoch is chosen on these images.")
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the training; an interrupted one in it is resumed.")
    ] = Path("runs/train"),
    attention: Annotated[str | None, typer.Option(help="none, se, cbam, bam, sk, gc or sge.")] = None,
    depth: Annotated[int | None, typer.Option(help="Layers: 18, 34, 50, 101 or 152.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1)] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Images of a step, over all processes.")] = None,
    size: Annotated[
        list[int] | None,
        typer.Option(help="Side of the crops in pixels; several share the epochs, in this order."),
    ] = None,
    lr: Annotated[float | None, typer.Option("--lr", help="Maximum learning rate.")] = None,
    seed: Annotated[
        int | None, typer.Option(help="Decides initial weights, order of the images and crops.")
    ] = None,
    amp: Annotated[str | None, typer.Option(help="off, bfloat16 or float16.")] = None,
    start: Annotated[
        str | None, typer.Option("--from", help="Fine-tune a model of ours or a weights file.")
    ] = None,
    teacher: Annotated[
        str | None, typer.Option(help="Distill a model of ours, timm:NAME, torchvision:NAME or a file.")
    ] = None,
    dense: Annotated[
        list[str] | None,
        typer.Option(
            help="BLOCK=TEACHER_BLOCK: the block's groups follow the similarity of the teacher's groups."
        ),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Any other setting of the configuration, as name=value.")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Folder of decoded images; several trainings may share it.")
    ] = None,
    decode: Annotated[
        str,
        typer.Option(
            help="ahead: decode all images once, into a file. each: decode each image when it is used. "
            "auto: by their number."
        ),
    ] = "auto",
    workers: Annotated[int, typer.Option(min=0, help="Processes that prepare crops.")] = 0,
    save_every: Annotated[int, typer.Option(min=1, help="Steps between two saved states.")] = 200,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, ...")] = "auto",
    overwrite: OverwriteOption = False,
) -> None:
    """Train a network; the same command resumes an interrupted training."""
    check_choice("preset", preset, list(PRESETS))
    check_choice("decode", decode, list(DECODE_AHEAD))
    config = PRESETS[preset].parsed(settings or [])
    config = config.changed(attention=attention, depth=depth, epochs=epochs, batch=batch)
    config = config.changed(
        sizes=tuple(size) if size else None, lr=lr, seed=seed, amp=amp, similarity_blocks=_pairs(dense)
    )
    writable_folder(out, "--out")
    if cache is not None:
        writable_folder(cache, "--cache")
    train_images, dev_images = _sources(preset, images, dev, out)
    request = TrainingRequest(
        train=train_images,
        dev=dev_images,
        out=out,
        config=config,
        start=start,
        teacher=teacher,
        cache=cache,
        save_every=save_every,
        workers=workers,
        decode_ahead=DECODE_AHEAD[decode],
        overwrite=overwrite,
    )
    _run(request, find_device(device))


def _run(request: TrainingRequest, device: torch.device) -> None:
    with distributed_context(device) as distributed, _console(distributed.is_main) as callbacks:
        target = train(request, distributed, callbacks)
    if target is not None:
        emit(str(target))


def _pairs(dense: list[str] | None) -> tuple[tuple[str, str], ...] | None:
    pairs = []
    for text in dense or ():
        block, equals, source = text.partition("=")
        if not block or not equals or not source:
            raise ChoiceError(f"--dense {text!r}: write BLOCK=TEACHER_BLOCK, as in layer3.0=blocks.4.2.")
        pairs.append((block, source))
    return tuple(pairs) or None


def _sources(
    preset: str, images: list[Path] | None, dev: list[Path] | None, out: Path
) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    if images and dev:
        return tuple(images), tuple(dev)
    if preset == "smoke" and not images and not dev:
        shapes = out / "shapes"
        train_folder, dev_folder = shapes / "train", shapes / "dev"
        if not dev_folder.exists():
            make_shapes_dataset(shapes)
        return (train_folder,), (dev_folder,)
    raise ChoiceError(
        "Give the images with --train and --dev, each a folder with one folder for each class, or .tar shards. "
        "Only the preset smoke makes its own images."
    )


@contextmanager
def _console(is_main: bool) -> Iterator[Callbacks]:
    """A progress bar and messages on stderr; silent on ranks other than 0."""
    with training_bar(is_main) as bar:
        task = bar.add_task("images", total=None, rate="")

        def on_step(event: StepEvent) -> None:
            bar.update(
                task,
                description=f"epoch {event.epoch}, loss {event.loss:.3f}",
                completed=event.step,
                total=event.steps,
                rate=f"{event.images_per_second:.1f} images/s",
            )

        def on_epoch(event: EpochEvent) -> None:
            stds = [facts.mask_std for facts in event.gates.values()]
            masks = f", mask std {min(stds):.2f} to {max(stds):.2f}" if stds else ""
            unreadable = (
                f"; {event.unreadable} images can no longer be read and were replaced"
                if event.unreadable
                else ""
            )
            message(
                f"epoch {event.epoch}: dev top-1 {event.top1:.4f} (best {event.best:.4f}), "
                f"loss {event.loss:.3f}, {event.seconds:.0f} s{masks}{unreadable}"
            )

        def message(text: str) -> None:
            if is_main:
                say(text)

        yield Callbacks(
            on_step, on_epoch, message, lambda done: bar.update(task, completed=done), _say_account
        )


def _say_account(name: str, images: TrainingSet) -> None:
    """Says what a set of images is without; every broken image is named."""
    say_skipped(images.skipped)
    say_notes(images.notes)
    if images.broken:
        say(f"{len(images.broken)} {name} images cannot be read and are left out:")
        for line in images.broken:
            say(f"  {line}")
