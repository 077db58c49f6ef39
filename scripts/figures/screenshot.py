"""Makes docs/screenshot.jpg: the page as it opens.

    python -m scripts.figures.screenshot

Needs Chromium and playwright.
"""

from __future__ import annotations

import io

from PIL import Image

from scripts.common import ROOT
from scripts.figures.browsing import open_page


def main() -> None:
    """Writes the figure."""
    with open_page() as page:
        image = Image.open(io.BytesIO(page.screenshot()))
    image.convert("RGB").save(ROOT / "docs" / "screenshot.jpg", quality=90)


if __name__ == "__main__":
    main()
