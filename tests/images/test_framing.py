"""From an upright image to the network's input: sizes, rounding, pixels and values."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from sge.errors import ChoiceError, ShapeError
from sge.images.decoding import decode
from sge.images.framing import Frame, Preprocess, center_crop, frame, normalize, resize
from tests.drawn_images import noise

RAW = {"mean": (0.0, 0.0, 0.0), "std": (1 / 255,) * 3}
SIDES = st.integers(1, 400)


def framed(image: Image.Image, framing: str, size: int | None = None, **kind: object) -> Frame:
    return frame(decode(image), Preprocess(**{**RAW, **kind}), framing, size)


def grays(one: Frame) -> np.ndarray:
    """The input as 8-bit pixels, (h, w, 3); RAW normalizes with mean 0 and a scale of 1."""
    values = one.array.transpose(1, 2, 0)
    assert np.abs(values - values.round()).max() < 1e-3
    return values.round().astype(int)


def plain(image: Image.Image, resize: int, crop: int, resample: Image.Resampling) -> np.ndarray:
    """The evaluation protocol written out: resize the entire image, then crop."""
    width, height = image.size
    wide, high = (resize, resize)
    if width > height:
        wide = round(width * resize / height)
    else:
        high = round(height * resize / width)
    left, top = int((wide - crop) / 2), int((high - crop) / 2)
    whole = image.resize((wide, high), resample)
    return np.asarray(whole.crop((left, top, left + crop, top + crop))).astype(int)


@pytest.mark.slow
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@settings(max_examples=60, deadline=None)
@given(width=st.integers(2, 700), height=st.integers(2, 700), seed=st.integers(0, 9))
def test_center_is_a_plain_resize_and_crop(interpolation: str, width: int, height: int, seed: int) -> None:
    if max(width, height) > 8 * min(width, height):
        width = height = max(width, height)
    image = noise(width, height, seed)
    got = framed(image, "center", interpolation=interpolation)
    wanted = plain(image, 256, 224, Image.Resampling[interpolation.upper()])
    assert np.abs(grays(got) - wanted).max() <= 1


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(
    "size", [(512, 512), (1024, 768), (513, 774), (768, 1024), (520, 860), (4000, 520), (700, 2000)], ids=str
)
def test_center_resizes_only_the_crop_where_this_is_the_same(
    size: tuple[int, int], interpolation: str
) -> None:
    image = noise(*size)
    off = np.abs(
        grays(framed(image, "center", interpolation=interpolation))
        - plain(image, 256, 224, Image.Resampling[interpolation.upper()])
    )
    assert off.max() <= 1
    assert np.mean(off > 0) < 0.005


@pytest.mark.parametrize("size", [(900, 100), (90, 900), (2000, 40), (30, 601)], ids=str)
def test_banners_in_center(size: tuple[int, int]) -> None:
    """Bicubic banners with hard edges may differ in single pixels, because Pillow clips overshoots in another order."""
    image = noise(*size)
    got = grays(framed(image, "center"))
    assert np.abs(got - plain(image, 256, 224, Image.Resampling.BILINEAR)).max() <= 1
    soft = image.filter(ImageFilter.GaussianBlur(3))
    got = grays(framed(soft, "center", interpolation="bicubic"))
    assert np.abs(got - plain(soft, 256, 224, Image.Resampling.BICUBIC)).max() <= 2


@pytest.mark.parametrize(
    ("size", "resize", "crop"),
    [
        ((500, 375), 256, 224),
        ((333, 500), 256, 224),
        ((500, 331), 256, 224),
        ((640, 427), 255, 224),
        ((97, 61), 61, 50),
        ((61, 97), 64, 33),
        ((1600, 1201), 292, 260),
        ((225, 224), 224, 224),
    ],
)
def test_center_at_sizes_whose_rounding_matters(size: tuple[int, int], resize: int, crop: int) -> None:
    image = noise(*size)
    got = grays(frame(decode(image), Preprocess(**RAW, resize=resize, size=crop), "center"))
    assert got.shape == (crop, crop, 3)
    assert np.abs(got - plain(image, resize, crop, Image.Resampling.BILINEAR)).max() <= 1


def test_the_longer_side_is_rounded_and_the_offset_cut_down() -> None:
    """256 * 500 / 331 is 386.7 and 387 - 224 is odd, so that both roundings change the result."""
    window = framed(noise(500, 331), "center").geometry.window
    assert window.left == pytest.approx(81 * 500 / 387)
    assert window.right == pytest.approx((81 + 224) * 500 / 387)
    assert (window.top, window.bottom) == (pytest.approx(16 * 331 / 256), pytest.approx(240 * 331 / 256))


def test_another_size_scales_the_resize() -> None:
    image = noise(300, 200)
    got = grays(framed(image, "center", 112))
    assert np.abs(got - plain(image, 128, 112, Image.Resampling.BILINEAR)).max() <= 1


def test_a_resize_below_the_crop_is_the_crop() -> None:
    image = noise(300, 200)
    got = grays(frame(decode(image), Preprocess(**RAW, resize=100, size=128), "center"))
    assert np.abs(got - plain(image, 128, 128, Image.Resampling.BILINEAR)).max() <= 1


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_whole_is_a_plain_resize(interpolation: str) -> None:
    image = noise(90, 60)
    got = framed(image, "whole", 64, interpolation=interpolation)
    wanted = image.resize((96, 64), Image.Resampling[interpolation.upper()])
    assert (grays(got) == np.asarray(wanted)).all()


def test_the_two_interpolations_differ() -> None:
    one, other = (
        framed(noise(90, 60), "whole", 64, interpolation=kind).array for kind in ("bilinear", "bicubic")
    )
    assert np.abs(one - other).max() > 5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        ((224, 224), (224, 224)),
        ((448, 224), (448, 224)),
        ((640, 480), (288, 224)),  # 298.7 is 9.33 times 32
        ((480, 640), (224, 288)),
        ((6000, 4000), (320, 224)),  # 336 / 32 is 10.5, rounded to the even 10
        ((1, 1), (224, 224)),
        ((900, 100), (896, 96)),  # 4 times 224; 99.6
        ((10000, 10), (896, 32)),
        ((10, 10000), (32, 896)),
        ((5000, 1), (896, 32)),
    ],
)
def test_sizes_of_whole(size: tuple[int, int], wanted: tuple[int, int]) -> None:
    one = framed(Image.new("RGB", size), "whole")
    assert one.geometry.input == wanted
    assert one.array.shape == (3, wanted[1], wanted[0])
    assert one.geometry.window == (0, 0, *size)


@settings(max_examples=80, deadline=None)
@given(width=SIDES, height=SIDES, size=st.sampled_from([32, 100, 224, 225]))
def test_whole_keeps_the_aspect_in_steps_of_32(width: int, height: int, size: int) -> None:
    one = framed(Image.new("RGB", (width, height)), "whole", size)
    wide, high = one.geometry.input
    assert wide % 32 == 0 == high % 32
    factor = min(size / min(width, height), 4 * size / max(width, height))
    for got, side in ((wide, width), (high, height)):
        assert abs(got - side * factor) <= 16 or got == 32 > side * factor
        assert got <= 4 * size + 16


@settings(max_examples=60, deadline=None)
@given(width=SIDES, height=SIDES, size=st.sampled_from([32, 100, 224]))
def test_the_window_of_center_lies_in_the_image(width: int, height: int, size: int) -> None:
    one = framed(Image.new("RGB", (width, height)), "center", size)
    left, top, right, bottom = one.geometry.window
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    assert one.geometry.input == (size, size)
    assert one.geometry.image == (width, height)


@pytest.mark.parametrize("size", [(5000, 1), (1, 5000), (10000, 10), (1, 1), (2, 1)])
def test_center_of_banners(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, (7, 80, 200))
    assert (grays(framed(image, "center")) == [7, 80, 200]).all()


def test_the_normalized_values() -> None:
    image = Image.new("RGB", (40, 30), (0, 128, 255))
    standard = frame(decode(image), Preprocess()).array
    wanted = [
        (v / 255 - m) / s
        for v, m, s in zip((0, 128, 255), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True)
    ]
    assert standard[:, 3, 5] == pytest.approx(wanted, abs=1e-5)
    assert standard.dtype == np.float32
    assert standard.flags.c_contiguous
    lite = Preprocess(mean=(127 / 255,) * 3, std=(128 / 255,) * 3)
    values = frame(decode(image), lite).array[:, 0, 0]
    assert values == pytest.approx([-127 / 128, 1 / 128, 1.0], abs=1e-5)


def test_wrong_choices() -> None:
    for framing in ("", "Whole", "squash"):
        with pytest.raises(ChoiceError, match="whole, center"):
            framed(noise(4, 4), framing)
    for size in (0, -224, 31, 1025):
        for framing in ("whole", "center"):
            with pytest.raises(ChoiceError, match="32 to 1024"):
                framed(noise(4, 4), framing, size)
    for size in (32, 1024):
        assert framed(noise(4, 4), "whole", size).geometry.input == (size, size)


def test_the_image_is_left_as_it_was() -> None:
    image = decode(noise(50, 40))
    before = image.rgb.tobytes()
    for framing in ("whole", "center"):
        one = frame(image, Preprocess(), framing)
        one.array[:] = 0
        assert one.image is image
        assert one.geometry.framing == framing
    assert image.rgb.tobytes() == before


@pytest.mark.parametrize("framing", ["whole", "center"])
def test_a_file_and_its_image_are_framed_alike(framing: str, tmp_path: Path) -> None:
    out = io.BytesIO()
    noise(70, 50).save(out, "PNG")
    (tmp_path / "a.png").write_bytes(out.getvalue())
    one, other = (
        frame(decode(source), Preprocess(), framing) for source in (tmp_path / "a.png", noise(70, 50))
    )
    assert np.array_equal(one.array, other.array)
    assert one.geometry == other.geometry


def test_normalize_takes_channels_first_or_last_and_batches() -> None:
    pixels = np.random.RandomState(0).randint(0, 256, (2, 5, 7, 3)).astype(np.uint8)
    preprocess = Preprocess()
    last = normalize(pixels, preprocess)
    assert last.shape == (2, 3, 5, 7)
    assert np.array_equal(last, normalize(pixels.transpose(0, 3, 1, 2), preprocess))
    assert np.array_equal(last[1], normalize(pixels[1], preprocess))
    wanted = (pixels[1, 2, 3] / 255 - preprocess.mean) / preprocess.std
    assert last[1, :, 2, 3] == pytest.approx(wanted, abs=1e-5)
    for shape in ((3,), (4, 5), (2, 5, 7)):
        with pytest.raises(ShapeError, match="3, height, width"):
            normalize(np.zeros(shape, np.uint8), preprocess)


def test_arrays_and_images_are_resized_and_cropped_alike() -> None:
    image = noise(300, 200)
    pixels = np.asarray(image)
    assert resize(image, (90, 60), "bicubic").tobytes() == resize(pixels, (90, 60), "bicubic").tobytes()
    crop, window = center_crop(pixels, Preprocess(), 112)
    framed_crop = frame(decode(image), Preprocess(), "center", 112)
    assert np.array_equal(normalize(np.asarray(crop), Preprocess()), framed_crop.array)
    assert window == framed_crop.geometry.window
