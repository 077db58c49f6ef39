"""The log: one JSON object a line. Of an image it holds only size, format and hash."""

from __future__ import annotations

import functools
import json
import logging
import time

from .identity import members

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


class JsonLines(logging.Formatter):
    """Formats a record as one JSON object: time, level, event, and the fields of the call's ``extra``."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of JSON."""
        line = {
            "time": f"{_second(int(record.created))}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        line |= members()
        # Names with an underscore are those of other libraries, which add them to every record of the process.
        given = (item for item in vars(record).items() if item[0] not in _STANDARD and item[0][0] != "_")
        line |= dict(given)
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return _TEXT.encode(line)


_TEXT = json.JSONEncoder(default=str)


@functools.lru_cache(4)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def configure(level: int = logging.INFO) -> None:
    """Sends every log record of the process to stderr in this format."""
    # What a record would look up for each line, and the format does not show.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("sge.nn").setLevel(logging.WARNING)
    # Its warnings quote bytes of the body, which may be an image's.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
