"""How sge_efficientnet_lite0_tuned was made, from ../shared/data (or SGE_SHARED).

    .venv/bin/python docs/awaken_lite0.py OUTPUT.delta.safetensors

A quarter of an hour on two cores. Interrupted, it goes on where it was. The result is like what is shipped but not
the same to the bit: there crops could still be enlarged, and threads and kernels round differently.
"""

import sys
from pathlib import Path

import torch
from awake_figures import DATA, held_back
from torch.utils.data import ConcatDataset

import sge
from sge.datasets.decoded_cache import DecodedCache, images_in, write_cache
from sge.models.delta import Delta, difference, write_delta
from sge.models.efficientnet_lite import LITE0_PREPROCESS
from sge.models.registry import pretrained_model

TIMES = 3
"""How often one_each.tar is in the set, which has eleven times as many dogs."""
RECIPE = sge.GateTuningConfig(steps=800, seed=0)


def stores(work: Path) -> tuple[DecodedCache, DecodedCache]:
    """Dogs without the validation images, other things without those that are held back."""
    work.mkdir(exist_ok=True)
    held = set(held_back())
    dogs = (
        one
        for one in images_in(DATA / "dogs_train.tar")
        if not Path(one[0]).name.startswith("ILSVRC2012_val")
    )
    others = (one for one in images_in(DATA / "one_each.tar") if one[0] not in held)
    for name, images in (("dogs", dogs), ("others", others)):
        if not (work / f"{name}.json").exists():
            write_cache(work / name, images)
    return DecodedCache(work / "dogs"), DecodedCache(work / "others")


def main(output: Path) -> None:
    """The training, and the delta."""
    start = pretrained_model("sge_efficientnet_lite0")
    network = start.network().to(memory_format=torch.channels_last)
    work = output.with_name(output.name + ".work")
    dogs, others = stores(work)
    sge.tune_gates(
        network,
        ConcatDataset([dogs, *[others] * TIMES]),
        recipe=RECIPE,
        preprocess=LITE0_PREPROCESS,
        state_file=work / "state",
        progress=lambda report: print(report, file=sys.stderr),
    )
    state = difference(network, start.network().state_dict())
    write_delta(
        output, Delta("sge_efficientnet_lite0", start.published, start.delta.delta.permutations, state, {})
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
