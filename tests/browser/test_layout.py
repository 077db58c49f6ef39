"""The layout is fixed: pins, previews, texts and other images move nothing. Headings, promise and links of the page."""

from __future__ import annotations

import io

import pytest
from PIL import Image
from playwright.sync_api import expect

from sge.models.names import ORIGINAL_MODEL
from tests.browser.actions import choose, drop, first_label, painted, settled, use_model
from tests.browser.placed_parts import without_finder

pytestmark = pytest.mark.browser

SIZES = [(390, 844), (844, 390), (820, 1180), (1024, 768), (1440, 900), (2560, 1440)]
WATCHED = [
    "header",
    "sge-image",
    "sge-legend",
    ".chips",
    "main > .stage sge-controls",
    "sge-models",
    "sge-credit",
    "sge-predictions",
    "sge-block-picker",
    "sge-block-picker button:last-of-type",
]
BOXES = """
(selectors) => {
  const side = [...document.querySelectorAll("main, .side, .browse")];
  const scrolled = scrollY + side.reduce((sum, element) => sum + element.scrollTop, 0);
  const read = (selector) => {
    const element = [...document.querySelectorAll(selector)].pop();
    const box = element.getBoundingClientRect();
    return [box.left, box.top + scrolled, box.width, box.height].map(Math.round);
  };
  const boxes = Object.fromEntries(selectors.map((selector) => [selector, read(selector)]));
  boxes["top of the tiles"] = read("sge-group-grid .tiles")[1];
  return boxes;
}
"""


def boxes(page):
    settled(page)
    return page.evaluate(BOXES, WATCHED)


def pin(page, index):
    """Pins a tile without scrolling to it."""
    page.locator("sge-group-grid .tile").nth(index).evaluate("(tile) => tile.click()")
    settled(page)


def preview(page, index):
    page.locator("sge-group-grid .tile").nth(index).evaluate(
        "(tile) => tile.dispatchEvent(new PointerEvent('pointerenter', { pointerType: 'mouse' }))"
    )
    settled(page)


def drawn(width, height):
    """A JPEG of a size, as `drop` takes it."""
    data = io.BytesIO()
    Image.radial_gradient("L").resize((width, height)).convert("RGB").save(data, "JPEG")
    return (
        f"{width}x{height} with a name that is much too long for any line of this page.jpg",
        "image/jpeg",
        data.getvalue(),
    )


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_pins_previews_and_texts_move_nothing(open_page, width, height):
    page = open_page(width, height).page
    before = boxes(page)
    for pins in range(6):
        preview(page, 8)
        assert boxes(page) == before, f"preview with {pins} pins"
        pin(page, pins)
        assert boxes(page) == before, f"{pins + 1} pins"
    for name, value in (("scale", "absolute"), ("signal", "mask"), ("signal", "similarity")):
        page.locator(f"input[name={name}][value={value}]").evaluate("(input) => input.click()")
        assert boxes(page) == before, value
    page.evaluate("scrollTo(0, 0)")
    page.keyboard.press("Escape")
    assert boxes(page) == before


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_other_images_move_nothing(open_page, width, height):
    """Samples that are square, wide and less wide, with one part, with several faces and with none."""
    page = open_page(width, height).page
    before = boxes(page)
    for index in (1, 2, 5):
        thumb = page.locator(".thumb.sample").nth(index)
        thumb.click()
        expect(thumb).to_have_attribute("aria-current", "true")
        page.evaluate("scrollTo(0, 0)")
        assert boxes(page) == before, thumb.get_attribute("aria-label")


def test_an_own_image_with_a_long_name_keeps_all_sizes(open_page):
    """The filmstrip has grown by a heading, which may push everything down alike."""
    page = open_page().page
    before = boxes(page)
    drop(page, drawn(300, 900))
    expect(page.locator("sge-credit")).to_contain_text("300x900")
    after = boxes(page)
    assert {name: after[name][2:] for name in WATCHED} == {name: before[name][2:] for name in WATCHED}


def test_the_legend_of_an_inactive_gate_has_the_same_height(open_page):
    for width, height in ((390, 844), (1440, 900)):
        page = open_page(width, height).page
        use_model(page, ORIGINAL_MODEL)
        expect(page.get_by_test_id("gates")).to_contain_text("inactive")
        before = boxes(page)["sge-legend"]
        choose(page, "signal", "mask")
        expect(page.locator(".flat-note")).to_be_visible()
        assert boxes(page)["sge-legend"] == before


def test_a_chosen_block_is_shown_on_the_image(open_page):
    """Over the parts its opening group, over pinned groups as a preview; the legend names the block."""
    page = open_page().page
    before = painted(page)
    page.locator('[data-block="blocks.4.1"]').click()
    settled(page)
    after = painted(page)
    assert after != before
    expect(page.get_by_test_id("legend")).to_contain_text("Block 4.1")
    page.locator("sge-group-grid .tile").nth(2).click()
    page.locator("sge-group-grid .tile").nth(3).click()
    page.mouse.move(5, 5)
    settled(page)
    pinned = painted(page)
    page.locator('[data-block="blocks.3.0"]').click()
    page.mouse.move(5, 5)
    settled(page)
    expect(page.get_by_test_id("legend")).to_contain_text("Block 3.0")
    expect(page.locator(".chip")).to_have_count(2)
    assert painted(page) != pinned
    page.locator("sge-group-grid .tile").nth(0).hover()
    page.mouse.move(5, 5)
    settled(page)
    assert painted(page) == pinned


@pytest.mark.parametrize("width", [320, 390, 820, 1440])
def test_the_promise_and_the_links(open_page, width):
    page = open_page(width, 844).page
    promise = page.locator(".tagline")
    expect(promise).to_be_visible()
    expect(promise).to_contain_text("Spatial Group-wise Enhance (SGE)")
    assert promise.bounding_box()["height"] <= 3 * 18
    page.get_by_role("button", name="Help").click()
    for name, address in (
        ("Spatial Group-wise", "https://arxiv.org/abs/1905.09646"),
        ("REST API", "docs"),
    ):
        expect(page.locator("#help a", has_text=name)).to_have_attribute("href", address)
    for word in ("Effect", "Target", "Control", "Grad-CAM", "Flattened mean"):
        expect(page.locator("#help dt", has_text=word)).to_be_visible()
    assert (
        page.request.get(page.url.split("#")[0] + "api/v1/openapi.json").json()["info"]["title"] == "SGE Lens"
    )


def test_every_control_has_a_visible_heading(open_page):
    page = open_page(before=without_finder).page
    names = page.locator("sge-controls .field:visible > .heading").all_inner_texts()
    assert names == ["Show", "Scale", "Colour map", "Overlay strength", "Framing"]
    for group in page.get_by_role("radiogroup").all():
        heading = page.locator(f"#{group.get_attribute('aria-labelledby')}")
        expect(heading).to_be_visible()
    stride = page.locator(".level-head").nth(2)
    expect(stride).to_have_attribute(
        "title",
        "Maps of 20\u00d720 cells. Stride 16 px: one cell covers 16\u00d716 pixels of the network\u2019s input.",
    )
    expect(first_label(page)).to_be_visible()
