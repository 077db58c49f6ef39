"""What a user states about a weights file."""

from __future__ import annotations

from dataclasses import dataclass

from sge.models.card import Card
from sge.models.stated import GivenPreprocess, Labels


@dataclass(frozen=True)
class Given:
    """What a user states about a weights file; each goes before what the file states."""

    labels: Labels | None = None
    preprocess: GivenPreprocess | None = None
    card: Card | None = None
