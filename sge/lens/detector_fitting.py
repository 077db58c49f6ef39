"""Fits detectors to labelled faces with a lens, and finds everything in an image for measuring."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from sge.errors import FinderError, check_choice
from sge.images import DecodedImage, Geometry
from sge.lens.lens import Lens
from sge.lens.wanted import Wanted
from sge.parts import (
    FIT_SIZES,
    RECIPES,
    Detector,
    FacesImage,
    Finder,
    Maps,
    Scored,
    calibrated_detector,
    check_points,
    check_sizes,
    fit_readouts,
    refuse_held,
    scored,
)

LOOKS_AT = (192, 320, 416)
"""Sizes of the input at which a detector looks by default; see the table of sizes in docs/parts.md."""
LEAST_SCORE = 1e-9
"""Everything above this confidence is measured."""

Open = Callable[[FacesImage], DecodedImage]
"""Gives the pixels of a labelled image."""
Track = Callable[[Sequence[int]], Iterable[int]]


@dataclass(frozen=True)
class FittedDetectors:
    """Detectors, and what they find in images that they were not fitted on."""

    detectors: dict[str, Detector]
    """By ``mix`` and ``groups``."""
    held_out: dict[str, list[Scored]]
    """By the same keys, of each image: from readouts, offsets and confidences of the other folds."""
    rows: int
    """Sampled positions."""


def fit_detectors(
    lens: Lens,
    images: Sequence[FacesImage],
    open_image: Open,
    *,
    by: Sequence[str] = tuple(RECIPES),
    looks_at: Sequence[int] = LOOKS_AT,
    sizes: Sequence[int] = FIT_SIZES,
    channels: Sequence[str] | None = None,
    with_held: bool = False,
    seed: int = 0,
    track: Track = iter,
) -> FittedDetectors:
    """Fits detectors to labelled images; the network is not trained.

    Each image is opened three times: the maps of all of them would not fit into the memory.

    Args:
        lens: With a network in torch; its gates may be inactive.
        images: With all their faces; images without a face are needed too.
        open_image: Gives their pixels.
        by: Which detectors: ``mix`` reads groups and single channels, ``groups`` groups alone.
        looks_at: Shorter sides of the input at which the detectors will look, in pixels.
        sizes: Shorter sides of the input from which positions are sampled.
        channels: Names of the blocks whose channels ``mix`` reads; see ``PartFeatures``.
        with_held: Also fit on images that are held back for measuring.
        seed: Of folds and positions.
        track: Wraps the numbers of the images, for a progress bar; called three times.

    Raises:
        ChoiceError: there is no such detector.
        FinderError: an image that is held back, a labelled point outside its image, too few images that show a part, no
            block to read, or sizes at which no detector can look.
        UnsupportedBackendError: an exported file.
        ImageError: an image cannot be used.
    """
    from sge.lens.part_features import PartFeatures  # It imports torch.

    if not with_held:
        refuse_held(images)
    for one in by:
        check_choice("by", one, tuple(RECIPES))
    fixed = lens.model.preprocess.fixed
    if fixed is not None:
        looks_at = sizes = (min(fixed),)
    looks_at, sizes = check_sizes(looks_at), check_sizes(sizes)
    features = PartFeatures(lens, channels if "mix" in by else ())

    def source(number: int, wanted: Sequence[int]) -> Iterator[tuple[Maps, Geometry]]:
        decoded = open_image(images[number])
        check_points(images[number], (decoded.width, decoded.height))
        return features.of_frame(lens.frame(decoded), wanted)

    recipes = [RECIPES[one] for one in by]
    fit = fit_readouts(images, source, recipes, looks_at, sizes=sizes, seed=seed, track=track)
    found = {one: calibrated_detector(fit, images, looks_at, number) for number, one in enumerate(by)}
    return FittedDetectors(
        {one: each.detector for one, each in found.items()},
        {one: each.held_out for one, each in found.items()},
        fit.rows,
    )


def exhaustive(finder: Finder, by: str) -> Finder:
    """The finder with one way of finding alone; readouts list everything they see, however low its confidence.

    Args:
        finder: Any.
        by: ``mix`` or ``groups``, or ``readouts`` for its sparse readouts at one size.

    Raises:
        FinderError: the finder lacks it.
    """
    if by == "readouts" and finder.readouts:
        readouts = {part: replace(one, threshold=LEAST_SCORE) for part, one in finder.readouts.items()}
        return replace(finder, readouts=readouts, detectors={})
    if by not in finder.detectors:
        there = [*finder.detectors, *(["readouts"] if finder.readouts else [])]
        raise FinderError(f"This finder has no {by}; it has {', '.join(there)}. Name one of these.")
    return replace(finder, detectors={by: finder.detectors[by]})


def check_finds(lens: Lens, by: str) -> None:
    """Checks that a lens can find parts in this way, because otherwise it would find nothing, with a note.

    Args:
        lens: Of a model with an ``exhaustive`` finder.
        by: As for ``exhaustive``.

    Raises:
        FinderError: the model is an exported file without the outputs that the detector reads.
    """
    if by in RECIPES and by not in lens.part_finders:
        raise FinderError(
            f"{lens.model.name} is an exported file without the outputs for its finder's channels, so that nothing is found "
            f"by {by}. Export the model again: sge models export."
        )


def find_everything(lens: Lens, image: FacesImage, decoded: DecodedImage, by: str) -> Scored:
    """What the lens finds in a labelled image, by the same way as for a user, beside its labels.

    Parts that a user sees are those that are measured; below their confidence come the other candidates.

    Args:
        lens: Of a model with an ``exhaustive`` finder.
        image: The labels.
        decoded: The pixels.
        by: As for ``exhaustive``.

    Raises:
        FinderError: as ``check_finds``, or a labelled point outside the image.
    """
    check_finds(lens, by)
    check_points(image, (decoded.width, decoded.height))
    wanted = Wanted(blocks=(), parts_by="groups" if by == "groups" else "mix", part_candidates=True)
    analysis = lens.analyze(decoded, wanted=wanted)
    return scored(image, (decoded.width, decoded.height), analysis.parts)
