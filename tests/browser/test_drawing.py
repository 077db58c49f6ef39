"""How the maps are drawn: colours, scales and colour bar, and that they agree with the library."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from sge.analysis.colors import COLOR_MAPS, GROUP_COLORS, color_table
from sge.models.names import ORIGINAL_MODEL
from tests.browser.actions import choose, painted, settled, use_model
from tests.browser.placed_parts import without_finder

pytestmark = pytest.mark.browser


def test_the_controls_change_the_drawing(open_page):
    page = open_page(before=without_finder).page
    seen = {painted(page)}
    for name, value in (("colormap", "viridis"), ("scale", "absolute")):
        choose(page, name, value)
        seen.add(painted(page))
    page.locator("input[name=opacity]").fill("0.3")
    settled(page)
    seen.add(painted(page))
    assert len(seen) == 4


def test_the_mask_of_an_inactive_gate_is_flat(open_page):
    page = open_page(before=without_finder).page
    use_model(page, ORIGINAL_MODEL)
    expect(page.get_by_test_id("gates")).to_contain_text("inactive")
    choose(page, "signal", "mask")
    expect(page.locator(".flat-note")).to_contain_text("0.73 everywhere")
    expect(page.get_by_test_id("no-masks")).to_contain_text("every mask is the same constant")
    expect(page.locator("sge-group-grid .tile")).to_have_count(0)


SIZES = [(390, 844), (844, 390), (820, 1180), (1024, 768), (1440, 900), (3840, 2160)]


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_nothing_overflows(open_page, width, height):
    page = open_page(width, height).page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("window.scrollY") == 0
    box = page.locator("#image").bounding_box()
    assert box["width"] >= min(width, height) * 0.45
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    for i in range(6):
        page.locator("sge-group-grid .tile").nth(i).click()
    page.locator("#image").click()
    expect(page.get_by_test_id("ranking").locator(".tile").first).to_be_in_viewport()
    expect(page.locator("#image")).to_be_in_viewport(ratio=0.9)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_preview_does_not_move_the_image(open_page):
    page = open_page().page
    for pins in range(3):
        page.mouse.move(5, 5)
        settled(page)
        before = page.locator("#image").bounding_box()
        page.locator("sge-group-grid .tile").nth(10).hover()
        settled(page)
        assert page.locator("#image").bounding_box() == before
        page.locator("sge-group-grid .tile").nth(pins).click()


def test_the_colour_bar_shows_the_value_under_the_pointer(open_page):
    page = open_page(before=without_finder).page
    choose(page, "signal", "similarity")
    # On most dogs this group's similarity is largest on the face.
    page.locator('sge-group-grid [data-block-of="blocks.5.3"][data-group="15"]').click()
    page.mouse.move(5, 5)
    needle = page.locator(".scale .needle")
    expect(needle).to_be_hidden()
    box = page.locator("#image").bounding_box()
    page.locator("#image").hover(position={"x": 0.68 * box["width"], "y": 0.35 * box["height"]})
    expect(needle).to_be_visible()
    assert float(needle.get_attribute("data-value").replace("\u2212", "-")) > 1


def test_the_page_draws_as_the_library_does(open_page):
    """The page's colour tables agree with ``sge.analysis.colors``, and its enlarged maps with Pillow."""
    page = open_page().page
    tables = page.evaluate(
        """async () => {
          const { COLOUR_MAPS, PIN_COLOURS, colourTable } = await sgeModule("drawing/colours.js");
          return [COLOUR_MAPS.map((name) => [name, [...colourTable(name)]]), PIN_COLOURS];
        }"""
    )
    assert [name for name, _ in tables[0]] == list(COLOR_MAPS)
    for name, table in tables[0]:
        assert table == color_table(name).ravel().tolist()
    assert tuple(tables[1]) == GROUP_COLORS

    cells = np.random.default_rng(0).normal(size=(7, 10)).astype(np.float32)
    large = page.evaluate(
        """async (cells) => {
          const { enlarged } = await sgeModule("drawing/resample.js");
          return [...enlarged(cells, 10, 7, 90, 65)];
        }""",
        cells.ravel().tolist(),
    )
    expected = np.asarray(Image.fromarray(cells).resize((90, 65), Image.Resampling.BICUBIC))
    np.testing.assert_allclose(np.reshape(large, (65, 90)), expected, atol=1e-5)
