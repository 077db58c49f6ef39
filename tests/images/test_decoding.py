"""Bytes to upright RGB: accepted files decode correctly, all others raise an ImageError."""

from __future__ import annotations

import hashlib
import io
import struct
import subprocess
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from sge.errors import (
    BrokenImageError,
    ImageError,
    ImageNotFoundError,
    TooManyPixelsError,
    UnsupportedFormatError,
)
from sge.images.decoding import MAX_PIXELS, DecodedImage, decode
from tests import drawn_images
from tests.drawn_images import FORMATS, chunk, encoded, png, scene, turned


def pixels(image: DecodedImage) -> np.ndarray:
    assert image.rgb.mode == "RGB"
    return np.asarray(image.rgb).astype(int)


def grays(data: bytes) -> list[int]:
    """A one-row image's values, which must be gray."""
    values = pixels(decode(data))
    assert (values == values[..., :1]).all()
    return values[0, :, 0].tolist()


def off(image: DecodedImage, wanted: Image.Image) -> int:
    """The largest difference in gray levels; a difference of size fails."""
    assert image.rgb.size == wanted.size
    return int(np.abs(pixels(image) - np.asarray(wanted).astype(int)).max())


# Formats


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("suffix", [".jpg", ".tiff", ".txt", ""])
def test_accepted_formats_whatever_their_name(kind: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"image{suffix}"
    path.write_bytes(encoded(scene(), kind))
    image = decode(path)
    assert (image.format, image.name, image.width, image.height) == (kind, path.name, 48, 32)
    assert image.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    # GIF has 256 colors, and the lossy formats halve the color's resolution.
    assert off(image, scene()) <= 24


@pytest.mark.parametrize("kind", drawn_images.REFUSED)
@pytest.mark.parametrize("suffix", [".jpg", ".png", ""])
def test_other_formats_are_refused_whatever_their_name(kind: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"image{suffix}"
    path.write_bytes(drawn_images.refused(kind))
    with pytest.raises(UnsupportedFormatError, match="JPEG, PNG, WebP, GIF or AVIF"):
        decode(path)
    with pytest.raises(UnsupportedFormatError):
        decode(path.read_bytes())


def test_a_phones_jpeg_with_a_second_frame_is_a_jpeg() -> None:
    data = encoded(scene(), "MPO", save_all=True, append_images=[scene().rotate(180)], quality=95)
    with Image.open(io.BytesIO(data)) as opened:
        assert opened.format == "MPO"  # else this test shows nothing
        assert decode(opened).format == "JPEG"
    assert decode(data).format == "JPEG"
    assert off(decode(data), scene()) <= 12


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF"])
def test_the_first_frame_of_an_animation(kind: str) -> None:
    frames = [Image.new("RGB", (32, 16), color) for color in ("red", "lime", "blue")]
    data = drawn_images.animation(kind, frames)
    with Image.open(io.BytesIO(data)) as opened:
        assert getattr(opened, "n_frames", 1) == 3
    assert off(decode(data), frames[0]) <= 3


# Limits


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("side", [8_000, 10_000, 16_000])
def test_pixels_are_counted_before_they_are_decoded(
    kind: str, side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """64, 100 and 256 million: under Pillow's warning, between it and its error, and above."""

    def never(*_args: object) -> None:
        raise AssertionError("decoded")

    data = drawn_images.claiming(kind, side, side)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", never)
    with pytest.raises(TooManyPixelsError, match="The limit is 50 million pixels"):
        decode(data)


@pytest.mark.parametrize(
    ("kind", "side"), [("PNG", 2**31 - 1), ("PNG", 60_000), ("JPEG", 65_500), ("GIF", 65_535)]
)
def test_the_largest_sizes_that_headers_can_claim(kind: str, side: int) -> None:
    with pytest.raises(TooManyPixelsError):
        decode(drawn_images.claiming(kind, side, side))


def test_the_limit_itself_is_allowed() -> None:
    data = encoded(scene(48, 32))
    assert decode(data, max_pixels=48 * 32).width == 48
    with pytest.raises(TooManyPixelsError, match=r"48 x 32 pixels\. The limit is 0\.00153 million"):
        decode(data, max_pixels=48 * 32 - 1)
    with pytest.raises(TooManyPixelsError):
        decode(scene(48, 32), max_pixels=48 * 32 - 1)


def test_pillows_own_limit_holds_beside_a_larger_one() -> None:
    with pytest.raises(TooManyPixelsError, match=r"The limit is 89\.5 million"):
        decode(drawn_images.claiming("PNG", 10_000, 10_000), max_pixels=10**9)


def test_a_limit_between_pillows_warning_and_its_error_needs_no_warning_filter() -> None:
    data = drawn_images.claiming("PNG", 10_000, 10_000)
    for action in ("ignore", "default", "error"):
        with warnings.catch_warnings(record=True):
            warnings.simplefilter(action, Image.DecompressionBombWarning)  # type: ignore[arg-type]
            with pytest.raises(TooManyPixelsError, match=r"The limit is 89\.5 million"):
                decode(data, max_pixels=10**9)


def test_importing_the_decoder_changes_no_warning_filter() -> None:
    code = (
        "import warnings; before = warnings.filters[:]; from PIL import Image, ImageCms; import numpy; "
        "before = warnings.filters[:]; import sge.images.decoding; assert warnings.filters[:] == before"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_limit_holds_where_pillows_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(TooManyPixelsError, match="The limit is 50 million"):
        decode(drawn_images.claiming("PNG", 20_000, 20_000))
    assert MAX_PIXELS == 50_000_000


def test_lack_of_memory_is_reported_as_too_many_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object) -> None:
        raise MemoryError

    data = encoded(scene())
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", full)
    with pytest.raises(TooManyPixelsError, match="memory"):
        decode(data)


# Turns


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_turns(kind: str, turn: int) -> None:
    upright = scene(64, 48)
    options = {"PNG": {}, "WEBP": {"lossless": True}, "JPEG": {"quality": 98, "subsampling": 0}}[kind]
    image = decode(turned(upright, turn, kind, **options))
    assert off(image, upright) <= (5 if kind == "JPEG" else 0)
    # Decoded again, as for a report, it must not be turned again.
    assert off(decode(image.rgb), image.rgb) == 0


def test_avif_turns() -> None:
    for turn in range(1, 9):
        assert off(decode(turned(scene(64, 48), turn, "AVIF", quality=100)), scene(64, 48)) <= 8


BAD_EXIF = [
    b"Exif\0\0garbage!!!!",
    b"Exif\0\0",
    b"Exif\0\0II*\0\xff\xff\xff\xff",
    b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 30,
    b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x01\0\0\0\x06\0\0\0\0\0\0\0",
    b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x63\0\0\0\0\0\0\0",
]


def with_exif(kind: str, data: bytes) -> bytes:
    if kind != "AVIF":
        return encoded(scene(), kind, exif=data)
    # libavif refuses to write some of these: a good block of the file is written over.
    good = Image.Exif()
    good[0x010E] = "x" * 100
    whole = encoded(scene(), kind, exif=good.tobytes())
    at, bad = whole.index(b"MM\0*"), data[6:]
    assert len(bad) < 100
    return whole[:at] + bad + whole[at + len(bad) :]


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.filterwarnings("ignore:.*Expecting to read")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("block", BAD_EXIF, ids=range(len(BAD_EXIF)))
def test_bad_exif_leaves_the_image_readable(kind: str, block: bytes) -> None:
    data = with_exif(kind, block)
    assert block[6:] in data
    assert off(decode(data), scene()) <= 24


@pytest.mark.filterwarnings("ignore:Tag data larger")
def test_a_turn_counts_though_another_entry_is_damaged() -> None:
    two = (
        b"\x02\0"
        + b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0"
        + b"\x00\x90\x07\0\xff\xff\xff\0\xff\0\0\0"
        + bytes(4)
    )
    image = decode(encoded(scene(40, 24), "PNG", exif=b"Exif\0\0II*\0\x08\0\0\0" + two))
    assert off(image, scene(40, 24).transpose(Image.Transpose.ROTATE_270)) == 0


# Modes


def test_16_bit_gray_is_scaled() -> None:
    assert grays(png(4, 1, 16, 0, [struct.pack(">4H", 0, 257 * 100, 65535, 300)])) == [0, 100, 255, 1]


def test_16_bit_gray_images_in_memory() -> None:
    values = np.array([[0, 257 * 100, 65535]], np.uint16)
    assert pixels(decode(Image.fromarray(values)))[0, :, 0].tolist() == [0, 100, 255]
    wide = Image.fromarray(np.array([[0, 257 * 100, 65_535]], np.int32))
    assert pixels(decode(wide))[0, :, 0].tolist() == [0, 100, 255]


def test_16_bit_colors() -> None:
    row = struct.pack(">6H", 0, 257 * 100, 65535, 257 * 7, 257 * 8, 257 * 9)
    data = png(2, 1, 16, 2, [row])
    assert pixels(decode(data))[0].tolist() == [[0, 100, 255], [7, 8, 9]]
    half = png(1, 1, 16, 6, [struct.pack(">4H", 257 * 100, 0, 257 * 200, 257 * 51)])
    assert np.abs(pixels(decode(half))[0, 0] - [224, 204, 244]).max() <= 1
    gray = png(2, 1, 16, 4, [struct.pack(">4H", 257 * 100, 65535, 257 * 100, 0)])
    assert grays(gray) == [100, 255]


def rgb(*colors: tuple[int, int, int]) -> bytes:
    return b"".join(bytes(color) for color in colors)


def test_the_color_that_stands_for_transparent_becomes_white() -> None:
    eight = png(2, 1, 8, 2, [rgb((10, 20, 30), (40, 50, 60))], chunk(b"tRNS", struct.pack(">3H", 10, 20, 30)))
    assert pixels(decode(eight))[0].tolist() == [[255] * 3, [40, 50, 60]]
    assert grays(png(2, 1, 8, 0, [b"\x0a\x14"], chunk(b"tRNS", struct.pack(">H", 10)))) == [255, 20]
    sixteen = [struct.pack(">3H", 0, 257 * 100, 257 * 100 + 1)]
    assert grays(png(3, 1, 16, 0, sixteen, chunk(b"tRNS", struct.pack(">H", 257 * 100)))) == [0, 255, 100]


@pytest.mark.parametrize(
    ("depth", "row", "gray", "wanted"),
    [
        (4, b"\x3a", 3, [255, 170]),
        (4, b"\x3a", 15, [51, 170]),
        (2, b"\x1b", 1, [0, 255, 170, 255]),
        (1, b"\x40", 0, [255, 255]),
        (1, b"\x40", 1, [0, 255]),
    ],
)
def test_transparent_gray_of_few_bits(depth: int, row: bytes, gray: int, wanted: list[int]) -> None:
    assert grays(png(len(wanted), 1, depth, 0, [row], chunk(b"tRNS", struct.pack(">H", gray)))) == wanted


def test_few_bits_without_transparency() -> None:
    assert grays(png(2, 1, 4, 0, [b"\x3a"])) == [51, 170]
    assert grays(png(4, 1, 2, 0, [b"\x1b"])) == [0, 85, 170, 255]
    assert grays(png(2, 1, 1, 0, [b"\x40"])) == [0, 255]


def test_palettes() -> None:
    colors = chunk(b"PLTE", rgb((200, 0, 0), (0, 200, 0), (0, 0, 200)))
    row = [b"\x00\x01\x02"]
    assert pixels(decode(png(3, 1, 8, 3, row, colors)))[0].tolist() == [
        [200, 0, 0],
        [0, 200, 0],
        [0, 0, 200],
    ]
    seen = pixels(decode(png(3, 1, 8, 3, row, colors, chunk(b"tRNS", b"\xff\x00\x80"))))[0]
    assert seen[:2].tolist() == [[200, 0, 0], [255] * 3]
    assert np.abs(seen[2] - [127, 127, 227]).max() <= 1


def test_a_gifs_transparent_color_becomes_white() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette(rgb((200, 0, 0), (0, 0, 200)))
    image.putdata([0, 1])
    seen = pixels(decode(encoded(image, "GIF", transparency=1)))[0].tolist()
    assert seen == [[200, 0, 0], [255, 255, 255]]


def test_alpha_is_composed_on_white() -> None:
    rgba = Image.fromarray(np.array([[[100, 0, 200, 255], [100, 0, 200, 51], [9, 9, 9, 0]]], np.uint8))
    for data in (encoded(rgba), encoded(rgba, "WEBP", lossless=True, exact=True)):
        assert np.abs(pixels(decode(data))[0] - [[100, 0, 200], [224, 204, 244], [255] * 3]).max() <= 1
    la = Image.fromarray(np.array([[[100, 255], [100, 51], [9, 0]]], np.uint8), "LA")
    assert np.abs(np.array(grays(encoded(la))) - [100, 224, 255]).max() <= 1


def cmyk(c: int, m: int, y: int, k: int) -> Image.Image:
    return Image.new("CMYK", (32, 32), (c, m, y, k))


@pytest.mark.parametrize(
    ("ink", "wanted"),
    [((0, 0, 0, 0), (255, 255, 255)), ((255, 0, 0, 0), (0, 255, 255)), ((0, 0, 0, 155), (100, 100, 100))],
)
@pytest.mark.parametrize("profile", [None, b"no profile at all", b"\0" * 200], ids=["none", "text", "zeros"])
def test_cmyk(ink: tuple[int, ...], wanted: tuple[int, ...], profile: bytes | None) -> None:
    options = {} if profile is None else {"icc_profile": profile}
    image = decode(encoded(cmyk(*ink), "JPEG", quality=98, **options))
    assert np.abs(pixels(image) - wanted).max() <= 4
    assert "icc_profile" not in image.rgb.info  # It describes the inks and not these pixels.


def srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def test_cmyk_with_a_profile_of_another_kind() -> None:
    image = decode(encoded(cmyk(255, 0, 0, 0), "JPEG", quality=98, icc_profile=srgb()))
    assert np.abs(pixels(image) - (0, 255, 255)).max() <= 4


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_bad_color_profiles_leave_the_image_readable(kind: str) -> None:
    valid = srgb()  # A profile contains the time of its creation.
    for profile in (b"no profile at all", valid[:100], bytes(300)):
        if kind == "AVIF":
            good = encoded(scene(), kind, icc_profile=valid)
            data = good.replace(valid[:60], (profile * 5)[-60:])
            assert data != good
        else:
            data = encoded(scene(), kind, icc_profile=profile)
        assert off(decode(data), scene()) <= 24


def test_a_png_profile_that_cannot_be_unpacked() -> None:
    large = b"name\0\0" + zlib.compress(bytes(5_000_000))
    for packed in (b"name\0\0no zlib", b"name\0\x07x", b"name", b"", large):
        assert grays(png(2, 1, 8, 0, [b"\x0a\x14"], chunk(b"iCCP", packed))) == [10, 20]


def test_a_pngs_texts_leave_the_image_readable() -> None:
    large = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(5_000_000)))
    wrong_sum = large[:-1] + bytes([large[-1] ^ 1])
    for text in (large, wrong_sum):
        gray = chunk(b"tRNS", struct.pack(">H", 10))
        assert grays(png(2, 1, 8, 0, [b"\x0a\x14"], text, gray)) == [255, 20]
        assert grays(png(2, 1, 8, 0, [b"\x0a\x14"], gray, after=text)) == [255, 20]
    with pytest.raises(TooManyPixelsError):
        decode(png(20_000, 20_000, 8, 0, [b"\0"], large))


@pytest.mark.parametrize("source", [None, 3, np.zeros((4, 4, 3), np.uint8), io.StringIO("text")])
def test_other_objects_are_refused_with_the_accepted_ones_named(source: object) -> None:
    with pytest.raises(ImageError, match="An image is a path, bytes, a PIL image or a file opened with 'rb'"):
        decode(source)  # type: ignore[arg-type]


def test_a_text_file_and_a_closed_one(tmp_path: Path) -> None:
    path = tmp_path / "image.jpg"
    path.write_bytes(encoded(scene(), "JPEG"))
    closed = path.open("rb")
    closed.close()
    with path.open() as text:
        for source, told in ((text, "opened with 'rb'"), (closed, "The file is closed")):
            with pytest.raises(ImageError, match=told):
                decode(source)  # type: ignore[arg-type]


# Damage

WHOLE = {kind: encoded(scene(), kind) for kind in FORMATS}
WHOLE["animated GIF"] = drawn_images.animation("GIF", [scene(), scene().rotate(180)])
WHOLE["progressive JPEG"] = encoded(scene(), "JPEG", progressive=True)
WHOLE["lossless WebP"] = encoded(scene().convert("RGBA"), "WEBP", lossless=True)
WHOLE["palette PNG"] = encoded(scene().quantize(16), "PNG")
WHOLE["MPO"] = encoded(scene(), "MPO", save_all=True, append_images=[scene()])
WHOLE["CMYK"] = encoded(cmyk(1, 2, 3, 4), "JPEG", icc_profile=srgb())
WHOLE["turned"] = turned(scene(), 6, "JPEG")


def read(data: bytes) -> DecodedImage | None:
    """None after an ImageError with a message; any other error fails the test."""
    try:
        image = decode(data, max_pixels=1_000_000)
    except ImageError as error:
        return None if str(error) else pytest.fail("an error without a message")
    assert image.rgb.mode == "RGB"
    image.rgb.load()
    return image


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", WHOLE)
def test_cut_off_everywhere(kind: str) -> None:
    data = WHOLE[kind]
    assert read(data) is not None
    for at in [*range(0, min(len(data), 400), 3), *range(400, len(data), 97)]:
        read(data[:at])
    assert read(data[: len(data) // 2]) is None


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=250, deadline=None)
@given(
    kind=st.sampled_from(list(WHOLE)),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=8),
    keep=st.floats(0.05, 1),
)
@example(kind="GIF", flips=[(0.0, 1)], keep=1)
def test_flipped_bits_raise_only_image_errors(kind: str, flips: list[tuple[float, int]], keep: float) -> None:
    data = bytearray(WHOLE[kind])
    for position, bits in flips:
        data[int(position * len(data))] ^= bits
    read(bytes(data[: int(keep * len(data))]))


@settings(max_examples=100, deadline=None)
@given(head=st.sampled_from([b"", *(data[:30] for data in WHOLE.values())]), tail=st.binary(max_size=300))
def test_any_bytes_raise_only_image_errors(head: bytes, tail: bytes) -> None:
    assert read(head + tail) is None


@pytest.mark.parametrize("kind", FORMATS)
def test_a_cut_off_image_is_broken_and_not_of_another_format(kind: str) -> None:
    for at in (20, len(WHOLE[kind]) // 2):
        with pytest.raises(BrokenImageError, match="damaged or cut off"):
            decode(WHOLE[kind][:at])


def test_empty_images_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    for empty in (b"", bytearray(), io.BytesIO(), tmp_path / "empty.jpg"):
        with pytest.raises(BrokenImageError, match="empty"):
            decode(empty)
    for size in ((0, 0), (0, 5), (5, 0)):
        with pytest.raises(BrokenImageError, match="empty"):
            decode(Image.new("RGB", size))


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1)])
@pytest.mark.parametrize("kind", FORMATS)
def test_the_smallest_and_thinnest(kind: str, size: tuple[int, int]) -> None:
    image = decode(encoded(Image.new("RGB", size, (90, 90, 90)), kind))
    assert image.rgb.size == size
    assert np.abs(pixels(image) - 90).max() <= 2


# Sources


def test_every_kind_of_source_gives_the_same(tmp_path: Path) -> None:
    data = encoded(scene())
    path = tmp_path / "a.png"
    path.write_bytes(data)
    with path.open("rb") as file:
        sources = [data, bytearray(data), memoryview(data), io.BytesIO(data), path, str(path), file]
        seen = [decode(source) for source in sources]
    assert {one.sha256 for one in seen} == {hashlib.sha256(data).hexdigest()}
    assert [one.name for one in seen] == [None] * 4 + ["a.png"] * 2 + [None]
    assert all(off(one, scene()) == 0 for one in seen)
    assert decode(path, name="b.png").name == "b.png"


def test_paths_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ImageNotFoundError, match="no file"):
        decode(tmp_path / "gone.jpg")
    with pytest.raises(FileNotFoundError):
        decode(tmp_path / "gone.jpg")
    (tmp_path / "a.jpg").touch()
    for path in (tmp_path, "", "a\0b", tmp_path / ("x" * 5000), tmp_path / "a.jpg" / "b.jpg"):
        with pytest.raises(ImageError, match="cannot be read"):
            decode(path)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "PA", "CMYK", "YCbCr", "HSV", "I", "F"])
def test_pil_images_of_any_mode_stay_as_they_were(mode: str) -> None:
    source = scene().convert("L").convert(mode) if mode == "PA" else scene().convert(mode)
    before = (source.mode, source.size, dict(source.info), source.tobytes())
    image = decode(source, name="mine")
    assert (image.format, image.name, image.rgb.size) == ("MEMORY", "mine", (48, 32))
    image.rgb.paste((1, 2, 3), (0, 0, 48, 32))
    assert (source.mode, source.size, dict(source.info), source.tobytes()) == before
    if mode in ("RGB", "RGBA", "P", "CMYK"):
        assert off(decode(source), source.convert("RGB")) == 0


def test_pil_images_are_turned_and_named_by_their_pixels() -> None:
    with Image.open(io.BytesIO(turned(scene(), 6))) as source:
        image = decode(source)
        assert (source.size, source.getexif()[0x0112]) == ((32, 48), 6)
    assert off(image, scene()) == 0
    assert image.format == "PNG"
    assert image.sha256 == decode(scene()).sha256 == hashlib.sha256(scene().tobytes()).hexdigest()
    assert decode(scene().rotate(180)).sha256 != image.sha256


def test_lazy_pil_images_that_turn_out_broken() -> None:
    data = encoded(drawn_images.noise(64, 64), "JPEG")
    source = Image.open(io.BytesIO(data[: len(data) // 2]))
    with pytest.raises(BrokenImageError, match="JPEG is cut off"):
        decode(source)
    closed = Image.open(io.BytesIO(data))
    closed.close()
    with pytest.raises(BrokenImageError):
        decode(closed)


def test_many_threads_see_the_same() -> None:
    bombs = [drawn_images.claiming("PNG", 10_000, 10_000), drawn_images.claiming("PNG", 20_000, 20_000)]
    sources = [*WHOLE.values(), *bombs, b"", b"text"] * 8
    wanted = [got and got.rgb.tobytes() for got in map(read, sources)]
    with ThreadPoolExecutor(8) as pool:
        seen = [got and got.rgb.tobytes() for got in pool.map(read, sources)]
    assert seen == wanted
    assert wanted.count(None) == 4 * 8
