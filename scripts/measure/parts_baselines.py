"""Prints what a part finder is compared with, in the same cross-validation; docs/parts.md has the table.

    python -m scripts.measure.parts_baselines LABELS.json [center stored random regrouped channel untrained gradcam]

Grad-CAM is Captum's (``pip install --no-deps captum tqdm``); the others need nothing more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from torch import Tensor, nn

from sge import Lens, insert_sge
from sge.images import decode, frame
from sge.lens import Example, analyze_examples
from sge.models import ORIGINAL_MODEL, base_weights, load_base, load_torch_model
from sge.nn import permute_channels, sge_blocks
from sge.parts import (
    PARTS,
    WITHIN,
    LabelledImage,
    LabelledMaps,
    Rate,
    best_group,
    evaluate_parts,
    fit_readout,
    peaks,
    rate,
    read_labels,
    resampled,
)

KINDS = ("center", "stored", "random", "regrouped", "channel", "untrained", "gradcam")
Position = Callable[[int], tuple[float, float]]
"""Number of an image to (x, y), in pixels."""


def make_lens(kind: str) -> Lens:
    """The shipped model, or the same network with other channels in a group."""
    model = load_torch_model(ORIGINAL_MODEL, finder=False)
    if kind == "channel":
        model.network = insert_sge(load_base(base_weights()), groups=10_000).eval()
    elif kind in ("stored", "random", "untrained"):
        model.network = insert_sge(load_base(base_weights())).eval()
    if kind == "random":
        generator = torch.Generator().manual_seed(0)
        permutations = {}
        for name, module in sge_blocks(model.network).items():
            assert module.channels is not None
            permutations[name] = torch.randperm(module.channels, generator=generator)
        permute_channels(model.network, permutations)
    return Lens(model, "cpu")


def randomize(network: nn.Module, inputs: Sequence[Tensor]) -> None:
    """Gives the network random weights, and batch norms the statistics of these on the inputs."""
    torch.manual_seed(0)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
    for norm in norms:
        norm.reset_parameters()
        norm.momentum = None
        norm.train()
    with torch.inference_mode():
        for tensor in inputs:
            network(tensor)
    network.eval()


def network_input(lens: Lens, label: LabelledImage) -> Tensor:
    """(1, 3, h, w), framed as ``whole``."""
    return torch.from_numpy(frame(decode(label.path), lens.model.preprocess).array)[None]


def print_row(name: str, part: str, images: str, count: int, rates: Sequence[Rate]) -> None:
    """Prints one row of the table."""
    columns = " | ".join(f"{value.value:.3f} ({value.low:.2f}-{value.high:.2f})" for value in rates)
    print(f"| {name} | {part} | {images} ({count}) | {columns} |", flush=True)


def print_positions(
    name: str, images: Sequence[LabelledMaps], labels: Sequence[LabelledImage], position: Position
) -> None:
    """Prints the rows of a method that gives one position in each image."""
    for part in PARTS:
        shown = [number for number, image in enumerate(images) if image.points[part]]
        for choice in ("all", "sure"):
            distances = np.array(
                [
                    distance(images[number], part, *position(number))
                    for number in shown
                    if choice == "all" or not labels[number].unsure
                ]
            )
            print_row(name, part, choice, len(distances), [rate(distances <= limit) for limit in WITHIN])


def distance(image: LabelledMaps, part: str, x: float, y: float) -> float:
    """From (x, y) to the nearest labelled point, as a fraction of the shorter side."""
    shorter = min(image.geometry.image)
    return min(float(np.hypot(x - a, y - b)) / shorter for a, b in image.points[part])


def print_gradcam(lens: Lens, images: Sequence[LabelledMaps], labels: Sequence[LabelledImage]) -> None:
    """Prints the rows of the highest peak of Grad-CAM."""
    from captum.attr import LayerGradCam

    cam = LayerGradCam(lens.network, lens.network.get_submodule("blocks")[-1])  # type: ignore[index]
    positions = []
    for image, label in zip(images, labels, strict=True):
        tensor = network_input(lens, label).requires_grad_()
        target = int(lens.network(tensor).argmax())
        values = cam.attribute(tensor, target, relu_attributions=True)[0].detach().numpy()
        top = peaks(resampled(values, (8 * values.shape[1], 8 * values.shape[2]))[0], image.geometry)[0]
        positions.append((top.x, top.y))
    print_positions(
        "Grad-CAM of the predicted class, last block", images, labels, lambda number: positions[number]
    )


def main(
    labels_file: Annotated[Path, typer.Argument(metavar="LABELS.json")],
    kinds: Annotated[list[str] | None, typer.Argument()] = None,
) -> None:
    """Prints the table's rows."""
    labels = read_labels(labels_file)
    examples = [Example.from_label(label) for label in labels]
    for kind in kinds or KINDS:
        lens = make_lens(kind)
        if kind == "untrained":
            randomize(lens.network, [network_input(lens, label) for label in labels])
        images = analyze_examples(lens, examples)
        if kind == "gradcam":
            print_gradcam(lens, images, labels)
        elif kind == "center":
            sizes = [image.geometry.image for image in images]
            centers = [(width / 2, height / 2) for width, height in sizes]
            print_positions("the image's center", images, labels, centers.__getitem__)
        else:
            for fit, name in ((best_group, f"best single group, {kind}"), (fit_readout, f"readout, {kind}")):
                for row in evaluate_parts(images, [label.unsure for label in labels], fit=fit):
                    print_row(name, row.part, row.images, row.shown, list(row.hits.values()))


if __name__ == "__main__":
    typer.run(main)
