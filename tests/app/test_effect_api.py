"""``/ablate``, ``/attribute``, ``/steps`` and the effects in ``/analyze``: refused values, then the library's numbers."""

from __future__ import annotations

import base64
import io
import json
import threading
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from app.schemas import AblationOut, AnalysisOut, AttributionOut, StepsOut
from sge import Ablation, Analysis, Attribution, Lens
from sge.analysis import ablation_report, attribution_record, steps_record
from sge.models.checkpoint import write_weights
from sge.nn.resnet import build_resnet
from tests.app.asking import Asking, Exchange, check_problem, jpeg, post
from tests.app.conftest import API, WAIT_S, Service, running, until

BLOCK, GROUPS = "blocks.5.0", "blocks.5.0:20,36,26"
FORM = "BLOCK:NUMBERS"

REFUSED = [
    # route, query, what the sentence says
    ("ablate", "", "groups is missing. Add groups= to the address: BLOCK:NUMBERS"),
    ("ablate", "groups=", FORM),
    ("ablate", "groups=%3B", FORM),
    ("ablate", "groups=blocks.5.0:", "0,3,8-15"),
    ("ablate", "groups=blocks.5.0:20;", FORM),
    ("ablate", "groups=blocks.5.0:-1", "0,3,8-15"),
    ("ablate", "groups=blocks.5.0:56", "blocks.5.0 has groups 0 to 55"),
    ("ablate", "groups=blocks.5.0:0-999999", "blocks.5.0 has groups 0 to 55"),
    ("ablate", "groups=blocks.9.9:1", "there are: blocks.1.0, blocks.1.1,"),
    ("ablate", "groups=20", "there are: blocks.1.0"),
    ("ablate", "groups=ALL", "there are: blocks.1.0"),
    ("ablate", f"groups={'a' * 6001}", "at most 6000 characters"),
    ("ablate", f"groups={GROUPS}&mode=half", "'mean', 'zero' or 'only'"),
    ("ablate", f"groups={GROUPS}&controls=101", "a whole number from 0 to 100"),
    ("ablate", f"groups={GROUPS}&controls=-1", "a whole number from 0 to"),
    ("ablate", f"groups={GROUPS}&controls=1.5", "a whole number from 0 to"),
    ("ablate", f"groups={GROUPS}&seed=-1", "a whole number from 0 to"),
    ("ablate", f"groups={GROUPS}&seed=4294967296", "from 0 to 4294967295"),
    ("ablate", f"groups={GROUPS}&target=begle", "beagle"),
    ("ablate", f"groups={GROUPS}&target=beagle&target=begle", "beagle"),
    ("ablate", f"groups={GROUPS}&target=1000", "0 (tench) to 999"),
    ("ablate", f"groups={GROUPS}&target=-1", "0 (tench) to 999"),
    ("ablate", f"groups={GROUPS}&target=1&target=2&target=3", "at most 2"),
    ("ablate", f"groups={GROUPS}&target={'a' * 201}", "at most 200 characters"),
    ("ablate", f"groups={GROUPS}&top_k=0", "a whole number from 1 to 1000"),
    ("ablate", f"groups={GROUPS}&blocks=blocks.5.0", "there are: groups, mode, controls, seed, target"),
    ("ablate", f"groups={GROUPS}&framing=half", "'whole' or 'center'"),
    ("ablate", f"groups={GROUPS}&model=none", "there are: sge_efficientnet_lite0"),
    ("attribute", "target=begle", "beagle"),
    ("attribute", "target=1000", "0 (tench) to 999"),
    ("attribute", "blocks=blocks.9.9", "there are: blocks.1.0"),
    ("attribute", "blocks=,", "there are: blocks.1.0"),
    ("attribute", "method=guess", "'auto', 'gradient' or 'ablation'"),
    ("attribute", "method=ablation", "at most 128 groups in one request, and 868 were asked for"),
    ("attribute", "groups=1", "there are: target, blocks, method"),
    ("steps", "block=blocks.9.9", "there are: blocks.1.0"),
    ("steps", "group=56&block=blocks.5.0", "blocks.5.0 has groups 0 to 55"),
    ("steps", "group=-1", "a whole number from 0 to"),
    ("steps", "group=1-2", "a whole number from 0 to"),
    ("steps", "groups=1", "there are: block, group"),
    ("analyze", "target=begle", "beagle"),
    ("analyze", "blocks=blocks.9.9", "there are: blocks.1.0"),
    ("analyze", "blocks=default,", "there are: blocks.1.0"),
    ("analyze", "method=ablation", "'auto' or 'gradient'"),
    ("analyze", "format=png", "'json', 'atlas' or 'html'"),
    ("analyze", "ablate=blocks.9.9", "there are: blocks.1.0"),
    ("analyze", "ablate=blocks.5.0:99", "blocks.5.0 has groups 0 to 55"),
    ("analyze", f"ablate={GROUPS}&mode=half", "'mean', 'zero' or 'only'"),
    ("analyze", f"ablate={GROUPS}&controls=101", "a whole number from 0 to 100"),
    ("analyze", f"view={'a' * 2001}", "at most 2000 characters"),
    ("analyze", "groups=all", "there are: format, top_k, blocks, rest, target, method, ablate"),
]


@pytest.mark.parametrize(("route", "query", "says"), REFUSED)
def test_a_bad_value_gets_the_sentence_that_lists_the_good_ones_before_a_byte_is_read(
    service: Service, route: str, query: str, says: str
) -> None:
    exchange = Exchange(route, [jpeg()], {"Content-Type": "image/jpeg"}, query=query.replace(" ", "%20"))
    service.in_loop(exchange.run, service)
    assert exchange.status == (404 if "model=" in query else 422)
    assert exchange.pulled == 0
    assert says in exchange.body["detail"]
    assert exchange.body["detail"].endswith(".")
    assert len(exchange.body["detail"]) < 600


@pytest.mark.parametrize("route", ["ablate", "attribute", "steps", "analyze"])
def test_a_body_that_is_no_image_is_refused_as_everywhere(client: TestClient, route: str) -> None:
    query = {"groups": "all"} if route == "ablate" else {"target": "predicted"} if route == "analyze" else {}
    check_problem(post(client, route, b"no image", **query), 415)
    check_problem(post(client, route, jpeg()[:200], **query), 422)
    check_problem(post(client, route, b"", **query), 400)


@pytest.mark.slow
def test_a_model_without_sge_has_no_effects_and_its_sample_still_opens(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    card = {"title": "Mine", "sentence": "Three classes.", "gates": "none"}
    metadata = {"sge.arch": "cbam_resnet18", "sge.card": card}
    write_weights(path, build_resnet(18, "cbam", num_classes=3).state_dict(), metadata)
    with running(models=[str(path)]) as started:
        for route, query in (
            ("ablate", {"groups": "all"}),
            ("attribute", {}),
            ("steps", {}),
            ("analyze", {"target": "predicted"}),
            ("analyze", {"ablate": "all"}),
        ):
            problem = check_problem(post(started.client, route, jpeg(), **query), 422)
            assert "no SGE block, so it has no groups" in problem["detail"]
        sample = started.client.get("/samples/chelsea/analysis").json()
        assert "attribution" not in sample
        assert len(sample["blocks"]) == 8


# Numbers.


def close(one: Any, other: Any, tolerance: float = 1e-4) -> None:
    """Checks that two JSON values are equal but for rounding in the forward pass."""
    if isinstance(one, dict):
        assert list(one) == list(other)
        for key, value in one.items():
            close(value, other[key], tolerance)
    elif isinstance(one, list):
        assert len(one) == len(other)
        for value, another in zip(one, other, strict=True):
            close(value, another, tolerance)
    elif isinstance(one, float):
        assert one == pytest.approx(other, rel=tolerance, abs=tolerance)
    else:
        assert one == other


@pytest.fixture(scope="module")
def ablation(lens: Lens, photo: bytes) -> Ablation:
    return lens.ablate(photo, {BLOCK: [20, 26, 36]}, "zero", 3, seed=5)


@pytest.fixture(scope="module")
def attribution(lens: Lens, photo: bytes) -> Attribution:
    return lens.attribute(photo, "beagle")


def test_an_ablation_is_the_librarys(client: TestClient, photo: bytes, ablation: Ablation) -> None:
    options = {"groups": GROUPS, "mode": "zero", "controls": 3, "seed": 5, "top_k": 3}
    got = post(client, "ablate", photo, **options, target=["beagle", "207"]).json()
    AblationOut.model_validate(got)
    close(got, json.loads(json.dumps(ablation_report(ablation, [162, 207], 3))))
    assert {162, 207} <= {entry["index"] for entry in got["classes"]}
    tabby = got["classes"][0]
    assert tabby["before"] == pytest.approx(float(ablation.before[tabby["index"]]), abs=1e-5)
    assert tabby["change"] == pytest.approx(tabby["after"] - tabby["before"], abs=1e-6)
    assert tabby["controls"]["lo"] == min(tabby["controls"]["values"])


@pytest.mark.slow
def test_both_forms_of_the_body_are_the_same_image(client: TestClient, photo: bytes) -> None:
    for route, query in (
        ("ablate", {"groups": GROUPS, "controls": 1}),
        ("attribute", {"blocks": BLOCK}),
        ("steps", {"group": 3}),
    ):
        raw = post(client, route, photo, **query)
        form = client.post(f"{API}/{route}", params=query, files={"image": ("p.bin", photo)})
        assert raw.status_code == form.status_code == 200
        close(form.json(), raw.json())


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["mean", "zero", "only"])
def test_every_mode_and_framing_is_the_librarys(client: TestClient, lens: Lens, mode: str) -> None:
    data = jpeg(3, (120, 90))
    own = lens.ablate(data, {BLOCK: None, "blocks.3.1": [1, 2]}, mode, 0, framing="center")
    options = {"groups": f"{BLOCK};blocks.3.1:1-2", "mode": mode, "controls": 0, "framing": "center"}
    got = post(client, "ablate", data, **options).json()
    close(got, json.loads(json.dumps(ablation_report(own))))
    assert {entry["controls"] for entry in got["classes"]} == {None}


@pytest.mark.slow
def test_flattened_masks_of_inactive_gates_change_nothing_and_a_seed_repeats(client: TestClient) -> None:
    flat = post(client, "ablate", jpeg(), groups="all", mode="mean", controls=0).json()
    assert sum(len(numbers) for numbers in flat["groups"].values()) == 868
    assert max(abs(entry["change"]) for entry in flat["classes"]) < 1e-5
    options = {"groups": GROUPS, "mode": "zero", "controls": 4}
    first, again = (post(client, "ablate", jpeg(), **options, seed=1).json() for _ in range(2))
    close(first, again, 1e-6)
    other = post(client, "ablate", jpeg(), **options, seed=2).json()
    assert [e["controls"]["values"] for e in other["classes"]] != [
        e["controls"]["values"] for e in first["classes"]
    ]


def test_an_attribution_is_the_librarys(client: TestClient, photo: bytes, attribution: Attribution) -> None:
    got = post(client, "attribute", photo, target="162").json()
    AttributionOut.model_validate(got)
    own = json.loads(json.dumps(attribution_record(attribution)))
    assert got["target"]["label"] == "beagle"
    own["grad_cam"].pop("png")
    assert got["grad_cam"].pop("png")
    close(got, own, 1e-3)


@pytest.mark.slow
def test_blocks_and_method_of_an_attribution_are_those_that_were_named(
    client: TestClient, lens: Lens
) -> None:
    for method in ("gradient", "ablation"):
        answer = post(client, "attribute", jpeg(), blocks=f"blocks.6.0,{BLOCK}", method=method)
        assert answer.status_code == 200, answer.text
        got = answer.json()
        assert got["method"] == {BLOCK: method, "blocks.6.0": method}
        own = lens.attribute(jpeg(), blocks=[BLOCK, "blocks.6.0"], method=method)
        for block, values in own.items():
            assert got["effect"][block] == pytest.approx(values.tolist(), rel=1e-2, abs=1e-3)


def decoded(atlas: dict[str, Any]) -> np.ndarray:
    gray = np.asarray(Image.open(io.BytesIO(base64.b64decode(atlas["png"]))), np.float64)
    gray = gray.reshape(atlas["groups"], atlas["height"], atlas["width"])
    return np.asarray(atlas["lo"] + gray / 255 * (atlas["hi"] - atlas["lo"]))


def test_steps_are_the_librarys(client: TestClient, lens: Lens, photo: bytes) -> None:
    got = post(client, "steps", photo, block=BLOCK, group=20).json()
    StepsOut.model_validate(got)
    steps = lens.steps(photo, BLOCK, 20)
    assert list(got) == list(steps_record(steps))
    assert (got["block"], got["group"]) == (BLOCK, 20)
    assert (got["weight"], got["bias"]) == pytest.approx((steps.weight, steps.bias))
    assert got["mean"] == pytest.approx(steps.mean.tolist(), abs=1e-4)
    for name in ("features", "product", "similarity", "mask", "output"):
        values = getattr(steps, name)
        half = (got[name]["hi"] - got[name]["lo"]) / 510
        np.testing.assert_allclose(decoded(got[name]).reshape(values.shape), values, rtol=0, atol=half + 2e-4)
    default = post(client, "steps", jpeg()).json()
    assert (default["block"], default["group"]) == (lens.analyze(jpeg()).default_block, 0)


# Effects in an analysis.


@pytest.mark.slow
def test_an_analysis_has_what_was_asked_for_and_opens_as_the_librarys(
    client: TestClient, photo: bytes, attribution: Attribution, ablation: Ablation, tmp_path: Path
) -> None:
    plain = post(client, "analyze", photo)
    assert not {"attribution", "ablation"} & set(plain.json())
    for nothing in ({"target": ""}, {"ablate": ""}, {"view": "block=x", "controls": 3}):
        assert post(client, "analyze", photo, **nothing).json() == plain.json()
    options = {"ablate": GROUPS, "mode": "zero", "controls": 3, "seed": 5}
    answer = post(client, "analyze", photo, target="beagle", **options)
    body = answer.json()
    AnalysisOut.model_validate(body)
    assert set(body) - set(plain.json()) == {"attribution", "ablation"}
    assert list(body["attribution"]) == list(attribution_record(attribution))
    assert list(body["ablation"])[:7] == list(ablation_report(ablation))
    assert 162 in [entry["index"] for entry in body["ablation"]["classes"]]
    (tmp_path / "a.json").write_bytes(answer.content)
    opened = Analysis.open(tmp_path / "a.json")
    assert opened.attribution is not None
    assert opened.ablation is not None
    for block, values in attribution.items():
        np.testing.assert_allclose(opened.attribution[block], values, rtol=1e-3, atol=1e-4)
    for name in ("before", "after", "controls", "logits_before", "logits_after", "logits_controls"):
        np.testing.assert_allclose(getattr(opened.ablation, name), getattr(ablation, name), atol=1e-3)
    assert opened.ablation.control_groups == ablation.control_groups


@pytest.mark.slow
def test_a_report_carries_effects_and_view_and_nothing_that_the_view_says_ends_its_script(
    client: TestClient,
) -> None:
    view = "block=blocks.5.0&off=blocks.5.0:20</script><script>alert(1)</script>"
    answer = post(client, "analyze", jpeg(), format="html", target="predicted", ablate=GROUPS, view=view)
    text = answer.text
    assert "<script>alert" not in text
    start = text.index('id="analysis">') + len('id="analysis">')
    record = json.loads(text[start : text.index("</script>", start)])
    assert record["view"] == view
    assert {"attribution", "ablation", "preview"} <= set(record)
    assert "view" not in post(client, "analyze", jpeg(), view=view).json()


# The model thread.


@pytest.mark.slow
def test_ablations_hold_no_prediction_up_and_a_cancelled_one_does_not_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with running() as started:
        lens = started.engine.slots[started.engine.default].require_lens()
        entered, release, ran = threading.Event(), threading.Event(), []
        real = lens.ablate_frame

        def ablate(frame: Any, *args: Any) -> Any:
            entered.set()
            assert release.wait(WAIT_S)
            ran.append(frame.image.sha256)
            return real(frame, *args)

        monkeypatch.setattr(lens, "ablate_frame", ablate)
        many = {"groups": GROUPS, "controls": 20}  # rows enough to be expected to take long
        with Asking(started.client) as asking:
            first = asking.post("ablate", jpeg(0, (64, 64)), **many)
            assert entered.wait(WAIT_S)
            query = f"groups={GROUPS}&controls=20"
            leaving = Exchange("ablate", [jpeg(1, (64, 64))], {"Content-Type": "image/jpeg"}, query=query)
            done = asking.pool.submit(started.in_loop, leaving.run, started)
            until(lambda: started.engine.waiting == 1)
            other = asking.post("ablate", jpeg(2, (64, 64)), **many)
            until(lambda: started.engine.waiting == 2)
            assert post(started.client, "predict", jpeg(3, (64, 64))).status_code == 200
            leaving.gone.set()
            done.result()
            release.set()
            assert [future.result().status_code for future in (first, other)] == [200] * 2
        assert leaving.sent == []
        assert ran == [sha256(jpeg(number, (64, 64))).hexdigest() for number in (0, 2)]
        assert started.engine.depth == 0


def test_a_fault_in_an_effect_reaches_its_client_and_the_engine_runs_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with running() as started:
        lens = started.engine.slots[started.engine.default].require_lens()

        def fail(*_args: Any) -> Any:
            raise RuntimeError("out of memory on cuda:0")

        monkeypatch.setattr(lens, "steps_frame", fail)
        assert "cuda" not in check_problem(post(started.client, "steps", jpeg()), 500)["detail"]
        assert post(started.client, "predict", jpeg()).status_code == 200
        assert started.engine.depth == 0
