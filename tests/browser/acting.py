"""What a visitor does: drops, chooses, saves; and what the page shows."""

from __future__ import annotations

import base64

from tests.browser.conftest import SAMPLES

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


def settled(page):
    """After the next frame: elements draw once a frame."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def choose(page, name, value):
    """Presses one of the segments."""
    page.locator(f"label:has(input[name={name}][value={value}])").click()
    settled(page)


def save(page, kind, folder):
    with page.expect_download() as waiting:
        page.locator(f"[data-download={kind}]").click()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path
