"""Writes JSON that every reader accepts: only finite numbers."""

from __future__ import annotations

import json
from typing import Any

from sge.errors import AnalysisFileError


def json_text(record: dict[str, Any] | list[Any]) -> str:
    """A record as JSON.

    Args:
        record: JSON-ready data.

    Raises:
        AnalysisFileError: a number is not finite, which JSON cannot hold.
    """
    try:
        return json.dumps(record, allow_nan=False)
    except ValueError as error:
        raise AnalysisFileError(
            "A number of the result is not finite, because the network's values exceed its precision or its weights are "
            "damaged. Use float32, or check the weights."
        ) from error
