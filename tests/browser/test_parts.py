"""Parts: where they are drawn and where not, the legend, the marks in the group grid, and the exports."""

from __future__ import annotations

import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.actions import choose, drop, painted, photo, save, settled
from tests.browser.conftest import Watched
from tests.browser.placed_parts import FACE, NOTHING_FOUND, change, place, with_parts, without_finder

pytestmark = pytest.mark.browser

PLAIN = """async ([width, height]) => {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const { store } = await sgeModule("state/store.js");
  canvas.getContext("2d").drawImage(store.image.element, 0, 0, width, height);
  return canvas.toDataURL();
}"""


def pixels(url):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGB"), float)


def shown(page):
    return page.locator("input[name=signal]:checked").get_attribute("value")


def test_without_a_part_finder_the_page_does_not_mention_parts(open_page):
    page = open_page(before=without_finder).page
    assert shown(page) == "mask"
    expect(page.locator("label:has(input[value=parts])")).to_have_count(2)
    for choice in page.locator("label:has(input[value=parts])").all():
        expect(choice).to_be_hidden()
    expect(page.locator("sge-group-grid .tile")).to_have_count(64)
    expect(page.locator(".part-dot")).to_have_count(0)
    expect(page.get_by_test_id("legend")).not_to_contain_text("found")


def test_without_a_face_the_groups_are_shown(open_page):
    page = open_page(before=with_parts([], stray=[(0.3, 0.3)])).page
    expect(page.get_by_test_id("legend")).to_contain_text(NOTHING_FOUND)
    assert shown(page) == "mask"
    expect(page.locator("input[name=signal][value=parts]")).to_be_disabled()
    expect(page.locator("sge-group-grid .tile")).to_have_count(64)
    expect(page.get_by_role("alert")).to_be_empty()


def test_only_parts_are_highlighted(open_page):
    """A map may have further peaks; only the surroundings of a part that was found are drawn."""
    clean = pixels(painted(open_page(before=with_parts()).page))
    stray = pixels(painted(open_page(before=with_parts(stray=[(0.2, 0.8), (0.1, 0.1)])).page))
    # The two maps are quantized to 8 bits between different limits.
    assert np.abs(clean - stray).max() <= 4


@pytest.mark.parametrize(
    ("parts", "options"),
    [
        ([("nose", 0.0, 0.0, 0.5), ("left_eye", 0.999, 0.999, 0.5)], {}),
        ([("nose", 0.5, 0.5, 0.41)], {"side": 0.0}),
        ([("nose", 0.5, 0.5, 1.0), ("nose", 0.5, 0.5, 0.9)], {"side": 3.0}),
        ([("right_eye", 0.5, 0.5, 0.6)], {"peak": 0.05}),
    ],
    ids=["at the corners", "no box", "two at one position, box over everything", "map below its threshold"],
)
def test_unusual_parts_are_drawn(open_page, parts, options):
    page = open_page(before=with_parts(parts, **options)).page
    assert shown(page) == "parts"
    drawn = painted(page)
    page.locator("input[name=opacity]").fill("0")
    settled(page)
    assert painted(page) != drawn


def test_a_photo_opens_with_its_parts(open_page):
    page = open_page(before=with_parts()).page
    assert shown(page) == "parts"
    expect(page.get_by_test_id("legend").get_by_role("listitem")).to_have_text(
        ["Nose 97 %", "Left eye 93 %", "Right eye 90 %"]
    )
    expect(page.locator("#image")).to_have_attribute(
        "aria-label", re.compile("nose 97 %, left eye 93 %, right eye 90 %")
    )
    image = pixels(painted(page))
    height, width = image.shape[:2]
    plain = pixels(open_page(before=without_finder).page.evaluate(PLAIN, [width, height]))

    def gain(x, y):
        at = slice(int(y * height) - 3, int(y * height) + 4), slice(int(x * width) - 3, int(x * width) + 4)
        return (image[at] - plain[at]).mean((0, 1))

    red, _, blue = gain(0.69, 0.365)
    assert red > max(40, blue + 30)  # the nose is orange
    red, green, blue = gain(0.63, 0.275)
    assert min(green, blue) > max(25, red + 25)  # the eyes are cyan
    assert np.abs(gain(0.2, 0.1)).max() < 40  # the rest of the photo is unchanged


def test_a_previewed_or_pinned_group_replaces_the_parts(open_page):
    page = open_page(before=with_parts()).page
    parts = painted(page)
    tile = page.locator("sge-group-grid .tile").first
    tile.hover()
    settled(page)
    assert painted(page) != parts
    group = tile.get_attribute("data-group")
    expect(page.get_by_test_id("legend")).to_contain_text(f"Block 5.3 · group {group}")
    assert shown(page) == "parts"
    page.mouse.move(5, 5)
    settled(page)
    assert painted(page) == parts
    tile.click()
    page.mouse.move(5, 5)
    settled(page)
    assert shown(page) == "mask"
    assert painted(page) != parts
    page.locator(".chip .remove").click()
    settled(page)
    assert shown(page) == "parts"
    assert painted(page) == parts
    choose(page, "signal", "similarity")
    expect(page.get_by_test_id("legend")).not_to_contain_text("Nose")
    choose(page, "signal", "parts")
    assert painted(page) == parts


def test_a_pair_of_eyes_is_listed_left_to_right(open_page):
    """The left eye comes first, whichever has the higher score."""
    pair = [("right_eye", 0.7, 0.3, 0.9), ("left_eye", 0.6, 0.3, 0.6)]
    legend = open_page(before=with_parts(pair)).page.get_by_test_id("legend")
    expect(legend.get_by_role("listitem")).to_have_text(["Left eye 60 %", "Right eye 90 %"])


def test_the_group_grid_shows_the_groups_of_each_readout(open_page):
    page = open_page(before=with_parts()).page
    choose(page, "sort", "parts")
    grid = page.locator("sge-group-grid")
    expect(grid.get_by_role("heading", level=3)).to_have_text(
        [
            "Nose3 groups of 3 blocks",
            "Eye4 groups of 3 blocks; 2 of them below 1 % are not shown",
        ]
    )
    captions = ["5.3·g47 60 %", "4.2·g3 39 %", "5.0·g9 1.5 %", "5.0·g9 70 %", "5.0·g11 29 %"]
    expect(grid.locator(".tile-caption")).to_have_text(captions)
    for tile in grid.locator('[data-block-of="blocks.5.0"][data-group="9"]').all():
        expect(tile).to_have_attribute(
            "aria-label", re.compile("1.5 % of the nose readout, 70 % of the eye readout")
        )
    block = page.locator('[data-block="blocks.5.0"]')
    expect(block).to_have_attribute("aria-label", re.compile("1 in the nose readout, 2 in the eye readout"))
    expect(block.locator("+ .counts span")).to_have_text(["1", "2"])
    block.click()
    expect(grid.locator(".tile")).to_have_count(56)
    expect(grid.locator(".tile:has(.part-dot)")).to_have_count(2)
    expect(grid.locator('[data-group="9"] .part-dot')).to_have_count(2)
    choose(page, "sort", "parts")
    expect(grid.locator(".tile")).to_have_count(5)


def test_the_current_view_is_saved_and_copied(open_page, tmp_path):
    page = open_page(before=with_parts(), permissions=["clipboard-read", "clipboard-write"]).page
    with_them = Image.open(save(page, "png", tmp_path)).convert("RGB")
    assert with_them.width >= 1200
    page.locator("[data-copy=image]").click()
    expect(page.locator("sge-status")).to_contain_text("The view was copied")
    copied = page.evaluate(
        """async () => {
          const [item] = await navigator.clipboard.read();
          const blob = await item.getType("image/png");
          return new Promise((done) => {
            const reader = new FileReader();
            reader.onload = () => done(reader.result);
            reader.readAsDataURL(blob);
          });
        }"""
    )
    assert np.array_equal(pixels(copied), np.asarray(with_them, float))
    choose(page, "signal", "similarity")
    groups = Image.open(save(page, "png", tmp_path)).convert("RGB")
    assert groups.size == with_them.size
    assert groups.tobytes() != with_them.tobytes()


def test_a_dropped_photo_after_one_without_a_face(open_page):
    """Without a choice by the visitor, the view depends on the image."""

    def edit(record):
        return place(record, FACE if record["image"]["name"] == "dog.jpg" else [])

    page = open_page(before=lambda page: change(page, edit)).page
    assert shown(page) == "mask"
    drop(page, photo("shepherd", "dog.jpg"))
    expect(page.get_by_test_id("legend")).to_contain_text("Nose")
    page.locator("body").press("k")
    expect(page.get_by_test_id("legend")).to_contain_text(NOTHING_FOUND)


def test_the_report_shows_the_parts(open_page, browser, tmp_path):
    path = save(open_page().page, "html", tmp_path)
    pattern = re.compile(r'(<script type="application/json" id="analysis">)(.*?)(</script>)', re.DOTALL)
    text = path.read_text("utf-8")
    record = json.dumps(place(json.loads(pattern.search(text)[2]), FACE)).replace("<", "\\u003c")
    path.write_text(pattern.sub(lambda found: found[1] + record + found[3], text), "utf-8")
    context = browser.new_context(offline=True)
    report = Watched(context, "none")
    report.page.goto(path.as_uri())
    expect(report.page.get_by_test_id("legend").get_by_role("listitem")).to_have_text(
        ["Nose 97 %", "Left eye 93 %", "Right eye 90 %"]
    )
    parts = painted(report.page)
    choose(report.page, "signal", "similarity")
    assert painted(report.page) != parts
    report.check()
    context.close()
