"""What a part finder is to be compared with, in the same cross-validation: see docs/parts.md.

    python docs/parts_baselines.py LABELS.json [centre stored random regrouped channel untrained gradcam]

Grad-CAM is Captum's (``pip install --no-deps captum tqdm``); the others need nothing more.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from sge import Lens, insert_sge, load_model
from sge.images.decode import decode
from sge.images.framing import frame
from sge.lens.part_fitting import Example, analyze_examples
from sge.models.efficientnet_lite import base_weights, load_base
from sge.nn.permutation.permute import permute_channels
from sge.parts.evaluate import WITHIN, best_group, evaluate_parts, rate
from sge.parts.find import peaks
from sge.parts.fit import LabelledMaps, fit_readout
from sge.parts.labels import LabelledImage, read_labels
from sge.parts.resample import resampled

PARTS = ("nose", "eye")


def lens_of(kind: str) -> Lens:
    """The shipped model, or the same network with other channels in a group."""
    model = load_model("sge_efficientnet_lite0", finder=False)
    if kind == "channel":
        model.network = insert_sge(load_base(base_weights()), groups=10_000).eval()
    elif kind in ("stored", "random", "untrained"):
        model.network = insert_sge(load_base(base_weights())).eval()
    if kind == "random":
        channels = {name: m.channels for name, m in sge_modules(model.network)}
        generator = torch.Generator().manual_seed(0)
        permute_channels(
            model.network, {name: torch.randperm(c, generator=generator) for name, c in channels.items()}
        )
    return Lens(model, "cpu")


def sge_modules(network: nn.Module):
    """Block name and SGE module of each block."""
    from sge.nn.blocks import sge_blocks

    return sge_blocks(network).items()


def unlearn(network: nn.Module, tensors: Sequence[torch.Tensor]) -> None:
    """Random weights; batch norms get the statistics that these give on the images."""
    torch.manual_seed(0)
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
    for norm in norms:
        norm.reset_parameters()
        norm.momentum = None
        norm.train()
    with torch.inference_mode():
        for one in tensors:
            network(one[None])
    network.eval()


def say(name: str, part: str, distances: Sequence[float], unsure: Sequence[bool]) -> None:
    """Prints the rows of one part."""
    for images in ("all", "sure"):
        kept = np.array(
            [d for d, doubt in zip(distances, unsure, strict=True) if images == "all" or not doubt]
        )
        rates = [rate(kept <= limit) for limit in WITHIN]
        row = " | ".join(f"{one.value:.3f} ({one.low:.2f}-{one.high:.2f})" for one in rates)
        print(f"| {name} | {part} | {images} ({len(kept)}) | {row} |", flush=True)


def nearest(image: LabelledMaps, part: str, x: float, y: float) -> float:
    """Distance to the nearest labelled point, as a fraction of the shorter side."""
    shorter = min(image.geometry.image)
    return min(float(np.hypot(x - a, y - b)) / shorter for a, b in image.points[part])


def by_peak(name: str, maps: list[LabelledMaps], labels: list[LabelledImage], place) -> None:
    """Scores one place an image."""
    for part in PARTS:
        shown = [i for i, one in enumerate(maps) if one.points[part]]
        distances = [nearest(maps[i], part, *place(i)) for i in shown]
        say(name, part, distances, [labels[i].unsure for i in shown])


def gradcam(lens: Lens, maps: list[LabelledMaps], labels: list[LabelledImage]) -> None:
    """Where the predicted class comes from."""
    from captum.attr import LayerGradCam

    cam = LayerGradCam(lens.network, lens.network.blocks[-1])
    places = []
    for image, label in zip(maps, labels, strict=True):
        tensor = torch.from_numpy(frame(decode(label.path), lens.model.preprocess).array)[
            None
        ].requires_grad_()
        target = int(lens.network(tensor).argmax())
        values = cam.attribute(tensor, target, relu_attributions=True)[0].detach().numpy()
        shape = tuple(8 * side for side in values.shape[1:])
        top = peaks(resampled(values, shape)[0], image.geometry)[0]
        places.append((top.x, top.y))
    by_peak("Grad-CAM of the predicted class, last block", maps, labels, places.__getitem__)


def main() -> None:
    """Prints the table's rows."""
    labels = read_labels(sys.argv[1])
    examples = [Example.from_label(one) for one in labels]
    unsure = [one.unsure for one in labels]
    wanted = sys.argv[2:] or ["centre", "stored", "random", "regrouped", "channel", "untrained", "gradcam"]
    for kind in wanted:
        lens = lens_of(kind)
        if kind == "untrained":
            unlearn(
                lens.network,
                [torch.from_numpy(frame(decode(one.image), lens.model.preprocess).array) for one in examples],
            )
        maps = analyze_examples(lens, examples)
        if kind == "gradcam":
            gradcam(lens, maps, labels)
            continue
        if kind == "centre":
            sizes = [one.geometry.image for one in maps]
            by_peak("the image's centre", maps, labels, lambda i, s=sizes: (s[i][0] / 2, s[i][1] / 2))
            continue
        for fit, name in ((best_group, f"best single group, {kind}"), (fit_readout, f"mix, {kind}")):
            for row in evaluate_parts(maps, unsure, fit=fit):
                rates = " | ".join(f"{r.value:.3f} ({r.low:.2f}-{r.high:.2f})" for r in row.hits.values())
                print(f"| {name} | {row.part} | {row.images} ({row.shown}) | {rates} |", flush=True)


if __name__ == "__main__":
    main()
