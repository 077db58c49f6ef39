"""``POST /analyze`` in its forms: all blocks or some, as JSON or as a binary body."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from sge import Lens
from sge.analysis import unpack_atlases
from sge.analysis.record import from_record
from tests.app.asking import jpeg, post

ATLAS = "application/vnd.sge.atlas"
BLOCKS = ("blocks.5.3", "blocks.1.0")


def unpacked(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == ATLAS
    return unpack_atlases(answer.content)


def test_a_binary_answer_is_the_json_without_base64(client: TestClient, photo: bytes, lens: Lens) -> None:
    record = unpacked(post(client, "analyze", photo, format="atlas", target="predicted"))
    plain = post(client, "analyze", photo, target="predicted").json()
    assert record.keys() == plain.keys()
    assert {key: record[key] for key in ("predictions", "parts", "focus", "can")} == {
        key: plain[key] for key in ("predictions", "parts", "focus", "can")
    }
    binary, written = from_record(record), from_record(plain)
    for signal in ("masks", "similarity"):
        assert list(getattr(binary, signal)) == [block.name for block in lens.analyze(photo).blocks]
        for name, values in getattr(binary, signal).items():
            np.testing.assert_array_equal(values, getattr(written, signal)[name])
    assert record["attribution"]["grad_cam"]["cells"].dtype == np.uint8


@pytest.mark.parametrize("format", ["json", "atlas"])
def test_only_the_maps_of_named_blocks_are_answered(client: TestClient, photo: bytes, format: str) -> None:
    answer = post(client, "analyze", photo, format=format, blocks=f"default,{BLOCKS[1]}", target="predicted")
    record = unpacked(answer) if format == "atlas" else answer.json()
    whole = post(client, "analyze", photo, target="predicted").json()
    opening = whole["default_block"]
    for key in ("masks", "similarity", "energy", "focus"):
        assert set(record[key]) == {opening, BLOCKS[1]}, key
    assert {name: set(names) for name, names in record["included"].items()} == {
        key: {opening, BLOCKS[1]} for key in ("masks", "similarity", "energy")
    }
    assert record["focus"][opening] == whole["focus"][opening]
    for key in ("blocks", "predictions", "parts", "default_block", "signal", "geometry"):
        assert record[key] == whole[key], key
    assert record["attribution"]["effect"] == whole["attribution"]["effect"]
    analysis, complete = from_record(record), from_record(whole)
    np.testing.assert_array_equal(analysis.masks[BLOCKS[1]], complete.masks[BLOCKS[1]])


def test_the_binary_preview_is_the_decoded_image_behind_the_maps(client: TestClient) -> None:
    answer = post(client, "analyze", jpeg(1, (96, 64)), format="atlas", blocks="default", preview=40)
    preview = unpacked(answer)["preview"]
    assert answer.content.endswith(preview["data"])
    image = Image.open(io.BytesIO(preview["data"]))
    assert (preview["type"], image.size) == ("image/png", (40, 27))


def test_the_rest_stands_behind_the_first_answer_and_comes_from_the_same_pass(
    client: TestClient, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = {"format": "atlas", "blocks": "default", "preview": 40}
    first, whole = (unpacked(post(client, "analyze", photo, **query | more)) for more in ({}, {"blocks": ""}))
    passes = []
    analyze_frames = Lens.analyze_frames
    monkeypatch.setattr(Lens, "analyze_frames", lambda *a, **k: passes.append(1) or analyze_frames(*a, **k))
    answer = post(client, "analyze", photo, rest="true", **query)
    record = unpacked(answer)
    file = record.pop("rest")
    assert (len(passes), file["type"]) == (1, ATLAS)
    assert answer.content.endswith(file["data"])
    rest = unpack_atlases(file["data"])
    assert set(rest) == {"masks", "similarity", "energy", "focus", "included"}
    for key in ("masks", "similarity", "energy", "focus"):
        assert record[key].keys() == first[key].keys()
        assert record[key].keys() | rest[key].keys() == whole[key].keys()
        assert not record[key].keys() & rest[key].keys()
    for name, atlas in rest["similarity"].items():
        np.testing.assert_array_equal(atlas["cells"], whole["similarity"][name]["cells"])
    assert record["preview"] == first["preview"]
    assert record["focus"] | rest["focus"] == whole["focus"]


@pytest.mark.parametrize("query", [{"format": "json", "blocks": "default"}, {"format": "atlas"}])
def test_a_rest_needs_a_beginning_and_the_binary_form(client: TestClient, query: dict[str, str]) -> None:
    problem = post(client, "analyze", b"no image", rest="true", **query)
    assert problem.status_code == 422
    assert "rest=true needs format=atlas" in problem.json()["detail"]


def test_masks_are_answered_in_binary_form_too(client: TestClient, photo: bytes) -> None:
    query = {"blocks": "default", "groups": "3,1", "signal": "mask"}
    record = unpacked(post(client, "masks", photo, format="atlas", **query))
    plain = post(client, "masks", photo, **query).json()
    assert {key: record[key] for key in ("signal", "model", "image")} == {
        key: plain[key] for key in ("signal", "model", "image")
    }
    ((name, atlas),) = record["blocks"].items()
    gray = np.asarray(Image.open(io.BytesIO(_png(plain["blocks"][name]))))
    np.testing.assert_array_equal(atlas["cells"].reshape(gray.shape), gray)
    assert atlas["numbers"] == [3, 1]


def _png(block: dict[str, Any]) -> bytes:

    return base64.b64decode(block["png"])


def test_the_first_answer_of_the_page_is_small(client: TestClient, photo: bytes) -> None:
    first = post(client, "analyze", photo, format="atlas", blocks="default", target="predicted")
    whole = post(client, "analyze", photo, target="predicted")
    assert len(first.content) < len(whole.content) / 10


def test_without_gradients_all_effects_are_left_out_or_refused(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Lens, "has_gradients", property(lambda _: False))
    query = {"blocks": "default", "target": "predicted"}
    left_out = post(client, "analyze", jpeg(), method="gradient", **query).json()
    assert left_out["can"] == {"gradients": False, "steps": False}
    assert "attribution" not in left_out
    refused = post(client, "analyze", jpeg(), target="predicted", method="auto")
    assert refused.status_code == 422
    assert "Name fewer blocks in blocks=" in refused.json()["detail"]
