"""Switching groups off, effects, targets and Grad-CAM on the page, with the library's own numbers."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from sge import Lens
from sge.models.names import ORIGINAL_MODEL
from sge.models.registry import load_model
from tests.browser.actions import choose, painted, settled
from tests.browser.conftest import SAMPLES
from tests.browser.placed_parts import ANALYSES, change

pytestmark = pytest.mark.browser

BLOCK = "blocks.5.0"
THREE = [20, 36, 26]
"""Groups that nobody would look at, and on which the shepherd depends (FACTS 7)."""
ABLATE, ATTRIBUTE = re.compile("/api/v1/ablate"), re.compile("/api/v1/attribute")


@pytest.fixture(scope="module")
def lens():
    """The lens of the network with inactive gates, in this process."""
    return Lens(load_model(ORIGINAL_MODEL))


@pytest.fixture(scope="module")
def ablated(lens):
    """The shepherd without the three groups, as the service is asked by the page."""
    return lens.ablate(SAMPLES / "shepherd.jpg", {BLOCK: THREE}, "zero", 10, seed=0)


@pytest.fixture
def shepherd(open_page):
    """The page with the inactive network and its block 5.0."""
    return lambda **options: open_block(open_page(**options).page)


def open_block(page, model=ORIGINAL_MODEL):
    page.goto(f"{page.url.split('#')[0]}#model={model}&block={BLOCK}")
    page.reload()
    expect(page.locator("sge-models > button")).to_have_text("EfficientNet-Lite0 with SGE")
    expect(page.get_by_role("heading", name="56 groups of block 5.0")).to_be_visible()
    return page


def cell(page, group):
    return page.locator(f'sge-group-grid .tile-cell:has([data-group="{group}"])')


def switch_off(page, group):
    cell(page, group).hover()
    with page.expect_response(ABLATE):
        cell(page, group).locator(".power").click()


def row(page, index):
    return page.locator(f'sge-predictions li[data-class="{index}"]')


def share(text):
    """The probability or change that a text shows, in percent."""
    number = re.search(r"([+\u2212\u00b1]?)(\d+(?:\.\d+)?) %", text)
    return float(number[2]) * (-1 if number[1] == "\u2212" else 1)


def shown_percent(value):
    """Rounded as the page rounds, in percent."""
    return round(100 * value, 1 if value < 0.0995 else 0)


def assert_measured(page, ablation, index):
    before, after = float(ablation.before[index]), float(ablation.after[index])
    expect(row(page, index).locator(".tick")).to_be_visible()
    assert share(row(page, index).locator(".percent").inner_text()) == pytest.approx(
        shown_percent(after), abs=0.11
    )
    assert share(row(page, index).locator(".change").inner_text()) == pytest.approx(
        100 * (after - before), abs=0.6
    )


def test_groups_are_switched_off_and_the_bars_show_the_librarys_numbers(shepherd, ablated):
    page = shepherd()
    grid = page.locator("sge-group-grid .tiles")
    top = grid.bounding_box()["y"]
    for group in THREE:
        switch_off(page, group)
    strip = page.get_by_test_id("off")
    expect(strip).to_contain_text("3 groups off: 5.0 g20, g36, g26")
    expect(page.locator("sge-ablation")).to_have_attribute("aria-busy", "false")
    for index in np.argsort(-ablated.before)[:5]:
        assert_measured(page, ablated, int(index))
    best = int(np.argmax(ablated.before))
    lo, hi = ablated.controls[:, best].min(), ablated.controls[:, best].max()
    expect(row(page, best).locator(".random")).to_have_text(
        f"random groups: {shown_percent(lo):.0f} to {shown_percent(hi):.0f} %"
    )
    band = row(page, best).locator(".band")
    left, width = band.evaluate("(band) => [parseFloat(band.style.left), parseFloat(band.style.width)]")
    assert left == pytest.approx(100 * lo, abs=0.01)
    assert width == pytest.approx(100 * (hi - lo), abs=0.01)
    # Classes that come into view are those of the library's five best that were not among them before.
    five = {int(i) for i in np.argsort(-ablated.before)[:5]}
    risen = [int(i) for i in np.argsort(-ablated.after)[:5] if int(i) not in five][:2]
    assert risen
    shown = page.get_by_test_id("risen").locator("li")
    assert [
        int(value) for value in shown.evaluate_all("(items) => items.map((i) => i.dataset.class)")
    ] == risen
    for index in risen:
        assert_measured(page, ablated, index)
    # Nothing moves.
    assert grid.bounding_box()["y"] == top
    expect(cell(page, 20).locator(".tile")).to_have_attribute("aria-label", re.compile("switched off$"))


def test_undo_reset_only_and_keys(shepherd, lens):
    page = shepherd()
    tile = cell(page, 20).locator(".tile")
    tile.focus()
    with page.expect_response(ABLATE):
        page.keyboard.press("x")
    strip = page.get_by_test_id("off")
    expect(strip).to_contain_text("1 group off: Block 5.0 · group 20")
    expect(tile).to_be_focused()
    switch_off(page, 36)
    expect(strip).to_contain_text("2 groups off")
    with page.expect_response(re.compile("ablate.*mode=only")) as waiting:
        strip.get_by_role("button", name="Only these").click()
    expect(strip).to_contain_text("Only 2 groups of their blocks")
    expect(page.locator("sge-group-grid .tile-cell.off")).to_have_count(54)
    kept = lens.ablate(SAMPLES / "shepherd.jpg", {BLOCK: [20, 36]}, "only", 10, seed=0)
    measured = {each["index"]: each for each in waiting.value.json()["classes"]}
    for index, each in measured.items():
        assert each["after"] == pytest.approx(float(kept.after[index]), abs=2e-3)
    page.keyboard.press("Control+z")
    expect(strip).to_contain_text("2 groups off")
    page.keyboard.press("Control+z")
    expect(strip).to_contain_text("1 group off")
    # Switched-off groups survive another block.
    page.locator('[data-block="blocks.5.3"]').click()
    expect(strip).to_contain_text("Block 5.0 · group 20")
    strip.get_by_role("button", name="Reset").click()
    expect(strip).to_contain_text("Switch groups off")
    expect(page.locator(".predictions .tick").first).to_be_hidden()
    strip.get_by_role("button", name="Undo").click()
    expect(strip).to_contain_text("1 group off")
    # Another image measures the same groups; another model starts with everything on.
    with page.expect_response(ABLATE):
        page.locator(".thumb[aria-label^='Chelsea']").click()
    expect(strip).to_contain_text("1 group off")


def test_a_part_and_a_pin_are_switched_off(shepherd):
    page = shepherd()
    cell(page, 3).locator(".tile").click()
    page.mouse.move(1, 1)
    with page.expect_response(ABLATE):
        page.locator(".chip .power").click()
    expect(page.locator(".chip.off")).to_have_count(1)
    strip = page.get_by_test_id("off")
    with page.expect_response(ABLATE):
        page.keyboard.press("Control+z")
        choose(page, "sort", "parts")
        page.get_by_role("button", name=re.compile("Without the .*nose groups")).last.click()
    expect(strip).to_contain_text(
        re.compile(r"\d+ groups off: (all of the nose readout|those listed for the nose)")
    )
    page.get_by_role("button", name=re.compile("With the .*nose groups")).last.click()
    expect(strip).to_contain_text("Switch groups off")


def test_the_order_by_effect_is_the_first_and_its_numbers_are_the_librarys(shepherd, lens):
    page = shepherd()
    sorts = page.locator("sge-group-grid .segments label")
    expect(sorts.first).to_have_text("Effect")
    expect(page.locator("input[name=sort][value=effect]")).to_be_checked()
    found = lens.attribute(SAMPLES / "shepherd.jpg", method="gradient", blocks=[BLOCK])
    note = page.locator(".effect-note")
    tiles = page.locator("sge-group-grid .tile")
    expect(tiles).to_have_count(56)
    order = [int(value) for value in tiles.evaluate_all("(all) => all.map((tile) => tile.dataset.group)")]
    values = [signed(text) for text in page.locator("sge-group-grid .tile-note").all_inner_texts()]
    assert values == sorted(values, reverse=True)
    if "estimated" in note.inner_text():
        np.testing.assert_allclose(values, found.effect[BLOCK][order], atol=0.011)
        with page.expect_response(re.compile("attribute.*method=ablation")):
            note.get_by_role("button", name="Measure").click()
    expect(note).to_contain_text("measured by removing each group")
    order = [int(value) for value in tiles.evaluate_all("(all) => all.map((tile) => tile.dataset.group)")]
    values = [signed(text) for text in page.locator("sge-group-grid .tile-note").all_inner_texts()]
    alone = lens.ablate(SAMPLES / "shepherd.jpg", {BLOCK: [order[0]]}, "zero", 0)
    best = int(np.argmax(alone.before))
    assert values[0] == pytest.approx(float(alone.logits_before[best] - alone.logits_after[best]), abs=0.02)


def signed(text):
    return float(text.replace("\u2212", "-"))


def test_any_class_can_be_the_target(shepherd, lens):
    page = shepherd()
    target = lens.find_target("malinois")
    with page.expect_response(ATTRIBUTE):
        row(page, target).locator("button").click()
    note = page.locator(".effect-note")
    expect(note).to_contain_text("Effect on malinois")
    expect(row(page, target).locator("button")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("input[name=target]")).to_have_value("malinois")
    choose(page, "signal", "gradcam")
    expect(page.get_by_test_id("legend")).to_contain_text("malinois Grad-CAM")
    before = painted(page)
    # A search over all classes, by keyboard alone.
    page.locator("input[name=target]").focus()
    with page.expect_response(ATTRIBUTE):
        page.keyboard.type("tabby")
        expect(page.locator(".choices li").first).to_have_text("tabby")
        page.keyboard.press("Enter")
    expect(note).to_contain_text("Effect on tabby")
    expect(page.get_by_test_id("legend")).to_contain_text("tabby Grad-CAM")
    settled(page)
    assert painted(page) != before
    expect(row(page, lens.find_target("tabby"))).to_have_count(1)
    page.get_by_role("button", name="Clear: Effects on").click()
    expect(note).to_contain_text("Effect on German shepherd")


def test_what_speaks_for_the_expected_class(shepherd, lens):
    page = shepherd()
    page.locator("input[name=expected]").click()
    with page.expect_response(ATTRIBUTE):
        page.keyboard.type("dingo")
        page.keyboard.press("Enter")
    note = page.locator(".effect-note")
    expect(note).to_contain_text("Effect on dingo minus effect on German shepherd")
    pair, best = [
        page.locator("sge-group-grid .tile").first.locator(part) for part in (".tile-below", ".tile-note")
    ]
    expected, target = (signed(text) for text in pair.inner_text().split(" / "))
    assert signed(best.inner_text()) == pytest.approx(expected - target, abs=0.011)
    values = [signed(text) for text in page.locator("sge-group-grid .tile-note").all_inner_texts()]
    assert values == sorted(values, reverse=True)
    expect(row(page, lens.find_target("dingo"))).to_have_attribute("data-role", "expected")


def test_enter_waits_for_the_classes(open_page, lens):
    """A visitor types a class and presses Enter before the list of classes is there."""
    page = open_page().page
    waiting = []
    page.route(re.compile(r"/api/v1/models/[^/?]+$"), lambda route: waiting.append(route))
    open_block(page)
    field = page.locator("input[name=expected]")
    field.click()
    page.keyboard.type("dingo")
    page.keyboard.press("Enter")
    expect(page.locator(".choices:popover-open")).to_have_count(1)
    with page.expect_response(ATTRIBUTE):
        for route in waiting:
            route.continue_()
    expect(row(page, lens.find_target("dingo"))).to_have_attribute("data-role", "expected")
    expect(field).to_have_value("dingo")


def test_a_failure_says_so_and_can_be_tried_again(open_page):
    watched = open_page()
    watched.expected.append("500 (Internal Server Error)")
    page = open_block(watched.page)
    refuse = lambda route: route.fulfill(  # noqa: E731
        status=500, json={"detail": "The ablation failed on purpose."}
    )
    page.route(ABLATE, refuse)
    cell(page, 20).hover()
    cell(page, 20).locator(".power").click()
    strip = page.get_by_test_id("off")
    expect(strip).to_contain_text("The ablation failed on purpose.")
    page.unroute(ABLATE, refuse)
    with page.expect_response(ABLATE):
        strip.get_by_role("button", name="Retry").click()
    expect(strip).to_contain_text("1 group off: Block 5.0")


def test_inactive_masks_offer_the_tuned_network_and_its_attention_can_be_flattened(shepherd):
    page = shepherd()
    choose(page, "signal", "mask")
    message = page.get_by_test_id("no-masks")
    expect(message).to_contain_text("The gates of this network are inactive")
    expect(page.locator("input[name=attention]").first).to_be_hidden()
    message.get_by_role("button", name="Open the tuned network").click()
    expect(page.locator("sge-models > button")).to_contain_text("tuned")
    with page.expect_response(re.compile("ablate.*groups=all.*mode=mean.*controls=0")):
        page.locator("label:has(input[name=attention][value=flat])").click()
    expect(page.get_by_test_id("off")).to_contain_text("Masks flattened")
    expect(page.locator(".predictions .tick").first).to_be_visible()
    page.get_by_test_id("off").get_by_role("button", name="Reset").click()
    expect(page.locator("input[name=attention][value=on]")).to_be_checked()


def test_where_no_class_fits_its_sentence_stands_for_the_name(open_page):
    sentence = "None of its ten breeds fits."
    fit = {"fits": False, "score": 0.2, "threshold": 0.6, "sentence": sentence}
    page = open_page(before=lambda page: change(page, lambda said: said | {"fit": fit}, ANALYSES)).page
    expect(page.get_by_test_id("no-fit")).to_contain_text(sentence)
    expect(page.get_by_test_id("no-fit")).to_contain_text("Closest")
    sizes = page.locator(".predictions .label").evaluate_all(
        "(all) => all.map((e) => getComputedStyle(e).fontSize)"
    )
    assert len(set(sizes[:5])) == 1


def test_the_search_matches_any_synonym_the_best_first(open_page):
    page = open_page().page
    labels = ["corn, maize", "popcorn machine", "ear of corn", "acorn", "German shepherd, Alsatian", "dingo"]
    found = page.evaluate(
        """async (labels) => {
          const { matching } = await sgeModule("elements/combobox.js");
          const choices = labels.map((label, index) => ({ label, index }));
          const texts = ["corn", " MAIZE", "alsat", "shep", "zebra", ""];
          return texts.map((text) => matching(choices, text).map(({ index }) => index));
        }""",
        labels,
    )
    assert found == [[0, 2, 1, 3], [0], [4], [4], [], [0, 1, 2, 3, 4, 5]]
