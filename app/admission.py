"""What the engine has agreed to answer: an upload, what is asked of it, and until when."""

from __future__ import annotations

from dataclasses import dataclass

from sge.images import DecodedImage

from .uploads import Upload


@dataclass(eq=False)
class Admission:
    """An upload that is complete and admitted, until its request is answered."""

    upload: Upload
    kind: str
    """What is asked, in one word that costs are learned by: ``predict``, ``analyze``, ``overlay``, ``ablate`` ..."""
    deadline: float
    """Until when the answer is worth anything, in seconds of ``time.monotonic``."""
    rows: int = 1
    """Rows of forward passes that the answer takes."""
    facts: DecodedImage | None = None
    """The image's width, height, format, hash, name and notes; None until it is decoded."""
