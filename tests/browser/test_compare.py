"""Two models beside each other: the same image and framing, corresponding blocks, separate pins."""

from __future__ import annotations

import re

import pytest
from PIL import Image
from playwright.sync_api import expect

from sge.models.names import PETS_MODEL
from tests.browser.actions import choose, drop, first_label, painted, photo, save, settled
from tests.browser.placed_parts import FACE, change, place, with_parts

pytestmark = pytest.mark.browser


def compare(page):
    page.locator("sge-models > button").click()
    page.locator("[data-compare=twin]").click()
    expect(page.locator("sge-compare sge-group-grid .tile").first).to_be_visible()
    return page.locator("sge-compare")


def boxes(page):
    return [canvas.bounding_box() for canvas in page.locator("sge-image canvas").all()]


def test_an_error_of_the_second_model_is_shown_and_the_first_stays(open_page):
    watched = open_page()
    watched.expected = ["Failed to load resource"]
    page = watched.page
    before = painted(page)
    page.route(
        re.compile("model=twin"), lambda route: route.fulfill(status=422, json={"detail": "It cannot."})
    )
    page.locator("sge-models > button").click()
    page.locator("[data-compare=twin]").click()
    expect(page.get_by_role("alert")).to_contain_text("twin: It cannot.")
    expect(page.locator("sge-compare")).to_be_empty()
    page.get_by_role("alert").get_by_role("button", name="Close").click()
    settled(page)
    assert painted(page) == before


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1024, 768), (820, 1180), (390, 844), (844, 390)])
def test_both_images_have_the_same_size(open_page, width, height):
    page = open_page(width, height).page
    second = compare(page)
    first_box, second_box = boxes(page)
    assert first_box["width"] == second_box["width"]
    assert first_box["height"] == second_box["height"]
    beside = second_box["x"] >= first_box["x"] + first_box["width"]
    below = second_box["y"] >= first_box["y"] + first_box["height"]
    assert beside if width >= 1000 else below
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    expect(second.locator(".predictions .label").first).to_have_text("German shepherd")
    expect(page.locator("sge-model-name b").last).to_have_text("Twin")


def test_it_ends_by_one_key_or_click(open_page):
    page = open_page().page
    before = boxes(page)[0]
    compare(page)
    page.keyboard.press("Escape")
    expect(page.locator("sge-compare")).to_be_empty()
    settled(page)
    assert boxes(page) == [before]
    compare(page).get_by_role("button", name="Leave comparison").click()
    expect(page.locator("sge-compare")).to_be_empty()


def test_a_chosen_block_selects_the_corresponding_block(open_page):
    page = open_page().page
    second = compare(page)
    page.locator('main > .side [data-block="blocks.4.1"]').click()
    expect(second.locator('[data-block="blocks.4.1"]')).to_have_attribute("aria-pressed", "true")
    second.locator('[data-block="blocks.2.0"]').click()
    expect(page.locator('main > .side [data-block="blocks.2.0"]')).to_have_attribute("aria-pressed", "true")


def test_the_corresponding_block_is_nearest_in_stride_and_depth(open_page):
    page = open_page().page
    found = page.evaluate(
        """async () => {
          const { correspondingBlock } = await sgeModule("state/corresponding-block.js");
          const blocks = (...strides) => strides.map((stride, i) => ({ name: `${stride}.${i}`, stride }));
          const [few, many] = [blocks(4, 8, 16, 16, 32), blocks(4, 4, 8, 8, 16, 16, 16, 16, 32, 32)];
          return [
            ...few.map(({ name }) => correspondingBlock(name, few, many)),
            correspondingBlock("16.6", many, few),
            correspondingBlock("32.9", many, blocks(4, 8, 16)),
            correspondingBlock("4.0", many, blocks(2)),
          ];
        }"""
    )
    assert found == ["4.0", "8.2", "16.4", "16.7", "32.9", "16.3", "16.2", "2.0"]


def in_stores(page, text):
    """Values of the two stores."""
    return page.evaluate(
        f"""async () => {{
          const {{ store }} = await sgeModule("state/store.js");
          return [store, store.second].map((each) => ({text})(each));
        }}"""
    )


def test_pins_carry_over_in_both_directions(open_page):
    page = open_page().page
    page.locator('[data-block="blocks.5.0"]').click()
    page.locator('main > .side sge-group-grid [data-group="20"]').click()
    second = compare(page)
    expect(second.locator(".chip b")).to_have_text(["5.0·g20"])
    second.locator('sge-group-grid [data-group="36"]').click()
    expect(page.locator("main > .stage .chip b")).to_have_text(["5.0·g20", "5.0·g36"])
    pins = in_stores(page, "({ state }) => state.pins")
    assert pins[0] == pins[1]
    page.locator('main > .side sge-group-grid [data-group="20"]').click()
    expect(second.locator(".chip b")).to_have_text(["5.0·g36"])
    page.mouse.move(5, 5)
    page.keyboard.press("Escape")
    expect(page.locator("sge-compare")).to_be_empty()
    expect(page.locator("main > .stage .chip b")).to_have_text(["5.0·g36"])


def test_a_preview_is_shown_in_both(open_page):
    page = open_page().page
    page.locator('[data-block="blocks.5.0"]').click()
    second = compare(page)
    caption = second.locator("sge-legend .caption, sge-legend .parts")
    shown = re.search(r"group (\d+)", caption.inner_text())
    other = "20" if shown is None or shown[1] != "20" else "21"
    page.locator(f'main > .side sge-group-grid [data-group="{other}"]').hover()
    expect(second.locator("sge-legend")).to_contain_text(f"Block 5.0 · group {other}")
    page.mouse.move(5, 5)
    expect(caption).not_to_contain_text(f"group {other}")


def test_the_target_carries_over_by_its_label(open_page):
    page = open_page().page
    compare(page)
    target = page.evaluate(
        """async () => {
          const { store } = await sgeModule("state/store.js");
          const { index } = store.image.analysis.predictions[1];
          store.set({ target: index });
          return index;
        }"""
    )
    page.wait_for_function(
        """async (target) => (await sgeModule("state/store.js")).store.second.state.target === target""",
        arg=target,
    )


def test_what_is_off_carries_over(open_page):
    page = open_page().page
    compare(page)
    page.evaluate(
        """async () => {
          const { store } = await sgeModule("state/store.js");
          store.set({ off: [{ block: "blocks.5.0", group: 20 }], offMode: "only" });
        }"""
    )
    off = [{"block": "blocks.5.0", "group": 20}]
    assert in_stores(page, "({ state }) => [state.off, state.offMode]") == [[off, "only"]] * 2
    page.evaluate(
        """async () => {
          const { store } = await sgeModule("state/store.js");
          store.second.set({ off: [], offMode: "zero" });
        }"""
    )
    assert in_stores(page, "({ state }) => [state.off, state.offMode]") == [[[], "zero"]] * 2


def test_networks_without_common_blocks_keep_their_own_groups(open_page):
    """The trained network has other blocks: pins stay with their model, and there is no difference."""
    page = open_page().page
    page.locator("sge-models > button").click()
    page.locator(f"[data-compare={PETS_MODEL}]").click()
    second = page.locator("sge-compare")
    expect(second.locator("sge-group-grid .tile").first).to_be_visible()
    second.locator("sge-group-grid .tile").nth(4).click()
    expect(second.locator(".chip")).to_have_count(1)
    expect(page.locator("main > .stage .chip")).to_have_count(0)
    page.locator("main > .side sge-group-grid .tile").nth(4).click()
    expect(page.locator("main > .stage .chip")).to_have_count(1)
    expect(second.locator(".chip")).to_have_count(1)
    expect(second.get_by_role("radio", name=re.compile("^Difference"))).to_be_disabled()
    page.keyboard.press("Escape")
    expect(page.locator("sge-compare")).to_be_empty()


def test_the_difference_is_second_minus_first(open_page):
    """Twin's masks are changed by known amounts; the map and the legend show them."""

    def edit(record):
        if record["model"]["name"] != "twin" or "blocks.5.0" not in record["similarity"]:
            return record
        maps = record["similarity"]["blocks.5.0"]
        return record | {
            "similarity": record["similarity"]
            | {"blocks.5.0": maps | {"lo": maps["lo"] + 0.5, "hi": maps["hi"] + 0.5}}
        }

    page = open_page(before=lambda page: change(page, edit)).page
    page.locator('[data-block="blocks.5.0"]').click()
    choose(page, "signal", "similarity")
    page.locator('main > .side sge-group-grid [data-group="20"]').click()
    second = compare(page)
    page.mouse.move(5, 5)
    settled(page)
    before = second.locator("canvas").first.evaluate("(canvas) => canvas.toDataURL()")
    choose(page, "difference", "difference")
    legend = second.locator("sge-legend")
    expect(legend).to_contain_text("similarity, second minus first model")
    expect(legend.locator(".scale")).to_have_attribute("aria-label", re.compile("from \u22120.50 to 0.50"))
    assert second.locator("canvas").first.evaluate("(canvas) => canvas.toDataURL()") != before
    expect(page).to_have_url(re.compile("difference=1"))
    values = page.evaluate(
        """async () => {
          const { store } = await sgeModule("state/store.js");
          const { differenceOf } = await sgeModule("state/difference.js");
          const map = differenceOf(store.second);
          return [...map.cells()];
        }"""
    )
    assert values == pytest.approx([0.5] * len(values), abs=1e-5)
    choose(page, "signal", "mask")
    expect(legend).to_contain_text("mask, second minus first model")
    expect(legend).to_contain_text("No difference: both maps are the same.")


def test_both_sides_show_the_same_signal_and_inactive_masks_are_named(open_page):
    """The first model shows its masks; the second has inactive gates, whose masks are constant."""

    def edit(record):
        if record["model"]["name"] != "twin":
            return record | {"signal": "mask"}
        return record | {"signal": "similarity", "model": record["model"] | {"gates": "inactive"}}

    page = open_page(before=lambda page: change(page, edit)).page
    page.locator('[data-block="blocks.5.0"]').click()
    page.locator('main > .side sge-group-grid [data-group="20"]').click()
    page.locator("sge-models > button").click()
    page.locator("[data-compare=twin]").click()
    expect(page.locator("sge-compare sge-model-name")).to_contain_text(
        "gates inactive: its masks are constant"
    )
    assert in_stores(page, "({ signal }) => signal") == ["mask", "mask"]
    choose(page, "signal", "similarity")
    assert in_stores(page, "({ signal }) => signal") == ["similarity", "similarity"]
    expect(page.locator("sge-compare sge-model-name")).not_to_contain_text("inactive")


def test_groups_are_ranked_in_both(open_page):
    page = open_page().page
    second = compare(page)
    page.locator("#image").click(position={"x": 120, "y": 90})
    expect(page.get_by_test_id("ranking")).to_have_count(2)
    for ranking in page.get_by_test_id("ranking").all():
        expect(ranking.locator(".tile")).to_have_count(12)
    second.locator("sge-ranking").get_by_role("button", name="Close").click()
    expect(page.locator("main > .side sge-ranking")).to_be_hidden()


def test_the_second_follows_images_and_framing(open_page):
    page = open_page().page
    second = compare(page)
    drop(page, photo("panda", "one.jpg"))
    expect(first_label(page)).to_have_text("giant panda")
    expect(second.locator(".predictions .label").first).to_have_text("giant panda")
    with page.expect_response(re.compile("analyze.*framing=center.*model=twin")):
        choose(page, "framing", "center")
    expect(second.locator("[data-block]").first).to_have_attribute("aria-label", re.compile("56.56 cells"))


def test_parts_of_one_and_groups_of_the_other(open_page, tmp_path):
    """The second model has no part finder: it shows its groups, and the saved image shows both views."""

    def edit(record):
        return record if record["model"]["name"] == "twin" else place(record, FACE)

    page = open_page(before=lambda page: change(page, edit)).page
    alone = Image.open(save(page, "png", tmp_path))
    second = compare(page)
    expect(page.locator("main > .stage sge-legend")).to_contain_text("Nose")
    expect(second.locator("sge-legend")).to_contain_text(re.compile(r"Block .+ · group \d+"))
    both = Image.open(save(page, "png", tmp_path))
    assert both.size == (2 * alone.width, alone.height)
    choose(page, "signal", "similarity")
    expect(page.locator("main > .stage sge-legend")).not_to_contain_text("Nose")


def test_the_shown_signal_applies_to_both(open_page):
    page = open_page(before=with_parts()).page
    second = compare(page)
    expect(second.locator("sge-legend")).to_contain_text("Nose")
    choose(page, "signal", "mask")
    expect(second.locator("sge-legend")).to_contain_text(re.compile(r"Block .+ · group \d+.*mask", re.S))
    choose(page, "signal", "parts")
    expect(second.locator("sge-legend")).to_contain_text("Nose")
