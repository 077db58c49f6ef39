"""``sge awaken``: gates that act, learned from unlabelled images."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.progress import Progress

from sge.cli.console import messages, training_bar
from sge.datasets.decoded_cache import DecodedCache, write_cache
from sge.datasets.labelled import decode_files, find_images
from sge.errors import ChoiceError, ImageError
from sge.files import write_atomically
from sge.images.decode import DecodedImage
from sge.models.delta import SUFFIX, Delta, difference, write_delta
from sge.models.efficientnet_lite import LITE0_PREPROCESS
from sge.models.model import Card
from sge.models.names import DEFAULT_MODEL
from sge.models.pretrained import ARCH, PretrainedModel
from sge.models.registry import CARD_SUFFIX, check_name, entries, pretrained_model
from sge.paths import model_dir
from sge.training.gate_tuning import tune_gates
from sge.training.gate_tuning_config import GateTuningConfig, Report


def tune_gates_of_model(
    images: Annotated[
        list[Path], typer.Argument(help="Folders or .tar files; one that is named twice counts twice.")
    ],
    name: Annotated[str, typer.Option("-o", "--name", help="What the new model is called.")],
    model: Annotated[
        str, typer.Option(help="The model to begin with; an awake one goes on.")
    ] = DEFAULT_MODEL,
    steps: Annotated[int, typer.Option(help="Number of steps.")] = GateTuningConfig.steps,
    seed: Annotated[int, typer.Option(help="Decides which crops are seen.")] = GateTuningConfig.seed,
    size: Annotated[
        list[int] | None, typer.Option(help="Side of the crops in pixels; several share the steps, in order.")
    ] = None,
    leave_out: Annotated[str | None, typer.Option(help="Leave out images whose file names begin so.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted training of this name.")
    ] = False,
) -> None:
    """Teach inactive gates to act, without labels, while the network keeps its answers."""
    check_name(name)
    if (known := entries().get(name)) is not None and known.origin == "imported":
        raise ChoiceError(f"{name} is the name of a model that you have imported. Choose another: -o.")
    recipe = GateTuningConfig(steps=steps, seed=seed, sizes=tuple(size or GateTuningConfig.sizes))
    start = pretrained_model(model)
    work = model_dir() / ".awaken"
    store, state = work / f"{name}.store", work / f"{name}.state"
    if not resume:
        state.unlink(missing_ok=True)
    seen = _decoded(store, images, leave_out)
    network, inactive = start.network(), start.network(inactive=True)
    inactive_state = {key: value.clone() for key, value in inactive.state_dict().items()}
    with training_bar() as bar:
        task = bar.add_task("awakening", total=steps, rate="")

        def progress(report: Report) -> None:
            bar.update(task, completed=report.step, rate=_rate(report))
            if not messages.is_terminal and report.step % 25 == 0:
                typer.echo(f"step {report.step} of {report.steps}, {_rate(report)}", err=True)

        tune_gates(
            network,
            seen,
            recipe=recipe,
            teacher=inactive,
            preprocess=LITE0_PREPROCESS,
            state_file=state,
            progress=progress,
        )
    target = _written(
        name, start, difference(network, inactive_state), _card(start, images, len(seen), recipe)
    )
    for path in work.glob(f"{name}.st*"):
        path.unlink()
    typer.echo(f"{name} is ready: {target}")


def _decoded(path: Path, sources: list[Path], leave_out: str | None) -> DecodedCache:
    numbers = {source: str(i) for i, source in enumerate(dict.fromkeys(sources))}

    def every() -> Iterator[tuple[str, DecodedImage | ImageError]]:
        for source, number in numbers.items():
            kept = [
                file
                for file in find_images(source)
                if leave_out is None or not file.path.name.startswith(leave_out)
            ]
            for file, image in decode_files(kept):
                yield f"{number}/{file.name}", image

    with Progress(console=messages, transient=True, disable=not messages.is_terminal) as bar:
        task = bar.add_task("images", total=None)
        for line in write_cache(path, every(), lambda done: bar.update(task, completed=done)):
            messages.print(f"left out: {line}", markup=False, highlight=False, soft_wrap=True)
    by_source: dict[str, list[int]] = {number: [] for number in numbers.values()}
    for i, name in enumerate(DecodedCache(path).names):
        by_source[name.partition("/")[0]].append(i)
    return DecodedCache(path, [i for source in sources for i in by_source[numbers[source]]])


def _rate(report: Report) -> str:
    minutes, seconds = divmod(round(report.seconds_left), 60)
    return f"{report.images_per_second:.1f} images/s, {minutes}:{seconds:02d} left"


def _card(
    start: PretrainedModel, sources: list[Path], count: int, recipe: GateTuningConfig
) -> dict[str, Any]:
    names = ", ".join(source.name for source in dict.fromkeys(sources))
    card = Card(
        title=f"{str(start.facts.get('title', start.name)).removesuffix(', tuned gates')}, tuned gates",
        sentence=f"Awakened from {start.name} on {count} unlabelled images ({names}); nothing was measured.",
        gates="tuned",
        data=f"{start.facts.get('data', 'not stated')}; gates and norms: {count} unlabelled images ({names})",
        licence=str(start.facts.get("licence", "not stated")),
        source=str(start.facts.get("source", "not stated")),
        made_from={
            "model": start.name,
            "sha256": start.sha256,
            "images": {"count": count, "from": [source.name for source in sources]},
            "config": recipe.to_dict(),
            "torch": torch.__version__,
        },
    )
    return card.to_record()


def _written(name: str, start: PretrainedModel, state: dict[str, torch.Tensor], card: dict[str, Any]) -> Path:
    target = model_dir() / f"{name}{SUFFIX}"
    permutations = start.delta.delta.permutations if start.delta else {}
    write_delta(target, Delta(ARCH, start.published, permutations, state, card))
    text = json.dumps(card | {"base": asdict(start.published)}, indent=2, ensure_ascii=False) + "\n"
    write_atomically(target.with_name(f"{name}{CARD_SUFFIX}"), text.encode())
    return target
