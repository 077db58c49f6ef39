"""Numbers as the page writes them: no rounding says something false."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.actions import choose, settled
from tests.browser.placed_parts import change

pytestmark = pytest.mark.browser
BLOCK = "blocks.5.0"


def test_only_a_whole_is_a_hundred_percent(open_page):
    page = open_page(maps=False).page
    shares = [0, 0.0004, 0.0994, 0.0996, 0.994, 0.9949, 0.995, 0.9994, 0.9995, 0.999999, 1]
    written, ranges, scores = page.evaluate(
        """async (shares) => {
          const { percent, range } = await sgeModule("format.js");
          const { scores } = await sgeModule("state/parts.js");
          const ranges = [range(0.97, 0.9996), range(0.9996, 0.9997)];
          return [shares.map(percent), ranges, scores([{ score: 0.9996 }, { score: 0.6 }])];
        }""",
        shares,
    )
    assert written == [
        "0.0 %",
        "< 0.1 %",
        "9.9 %",
        "10 %",
        "99 %",
        "99 %",
        "99.5 %",
        "99.9 %",
        "> 99.9 %",
        "> 99.9 %",
        "100 %",
    ]
    assert ranges == ["97 to > 99.9 %", "> 99.9 %"]
    assert scores == "> 99.9 and 60 %"


def test_the_ends_of_a_range_differ(open_page):
    page = open_page(maps=False).page
    written = page.evaluate(
        """async () => {
          const { ends } = await sgeModule("format.js");
          return [[0.12, 0.5], [0.5001, 0.5004], [-0.00002, 0.00002], [0.5, 0.5]].map((range) => ends(...range));
        }"""
    )
    assert written == [
        ["0.12", "0.50"],
        ["0.5001", "0.5004"],
        ["\u22120.00002", "0.00002"],
        ["0.50", "0.50"],
    ]


def test_the_colour_bar_of_a_nearly_flat_mask_has_two_different_ends(open_page):
    def edit(record):
        masks = record["masks"]
        if BLOCK not in masks:
            return record
        return record | {"masks": masks | {BLOCK: masks[BLOCK] | {"lo": 0.5, "hi": 0.502}}}

    page = open_page(before=lambda page: change(page, edit)).page
    page.locator(f'[data-block="{BLOCK}"]').click()
    choose(page, "signal", "mask")
    choose(page, "scale", "absolute")
    page.locator('sge-group-grid [data-group="20"]').click()
    page.mouse.move(5, 5)
    settled(page)
    scale = page.get_by_test_id("legend").locator(".scale")
    expect(scale).to_have_attribute("aria-label", re.compile("from 0.500 to 0.502$"))
    expect(scale).to_contain_text("0.500")
    expect(scale).to_contain_text("0.502")


@pytest.mark.parametrize(("width", "height"), [(390, 844), (844, 390), (1024, 768), (1440, 900)])
def test_the_longest_percentages_fit_beside_the_longest_bars(open_page, width, height):
    def edit(record):
        for prediction in record["predictions"]:
            prediction["score"] = prediction["raw_score"] = 0.99991
        return record

    page = open_page(width, height, before=lambda page: change(page, edit), maps=False).page
    percents = page.locator(".predictions .percent")
    expect(percents.first).to_have_text("> 99.9 %")
    wide = percents.evaluate_all(
        "(all) => all.filter((each) => each.scrollWidth > each.clientWidth + 1).map((each) => each.textContent)"
    )
    assert wide == []
    assert page.locator(".predictions .label").first.evaluate(
        "(label) => label.scrollWidth <= label.clientWidth + 1"
    )
