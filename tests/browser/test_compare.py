"""Two models beside each other: the same image and framing, corresponding blocks, separate pins."""

from __future__ import annotations

import re

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.actions import choose, drop, first_label, painted, photo, save, settled
from tests.browser.placed_parts import FACE, change, place, with_parts

pytestmark = pytest.mark.browser


def compare(page):
    page.locator("sge-models > button").click()
    page.locator("[data-compare=twin]").click()
    expect(page.locator("sge-compare sge-group-grid .tile").first).to_be_visible()
    return page.locator("sge-compare")


def boxes(page):
    return [canvas.bounding_box() for canvas in page.locator("sge-image canvas").all()]


def test_an_error_of_the_second_model_is_shown_and_the_first_stays(open_page):
    watched = open_page()
    watched.expected = ["Failed to load resource"]
    page = watched.page
    before = painted(page)
    page.route(
        re.compile("model=twin"), lambda route: route.fulfill(status=422, json={"detail": "It cannot."})
    )
    page.locator("sge-models > button").click()
    page.locator("[data-compare=twin]").click()
    expect(page.get_by_role("alert")).to_contain_text("twin: It cannot.")
    expect(page.locator("sge-compare")).to_be_empty()
    settled(page)
    assert painted(page) == before


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1024, 768), (820, 1180), (390, 844), (844, 390)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_images_have_the_same_size(open_page, width, height, scheme):
    page = open_page(width, height, scheme).page
    second = compare(page)
    first_box, second_box = boxes(page)
    assert first_box["width"] == second_box["width"]
    assert first_box["height"] == second_box["height"]
    beside = second_box["x"] >= first_box["x"] + first_box["width"]
    below = second_box["y"] >= first_box["y"] + first_box["height"]
    assert beside if width >= 1000 else below
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    expect(second.locator(".predictions .label").first).to_have_text("German shepherd")
    expect(page.locator("sge-model-name b").last).to_have_text("Twin")


def test_it_ends_by_one_key_or_click(open_page):
    page = open_page().page
    before = boxes(page)[0]
    compare(page)
    page.keyboard.press("Escape")
    expect(page.locator("sge-compare")).to_be_empty()
    settled(page)
    assert boxes(page) == [before]
    compare(page).get_by_role("button", name="Leave comparison").click()
    expect(page.locator("sge-compare")).to_be_empty()


def test_a_chosen_block_selects_the_corresponding_block(open_page):
    page = open_page().page
    second = compare(page)
    page.locator('main > .side [data-block="blocks.4.1"]').click()
    expect(second.locator('[data-block="blocks.4.1"]')).to_have_attribute("aria-pressed", "true")
    second.locator('[data-block="blocks.2.0"]').click()
    expect(page.locator('main > .side [data-block="blocks.2.0"]')).to_have_attribute("aria-pressed", "true")


def test_the_corresponding_block_is_nearest_in_stride_and_depth(open_page):
    page = open_page().page
    found = page.evaluate(
        """async () => {
          const { correspondingBlock } = await import("/static/js/state/corresponding-block.js");
          const blocks = (...strides) => strides.map((stride, i) => ({ name: `${stride}.${i}`, stride }));
          const [few, many] = [blocks(4, 8, 16, 16, 32), blocks(4, 4, 8, 8, 16, 16, 16, 16, 32, 32)];
          return [
            ...few.map(({ name }) => correspondingBlock(name, few, many)),
            correspondingBlock("16.6", many, few),
            correspondingBlock("32.9", many, blocks(4, 8, 16)),
            correspondingBlock("4.0", many, blocks(2)),
          ];
        }"""
    )
    assert found == ["4.0", "8.2", "16.4", "16.7", "32.9", "16.3", "16.2", "2.0"]


def test_pins_and_previews_stay_with_their_model(open_page):
    page = open_page().page
    second = compare(page)
    first, other = page.locator("#image"), page.locator("#image-second")
    drawn = first.evaluate("(canvas) => canvas.toDataURL()")
    second.locator("sge-group-grid .tile").nth(4).click()
    expect(second.locator(".chip")).to_have_count(1)
    expect(page.locator("main > .stage .chip")).to_have_count(0)
    settled(page)
    assert first.evaluate("(canvas) => canvas.toDataURL()") == drawn
    assert other.evaluate("(canvas) => canvas.toDataURL()") != drawn
    page.keyboard.press("Escape")
    expect(page.locator("sge-compare")).to_be_empty()
    expect(compare(page).locator(".chip")).to_have_count(1)


def test_groups_are_ranked_in_both(open_page):
    page = open_page().page
    second = compare(page)
    page.locator("#image").click(position={"x": 120, "y": 90})
    expect(page.get_by_test_id("ranking")).to_have_count(2)
    for ranking in page.get_by_test_id("ranking").all():
        expect(ranking.locator(".tile")).to_have_count(12)
    second.locator("sge-ranking").get_by_role("button", name="Close").click()
    expect(page.locator("main > .side sge-ranking")).to_be_hidden()


def test_the_second_follows_images_and_framing(open_page):
    page = open_page().page
    second = compare(page)
    drop(page, photo("panda", "one.jpg"))
    expect(first_label(page)).to_have_text("giant panda")
    expect(second.locator(".predictions .label").first).to_have_text("giant panda")
    with page.expect_response(re.compile("analyze.*framing=center.*model=twin")):
        choose(page, "framing", "center")
    expect(second.locator("[data-block]").first).to_have_attribute("aria-label", re.compile("56.56 cells"))


def test_parts_of_one_and_groups_of_the_other(open_page, tmp_path):
    """The second model has no part finder: it shows its groups, and the saved image shows both views."""

    def edit(record):
        return record if record["model"]["name"] == "twin" else place(record, FACE)

    page = open_page(before=lambda page: change(page, edit)).page
    alone = Image.open(save(page, "png", tmp_path))
    second = compare(page)
    expect(page.locator("main > .stage sge-legend")).to_contain_text("Nose")
    expect(second.locator("sge-legend")).to_contain_text(re.compile(r"Block .+ · group \d+"))
    both = Image.open(save(page, "png", tmp_path))
    assert both.size == (2 * alone.width, alone.height)
    choose(page, "signal", "similarity")
    expect(page.locator("main > .stage sge-legend")).not_to_contain_text("Nose")


def test_the_shown_signal_applies_to_both(open_page):
    page = open_page(before=with_parts()).page
    second = compare(page)
    expect(second.locator("sge-legend")).to_contain_text("Nose")
    choose(page, "signal", "mask")
    expect(second.locator("sge-legend")).to_contain_text(re.compile(r"Block .+ · group \d+.*mask", re.S))
    choose(page, "signal", "parts")
    expect(second.locator("sge-legend")).to_contain_text("Nose")
