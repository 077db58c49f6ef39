"""Cut-off and damaged files: either every pixel is right, with a note, or the file is refused with a sentence."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from sge.errors import ImageError, UnsupportedFormatError
from sge.images.decoding import decode
from tests.decoder_cases import all_cases
from tests.decoder_cases.jpeg_cases import SUBSAMPLED, smooth
from tests.decoder_cases.jpeg_writer import JFIF, jpeg_file, planes_of, segment, ycbcr
from tests.drawn_images import encoded, noise, scene

CUT = (
    *(
        "png rgb 8 bit",
        "png rgb 16 bit hides a color",
        "png palette 4 bit with alpha",
        "png gray 16 bit interlaced",
    ),
    *(
        "apng",
        "apng with a stand-in",
        "jpeg 4:2:0",
        "jpeg with restart markers",
        "jpeg of three scans, 4:2:0",
    ),
    *(
        "jpeg progressive",
        "jpeg inks as YCCK",
        "jpeg profile in two segments",
        "webp lossless",
        "webp lossy alpha",
    ),
    *("webp animated", "gif interlaced", "gif part with a local palette", "avif 4:2:0 full", "avif alpha"),
)
STRIDE = 5


def shown(data: bytes) -> tuple[np.ndarray, tuple[str, ...]] | None:
    """None for a file that is refused with a sentence; any other error fails the test."""
    try:
        image = decode(data)
    except ImageError as error:
        return None if str(error).endswith(".") else pytest.fail(f"no sentence: {error}")
    return np.asarray(image.rgb), image.notes


@pytest.mark.parametrize("name", CUT)
def test_what_opens_of_a_cut_off_file_is_whole(name: str) -> None:
    data = next(case.data for case in all_cases() if case.name == name)
    whole = shown(data)
    assert whole is not None
    still = (
        np.asarray(decode(data[: data.index(b"fdAT") - 4]).rgb) if name == "apng with a stand-in" else None
    )
    ends = {*range(1, len(data), STRIDE), *range(len(data) - 40, len(data))}
    for end in sorted(ends):
        seen = shown(data[:end])
        if seen is None:
            continue
        pixels, notes = seen
        if still is not None and "animation is damaged" in " ".join(notes):
            assert (pixels == still).all()
            continue
        assert (pixels == whole[0]).all(), end
        assert notes or not name.startswith("jpeg"), end


@pytest.mark.parametrize(
    "options",
    [{}, {"restart_marker_blocks": 3}, {"restart_marker_rows": 1}, {"progressive": True}, {"quality": 100}],
    ids=str,
)
def test_a_jpeg_without_its_end_is_whole_or_refused(options: dict[str, int]) -> None:
    for image in (
        noise(50, 37),
        scene(90, 60),
        Image.new("RGB", (70, 40), (200, 30, 30)),
        noise(40, 30).convert("L"),
    ):
        data = encoded(image, "JPEG", **options)
        whole = np.asarray(decode(data).rgb)
        assert decode(data).notes == ()
        for lost in (1, 2):
            seen = shown(data[:-lost])
            assert seen is not None
            assert (seen[0] == whole).all()
            assert seen[1] == ("The JPEG's end marker is missing; all pixels were there.",)
        for end in range(data.rindex(b"\xff\xda") + 14, len(data) - 3, 11):
            later = shown(data[:end])
            assert later is None or (later[0] == whole).all(), end


def test_damaged_pixels_of_a_jpeg_are_noted_and_sound_ones_are_not() -> None:
    """Damage that ends after as many bytes as sound data would is not seen; a decoder sees it neither."""
    rs, noted = np.random.RandomState(4), 0
    for number in range(40):
        size = rs.randint(48, 120, 2).tolist()
        options = {"quality": int(rs.randint(1, 100)), "subsampling": int(rs.randint(0, 3))}
        data = encoded(noise(*size, seed=number), "JPEG", **options)
        assert decode(data).notes == ()
        with Image.open(io.BytesIO(data)) as plain:
            assert (np.asarray(decode(data).rgb) == np.asarray(plain)).all()
        start = data.index(b"\xff\xda") + 14
        without = data[:start] + data[start + (len(data) - start) // 3 :]
        more = data[:-2] + data[start : start + 30].replace(b"\xff", b"") + data[-2:]
        for damaged in (without, more):
            seen = shown(damaged)
            assert seen is not None
            noted += any("pixels are damaged" in note for note in seen[1])
    assert noted >= 76


def test_a_missing_restart_marker_is_noted() -> None:
    data = jpeg_file(planes_of(ycbcr(smooth()), SUBSAMPLED["4:4:4"]), (24, 16), JFIF, restart=1)
    at = data.index(b"\xff\xd2")
    seen = shown(data[:at] + data[at + 2 :])
    assert seen is not None
    assert any("pixels are damaged" in note for note in seen[1])


FRAMES = {
    0xC3: "lossless",
    0xC5: "hierarchical",
    0xC7: "lossless and hierarchical",
    0xCB: "lossless",
    0xF7: "JPEG-LS",
}


def test_kinds_of_jpeg_that_are_not_read_are_named() -> None:
    planes = planes_of(ycbcr(smooth()), SUBSAMPLED["4:4:4"])
    for frame, word in FRAMES.items():
        with pytest.raises(UnsupportedFormatError, match=word):
            decode(jpeg_file(planes, (24, 16), JFIF, frame=frame))
    with pytest.raises(UnsupportedFormatError, match="12 bits a channel"):
        decode(jpeg_file(planes, (24, 16), JFIF, frame=0xC1, depth=12))
    with pytest.raises(UnsupportedFormatError, match="2 channels"):
        decode(jpeg_file(planes[:2], (24, 16), JFIF))


def test_metadata_in_thousands_of_segments_does_not_matter() -> None:
    exif = segment(0xE1, b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0")
    many = segment(0xE1, b"Exif\0\0x") * 20_000 + segment(0xE2, b"ICC_PROFILE\0\1\2x") * 2000
    planes = planes_of(ycbcr(smooth()), SUBSAMPLED["4:4:4"])
    plain, crowded = (decode(jpeg_file(planes, (24, 16), JFIF, exif, extra)) for extra in (b"", many))
    assert (plain.rgb.size, crowded.rgb.size) == ((16, 24), (16, 24))
    assert plain.rgb.tobytes() == crowded.rgb.tobytes()
    assert crowded.notes == ("The color profile is damaged and was ignored.",)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_changed_bytes_of_any_file_raise_only_sentences() -> None:
    rs, cases = np.random.RandomState(8), all_cases()
    for number in range(len(cases) * 2):
        data = bytearray(cases[number % len(cases)].data)
        for at in rs.randint(0, len(data), rs.randint(1, 6)).tolist():
            data[at] ^= 1 << rs.randint(8)
        seen = shown(bytes(data[: rs.randint(1, len(data) + 1)] if rs.rand() < 0.2 else data))
        assert seen is None or seen[0].ndim == 3
