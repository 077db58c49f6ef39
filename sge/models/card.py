"""A model's card: what is known about it. Reading one needs no torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from sge.models.card_checks import check_card
from sge.models.none_fits import NoneFits

CARD_VERSION = 2
"""Version of a card's record. ``sge.models.cards`` reads this one and version 1."""


@dataclass(frozen=True)
class Card:
    """What is known about a model. Every figure is stated with its test set and protocol.

    Raises:
        ChoiceError: A field has a value of another type, is too long, or is not finite; ``gates`` is not a known kind.
    """

    title: str
    """A short name for people, such as ``EfficientNet-Lite0 with SGE``."""
    sentence: str
    """One sentence on what the model recognizes and how it was trained."""
    gates: str = "trained"
    """One of ``GATES`` in ``sge.models.card_checks``."""
    data: str = "not stated"
    """The training data, in words."""
    accuracy: list[dict[str, Any]] = field(default_factory=list)
    """Measurements, each with ``images``, ``top1`` (a fraction), ``set``, ``protocol`` and ``command``."""
    licence: str = "not stated"
    source: str = "not stated"
    sha256: str | None = None
    """Hash of the file that the weights were read from."""
    opens_with: dict[str, Any] | None = None
    """The group that a viewer shows first: ``block``, ``group``, and ``reason`` in words."""
    opens_service: str | None = None
    """Why a service uses this model by default, with the measured figures."""
    none_fits: NoneFits | None = None
    """The measured threshold below which none of the classes fits an image; None if there is none."""
    made_from: dict[str, Any] | None = None
    """How the weights were trained: ``config``, ``images``, ``model`` and the like."""
    notes: tuple[str, ...] = ()
    """Full sentences on what was taken out of a checkpoint and what was assumed, such as labels or preprocessing."""

    def __post_init__(self) -> None:
        check_card(self)

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as plain data, for JSON answers."""
        return asdict(self)

    def to_record(self) -> dict[str, Any]:
        """Returns the versioned record that is stored in a file; a file cannot hold its own hash.

        ``none_fits``, its weights and ``notes`` are left out if they are empty, so that programs without these fields
        read the record.
        """
        left_out = {"sha256"} | {name for name in ("none_fits", "notes") if not getattr(self, name)}
        record = {"version": CARD_VERSION} | {k: v for k, v in asdict(self).items() if k not in left_out}
        if self.none_fits is not None and self.none_fits.weights is None:
            del record["none_fits"]["weights"]
        return record
