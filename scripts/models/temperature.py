"""Prints the temperature at which framing ``whole`` is as confident, on average, as the centre crop; no labels.

    python -m scripts.models.temperature

Reads ../shared/data (or SGE_SHARED).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from scipy.optimize import brentq

import sge
from scripts.common import DATA, decoded
from sge.datasets import find_images
from sge.images import DecodedImage, frame
from sge.models import ORIGINAL_MODEL, load_torch_model


@torch.inference_mode()
def compute_logits(model: sge.Model, images: Sequence[DecodedImage], framing: str) -> torch.Tensor:
    """Logits, (images, classes), without a temperature."""
    arrays = (frame(image, model.preprocess, framing).array for image in images)
    return torch.cat([model.network(torch.from_numpy(array)[None]) for array in arrays])


def mean_confidence(logits: torch.Tensor, temperature: float = 1.0) -> float:
    """Mean probability of the predicted class."""
    return float((logits / temperature).softmax(1).amax(1).mean())


def find_temperature(model: sge.Model, images: Sequence[DecodedImage]) -> tuple[float, float, float]:
    """Confidence of the centre crop, confidence of ``whole``, and the temperature that makes them equal."""
    center, whole = (compute_logits(model, images, framing) for framing in ("center", "whole"))
    target = mean_confidence(center)
    temperature = brentq(lambda t: mean_confidence(whole, t) - target, 0.1, 10)
    return target, mean_confidence(whole), float(temperature)


def main() -> None:
    """Prints the temperature for dogs, for things, and for both."""
    model = load_torch_model(ORIGINAL_MODEL)
    dogs = decoded(find_images(DATA / "imagenet_val_dogs")[::3])
    things = decoded(find_images(DATA / "no_face"))
    for name, images in (("dogs", dogs), ("things", things), ("both", dogs + things)):
        center, whole, temperature = find_temperature(model, images)
        print(f"{name}: {len(images)}, center {center:.3f}, whole {whole:.3f}, temperature {temperature:.3f}")


if __name__ == "__main__":
    main()
