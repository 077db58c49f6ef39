"""Accessibility of the page in its main states: axe's rules, contrast of borders, and the visible focus."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest
from playwright.sync_api import expect

from tests.browser.actions import choose, drop, photo, save, settled
from tests.browser.conftest import Watched

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


def switched_off(page):
    tile = page.locator("sge-group-grid .tile").first
    tile.focus()
    page.keyboard.press("x")
    expect(page.locator("sge-group-grid .tile-cell.off").first).to_be_visible()


def tour(page):
    page.locator("[data-tour=open]").click()
    expect(page.locator("dialog.tour")).to_be_visible()


def queue(page):
    """Three images that are being analysed, with the bar; they are removed by the next state."""
    page.route("**/api/v1/analyze*", lambda route: None)
    drop(page, *[photo("panda", f"own {i}.jpg") for i in range(3)])
    expect(page.get_by_role("progressbar", name="Images analysed")).to_be_visible()


def stopped(page):
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Continue with 3")).to_be_visible()
    page.unroute("**/api/v1/analyze*")


STATES = [opened, groups, point, model_menu, help_text, tour, queue, stopped, comparison, error, switched_off]


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


def test_axe_finds_nothing_in_the_report(open_page, browser, tmp_path):
    path = save(open_page().page, "html", tmp_path)
    for scheme in ("light", "dark"):
        for width, height in SIZES.values():
            context = browser.new_context(
                offline=True, color_scheme=scheme, viewport={"width": width, "height": height}
            )
            page = Watched(context, "none").page
            page.goto(path.as_uri())
            page.wait_for_selector("sge-group-grid .tile")
            assert violations(page) == []
            context.close()


CONTRAST = """
() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (colour) => {
    const [r, g, b] = colour.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => {
    const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
    return (high + 0.05) / (low + 0.05);
  };
  const behind = (element) => {
    for (let each = element.parentElement; each; each = each.parentElement) {
      const colour = rgba(getComputedStyle(each).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  const controls = document.querySelectorAll("button, select, input:not([type=range]), textarea, .segments, .opener");
  return [...controls].flatMap((element) => {
    const style = getComputedStyle(element);
    const border = rgba(style.borderTopColor);
    const isDrawn = parseFloat(style.borderTopWidth) > 0 && style.borderTopStyle !== "none" && border[3] > 128;
    if (!element.checkVisibility() || element.matches(".visually-hidden, :disabled") || !isDrawn) return [];
    return [[element.outerHTML.slice(0, 100), contrast(border.slice(0, 3), behind(element).slice(0, 3))]];
  });
}
"""


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_borders_of_controls_are_visible(open_page, size, scheme):
    """A border has a contrast of 3:1 with what is behind its control (WCAG 1.4.11)."""
    page = open_page(*SIZES[size], scheme=scheme).page
    groups(page)
    model_menu(page)
    measured = page.evaluate(CONTRAST)
    assert len(measured) > 20
    assert [(element, round(value, 2)) for element, value in measured if value < 3] == []


def test_the_focus_is_visible(open_page):
    """Every tab stop of the page draws an outline, on itself or on what it stands for."""
    page = open_page().page
    outlined = """() => {
      const { activeElement: element } = document;
      const parts = [element, element.parentElement, element.closest(".segments"), ...element.children];
      const drawn = parts.some((each) => {
        const { outlineStyle, outlineWidth } = each ? getComputedStyle(each) : { outlineStyle: "none" };
        return outlineStyle !== "none" && parseFloat(outlineWidth) >= 2;
      });
      return [element.outerHTML.slice(0, 120), drawn || element === document.body];
    }"""
    seen = {}
    for _ in range(60):
        page.keyboard.press("Tab")
        name, is_drawn = page.evaluate(outlined)
        if name in seen:
            break
        seen[name] = is_drawn
    assert len(seen) > 20
    assert [name for name, is_drawn in seen.items() if not is_drawn] == []


@pytest.mark.parametrize("name", ["Clear", "Remove Block 5.3 · group 1"])
def test_the_focus_goes_to_the_image_with_the_last_pin(open_page, name):
    page = open_page().page
    page.evaluate(
        """async (count) => {
          const { store } = await sgeModule("state/store.js");
          store.setPins([1, 2].slice(0, count).map((group, slot) => ({ block: "blocks.5.3", group, slot })));
        }""",
        2 if name == "Clear" else 1,
    )
    page.keyboard.press("Tab")  # the keyboard is in use, so that the focus is visible
    page.get_by_test_id("legend").get_by_role("button", name=name, exact=True).press("Enter")
    expect(page.locator(".chip")).to_have_count(0)
    expect(page.locator("#image")).to_be_focused()


def test_the_filmstrip_is_one_tab_stop(open_page):
    page = open_page().page
    stops = page.locator("sge-filmstrip .filmstrip").locator("button[tabindex='0'], button:not([tabindex])")
    expect(stops).to_have_count(1)
    stops.focus()
    page.keyboard.press("Tab")
    assert not page.evaluate("() => document.querySelector('.filmstrip').contains(document.activeElement)")
