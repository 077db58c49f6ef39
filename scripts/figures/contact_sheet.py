"""Makes docs/samples.jpg: each shipped sample as the page first shows it.

    python -m scripts.figures.contact_sheet

Needs Chromium and playwright.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from scripts.common import ROOT
from scripts.figures.browsing import open_page

if TYPE_CHECKING:
    from playwright.sync_api import Page

READY_TIMEOUT_MS = 60_000
"""Time for the analysis of a sample on a busy machine."""
SIDE, COLUMNS, MARGIN = 480, 4, 8
"""Side of a cell in pixels, cells in a row, and pixels between two images."""
NEXT_FRAME = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
"""Elements draw once in a frame."""


def sample_views(page: Page) -> list[Image.Image]:
    """The PNG that the page exports, for each sample of the filmstrip."""
    from playwright.sync_api import expect

    views = []
    for thumb in page.locator(".thumb.sample").all():
        thumb.click()
        expect(thumb).to_have_attribute("aria-current", "true", timeout=READY_TIMEOUT_MS)
        page.evaluate(NEXT_FRAME)
        with page.expect_download() as waiting:
            page.locator("[data-download=png]").click()
        views.append(Image.open(Path(waiting.value.path())).convert("RGB"))
    return views


def contact_sheet(views: list[Image.Image]) -> Image.Image:
    """The images in rows, each centered in a cell."""
    sheet = Image.new("RGB", (COLUMNS * SIDE, -(-len(views) // COLUMNS) * SIDE), "#161616")
    for number, view in enumerate(views):
        view.thumbnail((SIDE - MARGIN, SIDE - MARGIN))
        row, column = divmod(number, COLUMNS)
        sheet.paste(view, (column * SIDE + (SIDE - view.width) // 2, row * SIDE + (SIDE - view.height) // 2))
    return sheet


def main() -> None:
    """Writes the figure."""
    with open_page() as page:
        views = sample_views(page)
    contact_sheet(views).save(ROOT / "docs" / "samples.jpg", quality=86, optimize=True)


if __name__ == "__main__":
    main()
