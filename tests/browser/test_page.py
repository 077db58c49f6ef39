"""The page in a real browser, from opening to export."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.actions import choose, drop, first_label, painted, photo, save
from tests.browser.conftest import Watched

pytestmark = pytest.mark.browser


def test_it_opens_with_a_sample_already_analysed(open_page):
    page = open_page().page
    expect(first_label(page)).to_have_text("German shepherd")
    expect(page.locator("sge-credit .badge")).to_have_text("sample")
    expect(page.get_by_test_id("gates")).to_contain_text("the maps show the masks")
    legend = page.get_by_test_id("legend")
    expect(legend).to_contain_text(re.compile(r"Nose \d+ %.*Left eye \d+ %.*Right eye \d+ %", re.S))
    choose(page, "signal", "similarity")
    expect(legend).to_contain_text("Block 5.3 · group 15")
    choose(page, "sort", "focus")
    expect(page.locator("sge-group-grid .tile")).to_have_count(64)


def test_the_main_job(open_page, tmp_path):
    """Drop a photo, read the classes, choose a block, pin a group, click the image, export the results."""
    page = open_page().page
    drop(page, photo("panda", "my panda.jpg"))
    expect(first_label(page)).to_have_text("giant panda")
    expect(page.get_by_test_id("predictions").locator("li")).to_have_count(5)

    page.locator('[data-block="blocks.4.1"]').click()
    expect(page.get_by_role("heading", name="56 groups of block 4.1")).to_be_visible()
    before = painted(page)
    page.locator('sge-group-grid [data-group="17"]').click()
    page.mouse.move(5, 5)
    expect(page.get_by_test_id("legend")).to_contain_text("Block 4.1 · group 17")
    expect(page.locator('sge-group-grid [data-group="17"]')).to_have_attribute("aria-pressed", "true")
    assert painted(page) != before

    box = page.locator("#image").bounding_box()
    page.locator("#image").click(position={"x": box["width"] * 0.21, "y": box["height"] * 0.23})
    expect(page.get_by_test_id("ranking").locator(".tile")).to_have_count(12)
    values = [float(text) for text in page.get_by_test_id("ranking").locator(".tile-note").all_inner_texts()]
    assert values == sorted(values, reverse=True)

    choose(page, "signal", "similarity")
    with np.load(save(page, "npz", tmp_path)) as arrays:
        assert arrays["blocks.4.1"].shape[0] == 56
        at_point = [maps[:, int(0.23 * maps.shape[1]), int(0.21 * maps.shape[2])] for maps in arrays.values()]
    # The page reads 8-bit maps and shows one decimal.
    np.testing.assert_allclose(values, np.sort(np.concatenate(at_point))[::-1][:12], atol=0.1)
    assert json.loads(save(page, "json", tmp_path).read_text())["predictions"][0]["label"] == "giant panda"
    assert save(page, "safetensors", tmp_path).stat().st_size > 100_000
    assert Image.open(save(page, "png", tmp_path)).width >= 1024
    expect(page.get_by_test_id("curl")).to_contain_text(
        """curl -F 'image=@"my panda.jpg"' 'http://127.0.0.1"""
    )


def test_the_report_opens_from_disk_without_a_network(open_page, browser, tmp_path):
    path = save(open_page().page, "html", tmp_path)
    context = browser.new_context(offline=True)
    report = Watched(context, "none")
    report.page.goto(path.as_uri())
    expect(report.page.get_by_test_id("legend")).to_contain_text("Nose")
    choose(report.page, "sort", "focus")
    expect(report.page.locator("sge-group-grid .tile")).to_have_count(64)
    expect(first_label(report.page)).to_have_text("German shepherd")
    before = painted(report.page)
    report.page.locator('sge-group-grid [data-group="3"]').click()
    expect(report.page.get_by_test_id("legend")).to_contain_text("Block 5.3 · group 3")
    assert painted(report.page) != before
    report.check()
    context.close()


def test_by_keyboard_alone(open_page):
    page = open_page().page
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.classList.contains('tile')"):
            break
    else:
        pytest.fail("Tab does not reach the group grid")
    first = page.evaluate("document.activeElement.dataset.group")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.dataset.group") != first
    page.keyboard.press("Enter")
    expect(page.locator(".chip")).to_have_count(1)
    page.locator("#image").focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("ranking").locator(".tile")).to_have_count(12)
    page.keyboard.press("Escape")
    expect(page.locator("sge-ranking")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(page.locator(".chip")).to_have_count(0)


def test_six_groups_and_no_seventh(open_page):
    page = open_page().page
    for i in range(7):
        page.locator("sge-group-grid .tile").nth(i).click()
    expect(page.locator(".chip")).to_have_count(6)
    expect(page.locator("sge-status")).to_contain_text("Six groups are pinned")
    page.locator(".chip .remove").first.click()
    expect(page.locator(".chip")).to_have_count(5)


def test_centre_framing_asks_the_service_again(open_page):
    page = open_page().page
    page.locator(".thumb[aria-label^='Giant panda']").click()
    expect(first_label(page)).to_have_text("giant panda")
    with page.expect_response(re.compile("analyze.*framing=center")):
        choose(page, "framing", "center")
    expect(page.locator("[data-block]").first).to_have_attribute("aria-label", re.compile("56.56 cells"))
    page.locator("#image").click(position={"x": 4, "y": 100})
    expect(page.locator("sge-ranking")).to_contain_text("did not see this position")
