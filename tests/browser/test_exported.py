"""A service without PyTorch, as in the container's cpu image, that serves an exported file: its API, and its page."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request

import pytest
from playwright.sync_api import expect

from scripts.figures.browsing import running_service
from sge.models import export_onnx
from tests.browser.actions import choose, drop, first_label, painted, photo, save, settled
from tests.browser.conftest import MAPS_ARE_THERE, SAMPLES
from tests.conftest import ROOT
from tests.lens.networks import LABELS, lens_of, resnet

pytest.importorskip("onnxruntime")
BLOCKED = ("torch", "torchvision", "timm", "triton", "safetensors.torch", "onnxscript", "captum", "sklearn")
"""What the container's cpu image lacks."""
BLOCK = "layer4.1"


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """The address of a service whose processes all fail to import what is blocked."""
    folder = tmp_path_factory.mktemp("exported")
    export_onnx(lens_of(resnet()).model, folder / "small.onnx")
    blocking = folder / "blocking"
    blocking.mkdir()
    # Python runs this at the start of every process.
    (blocking / "sitecustomize.py").write_text(
        f"import sys\nfor name in {BLOCKED}:\n    sys.modules[name] = None  # then its import fails\n"
    )
    settings = {
        "PYTHONPATH": f"{blocking}{os.pathsep}{ROOT}",
        "SGE_MODELS": str(folder / "small.onnx"),
        "SGE_MODEL_DIR": str(folder),
        "SGE_TIME_LIMIT_S": "90",
        "SGE_THREADS": "1",
    }
    tried = subprocess.run(
        [sys.executable, "-c", "import torch"], env=os.environ | settings, stderr=-1, check=False
    )
    assert b"import of torch halted" in tried.stderr
    with running_service(os.environ | settings) as address:
        yield address


def ask(service, route, **query):
    """Status and body of an answer about a sample, or of a GET where no query is given."""
    data = (SAMPLES / "shepherd.jpg").read_bytes() if query else None
    address = f"{service}/api/v1/{route}?{urllib.parse.urlencode(query)}"
    request = urllib.request.Request(address, data, {"Content-Type": "image/jpeg"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.mark.parametrize(
    ("route", "query", "start"),
    [
        ("models", {}, b"[{"),
        ("predict", {"top_k": 2}, b"[{"),
        ("analyze", {"format": "json"}, b"{"),
        ("analyze", {"format": "atlas", "blocks": "default", "rest": "true", "preview": 300}, b"SGEATLAS"),
        ("analyze", {"format": "html", "blocks": BLOCK, "target": "predicted"}, b"<!doctype html>"),
        ("masks", {"format": "npz"}, b"PK"),
        ("masks", {"format": "safetensors"}, b""),
        ("masks", {"format": "png", "blocks": BLOCK}, b"\x89PNG"),
        ("overlay", {"block": BLOCK, "group": 3}, b"\x89PNG"),
        ("image", {"max_side": 100}, b""),
        ("ablate", {"groups": f"{BLOCK}:1,2"}, b"{"),
        ("attribute", {"blocks": BLOCK}, b"{"),
    ],
)
def test_every_answer_needs_no_torch(service, route, query, start):
    status, body = ask(service, route, **query)
    assert status == 200, body[:500]
    assert body
    assert body.startswith(start)


def test_what_needs_gradients_is_refused_in_words(service):
    status, body = ask(service, "steps", block=BLOCK)
    assert status == 422
    assert "exported file" in json.loads(body)["detail"]


@pytest.mark.browser
def test_the_page_shows_what_an_exported_file_gives(open_page, tmp_path):
    page = open_page().page
    page.wait_for_selector(MAPS_ARE_THERE)
    drop(page, photo("panda", "mine.jpg"))
    expect(page.locator("sge-credit")).to_contain_text("mine.jpg")
    page.wait_for_selector(MAPS_ARE_THERE)
    assert first_label(page).inner_text() in " ".join(LABELS)
    expect(page.locator("sge-tour")).to_be_hidden()
    expect(page.locator("input[name=signal][value=gradcam]")).to_be_disabled()
    # A block's effects are measured when they are asked for.
    with page.expect_response("**/api/v1/attribute*") as answered:
        choose(page, "sort", "effect")
    assert answered.value.status == 200
    expect(page.locator("sge-group-grid .readout").first).to_contain_text("for ")
    # A group that the pointer is over is drawn; without it, the bars move.
    before = painted(page)
    cell = page.locator("sge-group-grid .tile-cell").nth(3)
    cell.hover()
    settled(page)
    assert painted(page) != before
    with page.expect_response("**/api/v1/ablate*") as answered:
        cell.locator(".power").click()
    assert answered.value.status == 200
    expect(page.locator("sge-predictions .tick").first).to_be_visible()
    # Of another block nothing is said before it is measured; the chosen order stays.
    held = []
    page.route("**/api/v1/attribute*", lambda route: held.append(route))
    page.locator('[data-block="layer1.0"]').click()
    expect(page.get_by_test_id("legend")).to_contain_text("the block\u2019s most focused group")
    expect(page.locator("input[name=sort][value=effect]")).to_be_checked()
    held[0].continue_()
    expect(page.get_by_test_id("legend")).to_contain_text("largest effect of its block on")
    report = save(page, "html", tmp_path)
    assert "mine.jpg" in report.read_text("utf-8")
