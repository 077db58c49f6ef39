"""The requests of a soak: what clients ask for, right and wrong, of images of many sizes and formats."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from sge.bench.service.load import form, post

API = "/api/v1"
HOST = "127.0.0.1"
SIZES = (
    (224, 224),
    (320, 427),
    (640, 480),
    (480, 640),
    (800, 533),
    (1024, 768),
    (300, 900),
    (1200, 400),
    (1600, 1200),
    (2400, 1600),
)
"""Width and height in pixels."""
FORMATS = ("JPEG", "JPEG", "JPEG", "PNG", "WEBP")
LARGE_SIZE = (4000, 3000)
"""Of the images of the burst: 12 million pixels."""
BUSY = (429, 503)
"""What the service may answer to everything while it is loaded."""


@dataclass(frozen=True)
class Asked:
    """One request, ready to be sent."""

    name: str
    data: bytes
    expected: tuple[int, ...] = (200,)
    """Statuses of a right answer; ``BUSY`` counts apart."""
    sent: int | None = None
    """Number of bytes after which the client disconnects; None: it waits for the answer."""


def drawn_image(size: tuple[int, int], kind: str, seed: int) -> bytes:
    """A smooth image with some noise, as large in bytes as a photograph.

    Args:
        size: Width and height, pixels.
        kind: A format that Pillow writes.
        seed: Each gives another image.
    """
    drawn = np.random.RandomState(seed)
    coarse = Image.fromarray(drawn.randint(0, 256, (6, 8, 3), np.uint8))
    pixels = np.asarray(coarse.resize(size, Image.Resampling.BICUBIC), np.int16)
    noisy = pixels + drawn.randint(-6, 7, pixels.shape[:2], np.int16)[..., None]
    buffer = io.BytesIO()
    Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(buffer, kind, quality=85)
    return buffer.getvalue()


def mixture(block: str, seed: int = 0) -> list[Asked]:
    """One of each thing that a client may ask for, several times, in a drawn order.

    Args:
        block: Name of a block of the served model.
        seed: Of the order and of the images.
    """
    drawn = random.Random(seed)
    images = [
        (f"image/{kind.lower()}", drawn_image(size, kind, seed + number))
        for number, (size, kind) in enumerate((size, kind) for size in SIZES for kind in FORMATS)
    ]
    asked = []
    for kind, image in images:
        asked += _of_an_image(kind, image, block, drawn)
    asked += _without_image() * 4
    drawn.shuffle(asked)
    return asked


def _of_an_image(kind: str, image: bytes, block: str, drawn: random.Random) -> list[Asked]:
    def at(path: str) -> bytes:
        return post(API + path, HOST, image, kind)

    body, form_type = form(image)
    raw = at("/predict")
    maps = drawn.choice(["npz", "safetensors", "png"])
    listed = [
        *[Asked("predict", raw)] * 3,
        Asked("predict, center", at("/predict?framing=center")),
        Asked("predict, form", post(API + "/predict", HOST, body, form_type)),
        Asked("analyze", at("/analyze")),
        *[Asked("analyze, atlas", at("/analyze?format=atlas"))] * 2,
        Asked("masks", at(f"/masks?blocks={block}&format={maps}")),
        Asked("image", at("/image")),
        Asked("half an image", post(API + "/predict", HOST, image[: len(image) // 2], kind), (200, 422)),
        Asked("gone in the upload", raw, sent=len(raw) // 2),
    ]
    rare = drawn.choice(
        [
            Asked("overlay", at(f"/overlay?block={block}&group=0")),
            Asked("report", at("/analyze?format=html")),
            Asked("gone before the answer", raw, sent=len(raw)),
        ]
    )
    return [*listed, rare]


def _without_image() -> list[Asked]:
    def get(path: str) -> bytes:
        return f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n\r\n".encode()

    text = b"this is no image" * 10
    return [
        Asked("page", get("/")),
        Asked("models", get(f"{API}/models")),
        Asked("metrics", get(f"{API}/metrics")),
        Asked("live", get(f"{API}/health/live")),
        Asked("no such page", get("/nothing"), (404,)),
        Asked("no image", post(f"{API}/predict", HOST, text), (415, 422)),
        Asked("a wrong type", post(f"{API}/predict", HOST, text, "text/plain"), (415,)),
        Asked("an unknown parameter", post(f"{API}/predict?what=1", HOST, text), (422,)),
        Asked("an unknown block", post(f"{API}/masks?blocks=none", HOST, text), (422,)),
        Asked("no HTTP", b"\x16\x03\x01 hello\r\n\r\n", (400,)),
    ]


def overlays(block: str, number: int, seed: int = 1) -> Sequence[Asked]:
    """The burst: overlays of images of 12 million pixels."""
    image = drawn_image(LARGE_SIZE, "JPEG", seed)
    return [Asked("overlay, 12 MP", post(f"{API}/overlay?block={block}&group=0", HOST, image))] * number
