"""By what ``whole`` framing must divide the logits to be as sure as the centre crop is, on the whole; no labels.

Reads ../shared/data (or SGE_SHARED).

    .venv/bin/python docs/temperature.py
"""

import torch
from opening_group import SHARED
from scipy.optimize import brentq

import sge
from sge.images.decode import decode
from sge.images.framing import frame


def logits(model: sge.Model, images: list, framing: str) -> torch.Tensor:
    """(images, classes), as the network gives them; images as ``decode`` takes them."""
    with torch.inference_mode():
        tensors = (torch.from_numpy(frame(decode(one), model.preprocess, framing).array) for one in images)
        return torch.cat([model.network(tensor[None]) for tensor in tensors])


def sureness(values: torch.Tensor, temperature: float = 1.0) -> float:
    """Mean probability of the first class."""
    return float((values / temperature).softmax(1).amax(1).mean())


def compared(model: sge.Model, images: list) -> tuple[float, float, float]:
    """Sureness of the centre crop, of ``whole`` as it is, and the temperature that makes them equal."""
    center, whole = (logits(model, images, framing) for framing in ("center", "whole"))
    wanted = sureness(center)
    return wanted, sureness(whole), brentq(lambda t: sureness(whole, t) - wanted, 0.1, 10)


def main() -> None:
    """Prints the temperature for dogs, for things, and for both."""
    model = sge.load_model("sge_efficientnet_lite0")
    dogs = sorted((SHARED / "data" / "imagenet_val_dogs").glob("*/*"))[::3]
    things = sorted((SHARED / "data" / "no_face").iterdir())
    for name, paths in (("dogs", dogs), ("things", things), ("both", dogs + things)):
        center, whole, found = compared(model, paths)
        print(f"{name}: {len(paths)}, center {center:.3f}, whole {whole:.3f}, temperature {found:.3f}")


if __name__ == "__main__":
    main()
