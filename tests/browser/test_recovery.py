"""After a failure or a stop, the controls, the links and the messages of the page are about what it shows."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.actions import choose, drop, first_label, photo, settled
from tests.browser.placed_parts import ANALYSES
from tests.browser.test_queue import until

pytestmark = pytest.mark.browser
CENTER = re.compile("/api/v1/analyze.*framing=center")
ABLATE = re.compile("/api/v1/ablate")
CENTER_CELLS = re.compile("56.56 cells")
ON_PURPOSE = "It failed on purpose."


def refuse(route):
    route.fulfill(status=500, json={"detail": ON_PURPOSE})


@pytest.fixture
def watched(open_page):
    """A page whose requests may fail."""
    opened = open_page()
    opened.expected = ["Failed to load resource"]
    return opened


def first_block(page):
    return page.locator("[data-block]").first


def test_after_a_look_at_a_failed_image_the_controls_apply_to_the_shown_one(watched):
    page = watched.page
    drop(page, ("broken.jpg", "image/jpeg", b"\xff\xd8\xff broken"))
    failed = page.locator(".thumb[data-status=failed]")
    failed.click()
    expect(page.get_by_role("alert")).to_contain_text("broken.jpg")
    with page.expect_response(CENTER):
        choose(page, "framing", "center")
    expect(first_block(page)).to_have_attribute("aria-label", CENTER_CELLS)
    expect(first_label(page)).to_have_text("German shepherd")


def test_stop_during_a_second_analysis_returns_to_the_framing_that_is_shown(watched):
    page, held = watched.page, []
    drop(page, photo("panda", "one.jpg"))
    expect(first_label(page)).to_have_text("giant panda")
    page.route(CENTER, lambda route: held.append(route))
    choose(page, "framing", "center")
    until(page, lambda: held)
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.locator("input[name=framing][value=whole]")).to_be_checked()
    expect(page.locator(".thumb:not(.sample)")).to_have_attribute("data-status", "ready")
    expect(first_block(page)).not_to_have_attribute("aria-label", CENTER_CELLS)
    expect(page.get_by_role("alert")).to_be_empty()


@pytest.mark.parametrize("answer", [lambda route: route.abort(), lambda route: route.fulfill(status=500)])
def test_a_sample_whose_file_did_not_arrive_is_tried_again(watched, answer):
    """With the center framing, the page sends the file of a sample itself."""
    page = watched.page
    choose(page, "framing", "center")
    expect(first_block(page)).to_have_attribute("aria-label", CENTER_CELLS)
    page.route("**/static/samples/panda.jpg", answer)
    page.locator(".thumb[aria-label^='Giant panda']").click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text(re.compile("The service (does not answer|answered 500)"))
    page.unroute("**/static/samples/panda.jpg")
    alert.get_by_role("button", name="Retry").click()
    expect(first_label(page)).to_have_text("giant panda")
    expect(alert).to_be_empty()


def test_retry_shows_an_image_that_the_visitor_has_left(watched):
    page, held = watched.page, []
    drop(page, photo("koala", "one.jpg"))
    expect(first_label(page)).to_have_text("koala")

    def answer(route):
        if b'filename="one.jpg"' in route.request.post_data_buffer:
            held.append(route)
        else:
            route.continue_()

    page.route(CENTER, answer)
    choose(page, "framing", "center")
    until(page, lambda: held)
    page.locator(".thumb[aria-label^='Giant panda']").click()
    expect(first_label(page)).to_have_text("giant panda")
    refuse(held[0])
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text(f"one.jpg: {ON_PURPOSE}")
    page.unroute(CENTER, answer)
    alert.get_by_role("button", name="Retry").click()
    expect(first_label(page)).to_have_text("koala")
    expect(first_block(page)).to_have_attribute("aria-label", CENTER_CELLS)


def test_leaving_a_comparison_takes_back_what_it_waits_for(watched):
    page = watched.page
    status = page.locator("sge-status")
    page.route(re.compile("model=twin"), lambda route: None)
    for is_said in (True, False):
        page.locator("sge-models > button").click()
        page.locator("[data-compare=twin]").click()
        if is_said:
            expect(status).to_contain_text("Analysing with twin")
        page.keyboard.press("Escape")
        expect(page.locator("sge-compare")).to_be_empty()
        page.wait_for_timeout(600)  # the sentence comes after 300 ms
        expect(status).not_to_contain_text("Analysing")


def test_a_link_whose_first_analysis_fails_keeps_its_view_for_retry(watched):
    page = watched.page
    home = page.url
    page.goto("about:blank")
    page.route(ANALYSES, refuse)
    page.goto(f"{home}#image=panda&block=blocks.5.0&pins=blocks.5.0:20")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text(ON_PURPOSE)
    page.unroute(ANALYSES, refuse)
    alert.get_by_role("button", name="Retry").click()
    expect(first_label(page)).to_have_text("giant panda")
    expect(page.locator(".chip b")).to_have_text(["5.0·g20"])
    expect(page).to_have_url(re.compile("image=panda&block=blocks.5.0&pins=blocks.5.0:20"))


def test_a_screen_reader_hears_the_answer_after_a_failure(watched):
    page = watched.page
    page.route(ABLATE, refuse)
    page.evaluate(
        """async () => {
          const { store } = await sgeModule("state/store.js");
          store.set({ off: [{ block: "blocks.5.0", group: 20 }] });
        }"""
    )
    said = page.locator("sge-ablation [role=status]")
    expect(said).to_have_text(ON_PURPOSE)
    page.unroute(ABLATE, refuse)
    page.get_by_test_id("off").get_by_role("button", name="Retry").click()
    expect(said).to_contain_text(re.compile("1 group off.*, before"))


def test_a_request_that_is_made_again_tells_no_failure_of_the_first_try(watched):
    page, held = watched.page, []
    page.route(ABLATE, lambda route: held.append(route))
    page.evaluate(
        """async () => {
          const { store } = await sgeModule("state/store.js");
          const { toggleOff } = await sgeModule("state/switched-off.js");
          toggleOff(store, [{ block: "blocks.5.0", group: 20 }]);
        }"""
    )
    until(page, lambda: held)
    seen = page.evaluate(
        """async () => {
          const { store } = await sgeModule("state/store.js");
          const { toggleOff, undo } = await sgeModule("state/switched-off.js");
          const seen = [];
          store.addEventListener("change", () => seen.push(store.state.ablation.status));
          toggleOff(store, [{ block: "blocks.5.0", group: 36 }]);
          undo(store);
          await new Promise((done) => setTimeout(done, 400));
          return seen;
        }"""
    )
    assert "failed" not in seen
    until(page, lambda: len(held) == 2)
    held[1].continue_()
    expect(page.locator(".predictions .tick").first).to_be_visible()
    settled(page)
