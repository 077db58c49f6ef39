"""The number of pixels up to which an image is decoded."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from sge.errors import BrokenImageError, TooManyPixelsError


@dataclass(frozen=True)
class PixelLimit:
    """A limit on width x height, checked before pixels are decoded."""

    max_pixels: int
    max_side: int | None = None
    """Width or height in pixels; None for no limit."""

    def check(self, size: tuple[int, int]) -> None:
        """Refuses a width and height.

        Raises:
            BrokenImageError: one of them is 0.
            TooManyPixelsError: more pixels than this limit or Pillow's allows.
        """
        if not all(size):
            raise BrokenImageError(f"The image is empty ({size[0]} x {size[1]} pixels). Choose another one.")
        if size[0] * size[1] > self._smaller:
            raise TooManyPixelsError(f"{size[0]} x {size[1]} pixels. {self._sentence}")
        if self.max_side is not None and max(size) > self.max_side:
            raise TooManyPixelsError(
                f"{size[0]} x {size[1]} pixels. No side may have more than {self.max_side:,} pixels. Make the image "
                "smaller and try again."
            )

    @property
    def _smaller(self) -> int:
        # Above its own limit Pillow would warn or refuse itself.
        return min(self.max_pixels, Image.MAX_IMAGE_PIXELS or self.max_pixels)

    @property
    def _sentence(self) -> str:
        return f"The limit is {self._smaller / 1e6:.3g} million pixels. Make the image smaller and try again."
