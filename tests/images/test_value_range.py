"""Gray images of more than 8 bits a pixel: scaled by what is there, or refused with a sentence."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from sge.errors import ImageError
from sge.images.decoding import decode

RAMP = np.linspace(0, 1, 256).reshape(16, 16)
LEVELS = np.arange(256).reshape(16, 16)

KNOWN = {
    "floats to 1": RAMP.astype("f4"),
    "floats to 255": (RAMP * 255).astype("f4"),
    "floats to 65535": (RAMP * 65535).astype("f4"),
    "ints to 255": LEVELS.astype("i4"),
    "ints to 65535": (LEVELS * 257).astype("i4"),
}


@pytest.mark.parametrize("name", KNOWN)
def test_values_are_scaled_by_what_is_there_and_the_assumption_is_noted(name: str) -> None:
    image = decode(Image.fromarray(KNOWN[name]))
    assert (np.asarray(image.rgb)[..., 0] == LEVELS).all()
    assert (np.asarray(image.rgb) == np.asarray(image.rgb)[..., :1]).all()
    top = name.rsplit(" ", 1)[1]
    assert image.notes == (
        f"The image says not which of its values is white; 0 to {top} was taken for the full range.",
    )


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I;16L"])
def test_sixteen_bits_are_never_guessed(mode: str) -> None:
    for top in (1, 255, 4095, 65535):
        values = np.rint(RAMP * top).astype("u2")
        raw = values.astype(">u2" if mode == "I;16B" else "<u2").tobytes()
        image = decode(Image.frombytes(mode, (16, 16), raw))
        assert (np.asarray(image.rgb)[..., 0] == values >> 8).all(), top
        assert image.notes == ()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (RAMP.astype("f4") * 2 - 1, "from -1 to 1"),
        (RAMP.astype("f4") * 1e9, "from 0 to 1e\\+09"),
        (LEVELS.astype("i4") - 1, "from -1 to 254"),
        (LEVELS.astype("i4") * 1000, "from 0 to 255000"),
        (np.full((4, 4), np.nan, "f4"), "not finite"),
        (np.array([[0, np.inf]], "f4"), "not finite"),
        (np.array([[0, -np.inf]], "f4"), "not finite"),
    ],
)
def test_values_without_a_known_range_are_refused(values: np.ndarray, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        decode(Image.fromarray(values))


def test_constant_images() -> None:
    for value, level in ((0.0, 0), (1.0, 255), (0.5, 128), (255.0, 255), (65535.0, 255)):
        seen = np.asarray(decode(Image.fromarray(np.full((3, 4), value, "f4"))).rgb)
        assert (seen == level).all(), value
