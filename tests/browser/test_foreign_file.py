"""The page shows the masks of an ONNX file that somebody else made, and offers nothing that the file lacks."""

from __future__ import annotations

import os

import pytest
from playwright.sync_api import expect

from scripts.figures.browsing import running_service
from sge.models import import_weights
from tests.browser.actions import drop, painted, photo, settled
from tests.browser.conftest import MAPS_ARE_THERE
from tests.models.foreign_files import foreign, saved

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    folder = tmp_path_factory.mktemp("foreign")
    maps = {"layer1": "att/\u00e4", "layer2": "sigmoid(before)"}
    file = saved(foreign(image=(1, 3, 64, 96)), folder)
    path = import_weights(file, "theirs", folder, maps=maps, labels=["a", "b", "c"])
    settings = {"SGE_MODELS": str(path), "SGE_TIME_LIMIT_S": "90", "SGE_THREADS": "1"}
    with running_service(os.environ | settings) as address:
        yield address


def test_the_page_shows_the_masks(open_page):
    page = open_page().page
    page.wait_for_selector(MAPS_ARE_THERE)
    drop(page, photo("panda", "mine.jpg"))
    expect(page.locator("sge-credit")).to_contain_text("mine.jpg")
    page.wait_for_selector(MAPS_ARE_THERE)
    expect(page.get_by_test_id("gates")).to_contain_text("Somebody else made its file")
    expect(page.locator("input[name=signal][value=mask]")).to_be_checked()
    for name, value in (
        ("signal", "similarity"),
        ("signal", "gradcam"),
        ("sort", "energy"),
        ("sort", "effect"),
    ):
        expect(page.locator(f"input[name={name}][value={value}]")).to_be_disabled()
    expect(page.locator("sge-tour")).to_be_hidden()
    expect(page.get_by_test_id("legend")).to_contain_text("most focused group")
    before = painted(page)
    cells = page.locator("sge-group-grid .tile-cell")
    expect(cells).to_have_count(4)
    cells.nth(3).hover()
    settled(page)
    assert painted(page) != before
    expect(page.get_by_test_id("legend")).to_contain_text("focus")
    expect(page.get_by_test_id("legend")).not_to_contain_text("energy")
    page.locator('[data-block="layer2"]').click()
    page.locator("sge-image canvas").first.click(position={"x": 40, "y": 40})
    expect(page.locator("sge-ranking")).to_contain_text("by their mask at the mark")
    expect(page.get_by_test_id("ranking").locator(".tile").first).to_be_visible()
