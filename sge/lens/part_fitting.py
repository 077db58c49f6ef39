"""Fits part finders to images with a lens, and finds parts in an analysis."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from sge.analysis import AnalysisData
from sge.errors import FinderError
from sge.images import DecodedImage, Source, decode
from sge.lens.lens import Lens
from sge.lens.wanted import Wanted
from sge.parts import (
    PARTS,
    Finder,
    LabelledImage,
    LabelledMaps,
    Part,
    Points,
    check_point,
    fit_finder,
    labelled_maps,
    maps_and_parts,
)


@dataclass(frozen=True)
class Example:
    """An image with its parts."""

    image: Source | DecodedImage
    points: Mapping[str, Points]
    """Part (``nose``, ``eye``) to (x, y) in pixels of the upright image.

    An empty list means that the image shows none; a missing part, that the image is not labelled for it.
    """
    name: str = "an image"
    """Used in messages."""

    @classmethod
    def from_label(cls, labelled: LabelledImage) -> Self:
        """An image of a labels file."""
        return cls(labelled.path, labelled.points, labelled.path.name)


Track = Callable[[list[Example]], Iterable[Example]]
"""Wraps a list of examples, for a progress bar."""


def fit_parts(
    lens: Lens, examples: Iterable[Example], *, fitted_on: str = "not stated", track: Track = iter
) -> Finder:
    """Fits a finder to labelled images; the network is not trained.

    Five examples give a usable finder; images without the part improve its threshold.

    Args:
        lens: The model; its gates may be inactive.
        examples: Images with points by part.
        fitted_on: Images and labels in words, for the finder's file.
        track: Wraps the list of examples, for a progress bar.

    Returns:
        A finder of every part that an example shows. It is valid for this model's channel permutations.

    Raises:
        FinderError: no examples, an unknown part, a point outside its image.
        ImageError: an image cannot be used.
    """
    return finder_of_maps(lens, analyze_examples(lens, examples, track), fitted_on)


def analyze_examples(lens: Lens, examples: Iterable[Example], track: Track = iter) -> list[LabelledMaps]:
    """Analyzes labelled images with framing ``whole``, and keeps what a fit needs.

    Raises:
        FinderError, ImageError: as ``fit_parts``.
    """
    listed = list(examples)
    if any("similarity" not in block.signals for block in lens.stated_blocks or ()):
        raise FinderError(
            f"{lens.model.name} gives no similarity, in which parts are found. Give the network that the file was made from."
        )
    if not any(points for example in listed for points in example.points.values()):
        raise FinderError(
            "There is no example that shows a part. Give images with points: five labelled ones are a start."
        )
    return [_labelled_maps(lens, example) for example in track(listed)]


def finder_of_maps(lens: Lens, images: Sequence[LabelledMaps], fitted_on: str = "not stated") -> Finder:
    """``fit_parts`` for images that are already analyzed.

    Raises:
        FinderError: no group responds to a part.
    """
    preprocess = lens.model.preprocess
    size = preprocess.whole or preprocess.size
    return fit_finder(images, lens.model.permutations, fitted_on=fitted_on, size=size)


def find_parts(analysis: AnalysisData, finder: Finder) -> list[Part]:
    """Noses and eyes in an image by the readouts of a finder; see ``sge.parts.maps_and_parts``.

    Its detectors are not used, because they look at an image in several sizes, which an analysis does not hold. The parts
    that a lens finds with them are ``analysis.parts``.

    Args:
        analysis: Of the model that the finder was fitted on.
        finder: From ``fit_parts``, a file, or ``model.finder``.

    Returns:
        The best nose with its eyes first; positions and boxes in pixels of the upright original.

    Raises:
        FinderError: the analysis lacks a group that the finder needs.
    """
    _, parts = maps_and_parts(analysis.similarity, analysis.geometry, finder)
    return parts


def _labelled_maps(lens: Lens, example: Example) -> LabelledMaps:
    image = example.image if isinstance(example.image, DecodedImage) else decode(example.image)
    for part, points in example.points.items():
        if part not in PARTS:
            raise FinderError(f"{example.name}: there is no part {part!r}; label {' or '.join(PARTS)}.")
        for point in points:
            check_point(example.name, part, point, (image.width, image.height))
    analysis = lens.analyze(image, wanted=Wanted(masks=False, energy=False, parts=False))
    strides = {block.name: block.stride for block in analysis.blocks}
    return labelled_maps(analysis.similarity, strides, analysis.geometry, example.points)
