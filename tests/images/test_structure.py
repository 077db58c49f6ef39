from __future__ import annotations

import io
from dataclasses import replace

import pytest
from PIL import Image

from sge.errors import ImageError, ImageTooCostlyError, SGEError, TooManyPixelsError
from sge.images import StructureLimits, decode, inspect
from tests.decoder_cases import all_cases
from tests.drawn_images import FORMATS, encoded, refused, scene
from tests.images.absurd_files import ANIMATED, FEW, absurd_files

LIMITS = StructureLimits()


@pytest.fixture
def no_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow must not see a byte."""

    def opened(*_args: object, **_options: object) -> None:
        raise AssertionError("a decoder was asked")

    monkeypatch.setattr(Image, "open", opened)


def _error_of(data: bytes) -> ImageError | None:
    try:
        decode(data)
    except ImageError as error:
        return error
    return None


@pytest.mark.usefixtures("no_decoder")
@pytest.mark.parametrize(
    ("kind", "error", "limits"),
    [
        ("too many", ImageTooCostlyError, FEW),
        ("too large", TooManyPixelsError, LIMITS),
        ("metadata", ImageTooCostlyError, FEW),
    ],
)
def test_absurd_files_are_refused_before_a_decoder_sees_them(kind, error, limits):
    for name, data in absurd_files(kind).items():
        for look in (inspect, lambda data, limits: decode(data, limits=limits)):
            with pytest.raises(error) as caught:
                look(data, limits)
            sentence = str(caught.value)
            assert sentence.endswith("."), name
            assert "again" in sentence, name


def test_files_that_only_look_absurd_are_decoded_or_refused_as_damaged():
    for name, data in absurd_files("harmless").items():
        assert inspect(data).format in name
        assert not isinstance(_error_of(data), ImageTooCostlyError), name


@pytest.mark.parametrize("case", all_cases(), ids=lambda case: case.name)
def test_every_decoder_case_passes_with_its_size(case):
    found = inspect(case.data)
    image = decode(case.data)
    assert found.format == image.format
    assert {found.width, found.height} == {image.width, image.height}
    assert found.memory >= found.pixels * 3
    assert found.frames >= 1


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("size", [(1, 1), (5, 300), (301, 7)])
def test_sizes_are_those_that_pillow_reads(kind, size):
    data = encoded(scene(*size), kind)
    with Image.open(io.BytesIO(data)) as image:
        found = inspect(data)
        assert (found.width, found.height) == image.size == size


@pytest.mark.parametrize("kind", ANIMATED)
def test_frames_are_counted(kind):
    assert inspect(ANIMATED[kind]).frames >= 2
    assert inspect(encoded(scene(), kind)).frames == 1
    with pytest.raises(ImageTooCostlyError, match="more than 1 frames"):
        inspect(ANIMATED[kind], replace(LIMITS, max_frames=1))


def test_each_limit_is_one_that_counts():
    progressive = encoded(scene(), "JPEG", progressive=True, comment=b"c" * 100)
    found = inspect(progressive)
    assert found.scans > 1
    assert found.metadata >= 100
    exact = StructureLimits(
        found.pixels, 48, found.segments, 0, 1, found.scans * found.pixels, found.metadata, found.memory
    )
    assert inspect(progressive, exact) == found
    for name in ("max_pixels", "max_side", "max_segments", "max_scan_pixels", "max_metadata", "max_memory"):
        less = replace(exact, **{name: getattr(exact, name) - 1})
        with pytest.raises((TooManyPixelsError, ImageTooCostlyError)):
            inspect(progressive, less)
        with pytest.raises((TooManyPixelsError, ImageTooCostlyError)):
            decode(progressive, limits=less)
    gif = encoded(scene(), "GIF")
    with pytest.raises(ImageTooCostlyError, match="data blocks"):
        inspect(gif, replace(LIMITS, max_data_blocks=1))


def test_cutting_a_file_anywhere_never_raises_another_error():
    for data in [*(encoded(scene(), kind) for kind in FORMATS), *ANIMATED.values()]:
        for end in range(0, len(data), 7):
            try:
                inspect(data[:end])
            except SGEError:
                continue


@pytest.mark.parametrize("kind", ["HTML", "TIFF", "ZIP", "zeros"])
def test_other_files_get_the_decoder_s_sentence(kind):
    sentences = set()
    for look in (inspect, decode):
        with pytest.raises(ImageError) as caught:
            look(refused(kind))
        sentences.add(str(caught.value))
    assert len(sentences) == 1
