"""Sources in states that a program leaves them in: closed, read to the end, under settings of its own for Pillow."""

from __future__ import annotations

import gzip
import io
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import pytest
from PIL import Image, ImageFile

from sge.errors import BrokenImageError, ImageError, ImageNotFoundError
from sge.images.decoding import decode
from tests.drawn_images import FORMATS, encoded, scene

FILES = {kind: encoded(scene(), kind) for kind in FORMATS}
FILES["progressive JPEG"] = encoded(scene(), "JPEG", progressive=True)
FILES["palette PNG"] = encoded(scene().quantize(16), "PNG")
OTHERS = {kind: encoded(scene(), kind) for kind in ("BMP", "TGA")}
"""Formats that are decoded from PIL images only."""


@pytest.mark.parametrize("share", [0.4, 0.8])
def test_missing_pixels_are_noticed_where_the_program_lets_pillow_pass_over_them(
    share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    for kind, whole in (FILES | OTHERS).items():
        cut = whole[: int(share * len(whole))]
        if kind in FILES:
            with pytest.raises(BrokenImageError):
                decode(cut)
            assert decode(whole).notes == ()
        try:
            opened = Image.open(io.BytesIO(cut))
        except OSError:
            continue  # Pillow cannot open it.
        with pytest.raises(BrokenImageError):
            decode(opened)
    assert ImageFile.LOAD_TRUNCATED_IMAGES


@pytest.mark.parametrize("kind", FILES)
def test_images_that_were_closed(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(FILES[kind])
    expected = decode(path).rgb.tobytes()
    with Image.open(path) as loaded:
        loaded.load()
    assert decode(loaded).rgb.tobytes() == expected
    with Image.open(path) as unread:
        pass
    if kind in ("WEBP", "AVIF"):  # Pillow keeps them in memory.
        assert decode(unread).rgb.tobytes() == expected
    else:
        with pytest.raises(BrokenImageError, match="closed before its pixels were read"):
            decode(unread)
    loaded.close()
    with pytest.raises(BrokenImageError, match="closed before its pixels were read"):
        decode(loaded)


def broken_archive() -> IO[bytes]:
    with zipfile.ZipFile(buffer := io.BytesIO(), "w") as archive:
        archive.writestr("a.png", FILES["PNG"])
    data = bytearray(buffer.getvalue())
    data[100] ^= 255
    return zipfile.ZipFile(io.BytesIO(data)).open("a.png")


class Failing:
    """A connection that is lost."""

    def read(self) -> bytes:
        raise RuntimeError("lost")


@pytest.mark.parametrize(
    "source",
    [
        gzip.GzipFile(fileobj=io.BytesIO(b"no gzip at all")),
        gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(FILES["PNG"])[:-30])),
        broken_archive(),
        Failing(),
    ],
    ids=["no gzip", "cut gzip", "archive", "lost"],
)
def test_files_that_fail_while_they_are_read(source: Any) -> None:
    with pytest.raises(ImageError, match="cannot be read to its end") as caught:
        decode(source)
    assert "lost" not in str(caught.value)


def test_positions_of_files() -> None:
    file = io.BytesIO(b"before" + FILES["PNG"])
    file.seek(6)
    assert decode(file).rgb.tobytes() == decode(FILES["PNG"]).rgb.tobytes()
    with pytest.raises(BrokenImageError, match=r"Call seek\(0\)"):
        decode(file)


def test_paths(tmp_path: Path) -> None:
    class BytesPath:
        def __fspath__(self) -> bytes:
            return bytes(tmp_path / "image.png")

    (tmp_path / "image.png").write_bytes(FILES["PNG"])
    assert decode(BytesPath()).name == "image.png"  # type: ignore[arg-type]
    with pytest.raises(ImageError, match="'/dev/zero' is a device"):
        decode("/dev/zero")
    for path in ("a" * 5000, "a\0b", "a\ud800.png"):
        with pytest.raises(ImageError, match="cannot be read") as caught:
            decode(path)
        assert len(str(caught.value)) < 400
    with pytest.raises(ImageNotFoundError, match=r"https://example\.org/a\.jpg"):
        decode("https://example.org/a.jpg")


def test_threads_share_an_image_that_was_not_read(tmp_path: Path) -> None:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for kind, data in (FILES | OTHERS).items():
            path = tmp_path / kind
            path.write_bytes(data)
            expected = decode(Image.open(io.BytesIO(data))).rgb.tobytes()
            for _ in range(5):
                with Image.open(path) as shared, ThreadPoolExecutor(4) as pool:
                    found = list(pool.map(decode, [shared] * 8))
                assert {image.rgb.tobytes() for image in found} == {expected}
    finally:
        sys.setswitchinterval(before)


def test_a_replaced_open_of_pillow_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other packages put a function of their own there: that of ultralytics installs packages."""

    def replaced(*args: object, **kwargs: object) -> None:
        raise ModuleNotFoundError("No module named 'pi_heif'")

    opened = {kind: Image.open(io.BytesIO(file)) for kind, file in FILES.items()}
    monkeypatch.setattr(Image, "open", replaced)
    for kind, file in FILES.items():
        assert decode(opened[kind]).rgb.tobytes() == decode(file).rgb.tobytes()
        for damaged in (file[:40], file[: len(file) // 3]):
            with pytest.raises(ImageError):
                decode(damaged)
