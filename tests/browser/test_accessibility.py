"""Accessibility of the page in its main states: axe's rules, contrast of borders, and the visible focus."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest
from playwright.sync_api import expect

from tests.browser.actions import choose, drop, settled

pytestmark = pytest.mark.browser

AXE = (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RULES = {"label-content-name-mismatch": {"enabled": True}, "target-size": {"enabled": True}}
"""Rules that axe leaves out by default."""
SIZES = {"phone": (390, 844), "desktop": (1440, 900)}
MAX_ELEMENTS = 4
BROKEN = ("broken.jpg", "image/jpeg", b"\xff\xd8\xff broken")


def violations(page):
    """What axe finds wrong, as lines of text."""
    page.evaluate(AXE)
    found = page.evaluate(
        "async (options) => (await axe.run(document, options)).violations",
        {"runOnly": {"type": "tag", "values": TAGS}, "rules": RULES},
    )
    return [line for rule in found for line in described(rule)]


def described(rule):
    """The first elements that break a rule, and the number of the others."""
    lines = [
        f"{rule['id']}: {node['html'][:160]}: {node['failureSummary'].splitlines()[-1].strip()}"
        for node in rule["nodes"][:MAX_ELEMENTS]
    ]
    rest = len(rule["nodes"]) - MAX_ELEMENTS
    return [*lines, f"{rule['id']}: and {rest} more"] if rest > 0 else lines


def opened(page):
    """The page as it opens, with the groups of the parts."""


def groups(page):
    choose(page, "signal", "similarity")
    choose(page, "sort", "focus")
    page.locator("sge-group-grid .tile").nth(1).click()
    page.locator("sge-group-grid .tile").nth(3).click()
    settled(page)


def point(page):
    page.locator("#image").click(position={"x": 40, "y": 40})
    expect(page.get_by_test_id("ranking").locator(".tile")).to_have_count(12)


def model_menu(page):
    page.locator("sge-models > button").click()
    expect(page.locator(".model-list li").first).to_be_visible()


def help_text(page):
    page.locator("[popovertarget=help]").click()
    expect(page.locator("#help")).to_be_visible()


def comparison(page):
    page.locator("sge-models > button").click()
    page.locator("[data-compare]").first.click()
    page.wait_for_selector("sge-compare sge-group-grid .tile")


def error(page):
    drop(page, BROKEN)
    expect(page.get_by_role("alert")).to_contain_text("broken.jpg")


STATES = [opened, groups, point, model_menu, help_text, comparison, error]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(open_page, size, scheme):
    """One page goes through all states, because opening it costs an analysis."""
    watched = open_page(*SIZES[size], scheme=scheme)
    watched.expected = ["Failed to load resource"]  # the browser's own message for a status of 4xx
    found = {}
    for state in STATES:
        state(watched.page)
        settled(watched.page)
        found[state.__name__] = violations(watched.page)
        watched.page.keyboard.press("Escape")
        settled(watched.page)
    assert {name: lines for name, lines in found.items() if lines} == {}, json.dumps(found, indent=1)
