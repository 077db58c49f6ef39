"""What is sent in place of an image: each kind gets a sentence that names it and shows how an image is sent."""

from __future__ import annotations

import base64
import functools
import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from app.upload_problems import refuse_text
from tests.app.asking import END, FORM, check_problem, jpeg, part, post
from tests.app.conftest import API, Service

drawn = functools.cache(lambda kind: jpeg(kind=kind))
"""A small image of each format."""
KINDS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF")
CURL = f"`curl -F image=@photo.jpg http://testserver{API}/predict`."
FOREIGN = (
    "Input should be",
    "Field required",
    "Part exceeded",
    "Too many",
    "Maximum number",
    "Expected",
    "Did not find",
    "Invalid",
    "Missing boundary",
    "Content-Disposition header field",
    "cannot identify",
    "Traceback",
    "Error",
    "codec",
    "object at 0x",
)
"""Beginnings of what Starlette, python-multipart, pydantic, Pillow and Python itself say."""


def ours(problem: dict[str, Any]) -> str:
    detail: str = problem["detail"]
    assert not [word for word in FOREIGN if word in detail], detail
    assert len(detail) < 600
    return detail


def send(client: TestClient, data: bytes, **headers: str) -> Any:
    return client.post(f"{API}/predict", content=data, headers={"Content-Type": "image/jpeg"} | headers)


@pytest.mark.parametrize("route", ["predict", "masks", "overlay", "analyze", "attribute", "steps", "image"])
def test_an_unknown_compression_is_415_and_named(client: TestClient, route: str) -> None:
    for coding in (
        "br",
        "zstd",
        "Compress",
        "gzip, gzip",
        "deflate, br",
        "br, identity",
        "gzip;q=1",
        "x-unknown",
    ):
        headers = {"Content-Type": "image/jpeg", "Content-Encoding": coding.encode("latin-1")}
        answer = client.post(f"{API}/{route}", content=zlib.compress(jpeg()), headers=headers)
        named = coding.lower().replace(", identity", "")
        assert f"Content-Encoding: {named}" in ours(check_problem(answer, 415))
        assert answer.headers["accept-encoding"] == "gzip, deflate"


def test_identity_is_no_coding(client: TestClient) -> None:
    for value in ("identity", "", "Identity, identity"):
        headers = {"Content-Type": "image/jpeg", "Content-Encoding": value}
        assert client.post(f"{API}/image", content=jpeg(), headers=headers).status_code == 200


ENVELOPES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "base64": (base64.b64encode, "base64 text"),
    "base64 in lines": (base64.encodebytes, "base64 text"),
    "base64 for addresses": (base64.urlsafe_b64encode, "base64 text"),
    "base64 in quotes": (lambda data: b'"' + base64.b64encode(data) + b'"', "base64 text"),
    "data URL": (lambda data: b"data:image/png;base64," + base64.b64encode(data), "data URL"),
    "JSON": (lambda data: json.dumps({"image": base64.b64encode(data).decode()}).encode(), "JSON"),
    "numbers": (lambda data: json.dumps(list(data)).encode(), "JSON"),
    "nested numbers": (lambda data: json.dumps([[list(data[:3])]]).encode(), "JSON"),
    "Python bytes": (lambda data: repr(data).encode(), "Python prints"),
    "hexadecimal": (lambda data: data.hex().encode(), "hexadecimal"),
    "form": (lambda data: part(data) + END, "a whole form"),
    "address": (lambda _: b"https://example.org/photo.jpg\n", "an address"),
    "read as UTF-8": (lambda data: data.decode("utf-8", "replace").encode(), "as text"),
    "read as Latin-1": (lambda data: data.decode("latin-1").encode(), "as text"),
}
BINARY_HEADS = ("JPEG", "PNG")
"""Formats whose first bytes are no text, so that reading them as text shows there."""
NO_HEX = ("AVIF",)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("envelope", ENVELOPES)
def test_an_image_in_an_envelope_is_named_and_never_decoded(
    client: TestClient, envelope: str, kind: str
) -> None:
    pack, says = ENVELOPES[envelope]
    if ("read as" in envelope and kind not in BINARY_HEADS) or (envelope == "hexadecimal" and kind in NO_HEX):
        pytest.skip("the first bytes do not tell")
    detail = ours(check_problem(send(client, pack(drawn(kind))), 415))
    assert says in detail
    assert detail.endswith(CURL)
    in_form = client.post(f"{API}/predict", files={"image": ("p.jpg", pack(drawn(kind)))})
    assert ours(check_problem(in_form, 415)) == detail


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=64), st.sampled_from([drawn(kind)[:40] for kind in KINDS]))
def test_no_image_is_taken_for_text(rest: bytes, start: bytes) -> None:
    refuse_text(None, start + rest)  # type: ignore[arg-type]


FIELDS = {
    "an address": b"https://example.org/a.jpg",
    "a data URL": b"data:image/png;base64,AAAA",
    "base64 text": base64.b64encode(jpeg())[:2000],
    "the name of a file": b"C:\\my photos\\photo.jpg",
    "the name": b"@photo.jpeg",
    "empty text": b"  ",
    "text. Send the file": "Schl\u00fcssel".encode(),
}


@pytest.mark.parametrize("says", FIELDS)
def test_text_in_place_of_a_file_is_named(client: TestClient, says: str) -> None:
    body = part(FIELDS[says], 'form-data; name="image"') + END
    detail = ours(check_problem(client.post(f"{API}/predict", content=body, headers=FORM), 400))
    assert says in detail
    assert detail.endswith(CURL)


@pytest.mark.parametrize("says", ["an address", "a data URL", "base64 text", "the name of a file"])
def test_so_is_text_of_another_name(client: TestClient, says: str) -> None:
    body = part(b"5", 'form-data; name="a"') + part(FIELDS[says], 'form-data; name="url"') + END
    detail = ours(check_problem(client.post(f"{API}/predict", content=body, headers=FORM), 400))
    assert f"'url' holds {says}" in detail


FORMS = {
    "call its part 'image'": (FORM, part(jpeg(size=(900, 900)), 'form-data; name="photo"') + END),
    "no boundary": ({"Content-Type": "multipart/form-data"}, part(jpeg()) + END),
    "has no boundary": ({"Content-Type": 'multipart/form-data; boundary=""'}, part(jpeg()) + END),
    "boundary that Content-Type names": (
        {"Content-Type": "multipart/form-data; boundary=zz"},
        part(jpeg()) + END,
    ),
    "more than one file": (FORM, part(jpeg()) + part(jpeg(1)) + END),
    "called 'file'. Call it 'image'": (FORM, part(jpeg(), 'form-data; name="file"; filename="p.jpg"') + END),
    "only the text fields a, b": (
        FORM,
        part(b"1", 'form-data; name="a"') + part(b"2", 'form-data; name="b"') + END,
    ),
    "empty (0 bytes)": (FORM, part(b"") + END),
    "no field name": (FORM, part(jpeg(), "form-data") + END),
    "too many fields": (FORM, part(b"1", 'form-data; name="a"') * 50 + END),
}


@pytest.mark.parametrize("says", FORMS)
def test_a_form_without_an_image_is_named(client: TestClient, says: str) -> None:
    headers, body = FORMS[says]
    detail = ours(check_problem(client.post(f"{API}/predict", content=body, headers=headers), 400))
    assert says in detail
    assert detail.endswith(CURL)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("application/json", "base64"),
        ("application/json; charset=utf-8", "base64"),
        ("application/x-www-form-urlencoded", "curl -d"),
        ("text/plain;charset=junk", "text"),
        ("", "missing"),
    ],
)
def test_other_bodies_say_why(client: TestClient, kind: str, says: str) -> None:
    answer = client.post(f"{API}/predict", content=base64.b64encode(jpeg()), headers={"Content-Type": kind})
    detail = ours(check_problem(answer, 415))
    assert says in detail
    assert detail.endswith(CURL)


def test_the_bytes_decide_and_not_their_label(client: TestClient) -> None:
    for kind in ("image/svg+xml", "image/heic", "IMAGE/JPEG", "image/", "application/octet-stream"):
        answer = client.post(f"{API}/image", content=jpeg(), headers={"Content-Type": kind})
        assert answer.content == post(client, "image", jpeg()).content


@pytest.mark.parametrize("host", ["evil`rm -rf`", "a" * 300, 'x"><script>', ""])
def test_a_hostile_host_is_not_repeated(client: TestClient, host: str) -> None:
    headers = {"Content-Type": "text/plain", "Host": host}
    detail = ours(check_problem(client.post(f"{API}/predict", content=b"x", headers=headers), 415))
    assert detail.endswith(f"`curl -F image=@photo.jpg {API}/predict`.")


CONTENT_TYPES = st.one_of(
    st.sampled_from(["image/jpeg", "image/png", "application/octet-stream", FORM["Content-Type"]]),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60),
)
PIECES = st.sampled_from(
    [
        b"\r\n",
        b"--",
        b"--a1b2c3",
        b"Content-Disposition: form-data",
        b'; name="image"',
        b"; filename=p",
        jpeg()[:300],
        b"{",
        b"=",
    ]
)
BODIES = st.one_of(st.binary(max_size=80), st.lists(PIECES, max_size=9).map(b"".join))


@settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(content_type=CONTENT_TYPES, body=BODIES, coding=st.sampled_from([None, None, None, "gzip"]))
def test_no_other_library_speaks_to_whoever_sends_noise(
    service: Service, content_type: str, body: bytes, coding: str | None
) -> None:
    headers = {"Content-Type": content_type} | ({"Content-Encoding": coding} if coding else {})
    answer = service.client.post(f"{API}/predict", content=body, headers=headers)
    assert answer.status_code in (400, 415, 422), answer.text
    ours(check_problem(answer, answer.status_code))
