"""By what ``whole`` framing must divide the logits to be as sure as the centre crop is, on the whole; no labels.

Reads ../shared/data (or SGE_SHARED).

    .venv/bin/python docs/temperature.py
"""

from pathlib import Path

import torch
from opening_group import SHARED
from scipy.optimize import brentq

import sge
from sge.framing import frame
from sge.images import decode


def logits(model: sge.Model, paths: list[Path], framing: str) -> torch.Tensor:
    """(pictures, classes), as the network gives them."""
    with torch.inference_mode():
        tensors = (frame(decode(path), model.preprocess, framing).tensor for path in paths)
        return torch.cat([model.network(tensor[None]) for tensor in tensors])


def sureness(values: torch.Tensor, temperature: float = 1.0) -> float:
    """Mean probability of the first class."""
    return float((values / temperature).softmax(1).amax(1).mean())


def main() -> None:
    """Prints the temperature for dogs, for things, and for both."""
    model = sge.load_model("sge_efficientnet_lite0")
    dogs = sorted((SHARED / "data" / "imagenet_val_dogs").glob("*/*"))[::3]
    things = sorted((SHARED / "data" / "no_face").iterdir())
    for name, paths in (("dogs", dogs), ("things", things), ("both", dogs + things)):
        center, whole = (logits(model, paths, framing) for framing in ("center", "whole"))
        wanted = sureness(center)
        found = brentq(lambda t, whole=whole, wanted=wanted: sureness(whole, t) - wanted, 0.1, 10)
        print(
            f"{name}: {len(paths)}, center {wanted:.3f}, whole {sureness(whole):.3f}, temperature {found:.3f}"
        )


if __name__ == "__main__":
    main()
