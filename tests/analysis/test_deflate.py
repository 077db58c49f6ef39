"""Compression of maps, with the fast package and without it."""

from __future__ import annotations

import base64
import importlib.util
import io
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sge.analysis import deflate
from sge.analysis.atlas import atlas_record
from sge.analysis.deflate import GZIP, ZLIB, deflated, deflating

HAS_ISAL = importlib.util.find_spec("isal") is not None
needs_isal = pytest.mark.skipif(not HAS_ISAL, reason="the package isal is not installed")


@pytest.fixture(params=[pytest.param(True, marks=needs_isal), False], ids=["isal", "zlib"])
def packer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test runs with the package and without it."""
    if not request.param:
        monkeypatch.setattr(deflate, "_isal_zlib", lambda: None)


DATA = st.binary(max_size=300) | st.builds(
    bytes.__mul__, st.binary(min_size=1, max_size=3), st.integers(0, 9000)
)


@pytest.mark.parametrize("form", [ZLIB, GZIP])
@pytest.mark.usefixtures("packer")
def test_zlib_reads_each_part_when_it_has_come(form: int) -> None:
    packer, reader = deflating(form), zlib.decompressobj(form)
    for part in (b"first", bytes(70_000), b"", b"12" * 40_000):
        assert reader.decompress(packer.compress(part) + packer.flush(zlib.Z_SYNC_FLUSH)) == part
    assert reader.decompress(packer.compress(b"end") + packer.flush(zlib.Z_FINISH)) == b"end"
    assert reader.eof


@pytest.mark.parametrize("form", [ZLIB, GZIP])
@pytest.mark.usefixtures("packer")
def test_zlib_reads_what_was_compressed(form: int) -> None:
    @given(DATA)
    def check(data: bytes) -> None:
        for given_as in (data, bytearray(data), memoryview(data)):
            packed = deflated(given_as, form)
            assert zlib.decompress(packed, form) == data
            assert packed == deflated(data, form)

    check()


@pytest.mark.usefixtures("packer")
@pytest.mark.parametrize("shape", [(1, 1, 1), (64, 7, 7), (3, 1, 500), (3, 500, 1), (48, 112, 112)])
def test_the_png_of_an_atlas_is_one_to_another_reader(shape: tuple[int, int, int]) -> None:
    maps = np.random.RandomState(0).standard_normal(shape).astype(np.float32).round(1)
    atlas = atlas_record(maps)
    lo, hi, content = atlas["lo"], atlas["hi"], base64.b64decode(atlas["png"])
    image = Image.open(io.BytesIO(content))
    image.verify()  # the checksums of all chunks
    gray = np.asarray(Image.open(io.BytesIO(content))).reshape(shape)
    restored = lo + gray.astype(np.float64) / 255 * (hi - lo)
    np.testing.assert_allclose(restored, maps, rtol=0, atol=(hi - lo) / 510 * 1.0001)


@pytest.mark.usefixtures("packer")
def test_smooth_maps_become_smaller() -> None:
    rows = np.linspace(0, 1, 56, dtype=np.float32)
    png = base64.b64decode(atlas_record(np.stack([np.outer(rows, rows.round(1))] * 48))["png"])
    assert len(png) < 0.5 * 48 * 56 * 56
