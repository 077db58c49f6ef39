"""``sge tune-gates``: trains the inactive gates of a pretrained model on unlabelled images."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.progress import Progress
from torch import Tensor, nn

from sge.cli.accounts import say_broken, say_notes, say_skipped
from sge.cli.console import emit, messages, say, training_bar
from sge.cli.outputs import OverwriteOption, check_free
from sge.datasets import DecodedCache, decode_files, list_images, write_cache
from sge.errors import ChoiceError, ImageError
from sge.files import locked, write_atomically
from sge.images import DecodedImage
from sge.models import (
    CARD_SUFFIX,
    DELTA_SUFFIX,
    LITE0_PREPROCESS,
    ORIGINAL_MODEL,
    PRETRAINED_ARCH,
    Card,
    Delta,
    PretrainedModel,
    check_name,
    difference,
    entries,
    is_own_file,
    named_network,
    pretrained_model,
    write_delta,
)
from sge.paths import model_dir
from sge.text import in_words
from sge.training import GateTuningConfig, StepEvent, tune_gates

WORK_FOLDER = ".tune-gates"
"""Folder of decoded images and states, inside the folder of models."""
LINE_EVERY = 25
"""Steps between two lines of progress when stderr is not a terminal."""


def tune_gates_of_model(
    images: Annotated[
        list[Path], typer.Argument(help="Folders or .tar files; one that is given twice counts twice.")
    ],
    name: Annotated[str, typer.Option("-o", "--name", help="Name of the new model.")],
    model: Annotated[
        str, typer.Option(help="The model to start from; the tuning of a tuned model is continued.")
    ] = ORIGINAL_MODEL,
    steps: Annotated[int, typer.Option(help="Number of steps.")] = GateTuningConfig.steps,
    seed: Annotated[int, typer.Option(help="Decides the crops.")] = GateTuningConfig.seed,
    size: Annotated[
        list[int] | None,
        typer.Option(help="Side of the crops in pixels; several share the steps, in this order."),
    ] = None,
    leave_out: Annotated[
        str | None, typer.Option(help="Leave out images whose file names start with this text.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume the interrupted tuning of this name.")
    ] = False,
    overwrite: OverwriteOption = False,
) -> None:
    """Train inactive gates to act, without labels, while the predictions stay close to the original's."""
    check_name(name)
    if named_network(model) is not None:
        raise ChoiceError(
            f"{model} is a network of a library; by name are tuned models that are built on {ORIGINAL_MODEL}. "
            "In Python, sge.tune_gates(model.network, images, preprocess=model.preprocess) tunes what sge.load_model gives, "
            "and sge models import takes its saved state dict."
        )
    if (known := entries().get(name)) is not None and known.origin == "imported":
        raise ChoiceError(f"{name} is the name of a model that you have imported. Choose another one: -o.")
    check_free(model_dir() / f"{name}{DELTA_SUFFIX}", is_own_file, overwrite)
    config = GateTuningConfig(steps=steps, seed=seed, sizes=tuple(size or GateTuningConfig.sizes))
    start = pretrained_model(model)
    work = model_dir() / WORK_FOLDER
    with locked(work / f"{name}.lock", wait=False) as held:
        if not held:
            raise ChoiceError(
                f"Another tuning of {name} is running. Wait for its end, or choose another name: -o."
            )
        target = _tuned(name, start, images, config, leave_out, resume)
    (work / f"{name}.lock").unlink(missing_ok=True)
    emit(f"{name} is ready: {target}")


def _tuned(
    name: str,
    start: PretrainedModel,
    images: list[Path],
    config: GateTuningConfig,
    leave_out: str | None,
    resume: bool,
) -> Path:
    """Tunes the gates, or resumes it, and writes the model; its path."""
    work = model_dir() / WORK_FOLDER
    state = work / f"{name}.state"
    if not resume:
        state.unlink(missing_ok=True)
    decoded = _decoded(work / f"{name}.images", images, leave_out)
    network, inactive = start.network(), start.network(inactive=True)
    _tune(network, inactive, decoded, config, state)
    card = _card(start, images, len(decoded), config)
    target = _write_model(name, start, difference(network, inactive.state_dict()), card)
    for path in [*work.glob(f"{name}.images*"), state]:
        path.unlink(missing_ok=True)
    return target


def _tune(
    network: nn.Module, inactive: nn.Module, images: DecodedCache, config: GateTuningConfig, state: Path
) -> None:
    with training_bar() as bar:
        task = bar.add_task("gate tuning", total=config.steps, rate="")

        def progress(event: StepEvent) -> None:
            bar.update(task, completed=event.step, rate=_speed(event))
            if not messages.is_terminal and event.step % LINE_EVERY == 0:
                say(f"step {event.step} of {event.steps}, {_speed(event)}")

        tune_gates(
            network,
            images,
            config,
            teacher=inactive,
            preprocess=LITE0_PREPROCESS,
            state_file=state,
            progress=progress,
        )


def _decoded(path: Path, sources: list[Path], leave_out: str | None) -> DecodedCache:
    """Decodes the images of each source once; a source that is given twice is listed twice."""
    numbers = {source: str(i) for i, source in enumerate(dict.fromkeys(sources))}
    listings = {source: list_images(source) for source in numbers}
    say_skipped([entry for listing in listings.values() for entry in listing.skipped])
    broken = {str(e.path): f"{e.reason}." for listing in listings.values() for e in listing.unreadable}

    def contents() -> Iterator[tuple[str, DecodedImage | ImageError]]:
        for source, listing in listings.items():
            files = [
                file
                for file in listing.files
                if leave_out is None or not file.path.name.startswith(leave_out)
            ]
            for file, image in decode_files(files):
                if isinstance(image, ImageError):
                    broken[str(file.path)] = str(image)
                yield f"{numbers[source]}/{file.name}", image

    with Progress(console=messages, transient=True, disable=not messages.is_terminal) as bar:
        task = bar.add_task("images", total=None)
        write_cache(path, contents(), lambda done: bar.update(task, completed=done))
    cache = DecodedCache(path)
    say_notes(cache.notes)
    say_broken(len(cache), broken, "cannot be read and are left out")
    by_source: dict[str, list[int]] = {number: [] for number in numbers.values()}
    for i, name in enumerate(cache.names):
        by_source[name.partition("/")[0]].append(i)
    return DecodedCache(path, [i for source in sources for i in by_source[numbers[source]]])


def _speed(event: StepEvent) -> str:
    minutes, seconds = divmod(round(event.seconds_left), 60)
    return f"{event.images_per_second:.1f} images/s, {minutes}:{seconds:02d} left"


def _card(
    start: PretrainedModel, sources: list[Path], count: int, config: GateTuningConfig
) -> dict[str, Any]:
    names = in_words([source.name for source in dict.fromkeys(sources)])
    card = Card(
        title=f"{str(start.facts.get('title', start.name)).removesuffix(', tuned gates')}, tuned gates",
        sentence=f"Gates tuned from {start.name} on {count} unlabelled images ({names}); nothing was measured.",
        gates="tuned",
        data=f"{start.facts.get('data', 'not stated')}; gates and norms: {count} unlabelled images ({names})",
        licence=str(start.facts.get("licence", "not stated")),
        source=str(start.facts.get("source", "not stated")),
        made_from={
            "model": start.name,
            "sha256": start.sha256,
            "images": {"count": count, "from": [source.name for source in sources]},
            "config": config.to_dict(),
            "torch": torch.__version__,
        },
    )
    return card.to_record()


def _write_model(name: str, start: PretrainedModel, state: dict[str, Tensor], card: dict[str, Any]) -> Path:
    target = model_dir() / f"{name}{DELTA_SUFFIX}"
    permutations = start.delta.delta.permutations if start.delta else {}
    write_delta(target, Delta(PRETRAINED_ARCH, start.published, permutations, state, card))
    text = json.dumps(card | {"base": asdict(start.published)}, indent=2, ensure_ascii=False) + "\n"
    write_atomically(target.with_name(f"{name}{CARD_SUFFIX}"), text.encode())
    return target
