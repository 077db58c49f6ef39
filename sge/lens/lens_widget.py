"""The class of ``sge.widget``. Importing it needs ``anywidget``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from sge.analysis import Ablation, Analysis, choose_groups, class_effects, embedded_report
from sge.errors import SGEError
from sge.images import FRAMINGS, DecodedImage, Source, decode
from sge.lens.chosen_groups import ChosenGroups

if TYPE_CHECKING:
    from sge.lens.lens import Lens

CLASSES = 3
"""Number of classes of which an ablation's scores are shown, the best before and the best after."""
CONTROLS = 5
"""Number of ablations of random groups beside one of chosen groups."""


class LensWidget(anywidget.AnyWidget):
    """See ``sge.widget``.

    Args:
        lens: Runs the images.
        framing: ``whole`` or ``center``.
        height: Of the report, in pixels of CSS.
    """

    _esm = Path(__file__).with_name("lens_widget.js")
    title = traitlets.Unicode().tag(sync=True)
    framing = traitlets.Unicode().tag(sync=True)
    framings = traitlets.List(list(FRAMINGS)).tag(sync=True)
    report = traitlets.Unicode().tag(sync=True)
    blocks: traitlets.List[str] = traitlets.List().tag(sync=True)
    effects: traitlets.List[list[object]] = traitlets.List().tag(sync=True)
    message = traitlets.Unicode().tag(sync=True)

    def __init__(self, lens: Lens, framing: str, height: int) -> None:
        self._lens = lens
        self._height = height
        self._image: DecodedImage | None = None
        self.analysis: Analysis | None = None
        self.ablation: Ablation | None = None
        super().__init__(title=lens.model.card.title, framing=framing)
        self.on_msg(self._received)

    def show(self, image: Source | DecodedImage) -> Analysis:
        """Analyzes an image and shows its report.

        Args:
            image: Anything that ``Lens.analyze`` takes.

        Raises:
            SGEError: As ``Lens.analyze``.
        """
        decoded = image if isinstance(image, DecodedImage) else decode(image)
        analysis = self._lens.analyze(decoded, self.framing)
        with self.hold_sync():
            self.report = embedded_report(analysis, self._height)
            # Only scores of classes can be compared with and without groups.
            self.blocks = list(self._gates()) if analysis.predictions else []
            self.effects, self.message = [], ""
        self._image, self.analysis, self.ablation = decoded, analysis, None
        return analysis

    def ablate(self, groups: ChosenGroups) -> Ablation | None:
        """Measures the scores without some groups and shows them; None as long as no image is shown.

        Args:
            groups: As in ``Lens.ablate``.

        Raises:
            SGEError: As ``Lens.ablate``.
        """
        if self._image is None:
            return None
        ablation = self._lens.ablate(self._image, groups, controls=CONTROLS, framing=self.framing)
        self.effects = [
            [one.label, one.before, one.after, one.controls.mean if one.controls else None]
            for one in class_effects(ablation, top_k=CLASSES)
        ]
        self.message, self.ablation = "", ablation
        return ablation

    def _received(self, _widget: object, content: Any, buffers: Sequence[Any]) -> None:
        """Does what a button of the element asks for; an error of the user becomes the element's message."""
        try:
            match content:
                case {"kind": "image", "name": str(name)} if len(buffers) == 1:
                    self.show(decode(bytes(buffers[0]), name=name))
                case {"kind": "framing", "framing": str(framing)} if framing in FRAMINGS:
                    self._reframe(framing)
                case {"kind": "ablate", "groups": str(groups)} if self.analysis is not None:
                    self.ablate(choose_groups(groups, self._gates()))
            self.message = ""
        except SGEError as error:
            self.message = str(error)
        except Exception as error:
            self.message = (
                f"{type(error).__name__}: the log of the kernel says what went wrong. Try another image."
            )
            raise
        finally:
            self.send({"kind": "answered"})  # also where nothing changed, so that the element says so

    def _reframe(self, framing: str) -> None:
        """Shows the image in another framing; the old one stays where the network cannot be run on it."""
        before, self.framing = self.framing, framing
        try:
            if self._image is not None:
                self.show(self._image)
        except Exception:
            self.framing = before
            raise

    def _gates(self) -> dict[str, int]:
        """SGE block to its number of groups."""
        return self._lens.model.groups
