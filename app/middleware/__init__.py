"""What stands between the server and the routes, as one ASGI application: ``Edge``."""

from .edge import Edge
from .headers import HEADERS, MAX_NOTES_LENGTH, NOTES_HEADER, security_headers

__all__ = ["HEADERS", "MAX_NOTES_LENGTH", "NOTES_HEADER", "Edge", "security_headers"]
