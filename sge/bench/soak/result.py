"""What a soak has shown."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

MAX_GROWTH = 1.03
"""Memory after all requests against that after the first ones."""
MAX_LEFT = 1.10
"""Memory after the burst against that before."""


@dataclass
class SoakResult:
    """Memory is the proportional set size of the service and its processes, bytes."""

    requests: int = 0
    """Answers, refusals included."""
    answers: Counter[str] = field(default_factory=Counter)
    """Name of a request and status, to the number of answers."""
    refused: int = 0
    """Answers with 503 or 429."""
    wrong: Counter[str] = field(default_factory=Counter)
    """Answers with an unexpected status, and requests without an answer (status 0)."""
    seconds: float = 0.0
    early_bytes: int = 0
    """After the first requests."""
    late_bytes: int = 0
    """After all."""
    before_burst_bytes: int = 0
    peak_bytes: int = 0
    """During the burst."""
    after_burst_bytes: int = 0
    """At the end of ``settle_s`` after the burst."""
    back_s: float | None = None
    """Seconds after the burst until the memory was within ``MAX_LEFT``; None: not in time."""
    burst_answered: int = 0

    @property
    def growth(self) -> float:
        """Memory after all requests, as a multiple of that after the first ones."""
        return self.late_bytes / self.early_bytes if self.early_bytes else 0.0

    @property
    def left(self) -> float:
        """Memory after the burst, as a multiple of that before."""
        return self.after_burst_bytes / self.before_burst_bytes if self.before_burst_bytes else 0.0

    def goals(self) -> list[tuple[str, str, bool]]:
        """Each goal: what is asked, what was measured, and whether it is met."""
        return [
            ("no wrong answer", f"{self.wrong.total()} of {self.requests}", not self.wrong),
            (
                f"memory after all requests at most {MAX_GROWTH:.2f} of that after the first ones",
                f"{self.growth:.3f}",
                0 < self.growth <= MAX_GROWTH,
            ),
            (
                f"memory after the burst at most {MAX_LEFT:.2f} of that before",
                f"{self.left:.3f}",
                0 < self.left <= MAX_LEFT,
            ),
        ]

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON values; memory in bytes."""
        return {
            "requests": self.requests,
            "refused": self.refused,
            "wrong": dict(self.wrong),
            "answers": dict(sorted(self.answers.items())),
            "seconds": round(self.seconds, 1),
            "early_bytes": self.early_bytes,
            "late_bytes": self.late_bytes,
            "growth": round(self.growth, 4),
            "before_burst_bytes": self.before_burst_bytes,
            "peak_bytes": self.peak_bytes,
            "after_burst_bytes": self.after_burst_bytes,
            "left": round(self.left, 4),
            "back_s": self.back_s,
            "burst_answered": self.burst_answered,
            "goals": [{"text": text, "value": value, "met": met} for text, value, met in self.goals()],
        }
