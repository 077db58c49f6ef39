"""Decoded pixels, compared with Chromium's own rendering of the same files on white."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from sge.errors import ImageError
from sge.images import decode
from tests.decoder_cases import all_cases

pytestmark = pytest.mark.browser

RENDER = """async (files) => {
  const shown = [];
  for (const file of files) {
    const bytes = Uint8Array.from(atob(file), (letter) => letter.charCodeAt(0));
    const image = new Image();
    image.src = URL.createObjectURL(new Blob([bytes]));
    try {
      await image.decode();
    } catch {
      shown.push(null);
      continue;
    }
    const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
    const context = canvas.getContext("2d", { colorSpace: "srgb", willReadFrequently: true });
    context.fillStyle = "white";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(image, 0, 0);
    const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
    let letters = "";
    for (const value of pixels) letters += String.fromCharCode(value);
    shown.push([canvas.width, canvas.height, btoa(letters)]);
  }
  return shown;
}"""


@pytest.fixture(scope="module")
def rendered(browser):
    """What Chromium shows of every file, (h, w, 3) int; None for one that it refuses."""
    page = browser.new_page()
    page.goto("about:blank")
    cases = all_cases()
    answers = page.evaluate(RENDER, [base64.b64encode(case.data).decode() for case in cases])
    page.close()
    shown = {}
    for case, answer in zip(cases, answers, strict=True):
        if answer is not None:
            width, height, pixels = answer
            values = np.frombuffer(base64.b64decode(pixels), np.uint8).reshape(height, width, 4)
            answer = values[..., :3].astype(int)
        shown[case.name] = answer
    return shown


def difference(data, shown):
    """Largest difference in levels of 255; infinite if the sizes differ or only one of the two is there."""
    try:
        ours = np.asarray(decode(data).rgb).astype(int)
    except ImageError:
        return 0 if shown is None else np.inf
    return np.abs(ours - shown).max() if shown is not None and shown.shape == ours.shape else np.inf


def test_what_is_decoded_is_what_chromium_shows(rendered):
    compared = [case for case in all_cases() if not case.chromium]
    assert len(compared) > 280
    differences = {case.name: difference(case.data, rendered[case.name]) for case in compared}
    wrong = {
        case.name: differences[case.name]
        for case in compared
        if differences[case.name] > case.browser_tolerance
    }
    assert wrong == {}


def test_files_that_chromium_shows_otherwise_are_few_and_each_has_a_reference(rendered):
    others = [case for case in all_cases() if case.chromium]
    assert len(others) < 40
    assert [case.name for case in others if case.wanted is None and rendered[case.name] is not None] == []
