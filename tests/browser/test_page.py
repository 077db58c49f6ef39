"""The page in a real browser, from the first sight to what is taken away."""

from __future__ import annotations

import base64
import json
import os
import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.conftest import SAMPLES, Watched

pytestmark = pytest.mark.browser

DROP = """
([files]) => {
  const transfer = new DataTransfer();
  for (const [name, type, text] of files) {
    transfer.items.add(new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], name, { type }));
  }
  const options = { dataTransfer: transfer, bubbles: true, cancelable: true };
  document.body.dispatchEvent(new DragEvent("dragover", options));
  document.body.dispatchEvent(new DragEvent("drop", options));
}
"""


def drop(page, *files):
    packed = [(name, kind, base64.b64encode(data).decode()) for name, kind, data in files]
    page.evaluate(DROP, [packed])


def photo(sample, name):
    return name, "image/jpeg", (SAMPLES / f"{sample}.jpg").read_bytes()


def first_label(page):
    return page.get_by_test_id("predictions").locator(".label").first


def painted(page):
    """The picture's pixels, to see whether it has changed."""
    return page.locator("#picture").evaluate("(canvas) => canvas.toDataURL()")


def save(page, kind, folder):
    with page.expect_download() as waiting:
        page.locator(f"[data-download={kind}]").click()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def test_it_opens_with_a_sample_already_analysed(open_page):
    page = open_page().page
    expect(first_label(page)).to_have_text("German shepherd")
    expect(page.locator("sge-credit .badge")).to_have_text("sample")
    expect(page.get_by_test_id("gates")).to_contain_text("asleep")
    expect(page.get_by_test_id("legend")).to_contain_text("blocks.5.3/g47")
    expect(page.locator("sge-wall .tile")).to_have_count(64)


def test_the_main_job(open_page, tmp_path):
    """Drop a photo, read the classes, open a block, pin a group, click the picture, take the results."""
    page = open_page().page
    drop(page, photo("panda", "my panda.jpg"))
    expect(first_label(page)).to_have_text("giant panda")
    expect(page.get_by_test_id("predictions").locator("li")).to_have_count(5)

    page.locator('[data-block="blocks.4.1"]').click()
    expect(page.get_by_role("heading", name="56 groups of blocks.4.1")).to_be_visible()
    before = painted(page)
    page.locator('sge-wall [data-group="17"]').click()
    page.mouse.move(5, 5)
    expect(page.get_by_test_id("legend")).to_contain_text("blocks.4.1/g17")
    expect(page.locator('sge-wall [data-group="17"]')).to_have_attribute("aria-pressed", "true")
    assert painted(page) != before

    page.locator("#picture").click(position={"x": 60, "y": 60})
    expect(page.get_by_test_id("ranking").locator(".tile")).to_have_count(12)
    values = [float(text) for text in page.get_by_test_id("ranking").locator(".tile-note").all_inner_texts()]
    assert values == sorted(values, reverse=True)
    assert values[0] > 1

    with np.load(save(page, "npz", tmp_path)) as arrays:
        assert arrays["blocks.4.1"].shape[0] == 56
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
    expect(report.page.locator("sge-wall .tile")).to_have_count(64)
    expect(first_label(report.page)).to_have_text("German shepherd")
    before = painted(report.page)
    report.page.locator('sge-wall [data-group="3"]').click()
    expect(report.page.get_by_test_id("legend")).to_contain_text("blocks.5.3/g3")
    assert painted(report.page) != before
    report.check()
    context.close()


@pytest.mark.parametrize(
    ("name", "kind", "data", "sentence"),
    [
        ("broken.jpg", "image/jpeg", (SAMPLES / "panda.jpg").read_bytes()[:5000], "damaged or cut off"),
        ("notes.txt", "text/plain", b"no picture at all", "not a JPEG, PNG, WebP, GIF or AVIF"),
        ("huge.jpg", "image/jpeg", b"\xff\xd8\xff" + bytes(4 * 1024 * 1024), "larger than 4 MiB"),
    ],
)
def test_a_bad_file_is_told_and_the_last_picture_stays(open_page, name, kind, data, sentence):
    watched = open_page()
    watched.expected = ["Failed to load resource"]  # the browser's own line for an answer of 4xx
    before = painted(watched.page)
    drop(watched.page, (name, kind, data))
    expect(watched.page.get_by_role("alert")).to_contain_text(sentence)
    expect(first_label(watched.page)).to_have_text("German shepherd")
    assert painted(watched.page) == before


def test_many_files_and_the_arrow_keys(open_page):
    page = open_page().page
    page.locator("sge-wall .tile").nth(2).click()
    pinned = page.locator(".chip b").inner_text()
    drop(page, photo("panda", "one.jpg"), photo("koala", "two.jpg"))
    expect(page.locator(".thumb:not(.sample)")).to_have_count(2)
    expect(first_label(page)).to_have_text("koala")
    page.locator("body").press("ArrowLeft")
    expect(first_label(page)).to_have_text("giant panda")
    expect(page.locator(".chip b")).to_have_text(pinned)
    page.locator("body").press("ArrowLeft")
    page.locator("body").press("ArrowLeft")
    expect(first_label(page)).to_have_text("German shepherd")


def test_a_picture_is_pasted(open_page):
    page = open_page().page
    packed = base64.b64encode((SAMPLES / "koala.jpg").read_bytes()).decode()
    page.evaluate(
        """(text) => {
          const transfer = new DataTransfer();
          const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
          transfer.items.add(new File([bytes], "p.jpg", { type: "image/jpeg" }));
          window.dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer }));
        }""",
        packed,
    )
    expect(first_label(page)).to_have_text("koala")


def test_by_keyboard_alone(open_page):
    page = open_page().page
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.classList.contains('tile')"):
            break
    else:
        pytest.fail("the wall is not reached by Tab")
    first = page.evaluate("document.activeElement.dataset.group")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.dataset.group") != first
    page.keyboard.press("Enter")
    expect(page.locator(".chip")).to_have_count(1)
    page.locator("#picture").focus()
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
        page.locator("sge-wall .tile").nth(i).click()
    expect(page.locator(".chip")).to_have_count(6)
    expect(page.get_by_role("status")).to_contain_text("Six groups are pinned")
    page.locator(".chip button").first.click()
    expect(page.locator(".chip")).to_have_count(5)


def test_how_it_is_shown(open_page):
    page = open_page().page
    seen = {painted(page)}
    for name, value in (("colormap", "viridis"), ("scale", "absolute")):
        page.locator(f"select[name={name}]").select_option(value)
        page.wait_for_function(
            "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"
        )
        seen.add(painted(page))
    assert len(seen) == 3
    page.locator("select[name=signal]").select_option("mask")
    expect(page.locator(".flat-note")).to_contain_text("0.73 everywhere")
    expect(page.locator("sge-wall .tile.flat")).to_have_count(64)


def test_centre_framing_asks_the_service_again(open_page):
    page = open_page().page
    page.locator(".thumb[aria-label^='Giant panda']").click()
    expect(first_label(page)).to_have_text("giant panda")
    with page.expect_response(re.compile("analyze.*framing=center")):
        page.locator("select[name=framing]").select_option("center")
    expect(page.locator("[data-block]").first).to_have_attribute("aria-label", re.compile("56.56 cells"))
    page.locator("#picture").click(position={"x": 4, "y": 100})
    expect(page.locator("sge-ranking")).to_contain_text("did not see this place")


@pytest.mark.parametrize(("width", "height"), [(390, 844), (820, 1180), (1440, 900), (3840, 2160)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_sticks_out(open_page, width, height, scheme):
    page = open_page(width, height, scheme).page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("window.scrollY") == 0
    box = page.locator("#picture").bounding_box()
    assert box["width"] >= min(width, height) * 0.45
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width


def test_a_label_is_never_markup(open_page):
    page = open_page().page
    drop(page, photo("panda", "<img src=x onerror=alert(1)>.jpg"))
    expect(page.locator("sge-credit")).to_contain_text("<img src=x onerror=alert(1)>.jpg")
    assert page.locator("sge-credit img").count() == 0


@pytest.mark.skipif("SGE_SCREENSHOT" not in os.environ, reason="SGE_SCREENSHOT names no file to write")
def test_screenshot(open_page, tmp_path):
    page = open_page().page
    page.screenshot(path=tmp_path / "page.png")
    Image.open(tmp_path / "page.png").convert("RGB").save(os.environ["SGE_SCREENSHOT"], quality=90)
