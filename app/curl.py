"""The shell command that sends an image to a route, for sentences that say how a request is made."""

from __future__ import annotations

import re

from fastapi import Request

FIELD = "image"
"""Name of the form's file field that holds the image."""


def curl_line(request: Request) -> str:
    """A shell command, in backticks, that sends an image to the address of a request."""
    host = request.headers.get("host", "")
    address = f"{request.url.scheme}://{host}" if re.fullmatch(r"[A-Za-z0-9.:\[\]-]{1,80}", host) else ""
    return f"`curl -F {FIELD}=@photo.jpg {address}{request.scope['path'][:80]}`"
