"""uvicorn's HTTP protocol, which answers data that is not HTTP with a problem document."""

from __future__ import annotations

import json

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from .errors import MEDIA_TYPE, body
from .middleware import HEADERS

_DETAIL = (
    "This is not a valid HTTP request. Use an HTTP library or curl, and http:// unless a proxy in front of the service "
    "offers https://."
)


class HTTPProtocol(AutoHTTPProtocol):  # type: ignore[valid-type, misc]
    """Answers what cannot be parsed in the service's own words; such a request never reaches the application."""

    def send_400_response(self, msg: str) -> None:
        """Closes the connection after a 400. ``msg``, the parser's sentence, is in the log and not in the answer."""
        content = json.dumps(body(400, _DETAIL)).encode()
        headers = {
            "Content-Type": MEDIA_TYPE,
            "Content-Length": str(len(content)),
            "Connection": "close",
            **HEADERS,
        }
        lines = ["HTTP/1.1 400 Bad Request", *(f"{name}: {value}" for name, value in headers.items())]
        self.transport.write("\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + content)
        self.transport.close()
