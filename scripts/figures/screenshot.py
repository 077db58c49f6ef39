"""Makes docs/screenshot.jpg and docs/switch.jpg: the page as it opens, and with three groups switched off.

    python -m scripts.figures.screenshot

Needs Chromium and playwright.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image

from scripts.common import ROOT
from scripts.figures.browsing import open_page

if TYPE_CHECKING:
    from playwright.sync_api import Page

SWITCHED_OFF = "#block=blocks.5.0&off=blocks.5.0:20,36,26&mode=zero"
"""The view of three groups that few would look at, and on which the first class depends."""
SETTLE_MS = 1500
"""Time in which bars slide and maps are drawn, in milliseconds."""


def save(page: Page, name: str) -> None:
    """Writes the window to ``docs/NAME``."""
    page.wait_for_timeout(SETTLE_MS)
    image = Image.open(io.BytesIO(page.screenshot()))
    image.convert("RGB").save(ROOT / "docs" / name, quality=90)


def main() -> None:
    """Writes the figures."""
    with open_page() as page:
        save(page, "screenshot.jpg")
        page.evaluate("(hash) => location.assign(hash)", SWITCHED_OFF)
        page.wait_for_function("() => document.querySelector('.predictions .band') !== null")
        save(page, "switch.jpg")


if __name__ == "__main__":
    main()
