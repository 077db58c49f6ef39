"""A lens in a notebook: ``sge.widget(lens)``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sge.errors import ChoiceError, MissingPackageError, check_choice, check_whole
from sge.images import FRAMINGS, Source
from sge.lens.lens import Lens

if TYPE_CHECKING:
    from sge.lens.lens_widget import LensWidget

DEFAULT_HEIGHT = 760
MIN_HEIGHT, MAX_HEIGHT = 200, 5000


def widget(
    lens: Lens, image: Source | None = None, framing: str = "whole", height: int = DEFAULT_HEIGHT
) -> LensWidget:
    """An element for Jupyter, VS Code and Colab: choose or drop images, see their reports, switch groups off.

    Its attribute ``analysis`` is the ``Analysis`` of the image that it shows, ``ablation`` the last ``Ablation``. The
    methods ``show(image)`` and ``ablate({block: groups})`` do from code what its buttons do.

    Args:
        lens: Runs in the notebook's kernel.
        image: Shown first: anything that ``Lens.analyze`` takes.
        framing: ``whole`` or ``center``.
        height: Of the report, in pixels of CSS.

    Raises:
        MissingPackageError: ``anywidget`` is not installed.
        ChoiceError: ``lens`` is no Lens, an unknown framing, or a height out of range.
        SGEError: As ``Lens.analyze``, for ``image``.
    """
    if not isinstance(lens, Lens):
        raise ChoiceError(
            f"widget takes a Lens, and this is {type(lens).__name__}. Make one: sge.Lens(model)."
        )
    check_choice("framing", framing, FRAMINGS)
    if not MIN_HEIGHT <= check_whole("height", height) <= MAX_HEIGHT:
        raise ChoiceError(f"height is {height}; choose {MIN_HEIGHT} to {MAX_HEIGHT} pixels.")
    try:
        import anywidget  # noqa: F401
    except ImportError as error:
        raise MissingPackageError(
            "The widget needs the package anywidget, which is not installed. Install it: pip install 'sge-lens[notebook]'. "
            "An Analysis shows itself without it."
        ) from error
    from sge.lens.lens_widget import LensWidget

    made = LensWidget(lens, framing, height)
    if image is not None:
        made.show(image)
    return made
