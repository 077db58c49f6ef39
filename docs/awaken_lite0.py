"""How sge_efficientnet_lite0_awake was made: two trainings, one after the other, from ../shared/data (or SGE_SHARED).

    .venv/bin/python docs/awaken_lite0.py OUTPUT.delta.safetensors

About half an hour on two cores. Interrupted, it goes on where it was. What is shipped was made so, but for its
first training's crops, which could still be enlarged; a machine with other kernels rounds otherwise too.
"""

import sys
from pathlib import Path

import torch
from awake_figures import DATA, held_back
from torch.utils.data import ConcatDataset

import sge
from sge.delta import Delta, difference, write_delta
from sge.registry import LITE0_PREPROCESS, based
from sge.store import PictureStore, pictures_in, write_store

TIMES = (3, 6)
"""How often one_each.tar is in each training's set, which has eleven times as many dogs."""
RECIPES = (
    sge.Recipe(steps=800, seed=0),
    sge.Recipe(
        steps=360,
        seed=1,
        sizes=(160, 192),
        weight_rate=0.02,
        bias_rate=0.01,
        wanted_spread=0.12,
        flat_price=1.0,
        open_price=0.3,
    ),
)


def stores(work: Path) -> tuple[PictureStore, PictureStore]:
    """Dogs without the validation pictures, other things without those that are held back."""
    work.mkdir(exist_ok=True)
    held = set(held_back())
    dogs = (
        one
        for one in pictures_in(DATA / "dogs_train.tar")
        if not Path(one[0]).name.startswith("ILSVRC2012_val")
    )
    others = (one for one in pictures_in(DATA / "one_each.tar") if one[0] not in held)
    for name, pictures in (("dogs", dogs), ("others", others)):
        if not (work / f"{name}.json").exists():
            write_store(work / name, pictures)
    return PictureStore(work / "dogs"), PictureStore(work / "others")


def main(output: Path) -> None:
    """Both trainings, and the delta."""
    start = based("sge_efficientnet_lite0")
    network, asleep = (start.network().to(memory_format=torch.channels_last) for _ in range(2))
    work = output.with_name(output.name + ".work")
    dogs, others = stores(work)
    for i, recipe in enumerate(RECIPES):
        sge.awaken(
            network,
            ConcatDataset([dogs, *[others] * TIMES[i]]),
            recipe=recipe,
            teacher=asleep,
            preprocess=LITE0_PREPROCESS,
            state_file=work / f"{i}.state",
            progress=lambda report: print(report, file=sys.stderr),
        )
    state = {
        key: value.contiguous() for key, value in difference(network, start.network().state_dict()).items()
    }
    write_delta(output, Delta("sge_efficientnet_lite0", start.published, start.delta.delta.orders, state, {}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
