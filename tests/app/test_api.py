from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families
from safetensors import safe_open
from safetensors.numpy import load as from_safetensors
from starlette.testclient import TestClient

from app.schemas import AnalysisOut
from app.settings import Settings
from sge import Analysis, Lens
from sge.analysis.contact_sheet import draw_contact_sheet
from sge.images.file_kinds import FORMATS
from sge.models.checkpoint import write_weights
from sge.nn.resnet import build_resnet
from tests.app.asking import Exchange, jpeg, post
from tests.app.conftest import API, Service, running


@pytest.fixture(scope="module")
def analysis(lens: Lens, photo: bytes) -> Analysis:
    """The library's own analysis of the photo."""
    return lens.analyze(photo)


def decoded(block: dict[str, Any]) -> np.ndarray:
    """A JSON atlas, decoded as docs/api.md describes, without the library's code."""
    grey = np.asarray(Image.open(io.BytesIO(base64.b64decode(block["png"]))), np.float64)
    grey = grey.reshape(block["groups"], block["height"], block["width"])
    return np.asarray(block["lo"] + grey / 255 * (block["hi"] - block["lo"]))


def arrays(answer: Any) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(answer.content), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


# Predict.


@pytest.mark.slow
def test_predictions_have_the_form_of_hugging_face_best_first(
    client: TestClient, photo: bytes, analysis: Analysis
) -> None:
    answer = post(client, "predict", photo)
    assert answer.headers["content-type"] == "application/json"
    got = answer.json()
    assert [set(entry) for entry in got] == [{"label", "score", "index", "raw_score"}] * 5
    assert [entry["label"] for entry in got] == [entry.label for entry in analysis.predictions]
    assert [entry["score"] for entry in got] == sorted((entry["score"] for entry in got), reverse=True)
    assert [entry["score"] for entry in got] == pytest.approx(
        [entry.score for entry in analysis.predictions], abs=1e-5
    )
    assert got[0]["label"] in ("Egyptian cat", "tabby", "tiger cat")


@pytest.mark.parametrize("top_k", [1, 7, 1000])
def test_top_k_is_how_many(client: TestClient, top_k: int) -> None:
    got = post(client, "predict", jpeg(), top_k=top_k).json()
    assert len(got) == top_k
    assert len({entry["index"] for entry in got}) == top_k
    if top_k == 1000:
        assert sum(entry["score"] for entry in got) == pytest.approx(1, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("kind", FORMATS)
def test_forms_and_raw_bodies_of_every_format_are_the_same_image(client: TestClient, kind: str) -> None:
    data = jpeg(kind=kind)
    raw = client.post(
        f"{API}/analyze", content=data, headers={"Content-Type": f"image/{kind.lower()}"}
    ).json()
    form = client.post(f"{API}/analyze", files={"image": ("p.bin", data)}, data={"note": "more"}).json()
    assert raw["image"] == form["image"] | {"name": None}
    assert form["image"]["name"] == "p.bin"
    assert raw["image"]["format"] == kind
    assert raw["predictions"] == form["predictions"]


@pytest.mark.slow
def test_framing_is_what_the_network_sees(client: TestClient, photo: bytes, lens: Lens) -> None:
    center = lens.analyze(photo, framing="center")
    for answer in (post(client, "predict", photo, framing="center").json(),):
        assert [entry["index"] for entry in answer] == [entry.index for entry in center.predictions]
        assert answer[0]["score"] == pytest.approx(center.predictions[0].score, abs=1e-5)
    geometry = post(client, "analyze", photo, framing="center").json()["geometry"]
    assert geometry["framing"] == "center"
    assert geometry["window"] == pytest.approx(list(center.geometry.window))
    assert geometry["input"] == [224, 224]
    block = post(client, "masks", photo, framing="center", blocks="blocks.4.2").json()["blocks"]["blocks.4.2"]
    assert (block["height"], block["width"]) == (14, 14)


# Masks.


@pytest.mark.slow
@pytest.mark.parametrize("signal", ["mask", "similarity"])
def test_npz_and_safetensors_are_exact(
    client: TestClient, photo: bytes, analysis: Analysis, signal: str
) -> None:
    zipped = post(client, "masks", photo, signal=signal, format="npz")
    tensors = post(client, "masks", photo, signal=signal, format="safetensors")
    assert zipped.headers["content-type"] == "application/zip"
    assert zipped.headers["content-disposition"] == f'attachment; filename="{signal}.npz"'
    assert tensors.headers["content-type"] == "application/octet-stream"
    assert tensors.headers["content-disposition"] == f'attachment; filename="{signal}.safetensors"'
    expected = analysis.masks if signal == "mask" else analysis.similarity
    from_npz, from_file = arrays(zipped), from_safetensors(tensors.content)
    assert list(from_npz) == list(expected)
    assert set(from_file) == set(expected)
    for name, values in expected.items():
        assert from_npz[name].dtype == from_file[name].dtype == np.float32
        np.testing.assert_array_equal(from_npz[name], from_file[name])
        np.testing.assert_allclose(from_npz[name], values, atol=1e-5, rtol=1e-5)


@pytest.mark.slow
def test_the_service_and_the_library_agree_to_the_last_bit(service: Service, photo: bytes) -> None:
    lens = service.engine.slots[service.engine.default].require_lens()
    own = lens.analyze(photo)
    got = arrays(post(service.client, "masks", photo, format="npz", signal="similarity"))
    for name, values in own.similarity.items():
        np.testing.assert_allclose(got[name], values, atol=2e-6)


def test_safetensors_name_signal_model_and_image(client: TestClient, photo: bytes, tmp_path: Any) -> None:
    path = tmp_path / "masks.safetensors"
    path.write_bytes(post(client, "masks", photo, format="safetensors", signal="mask").content)
    with safe_open(path, "np") as file:
        facts = file.metadata()
    assert facts["signal"] == "mask"
    assert facts["model"] == "sge_efficientnet_lite0"
    assert json.loads(facts["image"])["width"] == 451


@pytest.mark.slow
@pytest.mark.parametrize("signal", ["mask", "similarity"])
@pytest.mark.parametrize("size", [(96, 64), (1, 1), (1, 400), (900, 20)])
def test_json_atlases_are_within_half_a_step_of_the_values(
    client: TestClient, signal: str, size: tuple[int, int]
) -> None:
    data = jpeg(size=size, kind="PNG")
    exact = arrays(post(client, "masks", data, format="npz", signal=signal))
    body = post(client, "masks", data, signal=signal).json()
    assert body["signal"] == signal
    assert list(body["blocks"]) == list(exact)
    for name, values in exact.items():
        block = body["blocks"][name]
        assert values.shape == (block["groups"], block["height"], block["width"])
        assert block["numbers"] == list(range(block["groups"]))
        assert (block["lo"], block["hi"]) == (values.min(), values.max())
        half = (block["hi"] - block["lo"]) / 510
        assert np.abs(decoded(block) - values).max() <= half * 1.0001


@pytest.mark.slow
@pytest.mark.parametrize(
    ("groups", "numbers"),
    [
        ("17", [17]),
        ("0,3,8-11", [0, 3, 8, 9, 10, 11]),
        ("5-5", [5]),
        ("9,1,9", [9, 1]),
        (" 2 , 4 - 6 ", [2, 4, 5, 6]),
        ("0-47", list(range(48))),
        ("007", [7]),
        ("", list(range(48))),
    ],
)
@pytest.mark.parametrize("format", ["json", "npz", "safetensors"])
def test_groups_are_numbers_and_ranges(
    client: TestClient, groups: str, numbers: list[int], format: str
) -> None:
    every = arrays(post(client, "masks", jpeg(), format="npz", blocks="blocks.1.0"))["blocks.1.0"]
    answer = post(client, "masks", jpeg(), format=format, blocks="blocks.1.0", groups=groups)
    if format == "json":
        block = answer.json()["blocks"]["blocks.1.0"]
        assert block["numbers"] == numbers
        got = decoded(block)
        atol = (block["hi"] - block["lo"]) / 510 * 1.0001
    else:
        got = (arrays(answer) if format == "npz" else from_safetensors(answer.content))["blocks.1.0"]
        atol = 0
    np.testing.assert_allclose(got, every[numbers], rtol=0, atol=atol)


def test_blocks_are_those_that_were_named_in_that_order(client: TestClient) -> None:
    body = post(client, "masks", jpeg(), blocks="blocks.5.0, blocks.1.0,blocks.5.0").json()
    assert list(body["blocks"]) == ["blocks.5.0", "blocks.1.0"]


@pytest.mark.slow
def test_a_network_with_inactive_gates_shows_similarity_first(client: TestClient) -> None:
    assert post(client, "masks", jpeg(), blocks="blocks.1.0").json()["signal"] == "similarity"
    answer = post(client, "masks", jpeg(), blocks="blocks.1.0", format="npz")
    assert 'filename="similarity.npz"' in answer.headers["content-disposition"]


@pytest.mark.slow
def test_the_image_of_masks_is_the_contact_sheet(service: Service, photo: bytes) -> None:
    lens = service.engine.slots[service.engine.default].require_lens()
    answer = post(service.client, "masks", photo, format="png", blocks="blocks.4.0", groups="0-5")
    assert answer.headers["content-type"] == "image/png"
    got = np.asarray(Image.open(io.BytesIO(answer.content)), np.int16)
    expected = draw_contact_sheet(lens.analyze(photo), "blocks.4.0", groups=[0, 1, 2, 3, 4, 5])
    assert got.shape == np.asarray(expected).shape
    assert np.abs(got - np.asarray(expected, np.int16)).mean() < 0.05
    default = Image.open(io.BytesIO(post(service.client, "masks", photo, format="png").content))
    assert default.size[1] > got.shape[0]  # all groups of the default block


# Overlay.


@pytest.mark.slow
@pytest.mark.parametrize("size", [(96, 64), (640, 17), (1, 1), (1, 500), (1000, 700)])
@pytest.mark.parametrize(
    "options", [{}, {"group": "0,5,9"}, {"framing": "center"}, {"group": "1-6", "signal": "mask"}]
)
def test_overlays_have_the_originals_size(
    client: TestClient, size: tuple[int, int], options: dict[str, str]
) -> None:
    answer = post(client, "overlay", jpeg(size=size), **options)
    assert answer.headers["content-type"] == "image/png"
    image = Image.open(io.BytesIO(answer.content))
    assert (image.size, image.format, image.mode) == (size, "PNG", "RGB")


def test_overlays_are_upright_as_the_image(client: TestClient) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.new("RGB", (60, 40)).save(buffer, "JPEG", exif=exif)
    assert Image.open(io.BytesIO(post(client, "overlay", buffer.getvalue()).content)).size == (40, 60)


@pytest.mark.slow
def test_options_of_the_overlay_reach_the_drawing(client: TestClient, photo: bytes) -> None:
    original = np.asarray(Image.open(io.BytesIO(photo)).convert("RGB"))

    def drawn(**options: object) -> np.ndarray:
        defaults = {"block": "blocks.4.2", "group": "5", "legend": "false"}
        answer = post(client, "overlay", photo, **defaults | options)
        return np.asarray(Image.open(io.BytesIO(answer.content)))

    plain = drawn()
    np.testing.assert_array_equal(drawn(opacity=0), original)
    images = [
        original,
        plain,
        drawn(opacity=1),
        drawn(group="7"),
        drawn(group="5,7"),
        drawn(block="blocks.5.0"),
        drawn(signal="mask"),
        drawn(colormap="viridis"),
        drawn(scale="absolute"),
        drawn(legend="true"),
        drawn(framing="center"),
    ]
    assert len({image.tobytes() for image in images}) == len(images)


# Analyze.


@pytest.mark.slow
def test_an_analysis_holds_everything_of_one_forward_pass(
    client: TestClient, photo: bytes, analysis: Analysis
) -> None:
    body = post(client, "analyze", photo).json()
    assert [block["name"] for block in body["blocks"]] == [block.name for block in analysis.blocks]
    assert body["default_block"] == analysis.default_block
    assert body["geometry"]["image"] == [451, 300]
    assert [part["name"] for part in body["parts"]] == [part.name for part in analysis.parts]
    assert set(body["part_maps"]) == {"nose", "eye"}
    for found in body["part_maps"].values():
        weights = [term["weight"] for term in found["terms"]]
        assert 0 < sum(weights) <= 1 + 1e-6
        assert weights == sorted(weights, reverse=True)
        assert 0 <= found["lo"] <= found["hi"] <= 1
    for block in analysis.blocks:
        assert body["focus"][block.name] == pytest.approx(analysis.focus(block.name), abs=2e-3)
        assert sum(body["energy"][block.name]) == pytest.approx(1, abs=1e-2)
        atlas = body["similarity"][block.name]
        half = (atlas["hi"] - atlas["lo"]) / 510
        assert np.abs(decoded(atlas) - analysis.similarity[block.name]).max() <= half + 1e-4


@pytest.mark.slow
def test_the_report_stands_alone_and_is_downloaded(client: TestClient, photo: bytes) -> None:
    answer = post(client, "analyze", photo, format="html")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-disposition"].startswith("attachment")


@pytest.mark.slow
@pytest.mark.parametrize("attention", ["cbam", "bam"])
def test_another_attention_module_that_was_trained_here_is_served(
    attention: str, photo: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "mine.safetensors"
    card = {"title": "Mine", "sentence": "Three classes.", "gates": "none"}  # as sge train writes it
    metadata = {"sge.arch": f"{attention}_resnet18", "sge.card": card}
    write_weights(path, build_resnet(18, attention, num_classes=3).state_dict(), metadata)
    with running(models=[str(path)]) as started:
        answer = post(started.client, "analyze", photo)
    assert answer.status_code == 200
    body = AnalysisOut.model_validate(answer.json())  # the service does not validate its answers
    assert body.model.gates == "none"
    assert {block.groups for block in body.blocks} == {1}


# Models, health, metrics.


@pytest.mark.slow
def test_all_three_shipped_models_answer(photo: bytes) -> None:
    """The service as it starts without settings."""
    with running(models=Settings().models) as started:
        tuned, inactive, dogs = started.client.get(f"{API}/models").json()
        assert tuned["default"]
        assert tuned["card"]["opens_service"]
        assert [model["card"]["gates"] for model in (tuned, inactive, dogs)] == [
            "tuned",
            "inactive",
            "trained",
        ]
        assert not any(block["inactive"] for block in dogs["blocks"])
        said = started.client.post(f"{API}/analyze?model={dogs['name']}", files={"image": photo}).json()
        assert (said["signal"], said["model"]["gates"]) == ("mask", "trained")
        assert len(said["predictions"]) == 5
        breeds = started.engine.slots[dogs["name"]].require_lens().model.labels
        assert {entry["label"] for entry in said["predictions"]} <= set(breeds)


def test_models_are_listed_with_their_cards(client: TestClient) -> None:
    (listed,) = client.get(f"{API}/models").json()
    details = client.get(f"{API}/models/sge_efficientnet_lite0").json()
    assert listed == {key: value for key, value in details.items() if key != "labels"}
    assert (len(details["labels"]), details["labels"][235]) == (1000, "German shepherd")
    assert listed["ready"]
    assert listed["default"]
    assert listed["error"] is None
    assert listed["classes"] == 1000
    assert listed["memory_bytes"] > 4 * listed["parameters"] > 10_000_000
    assert listed["card"]["gates"] == "inactive"
    assert len(listed["card"]["sha256"]) == 64
    assert len(listed["blocks"]) == 15
    assert listed["preprocess"]["size"] == 224


def test_health_is_short(client: TestClient) -> None:
    assert client.get(f"{API}/health/live").json() == {"status": "live"}
    assert client.get(f"{API}/health/ready").json() == {"status": "ready"}


@pytest.mark.parametrize("path", ["/", f"{API}/health/live", f"{API}/health/ready"])
def test_probes_may_ask_for_the_head_alone(client: TestClient, path: str) -> None:
    answer = client.head(path)
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.slow
def test_metrics_count_requests_latency_depth_batches_and_refusals() -> None:
    with running(max_bytes=5000) as started:
        for _ in range(3):
            post(started.client, "predict", jpeg())
        post(started.client, "masks", jpeg())
        refused = {
            "bytes": bytes(5001),
            "format": b"?",
            "broken": jpeg()[:300],
            "malformed": b"",
        }
        for data in refused.values():
            post(started.client, "predict", data)
        post(started.client, "predict", jpeg(), model="none")
        post(started.client, "predict", jpeg(), top_k=0)
        for path in ("/nope", "/a/b/c", "/x" * 50):
            started.client.get(path)
        started.in_loop(Exchange("predict", [b"x"], {"Content-Type": "image/png"}, hang_up=True).run, started)
        answer = started.client.get(f"{API}/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    samples = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }

    def value(name: str, **labels: str) -> float:
        return samples[name, tuple(sorted(labels.items()))]

    predict = f"{API}/predict"
    assert value("sge_requests_total", route=predict, status="200") == 3
    assert value("sge_requests_total", route=predict, status="413") == 1
    assert value("sge_requests_total", route=predict, status="415") == 1
    assert value("sge_requests_total", route=predict, status="422") == 2
    assert value("sge_requests_total", route=predict, status="400") == 1
    assert value("sge_requests_total", route=predict, status="404") == 1
    assert value("sge_requests_total", route=predict, status="499") == 1
    assert value("sge_requests_total", route="none", status="404") == 3
    assert value("sge_request_seconds_count", route=predict) == 10
    assert value("sge_request_seconds_sum", route=predict) > 0
    assert value("sge_queue_depth") == 0
    assert value("sge_batch_size_sum") == 4
    assert value("sge_model_ready", model="sge_efficientnet_lite0") == 1
    for reason in (*refused, "model", "parameter"):
        assert value("sge_rejected_total", reason=reason) == 1
    routes = {dict(labels).get("route") for _, labels in samples}
    assert len(routes) < 10  # an unknown path is no label
