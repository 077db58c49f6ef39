"""The images of a visit: all ways to add them, many at once, broken files, a busy service, stepping through."""

from __future__ import annotations

import base64

import pytest
from playwright.sync_api import expect

from tests.browser.actions import drop, first_label, painted, photo
from tests.browser.conftest import SAMPLES

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(
    ("name", "kind", "data", "sentence"),
    [
        ("broken.jpg", "image/jpeg", (SAMPLES / "panda.jpg").read_bytes()[:5000], "cut off"),
        ("notes.txt", "text/plain", b"not an image", "text, not an image"),
        ("huge.jpg", "image/jpeg", b"\xff\xd8\xff" + bytes(4 * 1024 * 1024), "larger than 4 MiB"),
    ],
)
def test_a_bad_file_is_reported_and_the_last_image_stays(open_page, name, kind, data, sentence):
    watched = open_page()
    watched.expected = ["Failed to load resource"]  # the browser's own message for a status of 4xx
    before = painted(watched.page)
    drop(watched.page, (name, kind, data))
    expect(watched.page.get_by_role("alert")).to_contain_text(sentence)
    expect(first_label(watched.page)).to_have_text("German shepherd")
    watched.page.get_by_role("button", name="Close").click()
    watched.page.wait_for_function("(before) => image.toDataURL() === before", arg=before)


def test_many_files_and_the_arrow_keys(open_page):
    """The first file is shown; arrow keys step through the filmstrip, including the samples, and keep the pins."""
    page = open_page().page
    page.locator("sge-group-grid .tile").nth(2).click()
    pinned = page.locator(".chip b").inner_text()
    drop(page, photo("panda", "one.jpg"), photo("koala", "two.jpg"))
    expect(first_label(page)).to_have_text("giant panda")
    expect(page.locator(".thumb:not(.sample)")).to_have_count(2)
    page.locator("body").press("ArrowRight")
    expect(first_label(page)).to_have_text("koala")
    expect(page.locator(".chip b")).to_have_text(pinned)
    page.locator("body").press("ArrowLeft")
    expect(first_label(page)).to_have_text("giant panda")
    page.locator("body").press("ArrowLeft")
    expect(first_label(page)).to_have_text("ram")
    expect(page.locator("sge-credit .badge")).to_be_visible()
    page.locator("sge-group-grid .tile").first.focus()
    page.keyboard.press("j")
    expect(first_label(page)).to_have_text("giant panda")


def test_a_broken_file_among_many_is_reported_and_the_others_are_shown(open_page):
    watched = open_page()
    watched.expected = ["Failed to load resource"]
    page = watched.page
    drop(page, ("broken.jpg", "image/jpeg", b"\xff\xd8\xff broken"), photo("panda", "good.jpg"))
    expect(first_label(page)).to_have_text("giant panda")
    expect(page.get_by_role("alert")).to_contain_text("broken.jpg")
    expect(page.locator(".thumb:not(.sample)")).to_have_count(2)
    expect(page.locator(".thumb:not(.sample)").first).to_have_attribute("data-status", "failed")
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("alert")).to_be_empty()


def test_a_busy_service_is_tried_again(open_page):
    watched = open_page()
    watched.expected = ["Failed to load resource"]
    page = watched.page
    refused = []

    def refuse_once(route):
        if refused:
            route.continue_()
            return
        refused.append(route.request.url)
        route.fulfill(status=503, headers={"Retry-After": "1"}, json={"detail": "The queue is full."})

    page.route("**/api/v1/analyze*", refuse_once)
    drop(page, photo("panda", "one.jpg"))
    expect(page.locator("sge-status")).to_contain_text("trying again in 1 s")
    expect(first_label(page)).to_have_text("giant panda")
    assert len(refused) == 1
    expect(page.get_by_role("alert")).to_be_empty()


def test_an_image_is_pasted(open_page):
    page = open_page().page
    packed = base64.b64encode((SAMPLES / "koala.jpg").read_bytes()).decode()
    page.evaluate(
        """(text) => {
          const transfer = new DataTransfer();
          const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
          transfer.items.add(new File([bytes], "p.jpg", { type: "image/jpeg" }));
          window.dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer }));
        }""",
        packed,
    )
    expect(first_label(page)).to_have_text("koala")


def test_a_label_is_never_markup(open_page):
    page = open_page().page
    drop(page, photo("panda", "<img src=x onerror=alert(1)>.jpg"))
    expect(page.locator("sge-credit")).to_contain_text("<img src=x onerror=alert(1)>.jpg")
    assert page.locator("sge-credit img").count() == 0


def test_a_swipe_shows_the_next_image(open_page):
    page = open_page(390, 844, has_touch=True).page
    page.locator("#image").evaluate(
        """(canvas) => {
          const touch = (clientX) => new Touch({ identifier: 1, target: canvas, clientX, clientY: 200 });
          canvas.dispatchEvent(new TouchEvent("touchstart", { touches: [touch(300)], changedTouches: [touch(300)] }));
          canvas.dispatchEvent(new TouchEvent("touchend", { touches: [], changedTouches: [touch(120)] }));
        }"""
    )
    expect(first_label(page)).to_have_text("Egyptian cat")
    expect(page.locator("#camera")).to_have_attribute("capture", "environment")
