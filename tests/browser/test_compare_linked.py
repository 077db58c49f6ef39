"""What is chosen in one half of a comparison, and undone, in the other half."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from sge.models.names import DEFAULT_MODEL, ORIGINAL_MODEL, PETS_MODEL
from tests.browser.actions import settled
from tests.browser.placed_parts import with_parts
from tests.browser.test_compare import compare, in_stores

pytestmark = pytest.mark.browser
OFF = "({ state }) => state.off.map(({ block, group }) => `${block}:${group}`)"
TOGGLE = """
async ([half, group]) => {
  const { store } = await sgeModule("state/store.js");
  const { toggleOff } = await sgeModule("state/switched-off.js");
  const from = half === "first" ? store : store.second;
  const block = from.block;
  toggleOff(from, [{ block: group === 0 ? block : "blocks.5.0", group }]);
  return block;
}
"""


def open_comparison(page, first, second):
    """Opens the inactive or another network beside the first one, with masks shown."""
    home = page.url
    page.goto("about:blank")
    page.goto(f"{home}#model={first}&compare={second}&signal=mask&view=groups")
    half = page.locator("sge-compare")
    expect(half.get_by_test_id("no-masks")).to_be_visible()
    return half


@pytest.mark.parametrize("first", ["twin", DEFAULT_MODEL])
def test_the_second_half_opens_the_tuned_network_unless_the_first_shows_it(open_page, first):
    page = open_page().page
    half = open_comparison(page, first, ORIGINAL_MODEL)
    button = half.get_by_role("button", name="Open the tuned network")
    if first == DEFAULT_MODEL:
        page.evaluate("async () => (await sgeModule('api.js')).models()")  # as the half has asked before
        settled(page)
        expect(half.get_by_role("button", name="Show similarity")).to_be_visible()
        expect(button).to_have_count(0)
        return
    button.click()
    expect(half.get_by_test_id("no-masks")).to_have_count(0)
    expect(half.locator("sge-group-grid .tile").first).to_be_visible()
    names = in_stores(page, "({ image }) => image.analysis.model.name")
    assert names == [first, DEFAULT_MODEL]
    expect(page).to_have_url(re.compile(f"compare={DEFAULT_MODEL}"))


def test_a_chosen_block_shows_its_groups_in_both(open_page):
    page = open_page(before=with_parts()).page
    second = compare(page)
    expect(second.locator("sge-legend")).to_contain_text("Nose")
    page.locator('main > .side [data-block="blocks.5.0"]').click()
    page.mouse.move(5, 5)
    expect(page.locator("main > .stage sge-legend")).to_contain_text("Block 5.0 · group")
    expect(second.locator("sge-legend")).to_contain_text("Block 5.0 · group")


def test_undo_takes_back_one_change_of_either_half(open_page):
    page = open_page().page
    compare(page)
    for half, group in (("first", 20), ("second", 36), ("second", 26)):
        page.evaluate(TOGGLE, [half, group])
    off = [f"blocks.5.0:{group}" for group in (20, 36, 26)]
    for count in (3, 2, 1, 0):
        assert in_stores(page, OFF) == [off[:count]] * 2
        page.keyboard.press("Control+z")
    assert in_stores(page, OFF) == [[], []]


def test_undo_reaches_a_group_that_only_the_second_network_has(open_page):
    page = open_page().page
    page.locator("sge-models > button").click()
    page.locator(f"[data-compare={PETS_MODEL}]").click()
    expect(page.locator("sge-compare sge-group-grid .tile").first).to_be_visible()
    block = page.evaluate(TOGGLE, ["second", 0])
    assert in_stores(page, OFF) == [[], [f"{block}:0"]]
    page.keyboard.press("Control+z")
    assert in_stores(page, OFF) == [[], []]
