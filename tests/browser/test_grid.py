"""The grid of groups: its note follows the block, and a report of some blocks says which maps it does not hold."""

from __future__ import annotations

from dataclasses import replace

import pytest
from playwright.sync_api import expect

from sge.analysis.report import html_report
from tests.analyses import COARSE, FINE, made
from tests.browser.actions import choose
from tests.browser.conftest import Watched
from tests.browser.test_effect import open_block

pytestmark = pytest.mark.browser


def test_the_note_above_the_tiles_follows_the_block_and_the_signal(open_page):
    page = open_block(open_page().page)
    note = page.locator(".effect-note")
    button = note.get_by_role("button")
    # The first choice of a block shows groups instead of parts; the next one changes nothing but the block.
    page.locator('[data-block="blocks.5.3"]').click()
    expect(page.get_by_role("heading", name="groups of block 5.3")).to_be_visible()
    button.click()
    expect(note).to_contain_text("measured by removing each group")
    expect(button).to_be_disabled()
    page.locator('[data-block="blocks.5.0"]').click()
    expect(page.get_by_role("heading", name="groups of block 5.0")).to_be_visible()
    expect(note).to_contain_text("estimated from the gradient")
    expect(button).to_be_enabled()
    choose(page, "signal", "mask")
    expect(page.get_by_test_id("no-masks")).to_be_visible()
    expect(note).to_be_empty()


@pytest.fixture
def report(browser, tmp_path):
    """A report that holds the maps of one of two blocks, with a pin in the other one."""
    analysis = made()
    maps = {name: {FINE: getattr(analysis, name)[FINE]} for name in ("masks", "similarity", "energy")}
    path = tmp_path / "report.html"
    path.write_text(html_report(replace(analysis, **maps), view=f"pins={COARSE}:1,{FINE}:2"), "utf-8")
    context = browser.new_context(offline=True)
    watched = Watched(context, "none")
    watched.page.goto(path.as_uri())
    yield watched.page
    context.close()
    watched.check()


def test_a_report_of_one_block_says_which_maps_it_does_not_hold(report):
    heading, grid = report.locator("sge-group-grid h2"), report.locator("sge-group-grid")
    expect(heading).to_have_text("8 groups of block 1.0")
    expect(report.locator(".chip").first).to_contain_text("not in this report")
    choose(report, "sort", "parts")
    expect(heading).to_have_text("Groups that find the parts")
    expect(grid).to_contain_text("this report does not hold the maps of 1 of them")
    expect(grid.locator(".tile")).to_have_count(1)
    expect(grid).not_to_contain_text("Loading")
