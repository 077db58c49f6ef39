"""Errors: they cover no control, stay few however many there are, and can be tried again."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.actions import settled

pytestmark = pytest.mark.browser

SIZES = [(390, 844), (820, 1180), (1440, 900)]
REPORT = """
async (errors) => {
  const { store } = await sgeModule("state/store.js");
  errors.forEach((error) => store.addError(error));
}
"""
COVERED = """
() => {
  const messages = document.querySelector("sge-messages");
  const controls = document.querySelectorAll("a, button, input, select, label, canvas, summary");
  return [...controls].flatMap((element) => {
    if (messages.contains(element) || !element.checkVisibility() || element.closest("[popover]")) return [];
    const { left, right, top, bottom, width, height } = element.getBoundingClientRect();
    if (width < 2 || height < 2) return [];
    const points = [[(left + right) / 2, (top + bottom) / 2], [left + 1, top + 1], [right - 1, bottom - 1]];
    const isCovered = points.some(([x, y]) => messages.contains(document.elementFromPoint(x, y)));
    return isCovered ? [element.outerHTML.slice(0, 120)] : [];
  });
}
"""


def report(page, *errors):
    page.evaluate(REPORT, list(errors))
    settled(page)


def long(number):
    return f"image {number}.jpg: " + "this sentence is long enough to need several lines on a phone. " * 3


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_errors_cover_no_control(open_page, width, height):
    page = open_page(width, height).page
    report(page, *map(long, range(5)))
    assert page.evaluate(COVERED) == []
    box = page.locator("sge-messages").bounding_box()
    assert 0 < box["height"] < 0.4 * height
    assert box["width"] <= width


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_scrolled_page_shows_errors_beside_the_image(open_page, width, height):
    """Where the page scrolls, messages and image stay in view, one below the other."""
    page = open_page(width, height).page
    page.mouse.move(width / 2, height - 60)
    page.evaluate("() => scrollTo(0, 600)")
    report(page, "The service does not answer.")
    messages, image = (page.locator(name).bounding_box() for name in ("sge-messages", "#image"))
    assert messages["y"] >= 0
    assert messages["y"] + messages["height"] <= image["y"] + 1
    page.get_by_role("alert").get_by_role("button", name="Close").click()
    expect(page.get_by_role("alert")).to_be_empty()


def test_errors_do_not_grow_without_bound(open_page):
    page = open_page().page
    report(page, *map(long, range(50)))
    alert = page.get_by_role("alert")
    assert alert.get_by_role("listitem").count() <= 12
    expect(alert).to_contain_text("image 49.jpg")
    expect(alert).not_to_contain_text("image 3.jpg")
    report(page, *[long(49)] * 5)
    assert alert.get_by_text("image 49.jpg").count() == 1
    page.keyboard.press("Escape")
    expect(alert).to_be_empty()


def test_an_error_is_text_and_never_markup(open_page):
    page = open_page().page
    report(page, "<img src=x onerror=alert(1)> is larger than 4 MiB.")
    expect(page.get_by_role("alert")).to_contain_text("<img src=x onerror=alert(1)>")
    assert page.locator("sge-messages img").count() == 0


def test_retry_calls_back_and_takes_the_error_away(open_page):
    page = open_page().page
    page.evaluate(
        """async () => {
          const { store } = await sgeModule("state/store.js");
          store.addError({ text: "It did not work.", retry: () => store.set({ note: "Tried again." }) });
          store.addError("Another error.");
        }"""
    )
    alert = page.get_by_role("alert")
    expect(alert.get_by_role("button", name="Retry")).to_have_count(1)
    alert.get_by_role("button", name="Retry").press("Enter")
    expect(page.locator("sge-status")).to_contain_text("Tried again.")
    expect(alert).not_to_contain_text("It did not work.")
    expect(alert).to_contain_text("Another error.")
    expect(alert.get_by_role("button", name="Close")).to_be_focused()


@pytest.mark.parametrize("width", [390, 1440])
def test_a_note_covers_no_control(open_page, width):
    """A note has a place of its own, or lets clicks through and goes away."""
    page = open_page(width, 844).page
    page.evaluate(
        """async () => (await sgeModule("state/store.js")).store.set({ note: "A file was saved." })"""
    )
    expect(page.locator("sge-status")).to_contain_text("A file was saved.")
    settled(page)
    assert page.evaluate(COVERED.replace("sge-messages", "sge-status")) == []
