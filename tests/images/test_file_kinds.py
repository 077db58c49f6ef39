"""Files that are no accepted image are named by their content, with what to do."""

from __future__ import annotations

import gzip
import io
import struct
from pathlib import Path

import pytest
from PIL import Image

from sge.errors import BrokenImageError, ImageError, UnsupportedFormatError
from sge.images.decoding import decode
from sge.images.file_kinds import FORMATS, FORMATS_TEXT, accepted_format, unsupported_sentence
from tests.drawn_images import encoded, scene


def media(major: bytes, *compatible: bytes) -> bytes:
    """An ISO media file of these brands."""
    brands = major + bytes(4) + b"".join(compatible)
    return struct.pack(">I", 8 + len(brands)) + b"ftyp" + brands + struct.pack(">I", 8) + b"meta" + bytes(200)


def dng() -> bytes:
    return encoded(scene(), "TIFF", tiffinfo={0xC612: b"\1\4\0\0"})


KINDS: dict[str, tuple[bytes, str]] = {
    "heic": (media(b"heic", b"mif1", b"heic"), "HEIC"),
    "heic of ten bits": (media(b"heix", b"mif1", b"heix"), "HEIC"),
    "heic named mif1": (media(b"mif1", b"mif1", b"heic"), "HEIC"),
    "heic sequence": (media(b"hevc", b"msf1", b"hevc"), "HEIC"),
    "heic sequence named msf1": (media(b"msf1", b"msf1", b"hevc"), "HEIC"),
    "heif": (media(b"mif1", b"mif1", b"miaf"), "HEIF"),
    "tiff": (encoded(scene(), "TIFF"), "TIFF"),
    "big tiff": (b"II+\0\x08\0\0\0" + bytes(40), "TIFF"),
    "dng": (dng(), "DNG"),
    "cr2": (b"II*\0\x10\0\0\0CR\2\0" + bytes(80), "CR2"),
    "cr3": (media(b"crx ", b"crx ", b"isom"), "CR3"),
    "raf": (b"FUJIFILMCCD-RAW 0201", "RAF"),
    "bmp": (encoded(scene(), "BMP"), "BMP"),
    "jpeg xl": (b"\xff\x0a" + bytes(50), "JPEG XL"),
    "jpeg xl in boxes": (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(9), "JPEG XL"),
    "jpeg 2000": (encoded(scene(), "JPEG2000"), "JPEG 2000"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
    "svg as xml": (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- x --><svg/>", "SVG"),
    "psd": (b"8BPS\0\1" + bytes(40), "Photoshop"),
    "xcf": (b"gimp xcf v011", "GIMP"),
    "pdf": (b"%PDF-1.7\n", "PDF"),
    "mp4": (media(b"isom", b"isom", b"mp42"), "video"),
    "mov": (media(b"qt  ", b"qt  "), "video"),
    "old mov": (struct.pack(">I", 99) + b"moov" + bytes(40), "video"),
    "webm": (b"\x1aE\xdf\xa3" + bytes(30), "video"),
    "avi": (b"RIFF\0\0\0\0AVI LIST", "video"),
    "wav": (b"RIFF\0\0\0\0WAVEfmt ", "sound"),
    "ico": (encoded(scene(), "ICO"), "icon"),
    "html": (b"\n <!DOCTYPE html><html><body>404</body></html>", "web page"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 9\n", "git lfs pull"),
    "text": ("Grüße\n".encode(), "text"),
    "text of Windows": ("Grüße".encode("utf-16"), "text"),
    "json": (b'{"image": "aGVsbG8="}', "JSON"),
    "data url": (b"data:image/png;base64,iVBORw0KGgo", "base64"),
    "base64": (b"/9j/4AAQSkZJRgABAQ", "base64"),
    "address": (b"https://example.org/dog.jpg\n", "web address"),
    "gzip": (gzip.compress(b"x"), "gzip"),
    "zip": (b"PK\3\4" + bytes(40), "ZIP"),
    "tar": (b"a.jpg" + bytes(252) + b"ustar" + bytes(300), "tar"),
    "numpy": (b"\x93NUMPY\1\0", "NumPy"),
    "apple double": (b"\0\5\x16\7\0\2\0\0Mac OS X", "companion"),
    "pgm": (b"P5\n2 2\n255\n" + bytes(4), "Netpbm"),
    "exr": (b"v/1\1\2\0\0\0", "OpenEXR"),
}


@pytest.fixture(autouse=True)
def without_heic(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said where the optional package is not installed."""
    monkeypatch.setattr("sge.images.structure.heic_is_readable", lambda: False)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("ending", [".jpg", ".png", ""])
def test_files_are_named_whatever_their_ending(name: str, ending: str, tmp_path: Path) -> None:
    data, word = KINDS[name]
    path = tmp_path / f"image{ending}"
    path.write_bytes(data)
    with pytest.raises(UnsupportedFormatError) as caught:
        decode(path)
    assert word in str(caught.value)
    assert FORMATS_TEXT in str(caught.value)
    assert str(caught.value).endswith(".")


def test_a_heic_photo_comes_with_the_way_to_change_the_camera() -> None:
    assert "Settings > Camera > Formats > Most Compatible" in unsupported_sentence(KINDS["heic"][0])


@pytest.mark.parametrize("name", KINDS)
def test_the_beginning_of_any_file_gives_a_sentence(name: str) -> None:
    data = KINDS[name][0][:600]
    for end in range(1, len(data), 3):
        with pytest.raises(ImageError, match=r"\.$"):
            decode(data[:end])


@pytest.mark.parametrize("kind", FORMATS)
def test_accepted_formats_are_known_from_their_first_bytes(kind: str) -> None:
    data = encoded(scene(), kind)
    assert accepted_format(data) == accepted_format(data[:64]) == kind
    with pytest.raises(BrokenImageError):
        decode(data[:40])


def test_avif_under_the_brand_of_its_container_is_avif() -> None:
    data = encoded(scene(), "AVIF").replace(b"ftypavif", b"ftypmif1")
    assert decode(data).format == "AVIF"


def test_a_png_of_a_text_transfer_is_damaged_and_not_of_another_format() -> None:
    data = encoded(Image.new("RGB", (9, 9)), "PNG").replace(b"\r\n", b"\n")
    with pytest.raises(BrokenImageError):
        decode(data)
    assert io.BytesIO(data).read(4) == b"\x89PNG"
