"""``sge train``: networks with SGE or its neighbours, from images in folders or shards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from sge.cli.console import messages, training_bar
from sge.devices import find_device
from sge.errors import ChoiceError, check_choice
from sge.training.config import PRESETS
from sge.training.distributed import team
from sge.training.events import EpochReport, StepReport
from sge.training.run import Callbacks, Order, train
from sge.training.synthetic import draw_set

DECODE = {"auto": None, "ahead": True, "each": False}


def train_network(
    preset: Annotated[str, typer.Argument(help=f"The recipe: {', '.join(PRESETS)}.")],
    images: Annotated[
        list[Path] | None,
        typer.Option("--train", help="A folder with a folder a class, or .tar shards of CLASS/NAME.EXT."),
    ] = None,
    dev: Annotated[
        list[Path] | None, typer.Option("--dev", help="The same; on these the best epoch is chosen.")
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of this training; given again, it goes on there.")
    ] = Path("runs/train"),
    attention: Annotated[str | None, typer.Option(help="none, se, cbam, bam, sk, gc or sge.")] = None,
    depth: Annotated[int | None, typer.Option(help="Layers: 18, 34, 50, 101, 152.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1)] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Images a step, over all processes.")] = None,
    size: Annotated[
        list[int] | None,
        typer.Option(help="Side of the crops in pixels; several share the epochs, in order."),
    ] = None,
    rate: Annotated[float | None, typer.Option(help="Largest learning rate.")] = None,
    seed: Annotated[int | None, typer.Option(help="Decides start, order and crops.")] = None,
    amp: Annotated[str | None, typer.Option(help="off, bfloat16 or float16.")] = None,
    start: Annotated[
        str | None, typer.Option("--from", help="Fine-tune a model of ours or a weights file.")
    ] = None,
    teacher: Annotated[
        str | None, typer.Option(help="Learn from a model of ours, timm:NAME, torchvision:NAME or a file.")
    ] = None,
    dense: Annotated[
        list[str] | None,
        typer.Option(help="BLOCK=TEACHER_BLOCK: groups whose similarity follows the teacher's groups."),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Any other number of the recipe, as name=value.")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Where decoded images are kept; several trainings may share it.")
    ] = None,
    decode: Annotated[
        str,
        typer.Option(help="ahead: all images once, into a file. each: when its turn comes. auto: by number."),
    ] = "auto",
    workers: Annotated[int, typer.Option(min=0, help="Processes that prepare crops.")] = 0,
    save_every: Annotated[int, typer.Option(min=1, help="Steps between two saved states.")] = 200,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, ...")] = "auto",
) -> None:
    """Train a network; the same command again goes on where it broke off."""
    check_choice("preset", preset, list(PRESETS))
    check_choice("decode", decode, list(DECODE))
    config = (
        PRESETS[preset]
        .parsed(settings or [])
        .changed(
            attention=attention,
            depth=depth,
            epochs=epochs,
            batch=batch,
            sizes=tuple(size) if size else None,
            rate=rate,
            seed=seed,
            amp=amp,
            dense=_pairs(dense),
        )
    )
    sources = _sources(preset, images, dev, out)
    order = Order(*sources, out, config, start, teacher, cache, save_every, workers, DECODE[decode])
    with team(find_device(device)) as ours, _heard(ours.first) as listeners:
        target = train(order, ours, listeners)
    if target is not None:
        typer.echo(str(target))


def _broken(count: int) -> str:
    return f"; {count} times another image stood for one that cannot be read" if count else ""


def _pairs(dense: list[str] | None) -> tuple[tuple[str, str], ...] | None:
    if not dense:
        return None
    pairs = [text.partition("=") for text in dense]
    if wrong := [
        text for text, (_, equals, source) in zip(dense, pairs, strict=True) if not equals or not source
    ]:
        raise ChoiceError(f"--dense {wrong[0]!r}: write BLOCK=TEACHER_BLOCK, as in layer3.0=blocks.4.2.")
    return tuple((block, source) for block, _, source in pairs)


def _sources(
    preset: str, images: list[Path] | None, dev: list[Path] | None, out: Path
) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    if images and dev:
        return tuple(images), tuple(dev)
    if preset == "smoke" and not images and not dev:
        drawn = out / "drawn"
        train_folder, dev_folder = drawn / "train", drawn / "dev"
        if not dev_folder.exists():
            draw_set(drawn)
        return (train_folder,), (dev_folder,)
    raise ChoiceError(
        "Name the images: --train and --dev, each a folder with a folder a class, or .tar shards. "
        "Only smoke draws its own."
    )


@contextmanager
def _heard(aloud: bool) -> Iterator[Callbacks]:
    with training_bar(aloud) as bar:
        task = bar.add_task("images", total=None, rate="")

        def step(report: StepReport) -> None:
            bar.update(
                task,
                description=f"epoch {report.epoch}, loss {report.loss:.3f}",
                completed=report.step,
                total=report.steps,
                rate=f"{report.images_per_second:.1f} images/s",
            )

        def epoch(report: EpochReport) -> None:
            spreads = [facts.spread for facts in report.gates.values()]
            acting = f", masks spread {min(spreads):.2f} to {max(spreads):.2f}" if spreads else ""
            say(
                f"epoch {report.epoch}: dev top-1 {report.top1:.4f} (best {report.best:.4f}), "
                f"loss {report.loss:.3f}, {report.seconds:.0f} s{acting}{_broken(report.broken)}"
            )

        def say(text: str) -> None:
            if aloud:
                messages.print(text, markup=False, highlight=False, soft_wrap=True)

        yield Callbacks(step, epoch, say, lambda done: bar.update(task, completed=done))
