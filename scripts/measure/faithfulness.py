"""Puts the measured effect of the gates and the faithfulness of maps into the figures of the shipped models.

    python -m scripts.measure.faithfulness FOLDER

FOLDER holds what ``sge eval gates`` and ``sge eval faithfulness`` print with ``--json``: for each model
``NAME.gates.json``, ``NAME.faithfulness.json`` (curves) and ``NAME.pointing.json``, and the log of the curves,
``NAME.faithfulness.jsonl``; and ``effect.json`` of ``scripts.measure.effect``, if it was run. ``--commands`` prints the
commands that write them. A model keeps the tables of what FOLDER does not have. ``python -m scripts.render_tables`` then
renders docs/faithfulness.md.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from scripts.render_tables import SUFFIX
from sge.evaluation import RANDOMIZED
from sge.files import write_atomically
from sge.paths import shipped

DOCUMENT = "docs/faithfulness.md"
STEPS = 8
CHECKED = 2
"""Number of images whose figures are kept one by one, so that a test can measure them again."""
MEASURES = ("insertion", "deletion", "drop", "increase")
WORDS = {
    "imagenet_val_dogs": "images of ImageNet's validation set that are in Imagewoof, on which no gate was tuned",
    "dogs_dev.tar": "of Imagewoof's validation images, on which the network was not trained",
    "pets_dev.tar": "images of the Oxford-IIIT Pet data set with a box of the head",
}
"""Name of a set in words."""

Record = dict[str, Any]


@dataclass(frozen=True)
class Measured:
    """A shipped model and the set that it is measured on."""

    model: str
    images: str
    """Name in ../shared/data."""

    def gates_command(self, images: int | str = "N") -> str:
        """The command of ``NAME.gates.json``."""
        return f"sge eval gates {self.images} --model {self.model} --limit {images}"

    def curves_command(self, images: int | str = "N", randomized: int | str = "N") -> str:
        """The command of ``NAME.faithfulness.json``."""
        return (
            f"sge eval faithfulness {self.images} --model {self.model} --steps {STEPS} --limit {images} "
            f"--randomized {randomized}"
        )

    def pointing_command(self, images: int | str = "N", randomized: int | str = "N") -> str:
        """The command of ``NAME.pointing.json``."""
        return (
            f"sge eval faithfulness pets_dev.tar --boxes pets_heads.json --framing whole --no-curves --model {self.model} "
            f"--limit {images} --randomized {randomized}"
        )


MODELS = (
    Measured("sge_efficientnet_lite0", "imagenet_val_dogs"),
    Measured("sge_efficientnet_lite0_tuned", "imagenet_val_dogs"),
    Measured("sge_resnet18_pets", "dogs_dev.tar"),
)


def gates_table(measured: Measured, result: Record) -> Record:
    """The rows of ``sge eval gates``."""
    title = "top-1 with flat masks"
    columns = {
        "groups": "groups",
        "mask_std": "mask std",
        "top1": title,
        "difference": "change",
        "changed": "predictions changed",
    }
    plain = {
        "id": "plain",
        "block": "none: masks as they are",
        "groups": None,
        "mask_std": None,
        "top1": rounded(result["top1"]),
        "difference": None,
        "changed": None,
    }
    rows = [
        {"id": row["block"].replace(" ", "_"), "block": _code(row["block"])}
        | {key: rounded(row[key]) for key in columns}
        for row in result["blocks"]
    ]
    return {
        "document": DOCUMENT,
        "set": f"{result['images']} {WORDS[measured.images]}",
        "protocol": f"`{result['framing']}` framing at {result['size']} px; a flat mask is the mask's mean over space; "
        "intervals of a bootstrap over images, paired for the change",
        "command": measured.gates_command(result["images"]),
        "columns": [{"key": "block", "title": "flat masks in"}]
        + [{"key": key, "title": text} for key, text in columns.items()],
        "rows": [plain, *rows],
    }


def faithfulness_table(measured: Measured, curves: Record, pointing: Record, log: list[Record]) -> Record:
    """One row for each map: the figures of its curves and its pointing game."""
    hits = {row["name"]: row["pointing"] for row in pointing["methods"]}
    rows = [
        {"id": row["name"], "map": row["title"]}
        | {key: rounded(row[key]) for key in MEASURES}
        | {
            "pointing": rounded(hits[row["name"]]),
            "images": f"{row['images']} / {hits[row['name']]['images']}",
        }
        | {"above_random": rounded(row["against_random"].get("insertion"))}
        | {"above_grad_cam": rounded(row["against_grad_cam"].get("insertion"))}
        | {"constant": row["constant"], "against_grad_cam": rounded(row["against_grad_cam"])}
        | {"against_random": rounded(row["against_random"])}
        for row in curves["methods"]
    ]
    ends = ", ".join(
        f"{cell['value']:.3f} for {what}"
        for cell, what in ((curves["full"], "the image"), (curves["empty"], "the blurred image"))
    )
    commands = (
        command(result["images"], randomized_images(result))
        for command, result in ((measured.curves_command, curves), (measured.pointing_command, pointing))
    )
    return {
        "document": DOCUMENT,
        "set": f"curves: {curves['images']} {WORDS[measured.images]}; pointing game: {pointing['chance']['images']} "
        f"{WORDS['pets_dev.tar']}, which covers {pointing['chance']['value']:.3f} of the image",
        "protocol": f"groups of `{curves['block']}`; curves of {curves['steps']} steps in `{curves['framing']}` framing at "
        f"{curves['size']} px (mean probability of the predicted class {ends}), pointing game in "
        f"`{pointing['framing']}` framing; intervals of a bootstrap over images",
        "command": "` and `".join(commands),
        "columns": [
            {"key": "map", "title": "map"},
            {"key": "insertion", "title": "insertion (higher is better)"},
            {"key": "above_random", "title": "insertion minus random map's"},
            {"key": "above_grad_cam", "title": "insertion minus Grad-CAM's"},
            {"key": "deletion", "title": "deletion (lower)"},
            {"key": "drop", "title": "average drop (lower)"},
            {"key": "increase", "title": "increase (higher)"},
            {"key": "pointing", "title": "pointing game (higher)"},
            {"key": "images", "title": "images, curves / pointing"},
        ],
        "rows": rows,
        "checked": log[:CHECKED],
    }


def effect_table(measured: Measured, result: Record) -> Record:
    """The rows of ``scripts.measure.effect``: how the first-order effect agrees with the removal of each group."""
    columns = {
        "gradient_median": "gradient, median",
        "gradient_min": "gradient, lowest",
        "auto_median": "as shown, median",
        "auto_min": "as shown, lowest",
        "measured": "share of images measured",
        "largest": "largest effect, logit",
    }
    images = len(result["images"])
    return {
        "document": DOCUMENT,
        "set": f"{images} images: dogs of ../shared/data/parts_dev, one of each breed, then the samples of the page",
        "protocol": "`whole` framing, predicted class; Spearman's rank correlation, over the groups of a block, with the "
        "drop of the logit when each group is removed alone; median and lowest over images. As shown: `lens.attribute` with "
        "method `auto`, which removes groups where the gradient fails. Largest effect: median over images",
        "command": f"python -m scripts.measure.effect OUT.json --models {measured.model}",
        "columns": [{"key": "block", "title": "block"}]
        + [{"key": key, "title": title, "digits": 2} for key, title in columns.items()],
        "rows": [
            {"id": block, "block": _code(block)} | {key: row[key] for key in columns}
            for block, row in result["blocks"].items()
        ],
    }


def randomized_images(result: Record) -> int:
    """Number of images on which maps of random weights were measured."""
    return max(int(row["images"]) for row in result["methods"] if row["name"].startswith(RANDOMIZED))


def rounded(value: Any) -> Any:
    """Four decimal places, also within mappings; an interval keeps its value and its ends."""
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items() if key != "images"}
    return round(value, 4) if isinstance(value, float) else value


def _code(block: str) -> str:
    return block if " " in block else f"`{block}`"


def dumped(record: Record) -> str:
    """JSON with one line for each row of a table."""
    tables = []
    for name, table in record["tables"].items():
        entries = []
        for key, value in table.items():
            if isinstance(value, list):
                lines = ",\n".join(f"    {json.dumps(item, ensure_ascii=False)}" for item in value)
                entries.append(f'   "{key}": [\n{lines}\n   ]')
            else:
                entries.append(f'   "{key}": {json.dumps(value, ensure_ascii=False)}')
        tables.append(f'  "{name}": {{\n' + ",\n".join(entries) + "\n  }")
    head = "".join(f' "{key}": {json.dumps(record[key])},\n' for key in record if key != "tables")
    return f'{{\n{head} "tables": {{\n' + ",\n".join(tables) + "\n }\n}\n"


def main(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER")],
    commands: Annotated[
        bool, typer.Option("--commands", help="Print the commands and write nothing.")
    ] = False,
) -> None:
    """Writes the tables of every model."""
    for measured in MODELS:
        files = [folder / f"{measured.model}.{kind}.json" for kind in ("gates", "faithfulness", "pointing")]
        if commands:
            lines = (measured.gates_command(), measured.curves_command(), measured.pointing_command())
            for command, file in zip(lines, files, strict=True):
                option = "" if command == lines[0] else f" --log {file}l"
                typer.echo(f"{command}{option} --json > {file}")
            continue
        if tables := measured_tables(measured, files, folder / "effect.json"):
            path = shipped("weights") / f"{measured.model}{SUFFIX}"
            record = json.loads(path.read_text("utf-8"))
            record["tables"] |= tables
            write_atomically(path, dumped(record).encode())


def measured_tables(measured: Measured, files: list[Path], effect: Path) -> Record:
    """The tables of a model that some files make.

    Args:
        measured: The model.
        files: Of the gates, of the curves and of the pointing game. None of these need exist.
        effect: Of ``scripts.measure.effect``; it need not exist either.
    """
    tables = {}
    gates, curves, pointing = files
    if gates.exists():
        tables["flat_masks"] = gates_table(measured, json.loads(gates.read_text("utf-8")))
    if curves.exists() and pointing.exists():
        log = curves.with_suffix(".jsonl").read_text("utf-8").splitlines()[1:]
        tables["faithfulness"] = faithfulness_table(
            measured,
            json.loads(curves.read_text("utf-8")),
            json.loads(pointing.read_text("utf-8")),
            [json.loads(line) for line in log],
        )
    known = json.loads(effect.read_text("utf-8")) if effect.exists() else {}
    if measured.model in known:
        tables["effect"] = effect_table(measured, known[measured.model])
    return tables


if __name__ == "__main__":
    typer.run(main)
