"""Boxes of a detector, and models without classes: what is listed, drawn and said; what is not offered."""

from __future__ import annotations

from dataclasses import replace

import pytest
from playwright.sync_api import expect

from sge.analysis import Box
from sge.analysis.report import html_report
from tests.analyses import made
from tests.browser.actions import choose, drop, painted, photo, settled
from tests.browser.conftest import Watched
from tests.browser.placed_parts import change
from tests.browser.test_accessibility import violations

pytestmark = pytest.mark.browser
SIZE = (640, 480)
DOG = Box("dog", 0.875, 16, 160.0, 120.0, 320.0, 240.0)
HOSTILE = Box("<img src=x onerror=alert(1)>\u202e" + "x" * 300, 0.5, 0, -50.0, -50.0, 9000.0, 9000.0)
WHITE_RUN = """
(canvas, [y, from, to]) => {
  const [w, h] = [canvas.width, canvas.height];
  const row = canvas.getContext("2d").getImageData(0, Math.round(y * h), w, 1).data;
  let most = 0;
  for (let x = Math.round(from * w); x < to * w; x += 1) most = Math.max(most, Math.min(...row.slice(4 * x, 4 * x + 3)));
  return most;
}
"""
"""The brightest pixel of a row of the canvas between two columns; positions are fractions of the canvas."""


@pytest.fixture
def open_report(browser, tmp_path):
    """Opens the report of an analysis without a network; any error on it fails the test."""
    opened = []

    def open_one(boxes, is_detector=False, **options):
        changes = {"boxes": boxes, "is_detector": is_detector}
        analysis = replace(made(SIZE), predictions=[], part_maps={}, parts=[], **changes)
        path = tmp_path / "report.html"
        path.write_text(html_report(analysis), "utf-8")
        context = browser.new_context(offline=True, **options)
        report = Watched(context, "none")
        report.expected.append("willReadFrequently")  # of the test's own reading of the canvas
        opened.append((context, report))
        report.page.goto(path.as_uri())
        report.page.wait_for_selector("html[data-maps=ready]")
        settled(report.page)
        return report.page

    yield open_one
    for context, report in opened:
        context.close()
        report.check()


def brightest(page, y, start, stop):
    return page.locator("#image").evaluate(WHITE_RUN, [y, start, stop])


def test_a_hostile_label_is_text_and_a_box_beyond_the_image_harms_nothing(open_report):
    page = open_report([HOSTILE, DOG])
    expect(page.get_by_test_id("boxes").locator("img")).to_have_count(0)
    expect(page.get_by_test_id("boxes").locator(".label").first).to_contain_text("<img src=x")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_boxes_are_listed_drawn_at_their_edges_and_can_be_hidden(open_report):
    page = open_report(
        [DOG, replace(DOG, label="cat", score=0.25, x=600.0, y=440.0, width=30.0, height=30.0)]
    )
    assert page.title() == "dog — SGE Lens report"
    rows = page.get_by_test_id("boxes").locator(".row")
    expect(rows).to_have_text(["dog 88 %", "cat 25 %"])
    expect(page.get_by_test_id("no-classes")).to_be_hidden()
    expect(page.get_by_test_id("predictions")).to_be_hidden()
    label = page.locator("#image").get_attribute("aria-label")
    assert "2 boxes, best dog 88 %" in label
    # The left line is at a quarter of the width; beside it there is only the map over gray.
    assert brightest(page, 0.5, 0.24, 0.26) == 255
    assert brightest(page, 0.5, 0.30, 0.70) < 250
    assert violations(page) == []
    shown = painted(page)
    rows.first.hover()
    settled(page)
    assert painted(page) != shown
    choose(page, "boxes", "hidden")
    assert brightest(page, 0.5, 0.24, 0.26) < 250


def test_many_boxes_are_listed_in_two_steps_and_the_best_labels_cover_none(open_report):
    many = [
        Box(f"thing {i}", 0.99 - 0.01 * i, i, 12.0 * (i % 40), 9.0 * (i % 31), 150.0, 120.0)
        for i in range(50)
    ]
    page = open_report(many)
    expect(page.get_by_test_id("boxes").locator(".row")).to_have_count(8)
    more = page.get_by_test_id("more-boxes")
    more.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(more.locator(".row")).to_have_count(22)
    expect(more).to_contain_text("20 more are in the JSON and are not drawn.")
    more.locator(".row").last.focus()
    settled(page)
    assert violations(page) == []


def test_a_detector_that_finds_nothing_is_no_model_without_classes(open_report):
    page = open_report([], is_detector=True)
    expect(page.get_by_test_id("no-classes")).to_have_text(
        "No boxes: the detector found nothing in this image."
    )


def test_a_model_without_classes_says_so(open_report):
    page = open_report([], viewport={"width": 390, "height": 844})
    assert page.title() == "grey.png — SGE Lens report"
    expect(page.get_by_test_id("no-classes")).to_have_text("No classes: the model gives none for an image.")
    expect(page.locator("input[name=boxes]").first).to_be_hidden()
    expect(page.locator("input[name=sort][value=effect]")).to_be_hidden()
    expect(page.locator("sge-group-grid .tile").first).to_be_visible()
    assert violations(page) == []


def test_the_page_offers_no_effects_and_asks_for_none(open_page):
    asked = []

    def without_classes(page):
        page.on("request", lambda request: asked.append(request.url))
        change(page, lambda record: record | {"predictions": [], "boxes": [vars(DOG)], "attribution": None})

    page = open_page(before=without_classes).page
    drop(page, photo("panda", "mine.jpg"))
    expect(page.locator("sge-credit")).to_contain_text("mine.jpg")
    expect(page.locator("sge-status")).to_have_text("mine.jpg: 1 box, best dog 88 percent")
    for gone in ("sge-targets", "sge-ablation", "sge-group-grid .power"):
        expect(page.locator(gone).first).to_be_hidden()
    page.locator("sge-group-grid .tile").nth(2).click()
    expect(page.locator(".chip")).to_have_count(1)
    # Grad-CAM and effects belong to a class; the maps do not.
    choose(page, "sort", "energy")
    expect(page.locator("input[name=signal][value=gradcam]")).to_be_disabled()
    assert [url for url in asked if "/attribute" in url or "/ablate" in url] == []
    choose(page, "boxes", "hidden")
    page.wait_for_url("**#*boxes=0*")
    assert violations(page) == []
