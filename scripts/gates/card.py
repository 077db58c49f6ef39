r"""Measures the shipped ``sge_efficientnet_lite0_tuned``, and writes its card and its figures.

    python -m scripts.gates.card gates-2.safetensors long --begun-from hot --machine "2.11.0+cu130, one H200" \
        --command "python -m scripts.gates.tune scripts/gates/runs.json OUT --seconds 550"

Reads ../shared/data (or SGE_SHARED). It takes about two minutes of CPU time, and prints the commands of the tables and
figures that it does not write. The sentences on parts are those of the shipped part finder, which is to be fitted before.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from safetensors import safe_open

import sge
from scripts.measure.faithfulness import dumped
from scripts.measure.gate_effect import GateEffect
from scripts.measure.tuned import measure_groups, measure_sets
from scripts.models.opening_group import Hits, best_group, count_hits
from scripts.render_tables import SUFFIX
from sge.files import write_atomically
from sge.models import ORIGINAL_MODEL, TUNED_MODEL, load_torch_model, pretrained_model
from sge.parts import Finder
from sge.paths import shipped

Record = dict[str, Any]

TARGETS = {"top1": 0.005, "flat": 0.10, "agreement": 0.95, "blocks": 12}
"""What was wanted of the tuning; ``flat`` is the cost of flat masks."""
FURTHER = (
    "sge parts fit parts_dev.json --without no_face --model sge_efficientnet_lite0_tuned -o FILE  # 90 s, before this",
    "python -m scripts.measure.faithfulness FOLDER --commands  # its three commands for this model: five minutes",
    "python -m scripts.measure.effect FOLDER/effect.json --models sge_efficientnet_lite0_tuned  # a minute an image",
    "python -m scripts.measure.faithfulness FOLDER",
    "python -m scripts.render_tables",
    "python -m scripts.figures.gate_frontier, screenshot, contact_sheet",
)
"""With CPU times on one core."""


def accuracy_rows(dogs: GateEffect, others: GateEffect) -> list[Record]:
    """The rows of the table ``accuracy``."""
    value = {key: round(number, 3) for key, number in dogs.accuracy.items()}
    cost = round(value["top1"] - value["top1_flat"], 3)
    stds = f"{min(dogs.stds.values()):.2f} to {max(dogs.stds.values()):.2f}"
    wanted = f"at most {TARGETS['top1']:.3f} lower"
    rows: list[Record] = [
        {
            "id": "top1",
            "measure": f"top-1, 1000 classes, {dogs.images} validation images",
            "inactive": value["top1_inactive"],
            "tuned": value["top1"],
            "target": judged(wanted, value["top1"] - value["top1_inactive"] + TARGETS["top1"]),
        },
        {
            "id": "top5",
            "measure": "top-5, the same",
            "inactive": value["top5_inactive"],
            "tuned": value["top5"],
            "target": None,
        },
        {
            "id": "top1_flat",
            "measure": "top-1, every mask replaced by its mean over space",
            "inactive": value["top1_inactive"],
            "tuned": value["top1_flat"],
            "target": judged(f"at least {TARGETS['flat']:.2f} lower than with masks", cost - TARGETS["flat"])
            + f" ({cost:.3f})",
        },
        {
            "id": "acting_blocks",
            "measure": "blocks whose median mask std is at least 0.1",
            "inactive": 0,
            "tuned": f"{dogs.acting} of {len(dogs.stds)} (std {stds})",
            "target": judged(f"{TARGETS['blocks']} of {len(dogs.stds)}", dogs.acting - TARGETS["blocks"]),
        },
    ]
    titles = {
        "agreement_validation": (
            f"agreement with the inactive network's top-1, {dogs.images} validation images",
            dogs,
        ),
        "agreement_held_out": (f"the same, {others.images} held-out images of other classes", others),
    }
    for identifier, (title, effect) in titles.items():
        share = round(effect.agreement, 3)
        target = judged(f"{TARGETS['agreement']}", share - TARGETS["agreement"])
        rows.append({"id": identifier, "measure": title, "inactive": 1, "tuned": share, "target": target})
    return rows


def judged(wanted: str, reserve: float) -> str:
    """A target in words, and whether it is met: by a ``reserve`` that is not negative."""
    reserve = round(reserve, 3)
    return f"{wanted}: " + ("met" if reserve >= 0 else f"**missed by {-reserve:.3f}**")


def block_rows(dogs: GateEffect) -> list[Record]:
    """The rows of the table ``blocks``: what the masks of each block do."""
    return [
        {"id": block, "block": f"`{block}`", "std": round(std, 3), "open": round(dogs.opens[block], 2)}
        for block, std in dogs.stds.items()
    ]


def opening(hits: Hits) -> tuple[Record, list[Record]]:
    """``opens_with`` of the card, the group that follows noses best, and the rows of the table ``opening_group``."""
    name = best_group(hits, ["nose"])
    block, group = name.split("/g")
    found = {part: hits[part][name] for part in ("face", "nose")}
    faces = found["face"]
    reason = f"on {sum(faces)} of {len(faces)} labelled dog images the peak of its mask is on the face"
    rows = [
        {"id": part, "group": f"`{name}`", "part": part, "hits": sum(row), "images": len(row)}
        for part, row in found.items()
    ]
    return {"block": block, "group": int(group), "reason": reason}, rows


def opening_sentence(effect: GateEffect, parts: dict[str, float]) -> str:
    """Why the service uses the model by default."""
    value = {key: f"{100 * number:.1f} %" for key, number in effect.accuracy.items()}
    nose, eye = (f"{100 * parts[part]:.0f} %" for part in ("nose", "eye"))
    distance = round(100 * abs(effect.accuracy["top1_inactive"] - effect.accuracy["top1"]), 1)
    near = "half a point" if distance <= 0.5 else "one point" if distance <= 1 else f"{distance:.1f} points"
    return (
        f"The service uses it by default: its masks act on its predictions (without them, top-1 falls from {value['top1']} "
        f"to {value['top1_flat']}), its top-1 is within {near} of that with inactive gates ({value['top1']} against "
        f"{value['top1_inactive']}), and readouts of its groups, fitted to 90 labelled dogs, "
        f"find the nose in {nose} and an eye in {eye}, where those of sge_resnet18_dogs came to 74 % and 77 %."
    )


def part_rows(finder: Finder) -> list[Record]:
    """The rows of the table ``cross_validation``, of a finder of the network."""
    return [
        {
            "id": f"{row['part']}_{row['images']}",
            "part": row["part"],
            "images": row["images"],
            "shown": row["shown"],
        }
        | {f"within_{reach}": hits for reach, hits in row["hits"].items()}
        | {key: row[key] for key in ("auc", "missed", "false_alarms", "absent", "groups")}
        for row in readout_figures(finder)
    ]


def readout_figures(finder: Finder) -> list[Record]:
    """What was measured of a finder's readouts; the figures of its detectors say by what they find."""
    return [row for row in finder.measured if "by" not in row]


def found_parts(model: sge.Model) -> dict[str, float]:
    """By part: share of all labelled images in which the shipped finder lies within a tenth of the shorter side."""
    assert model.finder is not None
    return {
        row["part"]: row["hits"]["0.1"]["value"]
        for row in readout_figures(model.finder)
        if row["images"] == "all"
    }


def make_card(
    old: Record, run: Record, effects: dict[str, GateEffect], opens: Record, parts: dict[str, float]
) -> Record:
    """The card with its measured figures.

    Args:
        old: The shipped card; what a tuning does not change stays.
        run: Settings and figures of the run.
        effects: Of ``measure_sets``.
        opens: ``opens_with``.
        parts: Of ``found_parts``.
    """
    dogs, others = effects["dogs"], effects["others"]
    accuracy = old["accuracy"][0] | {"images": dogs.images}
    accuracy |= {key: round(dogs.accuracy[key], 3) for key in ("top1", "top5")}
    measured = {
        "command": "python -m scripts.measure.tuned",
        "agreement_validation_dogs": round(dogs.agreement, 3),
        "agreement_held_out": round(others.agreement, 3),
        "top1_masks_at_their_means": round(dogs.accuracy["top1_flat"], 3),
        "blocks_with_mask_std_of_a_tenth": [dogs.acting, len(dogs.stds)],
    }
    return old | {
        "accuracy": [accuracy],
        "opens_with": opens,
        "opens_service": opening_sentence(dogs, parts),
        "made_from": old["made_from"] | run | {"measured": measured},
    }


def run_record(results: Path, name: str) -> Record:
    """What the card tells of a run: what it began from, its settings, and how long it was."""
    with safe_open(results, "pt") as file:
        facts = json.loads(file.metadata()["runs"])[name]
    settings = {key: value for key, value in facts["settings"].items() if key not in ("file", "compact")}
    lengths = {"steps": facts["steps"], "crops": facts["images"], "seconds": facts["seconds"]}
    return {"run": name, "begun_from": settings["base"], "config": settings} | lengths


def main(
    results: Path,
    name: str,
    command: Annotated[str, typer.Option(help="That made the run, for the card.")] = "",
    machine: Annotated[str, typer.Option(help="Version of torch and the machine, for the card.")] = "",
    begun_from: Annotated[
        str, typer.Option(help="Run that the run began from, where its settings say 'best'.")
    ] = "",
) -> None:
    """Measures, and writes the card and the figures. What no option states stays as it is in the card."""
    run = run_record(results, name)
    told = {"command": command, "torch": machine, "begun_from": begun_from}
    run |= {key: value for key, value in told.items() if value}
    torch.set_num_threads(1)
    weights = shipped("weights")
    card, figures = weights / f"{TUNED_MODEL}.card.json", weights / f"{TUNED_MODEL}{SUFFIX}"
    model, inactive = load_torch_model(TUNED_MODEL), pretrained_model(ORIGINAL_MODEL).network()
    effects = measure_sets(model, inactive)
    opens, group_rows = opening(count_hits(sge.Lens(model)))
    record = make_card(json.loads(card.read_text("utf-8")), run, effects, opens, found_parts(model))
    tables = json.loads(figures.read_text("utf-8"))
    tables["tables"]["accuracy"]["rows"] = accuracy_rows(effects["dogs"], effects["others"])
    tables["tables"]["blocks"]["rows"] = block_rows(effects["dogs"])
    tables["tables"]["opening_group"]["rows"] = group_rows
    assert model.finder is not None
    tables["tables"]["cross_validation"]["rows"] = part_rows(model.finder)
    groups = measure_groups(model, inactive)
    for row in tables["tables"]["single_groups"]["rows"]:
        row |= {gates: [round(share, 2) for share in parts[row["id"]][:2]] for gates, parts in groups.items()}
    write_atomically(card, (json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode())
    write_atomically(figures, dumped(tables).encode())
    print("Further figures depend on the weights:", *FURTHER, sep="\n  ")


if __name__ == "__main__":
    typer.run(main)
