"""The decoded image: by itself, in an analysis, and the decoder's notes on it."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from app.middleware import MAX_NOTES_LENGTH
from app.pages import samples, static_folder
from sge.analysis.preview import MAX_LOSSLESS_PIXELS
from sge.images import decode
from tests.app.asking import check_problem, jpeg, post
from tests.app.conftest import API, Service
from tests.drawn_images import encoded, noise, scene, turned

FILES = {
    "turned JPEG": turned(scene(), 6, "JPEG"),
    "turned PNG": turned(scene(), 5, "PNG"),
    "transparent": encoded(scene().convert("LA"), "PNG"),
    "CMYK": encoded(scene().convert("CMYK"), "JPEG"),
    "GIF": encoded(scene(), "GIF"),
    "WebP": encoded(scene(), "WEBP"),
    "noise": encoded(noise(200, 100), "PNG"),
}


def pixels(data: bytes) -> Any:
    image = Image.open(io.BytesIO(data))
    assert not {"icc_profile", "exif", "gamma", "transparency"} & set(image.info)
    return np.asarray(image.convert("RGB"), int)


@pytest.mark.parametrize("name", FILES)
def test_it_is_what_the_library_decodes(client: TestClient, name: str) -> None:
    decoded = np.asarray(decode(FILES[name]).rgb)
    exact = post(client, "image", FILES[name])
    assert exact.headers["content-type"] == "image/png"
    assert np.array_equal(pixels(exact.content), decoded)
    small = post(client, "image", FILES[name], max_side=20, format="jpeg")
    assert small.headers["content-type"] == "image/jpeg"
    assert max(pixels(small.content).shape) == 20


def test_an_analysis_has_it_only_if_asked_for(client: TestClient) -> None:
    data = FILES["turned JPEG"]
    record = post(client, "analyze", data, preview=1800).json()
    head, _, text = record.pop("preview").partition(",")
    assert head == "data:image/png;base64"
    assert np.array_equal(pixels(base64.b64decode(text)), np.asarray(decode(data).rgb))
    assert record == post(client, "analyze", data).json()


def test_a_large_one_is_made_smaller(client: TestClient) -> None:
    data = encoded(scene(1200, 900), "JPEG", quality=95)
    assert MAX_LOSSLESS_PIXELS < 1200 * 900
    head, _, text = post(client, "analyze", data, preview=900).json()["preview"].partition(",")
    assert head == "data:image/jpeg;base64"
    shown = pixels(base64.b64decode(text))
    assert shown.shape == (675, 900, 3)
    exact = np.asarray(decode(data).rgb.resize((900, 675), Image.Resampling.LANCZOS), int)
    assert np.abs(shown - exact).max() <= 6


def test_bad_images_are_refused_as_everywhere(client: TestClient) -> None:
    check_problem(post(client, "image", b"\xff\xd8\xff"), 422)
    check_problem(post(client, "image", b"no image at all"), 415)
    check_problem(post(client, "image", jpeg(), model="x"), 422)


def test_the_samples_need_no_decoder_of_ours() -> None:
    """The page draws their files themselves."""
    for sample in samples():
        file = static_folder() / "samples" / sample["file"]
        image = Image.open(file)
        assert (image.format, image.mode) == ("JPEG", "RGB")
        assert "icc_profile" not in image.info
        assert not image.getexif()
        decoded = decode(file)
        assert decoded.notes == ()
        assert decoded.rgb.tobytes() == image.tobytes()


NOTES = ("The profile is damaged and was ignored.", "Ünï 犬\r\nSet-Cookie: x=1, “all” pixels were there.")
ROUTES: dict[str, dict[str, object]] = {
    "predict": {},
    "masks": {"format": "npz", "blocks": "blocks.6.0"},
    "image": {},
    "analyze": {},
}


def note(monkeypatch: pytest.MonkeyPatch, service: Service, notes: tuple[str, ...]) -> None:
    """Gives every decoded image notes."""
    run = service.engine.pool.run

    async def noted(*args: Any, **options: Any) -> Any:
        made = await run(*args, **options)
        return dataclasses.replace(made, facts=dataclasses.replace(made.facts, notes=notes))

    monkeypatch.setattr(service.engine.pool, "run", noted)


def test_notes_are_in_a_header_of_every_answer(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, service: Service
) -> None:
    assert "x-sge-notes" not in post(client, "image", jpeg()).headers
    note(monkeypatch, service, NOTES)
    for route, query in ROUTES.items():
        answer = post(client, route, jpeg(), **query)
        assert answer.status_code == 200
        assert json.loads(unquote(answer.headers["x-sge-notes"])) == list(NOTES)
        assert answer.headers["x-sge-notes"].isascii()
        assert "set-cookie" not in answer.headers
    assert answer.json()["image"]["notes"] == list(NOTES)


def test_a_header_has_as_many_notes_as_fit(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, service: Service
) -> None:
    many = tuple(f"Note {number} is {'long ' * 40}." for number in range(40))
    note(monkeypatch, service, many)
    header = post(client, "image", jpeg()).headers["x-sge-notes"]
    kept = json.loads(unquote(header))
    assert len(header) <= MAX_NOTES_LENGTH
    assert 5 < len(kept) < 40
    assert kept == list(many[: len(kept)])


def test_the_notes_on_a_model_are_in_its_analyses(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, service: Any
) -> None:
    lens = service.engine.slots["sge_efficientnet_lite0"].require_lens()
    noted = dataclasses.replace(lens.model.card, notes=("The labels are assumed.",))
    monkeypatch.setattr(lens.model, "card", noted)
    assert post(client, "analyze", jpeg()).json()["model"]["notes"] == ["The labels are assumed."]
    (listed,) = client.get(f"{API}/models").json()
    assert listed["card"]["notes"] == ["The labels are assumed."]
