"""The page and the report draw the pixels that the service has decoded, also where the browser reads the file otherwise."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms
from playwright.sync_api import expect

from sge.analysis.report import html_report
from sge.images import decode
from tests.analyses import made
from tests.browser.actions import choose, drop, painted, save, settled
from tests.browser.conftest import SAMPLES, Watched
from tests.browser.placed_parts import change
from tests.drawn_images import encoded, noise, scene, turned

pytestmark = pytest.mark.browser
SIZE = (96, 64)
READ_ELEMENT = """
async (module) => {
  const { store } = await sgeModule(module);
  const { element } = store.image;
  const canvas = new OffscreenCanvas(element.naturalWidth, element.naturalHeight);
  const context = canvas.getContext("2d");
  context.drawImage(element, 0, 0);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  let text = "";
  for (let at = 0; at < data.length; at += 4) text += String.fromCharCode(data[at], data[at + 1], data[at + 2]);
  return [canvas.width, canvas.height, btoa(text)];
}
"""
WAIT_FOR_WIDTH = """
async (width) => {
  const { store } = await sgeModule("state/store.js");
  while (store.image.element.naturalWidth !== width) await new Promise(requestAnimationFrame);
}
"""
READ_THUMB = """
async (image) => {
  const bitmap = await createImageBitmap(image);
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(Math.round(bitmap.width / 4), Math.round(bitmap.height / 4), 1, 1);
  return [...data].slice(0, 3);
}
"""


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_with(png: bytes, *chunks: bytes) -> bytes:
    """A PNG with chunks after its header."""
    return png[:33] + b"".join(chunks) + png[33:]


def with_profile() -> bytes:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ"))
    return encoded(scene(*SIZE), "JPEG", icc_profile=profile.tobytes(), quality=95)


def cmyk() -> bytes:
    return encoded(scene(*SIZE).convert("CMYK"), "JPEG", quality=95)


def deep_with_transparency() -> bytes:
    """16 bits a channel, of which one colour is transparent."""
    width, height = SIZE
    pixels = np.zeros((height, width, 3), ">u2")
    pixels[:, : width // 2] = (0x1234, 0x8000, 0xFFFF)
    pixels[:, width // 2 :] = (0xC000, 0x2000, 0x0100)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)),
            chunk(b"tRNS", struct.pack(">HHH", 0xC000, 0x2000, 0x0100)),
            chunk(b"IDAT", zlib.compress(rows)),
            chunk(b"IEND", b""),
        ]
    )


def stand_in() -> bytes:
    frames = [Image.new("RGB", SIZE, color) for color in ("red", "lime", "blue")]
    out = io.BytesIO()
    frames[0].save(out, "PNG", save_all=True, append_images=frames[1:], default_image=True)
    return out.getvalue()


FILES = {
    "cmyk.jpg": cmyk(),
    "profile.jpg": with_profile(),
    "gamma.png": png_with(encoded(scene(*SIZE)), chunk(b"gAMA", struct.pack(">I", 100_000))),
    "stand_in.png": stand_in(),
    "deep.png": deep_with_transparency(),
    "turned.jpg": turned(scene(*SIZE), 6, "JPEG", quality=95),
    "grey.png": encoded(scene(*SIZE).convert("LA").resize(SIZE)),
}


def element_pixels(page, module="state/store.js"):
    width, height, text = page.evaluate(READ_ELEMENT, module)
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width, 3)


def show(page, name):
    page.locator(f".thumb[aria-label^='{name}']").click()
    expect(page.locator("sge-credit")).to_contain_text(name)
    settled(page)


def sampled(rgb):
    """The pixel a quarter of the way in, away from the edges that the drawn files have in the middle."""
    return np.asarray(rgb.getpixel((rgb.width // 4, rgb.height // 4)), int)


def test_page_and_filmstrip_show_the_decoded_pixels(open_page):
    page = open_page().page
    choose(page, "signal", "similarity")
    page.locator("input[name=opacity]").fill("0")
    drop(page, *((name, "image/jpeg", data) for name, data in FILES.items()))
    expect(page.locator(".thumb[data-status=ready]:not(.sample)")).to_have_count(len(FILES))
    for name, data in FILES.items():
        show(page, name)
        decoded = decode(data).rgb
        assert np.array_equal(element_pixels(page), np.asarray(decoded)), name
        drawn = Image.open(io.BytesIO(base64.b64decode(painted(page).partition(",")[2]))).convert("RGB")
        assert np.abs(sampled(drawn) - sampled(decoded)).max() <= 6, name
        thumb = page.locator(f".thumb[aria-label^='{name}'] img")
        assert np.abs(np.asarray(thumb.evaluate(READ_THUMB)) - sampled(decoded)).max() <= 16, name


def test_a_file_that_the_browser_cannot_read_is_shown(open_page):
    """The browser has no thumbnail of it until the service has decoded it."""
    page = open_page().page
    page.evaluate(
        """() => {
          const real = window.createImageBitmap;
          window.createImageBitmap = (source, ...rest) =>
            source instanceof File ? Promise.reject(new DOMException("no")) : real(source, ...rest);
        }"""
    )
    data = encoded(scene(*SIZE), "PNG")
    drop(page, ("unread.png", "image/png", data))
    expect(page.locator("sge-credit")).to_contain_text("unread.png")
    expect(page.locator(".thumb[aria-label^='unread.png'] img")).to_have_count(1)
    assert np.array_equal(element_pixels(page), np.asarray(decode(data).rgb))


def test_an_enlarged_image_gets_its_own_pixels_once(open_page):
    page = open_page().page
    asked = []
    page.on("request", lambda request: "/api/v1/image" in request.url and asked.append(request.url))
    fine = Image.new("RGB", (2000, 900), "white")
    fine.paste(noise(8, 8).resize((800, 900), Image.Resampling.NEAREST), (600, 0))
    drop(page, ("fine.png", "image/png", encoded(fine, "PNG")))
    expect(page.locator("sge-credit")).to_contain_text("fine.png")
    assert element_pixels(page).shape == (810, 1800, 3)
    assert asked == []
    for _ in range(3):
        page.locator("body").press("+")
    page.evaluate(WAIT_FOR_WIDTH, 2000)
    pixels = element_pixels(page).astype(int)
    assert np.abs(pixels - np.asarray(fine, int)).mean() < 2
    page.locator("body").press("+")
    settled(page)
    assert len(asked) == 1


def test_the_samples_are_drawn_as_they_are_decoded(open_page):
    """Their files are drawn themselves, because they are plain sRGB JPEGs."""
    page = open_page().page
    decoded = np.asarray(decode(SAMPLES / "shepherd.jpg").rgb, int)
    difference = np.abs(element_pixels(page).astype(int) - decoded)
    assert difference.mean() < 0.5
    assert difference.max() <= 24


@pytest.mark.parametrize("name", ["cmyk.jpg", "stand_in.png", "deep.png", "turned.jpg"])
def test_the_report_shows_the_decoded_pixels_and_the_notes(browser, tmp_path, name):
    decoded = decode(FILES[name]).rgb
    path = tmp_path / "report.html"
    analysis = made(decoded.size)
    path.write_text(html_report(dataclasses.replace(analysis, image=decoded)), "utf-8")
    context = browser.new_context(offline=True)
    report = Watched(context, "none")
    report.page.goto(path.as_uri())
    notes = [f"Image: {analysis.image_info.notes[0]}", f"Model: {analysis.model.notes[0]}"]
    expect(report.page.get_by_test_id("notes").locator("li")).to_have_text(notes)
    assert np.array_equal(element_pixels(report.page), np.asarray(decoded))
    report.check()
    context.close()


def test_notes_stand_beside_the_result_and_only_of_their_image(open_page, tmp_path):
    page = open_page().page
    notes = page.get_by_test_id("notes")
    expect(notes).to_be_hidden()

    def noted(record):
        record["image"]["notes"] = ["<b>The profile</b> is damaged and was ignored."]
        record["model"]["notes"] = ["The labels are assumed."]
        return record

    change(page, noted)
    drop(page, ("noted.png", "image/png", FILES["grey.png"]))
    expect(notes.locator("li")).to_have_text(
        ["Image: <b>The profile</b> is damaged and was ignored.", "Model: The labels are assumed."]
    )
    record = json.loads(save(page, "json", tmp_path).read_text())
    assert record["image"]["notes"] == ["<b>The profile</b> is damaged and was ignored."]
    assert "preview" not in record
    page.locator(".thumb.sample").first.click()
    expect(notes).to_be_hidden()
