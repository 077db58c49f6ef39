"""What a request is told if its task has no result. Limits of the image itself are ``sge.errors.ImageTooCostlyError``."""

from __future__ import annotations

from ..errors import ProblemError

STARVED_RETRY_S = 5


class WorkerDiedError(ProblemError):
    """The process that worked for this request has ended; other requests are not concerned."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(
            503, detail or "The process that read this image was ended. Send the image again.", "worker", 1
        )


class StarvedTaskError(ProblemError):
    """A task was ended at its limit of time although it had hardly been computed: the machine is at fault, not the image.

    Args:
        limit_s: The limit, seconds.
    """

    def __init__(self, limit_s: float) -> None:
        super().__init__(
            503,
            f"The machine is too busy to read or draw this image within {limit_s:g} s. Try again in {STARVED_RETRY_S} s.",
            "starved",
            STARVED_RETRY_S,
        )


class TaskTimeoutError(ProblemError):
    """The request's deadline passed while its task waited or ran."""

    def __init__(self) -> None:
        super().__init__(504, "The answer was not ready in time. Try again, or send a smaller image.", "time")


class TaskCrashedError(RuntimeError):
    """A task raised an error that no image should cause: a fault of this program.

    Args:
        trace: The worker's traceback, for the log.
    """

    def __init__(self, trace: str) -> None:
        super().__init__(f"a task failed in its worker process:\n{trace}")
