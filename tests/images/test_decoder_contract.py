"""The pixels that files show, compared with values that are computed without any decoder (``docs/images.md``)."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from sge.images.decoding import decode
from tests.decoder_cases import Case, all_cases

DEFINED = [case for case in all_cases() if case.wanted is not None]


def test_there_are_many_files_of_every_format_and_their_names_differ() -> None:
    names = [case.name for case in all_cases()]
    assert len(set(names)) == len(names)
    for format, number in (("png", 100), ("apng", 8), ("jpeg", 60), ("webp", 25), ("gif", 20), ("avif", 40)):
        assert sum(name.startswith(f"{format} ") for name in names) >= number, format


@pytest.mark.parametrize("case", DEFINED, ids=lambda case: case.name)
def test_the_pixels_are_those_that_were_written(case: Case) -> None:
    shown = decode(case.data).rgb
    assert shown.mode == "RGB"
    assert case.wanted is not None
    assert (shown.height, shown.width, 3) == case.wanted.shape
    assert np.abs(np.asarray(shown) - case.wanted).max() <= case.tolerance


def test_every_note_is_a_sentence_and_files_without_faults_have_none() -> None:
    notes = {case.name: decode(case.data).notes for case in all_cases()}
    assert all(note.endswith(".") and note[0].isupper() for each in notes.values() for note in each)
    for quiet in ("jpeg 4:2:0", "png rgba 16 bit", "webp lossy alpha", "gif hides a color", "avif exif 6"):
        assert notes[quiet] == ()
    for name, part in {
        "jpeg without its end marker": "end marker is missing",
        "jpeg with bytes after its end": "after the end of its JPEG image; 80 bytes",
        "jpeg with bytes between segments": "stray bytes",
        "png without its last chunk": "last chunk is missing",
        "png profile noise": "profile is damaged",
        "png profile gray for color": "another kind of values",
        "apng whose first frame is broken": "animation is damaged",
        "avif nclx PQ": "HDR (PQ)",
        "png cICP unknown": "not known",
        "gif without a palette": "no palette",
        "webp exif 6": "turned as its EXIF says",
    }.items():
        assert any(part in note for note in notes[name]), name


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("case", DEFINED, ids=lambda case: case.name)
def test_an_image_opened_with_pillow_shows_the_same(case: Case) -> None:
    if case.name == "png text with a wrong checksum":
        pytest.skip("Pillow does not open it")
    with Image.open(io.BytesIO(case.data)) as opened:
        seen = np.asarray(decode(opened).rgb).astype(int)
    assert np.abs(seen - np.asarray(decode(case.data).rgb)).max() <= 1
