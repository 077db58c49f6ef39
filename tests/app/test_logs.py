from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest

from app import logs
from app.logs import JsonLines
from tests.app.asking import END, FORM, jpeg, part, post
from tests.app.conftest import API, Service, running


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """The process's log, as `sge serve` configures it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    handler.addFilter(lambda record: not record.name.startswith("httpx"))  # the test's own client
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


def events(stream: io.StringIO, event: str) -> list[dict[str, Any]]:
    written = [json.loads(line) for line in stream.getvalue().splitlines()]
    return [line for line in written if line["event"] == event]


@pytest.mark.slow
def test_a_request_leaves_size_format_and_hash_but_neither_name_nor_content(
    service: Service, lines: io.StringIO
) -> None:
    data = jpeg(3)
    name = 'secret-name.jpg\\r\\n{"event": "forged"}'
    body = part(data, f'form-data; name="image"; filename="{name}"') + END
    assert service.client.post(f"{API}/masks?format=npz", content=body, headers=FORM).status_code == 200
    (line,) = events(lines, "request")
    seconds = line.pop("seconds")
    assert 0 < seconds < 60
    assert len(line.pop("request_id")) == 32
    assert line == {
        "time": line["time"],
        "level": "info",
        "event": "request",
        "method": "POST",
        "route": f"{API}/masks",
        "status": 200,
        "bytes": len(data),
        "width": 96,
        "height": 64,
        "format": "JPEG",
        "image_sha256": sha256(data).hexdigest(),
    }
    assert "secret-name" not in lines.getvalue()
    assert "forged" not in lines.getvalue()


def test_a_refused_request_leaves_its_reason(service: Service, lines: io.StringIO) -> None:
    post(service.client, "predict", b"this is the content of an image", model="")
    post(service.client, "predict", jpeg(), model="no\r\nsuch model")
    first, second = events(lines, "request")
    assert (first["status"], first["rejected"], first["bytes"]) == (415, "format", 31)
    assert (second["status"], second["rejected"]) == (404, "model")
    assert "content of an image" not in lines.getvalue()
    assert "such model" not in lines.getvalue()


def test_a_malformed_form_leaves_none_of_its_bytes(
    service: Service, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)
    logs.configure()
    service.client.post(f"{API}/predict", content=b"--not the boundary", headers=FORM)
    assert [json.loads(line)["event"] for line in lines.getvalue().splitlines()] == ["request"]


def test_health_and_metrics_fill_no_log(service: Service, lines: io.StringIO) -> None:
    for path in ("health/live", "health/ready", "metrics"):
        service.client.get(f"{API}/{path}")
    assert events(lines, "request") == []


def test_one_line_says_that_a_model_is_ready(lines: io.StringIO) -> None:
    with running(device="cpu") as started:
        card = started.engine.slots[started.engine.default].require_lens().model.card
    (line,) = events(lines, "model ready")
    assert (line["device"], line["model"], line["sha256"]) == ("cpu", "sge_efficientnet_lite0", card.sha256)
    assert line["seconds"] > 0


def test_one_line_says_why_a_model_is_not(lines: io.StringIO) -> None:
    with running(models=["nothing"]):
        pass
    (line,) = events(lines, "model failed")
    assert line["level"] == "error"
    assert "there are: sge_efficientnet_lite0" in line["reason"]


def test_a_line_is_one_line_whatever_is_in_it() -> None:
    record = logging.LogRecord("a", logging.ERROR, __file__, 1, "x\r\ny\u2028%s", ("\n",), None)
    record.__dict__["odd"] = object()
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        record.exc_info = sys.exc_info()
    text = JsonLines().format(record)
    assert len(text.splitlines()) == 1
    line = json.loads(text)
    assert line["event"] == "x\r\ny\u2028\n"
    assert "ValueError: first\nsecond" in line["trace"]
    assert line["odd"].startswith("<object")
