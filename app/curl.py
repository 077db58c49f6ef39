"""The shell command that sends an image to a route, for sentences that say how a request is made."""

from __future__ import annotations

import re

from fastapi import Request

FIELD = "image"
"""Name of the form's file field that holds the image."""


def base_address(request: Request) -> str:
    """Scheme, host and root path of a request, or only the root path where its host is not a plain name."""
    host = request.headers.get("host", "")
    root = request.scope.get("root_path", "")
    return f"{request.url.scheme}://{host}{root}" if re.fullmatch(r"[A-Za-z0-9.:\[\]-]{1,80}", host) else root


def curl_line(request: Request) -> str:
    """A shell command, in backticks, that sends an image to the address of a request."""
    root = request.scope.get("root_path", "")
    path = request.scope["path"].removeprefix(root)
    return f"`curl -F {FIELD}=@photo.jpg {base_address(request)}{path[:80]}`"
