"""Compressed bodies: bombs and damage first, then that they are the same request as the plain one."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import tracemalloc
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from app.content_codings import MAX_MEMBERS, SLICE_BYTES, CodingError, Inflater, codings_of
from tests.app.asking import END, FORM, check_problem, jpeg, part
from tests.app.conftest import API, Service


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKED = {"gzip": gzip.compress, "deflate": zlib.compress, "raw deflate": raw_deflate}


def send(client: TestClient, body: Any, coding: str, route: str = "image", **headers: str) -> Any:
    sent = {"Content-Type": "image/jpeg", "Content-Encoding": coding.split()[-1]} | headers
    return client.post(f"{API}/{route}", content=body, headers=sent)


def inflated(coding: str, chunks: list[bytes]) -> bytes:
    inflater = Inflater(coding.split()[-1])
    data = b"".join(piece for chunk in chunks for piece in inflater.feed(chunk))
    inflater.finish()
    return data


# Bombs


@pytest.mark.parametrize("coding", PACKED)
def test_a_bomb_is_413_and_never_unpacked(service: Service, coding: str) -> None:
    bomb = PACKED[coding](bytes(60 * 1024 * 1024))
    tracemalloc.start()
    try:
        answer = send(service.client, bomb, coding)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "larger than 20 MiB" in check_problem(answer, 413)["detail"]
    assert peak < 3 * service.engine.settings.max_bytes
    form = send(service.client, bomb, coding, **FORM)
    assert form.status_code in (400, 413)  # zeros are no form


def test_no_piece_is_larger_than_a_slice() -> None:
    sizes = [len(piece) for piece in Inflater("gzip").feed(gzip.compress(bytes(5_000_000)))]
    assert sum(sizes) == 5_000_000
    assert max(sizes) <= SLICE_BYTES


def test_members_without_content_are_bounded(client: TestClient) -> None:
    empty = gzip.compress(b"")
    assert inflated("gzip", [empty * (MAX_MEMBERS - 1) + gzip.compress(b"x")]) == b"x"
    check_problem(send(client, empty * (MAX_MEMBERS + 1), "gzip"), 400)
    check_problem(send(client, empty, "gzip"), 400)


# Damage


@pytest.mark.parametrize("coding", PACKED)
def test_damage_is_named(client: TestClient, coding: str) -> None:
    packed = PACKED[coding](jpeg())
    for body in (packed[:-1], packed[: len(packed) // 2], packed[:1], b"", jpeg(), packed[1:], b"\x00" * 50):
        problem = check_problem(send(client, body, coding), 400)
        assert coding.split()[-1] in problem["detail"]
        assert "zlib" not in problem["detail"]


@pytest.mark.parametrize("coding", PACKED)
def test_what_follows_the_data_is_damage(client: TestClient, coding: str) -> None:
    check_problem(send(client, PACKED[coding](jpeg()) + b"rest", coding), 400)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(list(PACKED)), st.binary(max_size=200))
def test_noise_is_decoded_or_refused(coding: str, noise: bytes) -> None:
    with contextlib.suppress(CodingError):
        inflated(coding, [noise])


# The same request


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(list(PACKED)), st.binary(max_size=3000), st.lists(st.integers(0, 3000), max_size=6))
def test_any_split_gives_the_data(coding: str, data: bytes, cuts: list[int]) -> None:
    packed = PACKED[coding](data)
    edges = [0, *sorted(min(cut, len(packed)) for cut in cuts), len(packed)]
    chunks = [packed[a:b] for a, b in itertools.pairwise(edges)]
    assert inflated(coding, chunks) == data


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=200), min_size=1, max_size=5), st.integers(0, 3))
def test_gzip_may_have_members_and_padding(parts: list[bytes], zeros: int) -> None:
    assert inflated("gzip", [b"".join(map(gzip.compress, parts)) + bytes(zeros)]) == b"".join(parts)


@pytest.mark.parametrize("coding", PACKED)
def test_a_compressed_image_is_the_image(client: TestClient, coding: str) -> None:
    plain = send(client, jpeg(), "identity").content
    assert send(client, PACKED[coding](jpeg()), coding).content == plain
    body = PACKED[coding](part(jpeg()) + END)
    assert send(client, body, coding, **FORM).content == plain
    chunked = (bytes([byte]) for byte in PACKED[coding](jpeg()))
    assert send(client, chunked, coding).content == plain


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([], []),
        (["identity"], []),
        (["X-GZIP , identity"], ["gzip"]),
        (["gzip", "br"], ["gzip", "br"]),
        ([",,"], []),
    ],
)
def test_codings_are_read_from_the_header(values: list[str], names: list[str]) -> None:
    assert codings_of(values) == names


# A part without a file name


def test_a_part_without_a_file_name_is_the_image(client: TestClient) -> None:
    plain = send(client, jpeg(), "identity").content
    for disposition in (
        'form-data; name="image"',
        "form-data; name=image",
        'form-data; name="image"; filename=""',
        'FORM-DATA; name="image";',
    ):
        body = part(jpeg(), disposition) + END
        answer = client.post(f"{API}/image", content=body, headers=FORM)
        assert answer.content == plain
        large = part(jpeg(size=(900, 900)), disposition) + END
        assert client.post(f"{API}/image", content=large, headers=FORM).status_code == 200
    twice = part(jpeg(), 'form-data; name="image"') * 2 + END
    check_problem(client.post(f"{API}/image", content=twice, headers=FORM), 400)
