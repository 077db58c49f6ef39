from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.uploads import MAX_NAME, MULTIPART_OVERHEAD, plain_name
from tests.app.asking import BOUNDARY, END, FORM, Exchange, check_problem, jpeg, part, post
from tests.app.conftest import API, Service, running

LIMIT = 20_000


@pytest.fixture(scope="module")
def small() -> Iterator[Service]:
    """A service that takes images of at most 20 000 bytes."""
    with running(max_bytes=LIMIT) as started:
        yield started


def send(service: Service, chunks: Any, headers: dict[str, str], **more: Any) -> Exchange:
    exchange: Exchange = service.in_loop(Exchange("predict", chunks, headers, **more).run, service)
    return exchange


IMAGE = part(jpeg())
MALFORMED = {
    "no boundary": ({"Content-Type": "multipart/form-data"}, IMAGE + END),
    "another boundary": ({"Content-Type": "multipart/form-data; boundary=zzz"}, IMAGE + END),
    "empty boundary": ({"Content-Type": "multipart/form-data; boundary="}, IMAGE + END),
    "endless boundary": ({"Content-Type": f"multipart/form-data; boundary={'b' * 5000}"}, IMAGE + END),
    "no body": (FORM, b""),
    "noise": (FORM, bytes(range(256)) * 40),
    "no parts": (FORM, END),
    "cut off": (FORM, IMAGE[:-40]),
    "cut off in a header": (FORM, IMAGE[:30]),
    "two files": (FORM, IMAGE + part(jpeg(1), 'form-data; name="image"; filename="q.jpg"') + END),
    "two files of two names": (FORM, IMAGE + part(jpeg(1), 'form-data; name="x"; filename="q.jpg"') + END),
    "another name": (FORM, part(jpeg(), 'form-data; name="file"; filename="p.jpg"') + END),
    "no name": (FORM, part(jpeg(), "form-data") + END),
    "text instead of a file": (FORM, part(b"p.jpg", 'form-data; name="image"') + END),
    "an empty file": (FORM, part(b"") + END),
    "many tiny parts": (FORM, IMAGE + part(b"1", 'form-data; name="a"') * 500 + END),
    "many headers": (FORM, part(jpeg(), 'form-data; name="image"; filename="p"', *["X-A: b"] * 5000) + END),
    "a header without end": (FORM, part(jpeg(), "form-data; name=" + "a" * 30_000) + END),
    "a header without name": (FORM, part(jpeg(), 'form-data; name="image"; filename="p"', ": b") + END),
    "a charset that is no text": (
        {"Content-Type": f"multipart/form-data; charset=hex; boundary={BOUNDARY}"},
        part(jpeg(), 'form-data; name="file"; filename="p.jpg"') + END,
    ),
    "a charset that always fails": (
        {"Content-Type": f"multipart/form-data; charset=undefined; boundary={BOUNDARY}"},
        part(b"\xff", 'form-data; name="image"') + END,
    ),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_malformed_forms_are_400_and_say_what_to_send(client: TestClient, what: str) -> None:
    headers, body = MALFORMED[what]
    problem = check_problem(client.post(f"{API}/predict", content=body, headers=headers), 400)
    assert "image" in problem["detail"] or "malformed" in problem["detail"] or "empty" in problem["detail"]


@pytest.mark.slow
def test_forms_arrive_whole_however_they_are_cut(service: Service) -> None:
    body = part(b"more", 'form-data; name="note"') + IMAGE + END
    answers = []
    for size in (1, 7, len(body)):
        chunks = [body[i : i + size] for i in range(0, len(body), size)]
        answers.append(send(service, chunks, FORM).body)
    raw = send(service, [jpeg()], {"Content-Type": "image/jpeg"}).body
    assert answers == [raw, raw, raw]


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/mixed", "x" * 500]
)
def test_other_bodies_are_415(client: TestClient, kind: str) -> None:
    answer = client.post(f"{API}/predict", content=jpeg(), headers={"Content-Type": kind})
    problem = check_problem(answer, 415)
    assert "image/jpeg" in problem["detail"]
    assert len(problem["detail"]) < 400


def test_no_body_at_all_is_415_and_an_empty_one_400(client: TestClient) -> None:
    check_problem(client.post(f"{API}/predict"), 415)
    check_problem(client.post(f"{API}/predict", content=b"", headers={"Content-Type": "image/png"}), 400)


# Python refuses to convert the last of these to an int.
@pytest.mark.parametrize(
    "length", [str(LIMIT + 1), "9" * 18, "9" * 19, "9" * 5000], ids=lambda length: f"{len(length)} digits"
)
def test_a_declared_length_is_refused_before_a_byte_is_read(small: Service, length: str) -> None:
    exchange = send(small, itertools.repeat(b"x"), {"Content-Type": "image/jpeg", "Content-Length": length})
    assert (exchange.status, exchange.pulled) == (413, 0)
    assert f"{LIMIT} bytes" in exchange.body["detail"]


@pytest.mark.parametrize("length", ["²", "-5", "12abc", "1e3", ""])
def test_a_malformed_length_is_no_server_error(small: Service, length: str) -> None:
    exchange = send(small, [jpeg()], {"Content-Type": "image/jpeg", "Content-Length": length})
    assert exchange.status == 200


def test_an_endless_raw_body_is_read_up_to_the_cap_alone(small: Service) -> None:
    exchange = send(small, itertools.repeat(bytes(1000)), {"Content-Type": "image/jpeg"})
    assert exchange.status == 413
    assert exchange.pulled == LIMIT // 1000 + 1


def test_an_endless_part_is_read_up_to_the_cap_alone(small: Service) -> None:
    chunks = itertools.chain([part(b"")[:-2]], itertools.repeat(bytes(1000)))
    exchange = send(small, chunks, FORM)
    assert exchange.status == 413
    assert exchange.pulled <= (LIMIT + MULTIPART_OVERHEAD) // 1000 + 2


def test_an_endless_preamble_is_read_up_to_the_cap_alone(small: Service) -> None:
    exchange = send(small, itertools.repeat(b"\r\n" * 500), FORM)
    assert exchange.status == 413
    assert exchange.pulled <= (LIMIT + MULTIPART_OVERHEAD) // 1000 + 2


def padded(size: int) -> bytes:
    """A JPEG of exactly this many bytes: what follows its end marker is not read."""
    data = jpeg()
    return data + bytes(size - len(data))


@pytest.mark.slow
def test_the_cap_is_exact_for_raw_bodies_and_for_parts(small: Service) -> None:
    for size, status in ((LIMIT, 200), (LIMIT + 1, 413)):
        data = padded(size)
        assert post(small.client, "predict", data).status_code == status
        assert small.client.post(f"{API}/predict", files={"image": ("p.jpg", data)}).status_code == status
        assert send(small, [data], {"Content-Type": "image/jpeg"}).status == status
        assert send(small, [part(data) + END], FORM).status == status


@pytest.mark.parametrize(
    ("headers", "chunks"),
    [({"Content-Type": "image/jpeg"}, [jpeg()[:500]]), (FORM, [IMAGE[:500]]), (FORM, [])],
)
def test_a_disconnect_in_the_upload_is_no_500_and_frees_its_admission(
    service: Service, headers: dict[str, str], chunks: list[bytes]
) -> None:
    def count(status: str) -> float:
        return service.metric("sge_requests_total", route=f"{API}/predict", status=status)

    gone, faults = count("499"), count("500")
    exchange = send(service, chunks, headers, hang_up=True)
    assert exchange.sent == []
    assert service.engine.depth == 0
    assert (count("499"), count("500")) == (gone + 1, faults)


def test_images_are_never_written_to_disk(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def rollover(_file: object) -> None:
        raise AssertionError("an image was written to disk")

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", rollover)
    data = padded(3_000_000)
    answer = service.client.post(f"{API}/predict", files={"image": ("p.jpg", data)})
    assert answer.status_code == 200


def test_every_spooled_file_is_closed(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    files: list[Any] = []

    class Counted(tempfile.SpooledTemporaryFile):  # type: ignore[type-arg]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            files.append(self)

    monkeypatch.setattr("starlette.formparsers.SpooledTemporaryFile", Counted)
    for body in (
        IMAGE + END,
        IMAGE + IMAGE + END,
        part(jpeg(), 'form-data; name="b"; filename="p"') + END,
    ):
        client.post(f"{API}/predict", content=body, headers=FORM)
    assert len(files) == 3
    assert all(file.closed for file in files)


NAMES = {
    "../../etc/passwd": "passwd",
    "..\\..\\windows\\win.ini": "win.ini",
    "C:\\fakepath\\dog.jpg": "dog.jpg",
    "/": None,
    "..": "..",
    "a\r\nSet-Cookie: x=1": "aSet-Cookie: x=1",
    'a"} {"level": "error': 'a"} {"level": "error',
    "\x00\x1b[31mred\x7f.jpg": "[31mred.jpg",
    "dog\u202egpj.exe": "doggpj.exe",
    "犬 Ünï😀.jpg": "犬 Ünï😀.jpg",
    "a" * 5000: "a" * MAX_NAME,
    " \t ": None,
    "\ud800.jpg": ".jpg",
}


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_name_loses_folders_and_what_cannot_be_seen(name: str) -> None:
    assert plain_name(name) == NAMES[name]


def test_there_may_be_no_name() -> None:
    assert plain_name(None) is None
    assert plain_name("") is None


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "犬 Ünï😀.jpg", "a\x1b[31m.jpg", "b" * 3000, "c;d=e.jpg", "%2e%2e%2f.jpg"]
)
def test_hostile_file_names_break_neither_answers_nor_headers(client: TestClient, name: str) -> None:
    body = part(jpeg(), f'form-data; name="image"; filename="{name}"') + END
    for query in ("masks", "masks?format=npz", "masks?format=safetensors"):
        answer = client.post(f"{API}/{query}", content=body, headers=FORM)
        assert answer.status_code == 200
        assert name not in str(answer.headers)
    answer = client.post(f"{API}/masks?blocks=blocks.6.0", content=body, headers=FORM)
    assert answer.status_code == 200, answer.text
    assert json.loads(answer.content)["image"]["name"] == plain_name(name)
