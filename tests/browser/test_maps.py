"""The maps that the page loads: those of the opening block first, others when they are needed or the page is idle."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from tests.browser.actions import drop, first_label, photo
from tests.browser.conftest import MAPS_ARE_THERE
from tests.browser.placed_parts import ANALYSES, change

pytestmark = pytest.mark.browser
IS_AHEAD = re.compile(r"blocks=blocks\.1\.0%2C")
OPENING, OTHER = "blocks.5.3", "blocks.4.1"


def asked(page):
    """The blocks that each request for an analysis names, as the page sends them."""
    seen = []

    def note(request):
        if ANALYSES.search(request.url):
            seen.append(parse_qs(urlsplit(request.url).query, keep_blank_values=True)["blocks"][0].split(","))

    page.on("request", note)
    return seen


def held(page):
    """Holds the requests for the maps of all other blocks; returns their routes."""
    routes = []
    page.route(IS_AHEAD, lambda route: routes.append(route))
    return routes


def test_the_first_answer_is_drawn_before_any_other_maps_are_there(open_page):
    requests, routes = [], []

    def before(page):
        requests.extend([asked(page)])
        routes.append(held(page))

    page = open_page(before=before, maps=False).page
    expect(first_label(page)).to_have_text("German shepherd")
    expect(page.locator("html")).to_have_attribute("data-maps", "loading")
    assert requests[0][0] == ["default"]
    # A block that is needed is asked for alone, at once, and shown.
    page.locator(f'[data-block="{OTHER}"]').click()
    expect(page.locator("sge-group-grid h2")).to_have_text("56 groups of block 4.1")
    assert [OTHER] in requests[0]
    # The groups at a point come from all blocks.
    page.locator("#image").click(position={"x": 200, "y": 200})
    expect(page.locator("sge-ranking")).to_contain_text("Loading the maps of all blocks")
    assert len(routes[0]) == 1
    routes[0][0].continue_()
    expect(page.get_by_test_id("ranking").locator(".tile")).to_have_count(12)
    page.wait_for_selector(MAPS_ARE_THERE)


def test_a_new_image_comes_with_the_block_that_is_shown(open_page):
    page = open_page().page
    page.locator(f'[data-block="{OTHER}"]').click()
    requests = asked(page)
    drop(page, photo("panda", "one.jpg"))
    expect(first_label(page)).to_have_text("giant panda")
    expect(page.locator("sge-group-grid h2")).to_contain_text("block 4.1")
    page.wait_for_selector(MAPS_ARE_THERE)
    assert requests == [["default", OTHER]]  # the other maps stand behind the first answer
    page.locator("#image").click(position={"x": 200, "y": 200})
    expect(page.get_by_test_id("ranking").locator(".tile")).to_have_count(12)
    assert len(requests) == 1


def test_of_an_answer_that_ends_early_the_first_maps_are_shown(open_page):
    page = open_page().page
    requests = asked(page)

    def cut(route):
        answer = route.fetch()
        headers = {
            name: value
            for name, value in answer.headers.items()
            if name not in ("content-length", "content-encoding")
        }
        route.fulfill(response=answer, headers=headers, body=answer.body()[:-5000])

    page.route(re.compile("rest=true"), cut)
    drop(page, photo("panda", "one.jpg"))
    expect(first_label(page)).to_have_text("giant panda")
    expect(page.get_by_role("alert")).to_be_empty()
    expect(page.locator("html")).to_have_attribute("data-maps", "loading")
    # What is needed is asked for again.
    page.locator(f'[data-block="{OTHER}"]').click()
    expect(page.locator("sge-group-grid h2")).to_contain_text("block 4.1")
    assert requests == [["default"], [OTHER]]


def test_maps_that_cannot_be_loaded_are_told_only_if_they_are_needed(open_page):
    refuse = {"status": 422, "json": {"detail": "It cannot."}}
    watched = open_page(
        before=lambda page: page.route(IS_AHEAD, lambda route: route.fulfill(**refuse)), maps=False
    )
    watched.expected = ["Failed to load resource"]
    page = watched.page
    page.wait_for_timeout(700)
    expect(page.get_by_role("alert")).to_be_empty()
    legend = page.get_by_test_id("legend").inner_text()
    page.route(re.compile(rf"blocks={OTHER}"), lambda route: route.fulfill(**refuse))
    page.locator(f'[data-block="{OTHER}"]').click()
    expect(page.get_by_role("alert")).to_contain_text("The maps of block 4.1 are missing. It cannot.")
    expect(page.locator(f'[data-block="{OPENING}"]')).to_have_attribute("aria-pressed", "true")
    assert page.get_by_test_id("legend").inner_text() == legend
    page.unroute_all()
    page.get_by_role("alert").get_by_role("button", name="Retry").click()
    page.wait_for_selector(MAPS_ARE_THERE)


def without_gradients(record):
    record.pop("attribution", None)
    return record | {"can": {"gradients": False, "steps": False}}


def test_effects_of_a_model_without_gradients_are_measured_when_they_are_asked_for(open_page):
    page = open_page(before=lambda page: change(page, without_gradients)).page
    expect(page.locator("sge-tour")).to_be_hidden()
    expect(page.locator("input[name=signal][value=gradcam]")).to_be_disabled()
    expect(page.locator("input[name=sort][value=focus]")).to_be_checked()
    with page.expect_request(re.compile("/attribute")) as waiting:
        page.locator("label:has(input[name=sort][value=effect])").click()
    query = parse_qs(urlsplit(waiting.value.url).query)
    assert (query["blocks"], query["target"]) == ([OPENING], ["235"])
    expect(page.locator("sge-group-grid .readout").first).to_contain_text("for German shepherd")


def test_a_model_that_cannot_be_loaded_is_told_at_once_in_its_own_words(open_page):
    watched = open_page()
    watched.expected = ["Failed to load resource"]
    page, tries = watched.page, []

    def fail(route):
        tries.append(route.request.url)
        problem = {"detail": "mine could not be loaded: its file is damaged.", "reason": "failed"}
        route.fulfill(status=503, headers={"Retry-After": "60"}, json=problem)

    page.route("**/api/v1/analyze*", fail)
    drop(page, photo("panda", "one.jpg"))
    expect(page.get_by_role("alert")).to_contain_text("mine could not be loaded: its file is damaged.")
    assert len(tries) == 1
