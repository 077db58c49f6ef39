"""The queue of images: several at once, the requested one first, stop, retry, remove, and the memory of the tab."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from sge.analysis import unpack_atlases
from tests.browser.actions import drop, first_label, photo, settled
from tests.browser.placed_parts import ANALYSES, fulfill

pytestmark = pytest.mark.browser
ANALYZE = re.compile(r"/api/v1/analyze")
CONCURRENCY = 4
OWN = ".thumb:not(.sample)"
DAMAGED = {"detail": "The JPEG image is damaged."}


def small(record):
    """The analysis with a single block and without parts, so that sixty answers take little time."""
    block = record["default_block"]
    record["blocks"] = [each for each in record["blocks"] if each["name"] == block]
    for key in ("masks", "similarity", "focus", "energy"):
        record[key] = {block: record[key][block]}
    return record | {"parts": [], "part_maps": {}, "attribution": None}


class Service:
    """Answers ``/analyze`` with a stored analysis, at once or when the test says so."""

    def __init__(self, page):
        self.held = []
        self.names = []
        self.holds = False
        self.answer = lambda name, route: fulfill(route, self.record)
        stored = page.request.get(f"{page.url}samples/shepherd/analysis?format=atlas")
        self.record = small(unpack_atlases(stored.body()))
        page.route(ANALYZE, self.handle)

    def handle(self, route):
        name = re.search(rb'filename="([^"]+)"', route.request.post_data_buffer)[1].decode()
        self.names.append(name)
        if self.holds:
            self.held.append((name, route))
        else:
            self.answer(name, route)

    def release(self, count=None):
        """Answers held requests, the oldest first."""
        released, self.held = self.held[:count], self.held[len(self.held) if count is None else count :]
        for name, route in released:
            self.answer(name, route)


@pytest.fixture
def queue(open_page):
    """A page whose analyses a test controls, and the service that answers them."""
    watched = open_page()
    watched.expected = [
        "Failed to load resource"
    ]  # the browser's own message for a status of 4xx or no answer
    return watched.page, Service(watched.page)


def own(count):
    return [photo("panda", f"own {i:02d}.jpg") for i in range(count)]


def until(page, condition):
    """Waits until a Python condition holds, while the page goes on."""
    for _ in range(300):
        if condition():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it did not happen")


def test_four_at_a_time_with_a_bar(queue):
    page, service = queue
    service.holds = True
    drop(page, *own(10))
    until(page, lambda: len(service.held) == CONCURRENCY)
    page.wait_for_timeout(300)
    assert len(service.held) == CONCURRENCY
    bar = page.get_by_role("progressbar", name="Images analysed")
    expect(page.get_by_test_id("queue")).to_contain_text("0 of 10 analysed")
    service.release(2)
    expect(page.get_by_test_id("queue")).to_contain_text("2 of 10 analysed")
    expect(bar).to_have_js_property("value", 2)
    expect(bar).to_have_js_property("max", 10)
    until(page, lambda: len(service.held) == CONCURRENCY)
    service.holds = False
    service.release()
    expect(page.locator(f"{OWN}[data-status=ready]")).to_have_count(10)
    expect(bar).to_be_hidden()
    assert sorted(service.names) == [name for name, *_ in own(10)]


def test_the_requested_image_goes_first_and_at_once(queue):
    page, service = queue
    service.holds = True
    drop(page, *own(10))
    until(page, lambda: len(service.held) == CONCURRENCY)
    page.locator(OWN).nth(8).click()
    until(page, lambda: len(service.held) == CONCURRENCY + 1)
    assert service.names[-1] == "own 08.jpg"
    page.locator(OWN).nth(9).click()
    page.wait_for_timeout(300)
    assert len(service.held) == CONCURRENCY + 1
    service.release(1)
    until(page, lambda: len(service.held) == CONCURRENCY + 1)
    assert service.names[-1] == "own 09.jpg"


def test_stop_aborts_the_requests_and_keeps_the_images(queue):
    page, service = queue
    aborted = []
    page.on("requestfailed", lambda request: aborted.append(request.url))
    service.holds = True
    drop(page, *own(8))
    until(page, lambda: len(service.held) == CONCURRENCY)
    page.get_by_role("button", name="Stop").click()
    until(page, lambda: len(aborted) == CONCURRENCY)
    expect(page.locator(f"{OWN}[data-status=new]")).to_have_count(8)
    expect(first_label(page)).to_have_text("German shepherd")
    expect(page.get_by_role("alert")).to_be_empty()
    service.held, service.holds = [], False
    page.get_by_role("button", name="Continue with 8").click()
    expect(page.locator(f"{OWN}[data-status=ready]")).to_have_count(8)


def test_an_image_that_failed_stays_with_its_sentence_and_is_retried(queue):
    page, service = queue
    service.answer = lambda name, route: (
        route.fulfill(status=504, json={"detail": "The answer took longer than 30 s."})
        if name == "own 01.jpg"
        else fulfill(route, service.record)
    )
    drop(page, *own(3))
    failed = page.locator(f"{OWN}[data-status=failed]")
    expect(failed).to_have_attribute("aria-label", re.compile(r"own 01\.jpg, failed: The answer took longer"))
    expect(page.locator(f"{OWN}[data-status=ready]")).to_have_count(2)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("own 01.jpg: The answer took longer than 30 s.")
    alert.get_by_role("button", name="Close").click()
    expect(failed).to_have_count(1)
    failed.click()
    expect(alert).to_contain_text("own 01.jpg: The answer took longer than 30 s.")
    service.answer = lambda name, route: fulfill(route, service.record)
    alert.get_by_role("button", name="Retry").click()
    expect(failed).to_have_count(0)
    expect(alert).to_be_empty()
    expect(page.locator("sge-credit")).to_contain_text("own 01.jpg")


def test_a_damaged_image_can_only_be_removed(queue):
    page, service = queue
    service.answer = lambda name, route: route.fulfill(status=422, json=DAMAGED)
    drop(page, *own(1))
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("own 00.jpg: The JPEG image is damaged.")
    expect(alert.get_by_role("button", name="Retry")).to_have_count(0)
    alert.get_by_role("button", name="Remove").click()
    expect(page.locator(OWN)).to_have_count(0)
    expect(alert).to_be_empty()


def test_when_the_service_is_gone_the_queue_stops_and_nothing_vanishes(queue):
    """Sixty images, of which nine used to vanish. Only as many are tried as run at once; Retry takes up all."""
    page, service = queue
    service.answer = lambda name, route: route.abort()
    drop(page, *own(60))
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The service does not answer")
    expect(page.get_by_role("button", name="Continue with 60")).to_be_visible()
    expect(page.locator(OWN)).to_have_count(60)
    assert len(service.names) <= 2 * CONCURRENCY
    expect(alert.get_by_role("listitem")).to_have_count(0)  # one sentence, however many images
    expect(first_label(page)).to_have_text("German shepherd")
    service.answer = lambda name, route: fulfill(route, service.record)
    page.get_by_role("button", name="Continue with 60").click()
    expect(page.locator(f"{OWN}[data-status=ready]")).to_have_count(60)
    expect(alert).to_be_empty()


def test_a_busy_service_is_asked_less(queue):
    """After a 503, no other image is sent until its Retry-After is over."""
    page, service = queue
    refused = []

    def answer(name, route):
        if len(refused) < 1:
            refused.append(name)
            route.fulfill(status=503, headers={"Retry-After": "2"}, json={"detail": "The queue is full."})
        else:
            fulfill(route, service.record)

    service.holds = True
    service.answer = answer
    drop(page, *own(8))
    until(page, lambda: len(service.held) == CONCURRENCY)
    service.release(1)
    expect(page.locator("sge-status")).to_contain_text("trying again in 2 s")
    service.release()
    page.wait_for_timeout(500)
    assert service.held == []
    service.holds = False
    expect(page.locator(f"{OWN}[data-status=ready]")).to_have_count(8)
    assert service.names.count(refused[0]) == 2


def test_images_are_removed_by_button_and_by_key(queue):
    page, _ = queue
    drop(page, *own(4))
    expect(page.locator(f"{OWN}[data-status=ready]")).to_have_count(4)
    page.locator(".cell", has=page.locator(OWN)).first.hover()
    page.get_by_role("button", name="Remove own 00.jpg").click()
    expect(page.locator(OWN)).to_have_count(3)
    expect(page.locator("sge-credit")).to_contain_text("own 01.jpg")
    page.locator(OWN).first.focus()
    page.keyboard.press("Delete")
    expect(page.locator(OWN)).to_have_count(2)
    expect(page.locator(OWN).first).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("button", name="Remove own 02.jpg")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(OWN)).to_have_count(1)
    expect(page.locator("sge-credit")).to_contain_text("own 03.jpg")
    page.get_by_role("button", name="Remove all own images").click()
    expect(page.locator(OWN)).to_have_count(0)
    expect(page.locator("sge-credit .badge")).to_have_text("sample")


def test_removing_an_image_that_is_being_analysed_ends_its_request(queue):
    page, service = queue
    aborted = []
    page.on("requestfailed", lambda request: aborted.append(request.url))
    service.holds = True
    drop(page, *own(2))
    until(page, lambda: len(service.held) == 2)
    page.get_by_role("button", name="Remove all own images").click()
    until(page, lambda: len(aborted) == 2)
    expect(page.locator(OWN)).to_have_count(0)
    expect(first_label(page)).to_have_text("German shepherd")
    expect(page.locator("sge-status")).not_to_contain_text("Analysing")


def test_a_sample_cannot_be_removed(queue):
    page, _ = queue
    page.locator(".thumb.sample").first.focus()
    count = page.locator(".thumb.sample").count()
    page.keyboard.press("Delete")
    settled(page)
    expect(page.locator(".thumb.sample")).to_have_count(count)
    expect(page.locator(".cell.sample .remove")).to_have_count(0)


def test_only_the_last_images_stay_open(queue):
    """After forty images, at most the current one and twelve others hold maps; a closed one opens again as it was."""
    page, service = queue
    drop(page, *own(40))
    expect(page.locator(f"{OWN}[data-status=ready]")).to_have_count(40)
    legend = page.get_by_test_id("legend").inner_text()
    for i in range(1, 20):
        page.locator(OWN).nth(i).click()
        expect(page.locator("sge-credit")).to_contain_text(f"own {i:02d}.jpg")
    held = page.evaluate(
        """async () => {
          const { store } = await sgeModule("state/store.js");
          return store.state.images.filter(({ atlases, analysis, element }) => atlases || analysis || element).length;
        }"""
    )
    assert held <= 13
    assert len(service.names) == 40
    page.locator(OWN).first.click()
    expect(page.locator("sge-credit")).to_contain_text("own 00.jpg")
    settled(page)
    assert page.get_by_test_id("legend").inner_text() == legend
    assert len(service.names) == 40  # opened from its record, not analysed again


def test_another_model_replaces_the_requests_of_the_first(queue):
    page, service = queue
    service.holds = True
    drop(page, *own(3))
    until(page, lambda: len(service.held) == 3)
    aborted = []
    page.on("requestfailed", lambda request: aborted.append(request.url))
    page.evaluate(
        """async () => {
          const { store } = await sgeModule("state/store.js");
          store.set({ model: "twin" });
        }"""
    )
    until(page, lambda: len(aborted) == 3)
    until(page, lambda: len(service.names) == 6)
    assert ANALYSES.search(aborted[0])
