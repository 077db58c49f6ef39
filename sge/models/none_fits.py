"""The threshold on a card below which none of the model's classes fits an image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sge.errors import check_choice
from sge.images import FRAMINGS
from sge.parts import is_number

FIT_SCORES = ("max_probability", "max_logit", "energy", "negative_entropy")
"""Scores that need the logits alone; ``sge.lens.fit`` computes them."""
READOUT = "readout"
"""A weighted sum, with weights on the card, of the logits and of four figures of them; see ``sge.lens.readout_inputs``."""


@dataclass(frozen=True)
class NoneFits:
    """A threshold that was measured on images of the model's own classes.

    Raises:
        ChoiceError: an unknown score.
        ValueError: the threshold has no numbers by framing, the sentence is empty, or there are weights without a
            ``readout`` or the reverse.
    """

    score: str
    """One of ``FIT_SCORES``, or ``READOUT``."""
    threshold: dict[str, float]
    """Framing to threshold; of an image with a smaller score, none of the classes fits. A framing that was not
    measured is left out."""
    sentence: str
    """What a viewer says of such an image, such as ``None of its ten breeds fits this image.``"""
    measured: dict[str, Any] = field(default_factory=dict)
    """How often the threshold is right: ``kept``, ``caught`` and ``auroc``, with ``set`` and ``command``."""
    weights: tuple[float, ...] | None = None
    """(classes + 4,): those of ``READOUT``; None for other scores."""

    def __post_init__(self) -> None:
        check_choice("none_fits score", str(self.score), (*FIT_SCORES, READOUT))
        framings = set(self.threshold) if isinstance(self.threshold, dict) else set()
        if not framings or not framings <= set(FRAMINGS):
            raise ValueError(
                f"none_fits has a threshold {self.threshold}; it needs numbers by framing, of {FRAMINGS}"
            )
        if not all(is_number(value) for value in self.threshold.values()):
            raise ValueError(f"none_fits has thresholds that are no finite numbers: {self.threshold}")
        if not (isinstance(self.sentence, str) and self.sentence.strip()):
            raise ValueError("none_fits has no sentence")
        if (self.score == READOUT) != (self.weights is not None):
            raise ValueError(f"none_fits has weights where its score is not {READOUT!r}, or none where it is")
        if self.weights is not None and not (
            isinstance(self.weights, tuple) and all(is_number(value) for value in self.weights)
        ):
            raise ValueError("none_fits has weights that are no list of finite numbers")

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> NoneFits:
        """Reads what ``asdict`` wrote.

        Raises:
            ChoiceError, ValueError: see the class.
            TypeError: the record is no mapping of its fields.
        """
        weights = record.get("weights")
        given = dict(record) | ({"weights": tuple(weights)} if isinstance(weights, list) else {})
        return cls(**given)
