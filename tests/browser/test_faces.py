"""Faces and confidence: the list of parts by face, the emphasized face, unsure parts, and what the parts were found by."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.actions import choose, painted, save, settled
from tests.browser.conftest import Watched
from tests.browser.placed_parts import (
    ANALYSES,
    FACE,
    NOTHING_FOUND,
    by_detector,
    change,
    with_choice,
    with_parts,
)
from tests.browser.test_accessibility import SIZES, violations
from tests.browser.test_parts import pixels, shown

pytestmark = pytest.mark.browser

FIRST = [(*part, 0, True) for part in FACE]
SECOND = [("nose", 0.2, 0.3, 0.61, 1, True), ("left_eye", 0.15, 0.2, 0.31, 1, False)]
FACES = [*FIRST, *SECOND]
MANY = [("nose", 0.05 + 0.055 * i, 0.1 + 0.05 * i, 0.99 - 0.03 * i, i, i < 16) for i in range(17)]


def parts(page):
    return page.locator("sge-legend .part")


def difference(one, other, x, y):
    """The mean change of colors around a position, given as fractions."""
    height, width = one.shape[:2]
    at = slice(int(y * height) - 12, int(y * height) + 13), slice(int(x * width) - 12, int(x * width) + 13)
    return float(np.abs(one[at] - other[at]).mean())


def test_parts_are_listed_by_face(open_page):
    page = open_page(390, 844, before=with_parts(FACES)).page
    listed = page.get_by_test_id("legend").get_by_role("list", name=re.compile("^Parts that were found"))
    expect(listed.get_by_role("list", name="Face 1").get_by_role("button")).to_have_count(3)
    second = listed.get_by_role("list", name="Face 2").get_by_role("button")
    expect(second).to_have_count(2)
    expect(second.nth(0)).to_have_attribute("aria-label", "Nose 61 %: nose of face 2, confidence 0.61")
    expect(second.nth(1)).to_have_attribute(
        "aria-label", "Left eye 31 % unsure: left eye of face 2, confidence 0.31, unsure"
    )
    expect(page.locator("#image")).to_have_attribute(
        "aria-label",
        re.compile(
            "face 1: nose 97 %, left eye 93 %, right eye 90 %; face 2: nose 61 %, left eye unsure 31 %"
        ),
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_single_face_has_no_number(open_page):
    page = open_page(before=with_parts(FIRST)).page
    expect(parts(page)).to_have_count(3)
    expect(parts(page).first).to_have_attribute("aria-label", "Nose 97 %: nose, confidence 0.97")
    expect(page.get_by_test_id("legend")).not_to_contain_text("Face")
    expect(page.get_by_test_id("legend")).not_to_contain_text("unsure")


def test_parts_of_records_without_faces_are_one_list(open_page):
    page = open_page(before=with_parts([*FACE, ("nose", 0.2, 0.3, 0.61), ("left_eye", 0.15, 0.2, 0.72)])).page
    names = ["Nose 97 %", "Left eye 93 %", "Right eye 90 %", "Nose 61 %", "Left eye 72 %"]
    expect(page.get_by_test_id("legend").get_by_role("listitem")).to_have_text(names)


def test_the_face_under_the_pointer_or_the_focus_is_emphasized(open_page):
    page = open_page(before=with_parts(FACES)).page
    plain = painted(page)
    eye = parts(page).nth(1)
    eye.hover()
    settled(page)
    hovered = painted(page)
    assert hovered != plain
    marked = page.locator(".part.marked")
    expect(marked).to_have_text(["Nose 97 %", "Left eye 93 %", "Right eye 90 %"])
    # The other face fades, and the emphasized one has stronger rings.
    images = pixels(plain), pixels(hovered)
    assert difference(*images, 0.2, 0.3) > 3
    page.mouse.move(5, 5)
    settled(page)
    assert painted(page) == plain
    expect(marked).to_have_count(0)
    eye.focus()
    settled(page)
    assert painted(page) == hovered
    eye.blur()
    settled(page)
    assert painted(page) == plain
    box = page.locator("#image").bounding_box()
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.3 * box["height"])
    expect(marked).to_have_text(["Nose 61 %", "Left eye 31 % unsure"])
    page.mouse.move(box["x"] + 0.45 * box["width"], box["y"] + 0.7 * box["height"])
    expect(marked).to_have_count(0)


def test_the_cross_of_the_keyboard_emphasizes_a_face(open_page):
    page = open_page(before=with_parts([("nose", 0.5, 0.5, 0.9, 0, True), *SECOND])).page
    page.locator("#image").focus()
    page.keyboard.press("Shift+ArrowRight")  # from the middle, by a hundredth
    expect(page.locator(".part.marked")).to_have_text(["Nose 90 %"])


def test_an_unsure_part_is_drawn_dashed_and_lighter(open_page):
    """Along the ring of a sure part the color is the same everywhere; along a dashed one it is interrupted."""
    sure = with_parts([("nose", 0.3, 0.7, 0.45, 0, True)])
    unsure = with_parts([("nose", 0.3, 0.7, 0.45, 0, False)])
    images = [pixels(painted(open_page(before=before).page)) for before in (sure, unsure)]
    height, width = images[0].shape[:2]
    angles = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    rows = np.rint(0.7 * height + 0.05 * height * np.sin(angles)).astype(int)
    cols = np.rint(0.3 * width + 0.05 * width * np.cos(angles)).astype(int)
    orange = [(image[rows, cols, 0] - image[rows, cols, 2] > 60).mean() for image in images]
    assert orange[0] > 0.9
    assert 0.3 < orange[1] < 0.85
    middle = [image[int(0.7 * height), int(0.3 * width)] for image in images]
    assert middle[0][0] - middle[0][2] > middle[1][0] - middle[1][2] + 20


def test_the_legend_explains_the_dashed_ring(open_page):
    page = open_page(before=with_parts(FACES)).page
    expect(page.get_by_test_id("legend")).to_contain_text("dashed: unsure")
    expect(page.locator("sge-legend .part .part-dot.unsure")).to_have_count(1)


def test_many_faces_leave_room_for_the_image(open_page):
    page = open_page(before=with_parts(MANY)).page
    expect(parts(page)).to_have_count(17)
    assert page.locator("#image").bounding_box()["height"] > 400
    parts(page).last.focus()
    expect(parts(page).last).to_be_in_viewport()
    expect(page.locator(".part.marked")).to_have_count(1)
    parts(page).first.focus()
    box = page.locator("#image").bounding_box()
    _, x, y, *_ = MANY[-1]
    page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
    expect(parts(page).last).to_have_class(re.compile("marked"))
    expect(parts(page).last).to_be_in_viewport()


def test_a_part_leads_to_its_groups(open_page):
    page = open_page(before=with_choice(FACES)).page
    parts(page).first.click()
    grid = page.locator("sge-group-grid")
    expect(grid.get_by_role("heading", level=3)).to_have_text(
        [
            re.compile("^Nose12 groups of 3 blocks, with 51 % of the positive weights"),
            re.compile("^Eye12 groups"),
        ]
    )
    expect(grid.locator(".tile")).to_have_count(24)
    expect(grid).to_contain_text("a weighted sum of groups and single channels")
    expect(grid).to_contain_text("the groups with the largest positive weights, not the whole sum")
    expect(grid.locator(".tile").first).to_have_attribute(
        "aria-label", re.compile("5.0 % of the positive weights for the nose")
    )
    block = page.locator('[data-block="blocks.5.0"]')
    expect(block).to_have_attribute("aria-label", re.compile("4 of the 12 groups listed for the nose"))
    page.get_by_test_id("legend").get_by_role("button", name="Without the 12 listed nose groups").click()
    expect(page.locator("sge-ablation")).to_contain_text("those listed for the nose")


def test_the_choice_of_the_finder_is_part_of_the_view(open_page):
    page = open_page(before=with_choice()).page
    choice = page.locator("select[name=parts-by]")
    expect(choice).to_have_value("mix")
    expect(page.get_by_test_id("legend")).to_contain_text("Parts by groups and channels")
    choice.focus()
    with page.expect_request(lambda request: "parts_by=groups" in request.url):
        choice.select_option("groups")
    page.wait_for_url(re.compile("parts=groups"))
    choose(page, "sort", "parts")
    expect(page.locator("sge-group-grid")).to_contain_text("a weighted sum of groups alone")
    assert shown(page) == "parts"
    page.reload()
    expect(choice).to_have_value("groups")
    expect(page.locator("sge-group-grid")).to_contain_text("a weighted sum of groups alone")
    page.locator("[popovertarget=code]").click()
    expect(page.get_by_test_id("curl")).to_contain_text("parts_by=groups")
    page.keyboard.press("Escape")
    choice.select_option("mix")
    expect(page.locator("sge-group-grid")).to_contain_text("groups and single channels")
    page.wait_for_url(lambda url: "parts=groups" not in url)


def test_a_choice_that_fails_is_taken_back_in_the_grid_too(open_page):
    watched = open_page(before=with_choice([]))
    watched.expected = ["Failed to load resource"]
    page = watched.page
    choose(page, "sort", "parts")
    choice = page.locator("sge-group-grid select[name=parts-by]")
    expect(choice).to_have_value("mix")
    page.route(ANALYSES, lambda route: route.fulfill(status=422, json={"detail": "A made-up fault."}))
    choice.select_option("groups")
    expect(page.get_by_role("alert")).to_contain_text("A made-up fault.")
    expect(choice).to_have_value("mix")
    expect(page.locator("sge-group-grid")).to_contain_text("groups and single channels")


def test_the_counts_below_the_blocks_follow_the_choice(open_page):
    page = open_page(before=with_choice()).page
    counts = page.locator("sge-block-picker").first.locator(".block:has(.counts span:not(:empty))")
    expect(counts).to_have_count(3)
    before = counts.all_inner_texts()
    page.locator("select[name=parts-by]").select_option("groups")
    expect(page.locator("[data-block='blocks.4.1'] + .counts")).to_have_text("44")
    expect(page.locator("[data-block='blocks.4.2'] + .counts")).to_have_text("")
    page.locator("select[name=parts-by]").select_option("mix")
    expect(page.locator("[data-block='blocks.4.2'] + .counts")).to_have_text("44")
    assert counts.all_inner_texts() == before


def test_a_comparison_follows_the_choice(open_page):
    page = open_page(before=with_choice()).page
    page.locator("sge-models > button").click()
    page.locator("[data-compare]").first.click()
    second = page.locator("sge-compare select[name=parts-by-second]")
    expect(second).to_have_value("mix")
    choose(page, "sort", "parts")
    grid = page.locator("sge-compare sge-group-grid")
    expect(grid).to_contain_text("a weighted sum of groups and single channels")
    page.locator("select[name=parts-by]").select_option("groups")
    expect(second).to_have_value("groups")
    expect(grid).to_contain_text("a weighted sum of groups alone")


def test_with_a_single_finder_there_is_no_choice(open_page):
    page = open_page(
        before=lambda page: change(page, lambda record: by_detector(record, finders=["mix"]))
    ).page
    expect(page.get_by_test_id("legend")).to_contain_text("Parts by groups and channels")
    expect(page.locator("select[name=parts-by]")).to_have_count(0)


def test_where_nothing_is_found_the_sentence_and_the_choice_can_be_reached(open_page):
    page = open_page(390, 844, before=with_choice([])).page
    page.get_by_test_id("legend").get_by_role("button", name=NOTHING_FOUND).click()
    expect(page.locator("sge-status")).to_contain_text(NOTHING_FOUND)
    choose(page, "sort", "parts")
    choice = page.locator("select[name=parts-by]")
    choice.select_option("groups")
    expect(page.locator("sge-group-grid")).to_contain_text("a weighted sum of groups alone")
    expect(choice).to_have_value("groups")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize(("width", "height"), [(320, 640), (390, 844), (820, 1180), (1440, 900)])
def test_the_legend_is_as_high_for_any_number_of_faces(open_page, width, height):
    """A previewed group replaces the list, and the image must not move."""
    page = open_page(width, height, before=with_choice(FIRST)).page
    names = ["sge-legend", "sge-image"]
    sizes = {name: page.locator(name).first.bounding_box()["height"] for name in names}
    for case in (MANY, FACES, []):
        page.unroute_all()
        with_choice(case)(page)
        page.reload()
        page.wait_for_selector("html[data-maps=ready]")
        found = {name: page.locator(name).first.bounding_box()["height"] for name in names}
        assert found == sizes, len(case)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_report_has_faces_and_says_what_found_them(open_page, browser, tmp_path):
    path = save(open_page().page, "html", tmp_path)
    pattern = re.compile(r'(<script type="application/json" id="analysis">)(.*?)(</script>)', re.DOTALL)
    text = path.read_text("utf-8")
    record = by_detector(json.loads(pattern.search(text)[2]), FACES)
    written = json.dumps(record).replace("<", "\\u003c")
    path.write_text(pattern.sub(lambda found: found[1] + written + found[3], text), "utf-8")
    context = browser.new_context(offline=True)
    report = Watched(context, "none")
    report.page.goto(path.as_uri())
    legend = report.page.get_by_test_id("legend")
    expect(legend).to_contain_text("Parts by groups and channels")
    expect(legend.locator("select")).to_have_count(0)
    expect(legend.get_by_role("list", name="Face 2").get_by_role("button")).to_have_count(2)
    parts(report.page).last.hover()
    expect(report.page.locator(".part.marked")).to_have_count(2)
    report.check()
    context.close()


def test_the_saved_image_shows_every_face(open_page, tmp_path):
    page = open_page(before=with_parts(FACES)).page
    assert save(page, "png", tmp_path).stat().st_size > 10_000


@pytest.mark.parametrize(("size", "scheme"), [("phone", "dark"), ("desktop", "light")])
def test_axe_finds_nothing_in_faces_and_the_choice(open_page, size, scheme):
    page = open_page(*SIZES[size], scheme=scheme, before=with_choice(FACES)).page
    parts(page).nth(1).focus()
    assert violations(page) == []
    choose(page, "sort", "parts")
    page.evaluate("scrollTo(0, 0)")  # what the sticky image covers by half is no target
    assert violations(page) == []
