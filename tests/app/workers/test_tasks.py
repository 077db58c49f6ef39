from __future__ import annotations

import asyncio
import io
import os
import random
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from app.errors import ProblemError
from app.workers import tasks
from app.workers.errors import TaskCrashedError
from sge.analysis import draw_contact_sheet, draw_overlay, encode_image, html_report
from sge.errors import ImageTooCostlyError, SGEError, TooManyPixelsError
from sge.images import Preprocess, StructureLimits, decode, frame, inspect
from tests.analyses import made
from tests.drawn_images import FORMATS, encoded, noise, scene, turned
from tests.images.absurd_files import ANIMATED, absurd_files

from . import hostile
from .conftest import Pool, ends

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="reads /proc")
LIMITS = StructureLimits()
PREPROCESS = Preprocess(size=96, resize=110, whole=128, whole_temperature=0.5)
MUTATIONS = 1000


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


def test_a_prepared_image_is_the_frame_that_the_library_makes(in_pool):
    data = turned(noise(97, 61), 6, "JPEG", quality=95)

    async def work(pool: Pool):
        for framing in ("whole", "center"):
            made = await pool.do(tasks.prepare, data, "a.jpg", PREPROCESS, framing, LIMITS, 64)
            image = decode(data, name="a.jpg")
            wanted = frame(image, PREPROCESS, framing)
            given = made.frame(PREPROCESS)
            assert np.array_equal(given.array, wanted.array)
            assert (given.geometry, given.temperature) == (wanted.geometry, wanted.temperature)
            assert given.image == made.facts == image.facts
            assert (made.preview.data, made.preview.facts) == (encode_image(image.rgb, 64).data, image.facts)
        assert (await pool.do(tasks.prepare, data, None, PREPROCESS, "whole", LIMITS)).preview is None

    in_pool(work)


def test_drawings_are_those_of_the_library(in_pool):
    analysis = made()
    image = analysis.require_image()
    data = encoded(image, "PNG")
    block = analysis.blocks[0].name
    small = tasks.only_block(analysis, block)
    assert (small.image, list(small.masks), small.signal) == (None, [block], analysis.signal)

    async def work(pool: Pool):
        options = {"signal": "similarity", "opacity": 0.4}
        overlay = await pool.do(tasks.draw_overlay, data, small, block, [1], options, LIMITS)
        assert np.array_equal(pixels(overlay), np.asarray(draw_overlay(analysis, block, [1], **options)))
        sheet = await pool.do(tasks.draw_sheet, small, block, "mask", None)
        assert np.array_equal(pixels(sheet), np.asarray(draw_contact_sheet(analysis, block, signal="mask")))
        report = await pool.do(tasks.html_report, data, replace(analysis, image=None), None, LIMITS)
        assert report.decode() == html_report(analysis)
        encoded_image = await pool.do(tasks.encode_image, data, None, "png", LIMITS)
        assert np.array_equal(pixels(encoded_image.data), np.asarray(image))
        with pytest.raises(SGEError, match="No block"):
            await pool.do(tasks.draw_sheet, small, "nowhere", "mask", None)

    in_pool(work)


def test_absurd_files_end_with_a_sentence_and_harm_no_worker(in_pool):
    async def work(pool: Pool):
        pids = pool.pids()
        limits = replace(LIMITS, max_side=65_535, max_segments=10_000, max_metadata=1 << 20, max_frames=2000)
        limits = replace(limits, max_data_blocks=100_000)
        for kind, error in (
            ("too many", ImageTooCostlyError),
            ("metadata", ImageTooCostlyError),
            ("too large", TooManyPixelsError),
        ):
            for name, data in absurd_files(kind).items():
                fate = await pool.fate(tasks.prepare, data, None, PREPROCESS, "whole", limits)
                assert type(fate) is error, name
        assert pool.pids() == pids

    in_pool(work)


def _mutated(data: bytes, random_: random.Random) -> bytes:
    """A file with some bytes changed, cut, repeated, removed or inserted."""
    made = bytearray(data)
    for _ in range(random_.choice((1, 1, 2, 5, 20))):
        at, length = random_.randrange(len(made) + 1), random_.choice((1, 2, 4, 30))
        way = random_.randrange(5)
        if way == 0:
            made[at : at + length] = random_.randbytes(length)
        elif way == 1:
            made[at : at + length] = random_.choice((b"\xff", b"\0", b"\x7f")) * length
        elif way == 2:
            made[at:at] = made[at : at + length] * random_.choice((1, 3, 50))
        elif way == 3:
            del made[at : at + length]
        elif random_.random() < 0.3:
            del made[at:]
    return bytes(made)


def test_every_mutated_file_has_an_answer(in_pool):
    files = [encoded(scene(), kind) for kind in FORMATS] + [*ANIMATED.values()]
    files.append(encoded(scene(), "JPEG", progressive=True))
    random_ = random.Random(21)
    mutated = [_mutated(random_.choice(files), random_) for _ in range(MUTATIONS)]

    async def work(pool: Pool):
        fates = []

        async def some(share: list[bytes]) -> None:
            for data in share:
                fates.append(await pool.fate(tasks.prepare, data, None, PREPROCESS, "whole", LIMITS))

        await asyncio.gather(*(some(mutated[start::3]) for start in range(3)))
        assert len(fates) == MUTATIONS
        crashed = [fate for fate in fates if isinstance(fate, TaskCrashedError)]
        assert crashed == []
        assert all(isinstance(fate, tasks.Prepared | SGEError | ProblemError) for fate in fates)
        assert sum(isinstance(fate, tasks.Prepared) for fate in fates) > MUTATIONS / 20
        await pool.full()
        assert await pool.do(tasks.ping) == "pong"

    in_pool(work)


KINDS = {
    "JPEG": {"JPEG": {}, "progressive": {"progressive": True, "subsampling": 0}},
    "PNG": {"RGB": {}, "RGBA": {}, "L": {}, "P": {}, "I;16": {}},
    "WEBP": {"RGB": {"method": 0}, "RGBA": {"method": 0}},
    "GIF": {"P": {}},
    "AVIF": {"RGB": {"speed": 10}},
}


@pytest.mark.slow
def test_decoding_needs_no_more_memory_than_estimated(in_pool):
    image = scene(60, 40).resize((2400, 1600))
    slack = 12 << 20  # what a decoder needs for an image of any size

    async def work(pool: Pool):
        for kind, modes in KINDS.items():
            for mode, options in modes.items():
                of_mode = image.convert("L").convert("I;16") if mode == "I;16" else image
                of_mode = image.convert(mode) if mode in ("RGBA", "L", "P") else of_mode
                options = {"compress_level": 1} if kind == "PNG" else options
                data = encoded(of_mode, kind, **options)
                memory = inspect(data).memory
                assert memory < 40 * 2400 * 1600, (kind, mode)
                size = await pool.fate(hostile.decode_within, data, memory + slack)
                assert size == image.size, (kind, mode, memory, str(size))
        assert ends(pool, "memory") == 0

    in_pool(work)
