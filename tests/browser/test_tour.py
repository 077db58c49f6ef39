"""The tour of one group: its numbers are the library's, and keyboard, playing and reduced motion work as promised."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import expect

import sge
from sge.models.names import DEFAULT_MODEL, ORIGINAL_MODEL
from tests.browser.actions import save, settled, use_model
from tests.browser.conftest import SAMPLES

pytestmark = pytest.mark.browser

STEPS = ["Features", "Mean", "Product", "Similarity", "Mask", "Output"]


def open_tour(page):
    page.locator("[data-tour=open]").click()
    expect(page.locator(".tour h3")).to_contain_text("1. Features")


def go_to_next_step(page):
    """One step on by the keyboard, and waits until the page shows it."""
    heading = page.locator(".tour h3")
    number = int(heading.inner_text().partition(".")[0])
    page.keyboard.press("ArrowRight")
    expect(heading).to_contain_text(f"{number + 1}. {STEPS[number]}")


def numbers(page):
    """The numbers of the line with this image's numbers, in their order."""
    text = page.get_by_test_id("tour-numbers").inner_text().replace("\u2212", "-")
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", text)]


def bars(page, kind):
    """The values of the bars, which their titles tell."""
    expect(page.locator(f".tour .bar.{kind}").first).to_be_attached()
    titles = page.locator(f".tour .bar.{kind}").evaluate_all("(all) => all.map((bar) => bar.title)")
    return [float(title.rsplit(": ", 1)[1].replace("\u2212", "-")) for title in titles]


@pytest.fixture(scope="module")
def steps():
    """The library's arrays of the group that the page opens with."""
    lens = sge.Lens(sge.load_model(DEFAULT_MODEL))
    return lens.steps(SAMPLES / "shepherd.jpg", "blocks.5.3", 15)


def test_its_numbers_are_those_of_the_library(open_page, steps):
    page = open_page().page
    open_tour(page)
    expect(page.locator(".tour h2")).to_contain_text("Block 5.3 \u00b7 group 15")
    row, col = np.unravel_index(steps.similarity.argmax(), steps.similarity.shape)
    # Maps travel with 8 bits, and the page writes three digits.
    atol = np.ptp(steps.features) / 255 + 0.006
    np.testing.assert_allclose(bars(page, "first"), steps.features[:, row, col], atol=atol)
    go_to_next_step(page)
    np.testing.assert_allclose(bars(page, "second"), steps.mean, rtol=0.006, atol=1e-4)
    go_to_next_step(page)
    expect(page.locator(".tour .eq")).to_contain_text("eq. 2")
    assert numbers(page)[-1] == pytest.approx(steps.product[row, col], rel=0.01)
    go_to_next_step(page)
    product, centre, deviation, similarity = numbers(page)
    assert product == pytest.approx(steps.product[row, col], rel=0.01)
    assert centre == pytest.approx(steps.product.mean(), rel=0.01)
    assert deviation == pytest.approx(steps.product.std(ddof=1), rel=0.01)
    assert similarity == pytest.approx(steps.similarity[row, col], abs=0.03)
    go_to_next_step(page)
    weight, _, bias, mask = numbers(page)
    assert (weight, bias) == (pytest.approx(steps.weight, rel=0.01), pytest.approx(steps.bias, rel=0.01))
    assert mask == pytest.approx(steps.mask[row, col], abs=0.01)
    go_to_next_step(page)
    np.testing.assert_allclose(bars(page, "second"), steps.output[:, row, col], atol=atol)


def test_another_cell_can_be_marked(open_page, steps):
    page = open_page().page
    open_tour(page)
    for _ in range(4):
        go_to_next_step(page)
    page.locator(".map-box.large").click(position={"x": 3, "y": 3})
    assert numbers(page)[-1] == pytest.approx(steps.mask[0, 0], abs=0.01)
    page.locator(".tour-maps").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert numbers(page)[-1] == pytest.approx(steps.mask[1, 1], abs=0.01)
    expect(page.locator(".tour h3")).to_contain_text("5. Mask")


def test_by_keyboard_and_by_the_scrubber(open_page):
    page = open_page().page
    shown = page.locator("#image").get_attribute("aria-label")
    open_tour(page)
    heading = page.locator(".tour h3")
    for name in STEPS[1:]:
        page.keyboard.press("ArrowRight")
        expect(heading).to_contain_text(name)
    page.keyboard.press("ArrowRight")
    expect(heading).to_contain_text("6. Output")
    page.keyboard.press("Home")
    expect(heading).to_contain_text("1. Features")
    page.locator("input[name=tour-step]").fill("3")
    expect(heading).to_contain_text("4. Similarity")
    page.locator("[data-tour=previous]").click()
    expect(heading).to_contain_text("3. Product")
    page.locator(".scrubber-labels span").nth(4).click()
    expect(heading).to_contain_text("5. Mask")
    page.locator("[data-tour=next]").click()
    expect(heading).to_contain_text("6. Output")
    page.keyboard.press("Escape")
    expect(page.locator("dialog.tour")).to_be_hidden()
    assert page.evaluate("document.activeElement.dataset.tour") == "open"
    assert page.locator("#image").get_attribute("aria-label") == shown


def test_it_plays_for_a_minute_and_a_key_stops_it(open_page):
    page = open_page().page
    page.clock.install()
    open_tour(page)
    heading = page.locator(".tour h3")
    for name in STEPS[1:3]:
        page.clock.run_for(10_100)
        expect(heading).to_contain_text(name)
    expect(page.locator("[data-tour=play]")).to_have_attribute("title", "Pause")
    page.keyboard.press("ArrowLeft")
    page.clock.run_for(100)
    expect(heading).to_contain_text("2. Mean")
    page.clock.run_for(60_000)
    expect(heading).to_contain_text("2. Mean")
    page.locator("[data-tour=play]").click()
    page.clock.run_for(10_100)
    expect(heading).to_contain_text("3. Product")


def test_with_reduced_motion_nothing_plays(open_page):
    page = open_page(reduced_motion="reduce").page
    page.clock.install()
    open_tour(page)
    expect(page.locator("[data-tour=play]")).to_be_hidden()
    page.clock.run_for(120_000)
    expect(page.locator(".tour h3")).to_contain_text("1. Features")


def test_it_is_of_the_shown_group_and_says_when_a_gate_is_inactive(open_page):
    page = open_page().page
    use_model(page, ORIGINAL_MODEL)
    expect(page.get_by_test_id("gates")).to_contain_text("inactive")
    page.locator('[data-block="blocks.4.1"]').click()
    page.locator('sge-group-grid [data-group="17"]').first.click()
    open_tour(page)
    expect(page.locator(".tour h2")).to_contain_text("Block 4.1 \u00b7 group 17")
    page.locator("input[name=tour-step]").fill("4")
    expect(page.locator(".tour-words")).to_contain_text(
        "This gate is inactive: its weight is 0, so the mask is 0.73 at every cell"
    )
    page.locator("input[name=tour-step]").fill("5")
    expect(page.locator(".tour-words")).to_contain_text("the same 0.73")


def test_a_failed_request_can_be_tried_again(open_page):
    watched = open_page()
    watched.expected = ["Failed to load resource"]
    page = watched.page
    page.route(
        "**/api/v1/steps*",
        lambda route: route.fulfill(status=422, json={"detail": "The block has no groups."}),
        times=1,
    )
    page.locator("[data-tour=open]").click()
    expect(page.locator(".tour-error")).to_have_text("The block has no groups.")
    page.locator("[data-tour=retry]").click()
    expect(page.locator(".tour h3")).to_contain_text("1. Features")


@pytest.mark.parametrize(
    ("width", "height", "scheme"), [(320, 640, "light"), (844, 390, "dark"), (1440, 900, "dark")]
)
def test_steps_fit_and_move_nothing(open_page, width, height, scheme):
    page = open_page(width, height, scheme).page
    open_tour(page)
    before = [page.locator(f"[data-tour={name}]").bounding_box() for name in ("previous", "next", "close")]
    for _ in STEPS:
        settled(page)
        dialog = page.locator("dialog.tour").bounding_box()
        assert dialog["x"] >= 0
        assert dialog["x"] + dialog["width"] <= width
        assert page.locator("dialog.tour").evaluate("(dialog) => dialog.scrollWidth <= dialog.clientWidth")
        assert [
            page.locator(f"[data-tour={name}]").bounding_box() for name in ("previous", "next", "close")
        ] == before
        page.keyboard.press("ArrowRight")


def test_the_report_has_no_tour(open_page, browser, tmp_path):
    path = save(open_page().page, "html", tmp_path)
    context = browser.new_context(offline=True)
    report = context.new_page()
    report.goto(path.as_uri())
    report.wait_for_selector("sge-group-grid .tile")
    assert report.locator("sge-tour, [data-tour]").count() == 0
    context.close()
