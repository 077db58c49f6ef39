"""Actions of a visitor (drop, choose, save), and readings of what the page shows."""

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
    """The drawn image as a data URL, to tell whether it has changed."""
    return page.locator("#image").evaluate("(canvas) => canvas.toDataURL()")


def settled(page):
    """Waits for the next frame, because elements draw once a frame."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def choose(page, name, value):
    """Chooses a value of a segmented control."""
    page.locator(f"label:has(input[name={name}][value={value}])").click()
    settled(page)


def use_model(page, name):
    """Uses another model, chosen in the menu."""
    page.locator("sge-models > button").click()
    page.locator(f"[data-model={name}]").click()


def save(page, file_format, folder):
    """Downloads an export and returns its path."""
    with page.expect_download() as waiting:
        page.locator(f"[data-download={file_format}]").click()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path
