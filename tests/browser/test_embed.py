"""The page in a frame of another site: allowed by a setting, refused without it."""

from __future__ import annotations

import os
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import expect

from scripts.figures.browsing import running_service
from sge.models.names import DEFAULT_MODEL
from tests.browser.actions import painted, settled

pytestmark = pytest.mark.browser
VIEW = "#image=panda&block=blocks.4.1&pins=blocks.4.1:17&scale=absolute&colormap=viridis"


class _Host(BaseHTTPRequestHandler):
    """A page with one frame, whose address is the query."""

    def __init__(self, frame, *args):
        self.frame = frame
        super().__init__(*args)

    def do_GET(self):
        body = (
            '<!doctype html><html lang="en"><title>Host</title>'
            f'<iframe title="SGE Lens" width="760" height="420" src="{self.frame()}"></iframe></html>'
        )
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def host():
    """A page of another origin: its address, and a function that sets the address of its frame."""
    frame = [""]
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Host, lambda: frame[0].replace("&", "&amp;")))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()

    def show(address):
        frame[0] = address

    yield f"http://127.0.0.1:{server.server_port}", show
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def open_service(host):
    """The address of a service that allows the other page to embed it."""
    settings = {
        "SGE_MODELS": DEFAULT_MODEL,
        "SGE_TIME_LIMIT_S": "300",
        "SGE_FRAME_ANCESTORS": f"https://example.org,{host[0]}",
    }
    with running_service(os.environ | settings) as address:
        yield address


@pytest.fixture
def embedding_page(browser):
    context = browser.new_context(viewport={"width": 1000, "height": 700})
    page = context.new_page()
    page.messages = []
    page.on("console", lambda message: page.messages.append(message.text))
    page.on("pageerror", lambda error: page.messages.append(str(error)))
    yield page
    context.close()


def test_another_page_cannot_embed_it_without_the_setting(embedding_page, host, service):
    address, show = host
    show(f"{service}/?embed=1")
    embedding_page.goto(address)
    embedding_page.wait_for_timeout(500)
    assert any("frame" in text.lower() for text in embedding_page.messages), embedding_page.messages
    assert embedding_page.frame_locator("iframe").locator("sge-image").count() == 0


def test_another_page_embeds_a_view_with_the_setting(embedding_page, open_service, host):
    """The frame shows image, legend, classes and a link to the same view; it adds nothing to the page's history."""
    address, show = host
    show(f"{open_service}/?embed=1{VIEW}")
    embedding_page.goto(address)
    frame = embedding_page.frame_locator("iframe")
    expect(frame.locator(".predictions .label").first).to_have_text("giant panda")
    expect(frame.get_by_test_id("legend")).to_contain_text("Block 4.1 · group 17")
    for absent in ("sge-group-grid", "sge-block-picker", "sge-export", "sge-filmstrip", "header"):
        expect(frame.locator(absent)).to_have_count(0)
    link = frame.get_by_role("link", name="Open in SGE Lens")
    expect(link).to_have_attribute("href", f"{open_service}/{VIEW}")
    assert embedding_page.evaluate("history.length") == 2  # the blank page and this one
    assert [text for text in embedding_page.messages if "favicon" not in text and "404" not in text] == []
    with embedding_page.context.expect_page() as opened:
        link.click()
    expect(opened.value.locator(".chip b")).to_have_text(["4.1·g17"])
    expect(opened.value.locator("sge-filmstrip")).to_be_visible()


SIZES = [(320, 480), (390, 300), (640, 360), (800, 450), (1600, 900)]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_its_frame(open_page, service, scheme):
    page = open_page(scheme=scheme).page
    page.goto(f"{service}/?embed=1{VIEW}")
    expect(page.locator(".predictions .label").first).to_have_text("giant panda")
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        settled(page)
        expect(page.locator("#image")).to_be_in_viewport(ratio=0.99)
        expect(page.get_by_role("link", name="Open in SGE Lens")).to_be_in_viewport(ratio=0.99)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("document.documentElement.scrollHeight") <= height
        box = page.locator("#image").bounding_box()
        assert min(box["width"], box["height"]) >= 0.3 * min(width, height), (width, height, box)


def test_it_follows_its_hash(open_page, service):
    """The page around the frame can change the view by the frame's address."""
    page = open_page(800, 600).page
    page.goto(f"{service}/?embed=1{VIEW}")
    expect(page.locator(".predictions .label").first).to_have_text("giant panda")
    settled(page)
    first = painted(page)
    page.evaluate("location.hash = ''")
    expect(page.locator(".predictions .label").first).to_have_text("German shepherd")
    settled(page)
    assert painted(page) != first
