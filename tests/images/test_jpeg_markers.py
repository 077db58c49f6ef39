"""A JPEG with so many scans that decoding would take minutes is refused before it is decoded."""

from __future__ import annotations

import pytest
from PIL import Image

from sge.errors import BrokenImageError
from sge.images.decoding import decode
from sge.images.jpeg_markers import MAX_SCANS, read_jpeg
from tests.drawn_images import FORMATS, encoded, scene


def with_scans(extra: int) -> bytes:
    """A valid progressive JPEG whose last scan is repeated ``extra`` times."""
    data = encoded(scene(), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * extra + data[-2:]


def test_scans_are_counted() -> None:
    assert read_jpeg(encoded(scene(), "JPEG")).scans == 1
    usual = read_jpeg(with_scans(0)).scans
    assert 4 < usual < 15
    assert read_jpeg(with_scans(7)).scans == usual + 7
    assert read_jpeg(with_scans(5000)).scans == MAX_SCANS + 1


def test_a_second_frame_does_not_count() -> None:
    one, two = (encoded(scene(), "MPO", save_all=True, append_images=[scene()] * n) for n in (1, 2))
    assert read_jpeg(one).scans == read_jpeg(two).scans == 1


def test_many_scans_are_refused_and_the_usual_ones_are_not() -> None:
    assert decode(with_scans(20)).format == "JPEG"
    with pytest.raises(BrokenImageError, match="more than 100 scans"):
        decode(with_scans(MAX_SCANS))


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"\xff\xd8\xff\xda", b"\xff" * 1000, b"\xff\xda\x00\x00" * 50]
)
def test_damage_raises_no_error(data: bytes) -> None:
    assert read_jpeg(data).scans >= 0


@pytest.mark.parametrize("kind", FORMATS)
def test_other_formats_are_not_counted(kind: str) -> None:
    image = scene().resize((640, 480), Image.Resampling.NEAREST)
    assert decode(encoded(image, kind)).width == 640
