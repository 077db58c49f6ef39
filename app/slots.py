"""The models of the service, loaded or not."""

from __future__ import annotations

from dataclasses import dataclass, field

from sge.analysis import BlockInfo
from sge.lens import Lens

from .errors import ProblemError


@dataclass
class Slot:
    """One of the service's models, loaded or not."""

    name: str
    source: str
    """The argument of ``load_model``: a name or a weights file."""
    lens: Lens | None = None
    error: str | None = None
    """Why the model cannot be loaded; None while it loads and once it is loaded."""
    seconds: float = 0.0
    """How long loading took."""
    blocks: list[BlockInfo] = field(default_factory=list)
    """Blocks that make spatial maps, with the map sizes of a 224 px square image."""
    default_block: str = ""
    signal: str = "mask"
    """The signal that an analysis opens with."""

    @property
    def ready(self) -> bool:
        """Whether the model is loaded."""
        return self.lens is not None

    def require_lens(self) -> Lens:
        """The loaded model's lens.

        Raises:
            ProblemError: 503, the model is loading or cannot be loaded.
        """
        if self.error is not None:
            raise ProblemError(503, f"{self.name} could not be loaded: {self.error}", "failed", 60)
        if self.lens is None:
            raise ProblemError(
                503, f"{self.name} is still loading. Try again in a few seconds.", "loading", 2
            )
        return self.lens
