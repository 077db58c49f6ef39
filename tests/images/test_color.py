"""Color profiles: the network gets the colors that a viewer shows."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageCms

from sge.images.color import show
from sge.images.decoding import decode
from tests.decoder_cases.case import srgb_to_linear
from tests.decoder_cases.icc import SRGB_TO_XYZ, rgb_profile, sampled_curve
from tests.drawn_images import encoded


def srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def swapped() -> bytes:
    """A profile of another space: sRGB with the primaries of red and green exchanged."""
    profile = srgb().replace("sRGB".encode("utf-16-be"), "Swap".encode("utf-16-be"))
    for one, other in ((b"rXYZ", b"tmp!"), (b"gXYZ", b"rXYZ"), (b"tmp!", b"gXYZ")):
        profile = profile.replace(one, other, 1)
    return profile


RED = Image.new("RGB", (16, 16), (255, 0, 0))


def color(image: Image.Image) -> list[int]:
    return np.asarray(image)[8, 8].tolist()


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
def test_a_profile_is_applied(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    seen = color(decode(encoded(RED, kind, icc_profile=swapped(), **options)).rgb)
    assert np.abs(np.array(seen) - (0, 255, 0)).max() <= 6


def test_srgb_and_damaged_profiles_change_nothing() -> None:
    for profile in (srgb(), b"no profile", swapped()[:200]):
        assert color(decode(encoded(RED, "PNG", icc_profile=profile)).rgb) == [255, 0, 0]


def test_no_profile_is_left_to_be_applied_twice() -> None:
    for profile in (srgb(), swapped()):
        assert decode(encoded(RED, "PNG", icc_profile=profile)).rgb.info == {}


def test_a_palette_and_transparency_with_a_profile() -> None:
    half = Image.new("RGBA", (16, 16), (255, 0, 0, 0))
    half.paste((255, 0, 0, 255), (8, 0, 16, 16))
    for image in (half, half.quantize(4)):
        seen = np.asarray(decode(encoded(image, "PNG", icc_profile=swapped())).rgb).astype(int)
        assert np.abs(seen[8, 2] - 255).max() <= 4
        assert np.abs(seen[8, 12] - (0, 255, 0)).max() <= 6


def test_a_gray_images_profile_is_not_one_of_rgb() -> None:
    gray = Image.new("L", (4, 4), 90)
    gray.info["icc_profile"] = swapped()
    assert color(show(gray.resize((16, 16))).rgb) == [90, 90, 90]


def test_a_profile_that_differs_from_srgb_near_black_alone_is_applied() -> None:
    curve = np.linspace(0, 1, 1024)
    curve = np.where(curve < 0.09, curve * 0.01, srgb_to_linear(curve))
    dark = Image.fromarray(np.full((4, 4, 3), 16, np.uint8))
    profile = rgb_profile(SRGB_TO_XYZ, sampled_curve(curve), "sRGB")
    assert max(np.asarray(decode(encoded(dark, icc_profile=profile)).rgb).flat) <= 4
