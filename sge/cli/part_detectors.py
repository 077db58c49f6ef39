"""``sge parts fit-detectors`` and ``evaluate-faces``: detectors of labelled faces, and their figures."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from sge.cli.accounts import Accounts, say_skipped
from sge.cli.console import emit, messages, say
from sge.cli.labelled_files import LabelledFiles
from sge.cli.options import BackendOption, DeviceOption, ModelOption, loaded_model, loaded_torch_model
from sge.cli.outputs import OverwriteOption, check_free, writable_folder
from sge.datasets import list_images
from sge.errors import FinderError
from sge.lens import Lens, check_finds, exhaustive, find_everything, fit_detectors
from sge.models import DEFAULT_MODEL
from sge.parts import FacesImage, Finder, Scored, evaluate_faces, for_fitting, read_faces
from sge.text import printable

KINDS = {"dog": "dogs", "cat": "cats", "animal": "other mammals", "bird": "birds", "person": "people"}
"""Kind of a face in a labels file to the word for it, in the order of the sentence."""
PROTOCOL = (
    "3-fold cross-validation over images, whole framing: readouts, offsets and confidences of each fold are fitted on the "
    "others; distance / shorter side"
)

FaceLabels = Annotated[
    list[Path],
    typer.Argument(help='JSON: {"images": [{"file", "faces": [{"nose", "left_eye", "right_eye"}]}]}.'),
]
Images = Annotated[
    Path | None,
    typer.Option("--images", help="Folder of the images and archives; by default that of the labels."),
]
Without = Annotated[
    Path | None, typer.Option("--without", help="Folder of images that show neither nose nor eye.")
]


class ByChoice(StrEnum):
    """What parts are found by."""

    MIX = "mix"
    GROUPS = "groups"
    READOUTS = "readouts"


def fit_detectors_(
    labels: FaceLabels,
    out: Annotated[Path, typer.Option("--out", "-o", help="The finder's file, NAME.parts.json.")],
    images: Images = None,
    without: Without = None,
    readouts: Annotated[
        Path | None, typer.Option(help="A finder's file of the model whose readouts of few images are kept.")
    ] = None,
    model: ModelOption = DEFAULT_MODEL,
    device: DeviceOption = "auto",
    channels: Annotated[
        list[str] | None, typer.Option(help="A block whose channels are read; several times for several.")
    ] = None,
    with_held: Annotated[
        bool, typer.Option("--with-held", help="Also fit on images that are held back for measuring.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the folds and the sampled positions.")] = 0,
    overwrite: OverwriteOption = False,
) -> None:
    """Fit detectors of noses and eyes to images in which all faces are labelled; minutes to an hour."""
    writable_folder(out.absolute().parent, "--out")
    check_free(out, is_finder, overwrite)
    kept = None if readouts is None else Finder.load(readouts)
    loaded = loaded_torch_model(model, finder=False)
    if kept is not None:
        kept.check_permutation(loaded.permutations)
    listed = _listed(labels, without)
    used = listed if with_held else for_fitting(listed)
    if len(used) < len(listed):
        say(f"{len(listed) - len(used)} images are held back for measuring and are left out.")
    with closing(LabelledFiles(images or labels[0].parent)) as files:
        files.check(used)
        fitted = fit_detectors(
            Lens(loaded, device),
            used,
            files.open,
            channels=channels or None,
            with_held=with_held,
            seed=seed,
            track=_track,
        )
    finder = kept or Finder({}, loaded.permutations, size=loaded.preprocess.whole or loaded.preprocess.size)
    figures = {
        by: evaluate_faces(found, fitted.detectors[by].shown, fitted.detectors[by].sure)
        for by, found in fitted.held_out.items()
    }
    earlier = [row for row in finder.measured if "by" not in row]
    measured = [{"by": by, "protocol": PROTOCOL} | record for by, record in figures.items()]
    replace(
        finder, detectors=fitted.detectors, measured=earlier + measured, **_in_words(used, fitted.rows)
    ).save(out)
    for by, record in figures.items():
        _print(record, f"{model}, {by}, cross-validation")
    emit(f"{out}: {' and '.join(fitted.detectors)}, from {fitted.rows} positions")


def evaluate_faces_(
    labels: FaceLabels,
    images: Images = None,
    without: Without = None,
    finder: Annotated[Path | None, typer.Option(help="A finder's file; the model's own by default.")] = None,
    by: Annotated[ByChoice, typer.Option(help="What parts are found by.")] = ByChoice.MIX,
    held: Annotated[
        bool, typer.Option("--held", help="Only the images that are held back for measuring.")
    ] = False,
    model: ModelOption = DEFAULT_MODEL,
    device: DeviceOption = "auto",
    backend: BackendOption = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Measure a finder on images in which all faces are labelled: hits, false alarms, calibration."""
    listed = [image for image in _listed(labels, without) if image.held or not held]
    loaded = loaded_model(model, finder=finder is None)
    if finder is not None:
        loaded.finder = Finder.load(finder)
        loaded.finder.check_permutation(loaded.permutations)
    if loaded.finder is None:
        raise FinderError(
            f"{model} has no part finder. Fit one (sge parts fit-detectors) and name it: --finder."
        )
    detector = loaded.finder.detectors.get(by.value)
    readout = next(iter(loaded.finder.readouts.values()), None)
    loaded.finder = exhaustive(loaded.finder, by.value)
    lens = Lens(loaded, device, backend=backend, frozen=True)
    check_finds(lens, by.value)
    found: list[Scored] = []
    accounts = Accounts()
    with closing(LabelledFiles(images or labels[0].parent)) as files:
        files.check(listed)
        for number in _track(range(len(listed))):
            with accounts.of(Path(listed[number].file)):
                found.append(find_everything(lens, listed[number], files.open(listed[number]), by.value))
    shown, sure = (
        (detector.shown, detector.sure) if detector else (readout.threshold,) * 2 if readout else (0.5, 0.5)
    )
    record = {"model": model, "by": by.value, "held": held} | evaluate_faces(found, shown, sure)
    if as_json:
        emit(json.dumps(record))
    else:
        _print(record, f"{model}, {by.value}")
    accounts.close()


def is_finder(path: Path) -> bool:
    """Whether a file is one that this command wrote."""
    try:
        Finder.load(path)
    except FinderError:
        return False
    return True


def _listed(labels: Sequence[Path], without: Path | None) -> list[FacesImage]:
    listed = [image for path in labels for image in read_faces(path)]
    if without is None:
        return listed
    found = list_images(without) if os.path.isdir(without) else None
    if found is None or not found.files:
        raise FinderError(f"There are no images in {without}. Name a folder that holds some.")
    if unreadable := [f"{entry.path} ({entry.reason})" for entry in found.unreadable]:
        raise FinderError(
            f"{len(unreadable)} entries of {without} cannot be read: {', '.join(unreadable[:3])}. Mend or remove them."
        )
    say_skipped(found.skipped)
    return listed + [FacesImage(str(file.path.absolute())) for file in found.files]


def _in_words(images: Sequence[FacesImage], rows: int) -> dict[str, Any]:
    """``fitted_on`` and ``limits`` of a finder."""
    sure = [{face.kind for face in image.faces if not face.unsure} for image in images]
    shown = sum(bool(kinds) for kinds in sure)
    kinds = {"person" if kind == "figure" else kind for ones in sure for kind in ones}
    words = [word for kind, word in KINDS.items() if kind in kinds] or ["animals"]
    listed = " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
    without = sum(image.is_without for image in images)
    return {
        "fitted_on": f"{rows} positions of {shown} images with labelled faces and {without} without",
        "limits": f"learned on {shown} images of {listed}, and misses many faces that are small in the image",
    }


def _track(numbers: Sequence[int]) -> Iterable[int]:
    from rich.progress import track

    hidden = not messages.is_terminal
    return track(numbers, description="images", console=messages, transient=True, disable=hidden)


def _print(record: dict[str, Any], title: str) -> None:
    from rich.table import Table

    columns = ("main_0.1", "main_0.05", "any_0.1", "any_0.05", "auc")
    table = Table("part", "kind", "images", *columns, "shown, right", "missed", title=printable(title))
    for row in record["hits"]:
        rates = [
            f"{row[key]['value']:.3f} ({row[key]['low']:.2f}-{row[key]['high']:.2f})" if key in row else ""
            for key in columns
        ]
        shares = f"{row['shown_right']:.3f}", f"{row['shown_missed']:.3f}"
        table.add_row(row["part"], row["kind"], str(row["images"]), *rates, *shares)
    emit(table)
    for row in record["false_alarms"]:
        shown, sure = row["shown"], row["sure"]
        emit(
            f"{row['part']} in images without a face: {shown['of']} of {row['images']} shown ({shown['value']:.3f}), "
            f"{sure['of']} sure ({sure['value']:.3f})"
        )
    for row in record["calibration"]:
        emit(
            f"{row['part']}: expected calibration error {row['error']}, above {row['above']}: {row['error_above']}"
        )
