"""The analysis of one image, with what it can be turned into: overlays and files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from sge.analysis.data import AnalysisData
from sge.analysis.embedded import embedded
from sge.analysis.files import read, save
from sge.analysis.overlay import draw_overlay
from sge.images import Source


@dataclass(frozen=True, eq=False)
class Analysis(AnalysisData):
    """Predictions, masks, similarity and parts of one image, to draw, save and open."""

    def overlay(self, block: str, group: int | Sequence[int], **options: Any) -> Image.Image:
        """The image with one group's map over it, or several maps, each in its own color.

        The options are those of ``sge.analysis.draw_overlay``.

        Returns:
            RGB image of the original's size.

        Raises:
            UnknownBlockError, UnknownGroupError, ChoiceError: a value that does not exist.
            AnalysisFileError: the analysis holds no image.
        """
        return draw_overlay(self, block, group, **options)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the analysis in the format of the path's ending.

        ``.safetensors`` and ``.npz`` are exact, ``.json`` has 8-bit maps, ``.html`` is a report that needs no
        network, and ``.png`` is a summary of image and groups.

        Raises:
            AnalysisFileError: another ending, or the file cannot be written.
        """
        save(self, path)

    def _repr_html_(self) -> str:
        """What a notebook shows: the report in a frame, or a table if the analysis holds no image.

        Raises:
            AnalysisFileError: a number is not finite.
        """
        return embedded(self)

    @classmethod
    def open(cls, path: str | os.PathLike[str], image: Source | None = None) -> Analysis:
        """Reads what ``save`` wrote as ``.safetensors``, ``.npz`` or ``.json``, of record version 1 or 2.

        Args:
            path: The file.
            image: The image, which the file does not hold; it is compared with the file's hash.

        Raises:
            AnalysisFileError: not such a file, or another image.
            ImageError: the image cannot be used.
        """
        return cls(**vars(read(path, image)))
