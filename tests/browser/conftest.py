"""The real service with the real weights, and a browser that fails the test on anything the page must not do."""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect, sync_playwright

from scripts.figures.browsing import running_service
from sge.models.checkpoint import write_weights
from sge.models.model import Card
from sge.models.names import DEFAULT_MODEL, ORIGINAL_MODEL, PETS_MODEL
from sge.models.registry import load_model
from tests.conftest import ROOT

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TIMEOUT_MS = 90_000
"""Time for an action or an expectation; the analysis of an image takes seconds on a busy machine."""
MAPS_ARE_THERE = "html[data-maps=ready]"
"""The page has everything that it loads by itself: of the shown image, the maps of all blocks."""
SAMPLES = ROOT / "static" / "samples"
REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) =>
  console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`));
"""

MODULES = """
window.sgeModule = (path) => {
  const entry = document.querySelector("script[type=module][src]")?.src;  // none in a report, which has an import map
  return entry ? import(new URL(path, entry)) : import(`sge/${path}`);
};
"""
"""A script of the page by its path below ``js/``: the one that the page has loaded, whose address has a version."""

TWIN = Card(title="Twin", sentence="The same weights under another name.", gates="tuned")


def write_twin(folder):
    """Writes the shipped model once more, as a user's own model file called ``twin``."""
    model = load_model(DEFAULT_MODEL)
    metadata = {
        "sge.arch": model.arch,
        "sge.labels": model.labels,
        "sge.preprocess": asdict(model.preprocess),
        "sge.card": TWIN.to_dict(),
    }
    write_weights(folder / "twin.safetensors", model.network.state_dict(), metadata)


@pytest.fixture(scope="package")
def service(tmp_path_factory):
    """The address of a service with the default model, its twin, the one trained with SGE, and the inactive one."""
    folder = tmp_path_factory.mktemp("models")
    write_twin(folder)
    settings = {
        "SGE_MAX_BYTES": str(4 * 1024 * 1024),
        "SGE_TIME_LIMIT_S": "90",
        "SGE_THREADS": "1",
        "SGE_MODEL_DIR": str(folder),
        "SGE_MODELS": f"{DEFAULT_MODEL},twin,{PETS_MODEL},{ORIGINAL_MODEL}",
    }
    with running_service(os.environ | settings) as address:
        yield address


@pytest.fixture(scope="package")
def browser():
    """Debian's Chromium."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    expect.set_options(timeout=TIMEOUT_MS)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


class Watched:
    """A page, with its errors, warnings and requests to other hosts."""

    def __init__(self, context, home):
        self.wrong: list[str] = []
        self.expected: list[str] = []
        self.page = context.new_page()
        self.page.add_init_script(REPORT_VIOLATIONS)
        self.page.add_init_script(MODULES)
        self.page.set_default_timeout(TIMEOUT_MS)
        self.page.on("console", lambda m: m.type in ("error", "warning") and self.wrong.append(m.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", lambda request: self.judge(request.url, home))

    def judge(self, url, home):
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and f"{parts.scheme}://{parts.netloc}" != home:
            self.wrong.append(f"request to another host: {url}")

    def check(self):
        unexpected = [text for text in self.wrong if not any(word in text for word in self.expected)]
        assert unexpected == []


@pytest.fixture
def open_page(browser, service):
    """Opens the page at a size. At the end of the test, any error or CSP report on it fails the test.

    ``before`` is called with the page before it opens, to route requests; ``maps``: until the maps of all blocks are there;
    ``shown=False``: without waiting for any group.
    """
    opened = []

    def open_at(
        width=1440, height=900, scheme="light", before=lambda page: None, *, maps=True, shown=True, **options
    ):
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, accept_downloads=True, **options
        )
        watched = Watched(context, service)
        opened.append((context, watched))
        before(watched.page)
        watched.page.goto(service)
        if shown:
            watched.page.wait_for_selector("sge-group-grid .tile")
        if maps and shown:
            watched.page.wait_for_selector(MAPS_ARE_THERE)
        return watched

    yield open_at
    for context, watched in opened:
        # Maps that the page loads ahead may still be on their way.
        watched.page.unroute_all(behavior="ignoreErrors")
        context.close()
        watched.check()
