"""Who may use the service: the host that a request names, the site that it comes from, and its key."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from pydantic import SecretStr

from ..client_text import shown
from ..errors import ProblemError
from ..settings import Settings
from ..settings_access import ANY, hosts_of
from .headers import RawHeaders
from .request_headers import RequestHeaders

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
LIVE = ("/api/v1/health/live", "/v2/health/live")
"""Addresses that need no key: a supervisor asks them whether the process runs."""
HEALTH = (*LIVE, "/api/v1/health/ready", "/v2/health/ready")
"""Addresses that answer whatever ``Host`` names, because load balancers ask them by address."""
CHALLENGES: RawHeaders = [
    (b"www-authenticate", b'Bearer realm="SGE Lens"'),
    (b"www-authenticate", b'Basic realm="SGE Lens", charset="UTF-8"'),
]
"""With the second one a browser asks for the key, and sends it with every request of the page."""
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+?)\.?(?::[0-9]*)?", re.ASCII)
_PORTS = {"http": "80", "https": "443"}


class Names:
    """A list of names of which some stand for every name below: ``*.example.org``."""

    def __init__(self, names: Sequence[str]) -> None:
        self.exact = frozenset(name for name in names if "*" not in name)
        self.patterns = [tuple(name.split("*", 1)) for name in names if "*" in name]

    def __contains__(self, name: str) -> bool:
        return name in self.exact or any(
            name.startswith(start) and name.endswith(end) and len(name) > len(start) + len(end)
            for start, end in self.patterns
        )


class Access:
    """The checks before routing.

    Args:
        settings: Hosts, origins and key.
    """

    def __init__(self, settings: Settings) -> None:
        hosts = hosts_of(settings.allowed_hosts, settings.host)
        self.hosts = None if hosts is None else Names(hosts)
        self.any_origin = ANY in settings.cors_origins
        self.origins = Names([origin for origin in settings.cors_origins if origin != ANY])
        self.shares = bool(settings.cors_origins)
        """Whether pages of any other site may use the API."""
        self.digest = None if settings.api_key is None else _digest(_secret(settings.api_key))

    def check(self, method: str, path: str, version: str, headers: RequestHeaders) -> None:
        """Refuses a request that may not be answered.

        Args:
            method: HTTP method.
            path: Path below the root path.
            version: HTTP version; ``Host`` is required from 1.1 on.
            headers: The request's.

        Raises:
            ProblemError: 400 no usable ``Host``, 421 one that is not of this service, 403 a page of another site, 401 no
                valid key.
        """
        self.check_host(path, version, headers)
        if method not in SAFE_METHODS:
            self._check_site(headers)
        if self.digest is not None and path not in LIVE and not self._has_key(headers):
            raise _no_key(given=bool(headers.authorization))

    def check_host(self, path: str, version: str, headers: RequestHeaders) -> None:
        """The part of ``check`` about the host."""
        if len(headers.host) > 1 or (not headers.host and version != "1.0"):
            raise ProblemError(
                400, "A request names its host once, in the Host header. Send it so.", "malformed"
            )
        if self.hosts is None or path in HEALTH:
            return
        name = headers.host[0].decode("latin-1") if headers.host else ""
        match = _HOST.fullmatch(name)
        if match is None or match[1].lower() not in self.hosts:
            raise ProblemError(
                421,
                f"This service is not offered as {shown(name)!r}. Use the name it was set up for, or add this one to "
                "SGE_ALLOWED_HOSTS on the service.",
                "host",
            )

    def _check_site(self, headers: RequestHeaders) -> None:
        """Cross-site requests: a page of another site would use what this computer can reach."""
        if headers.fetch_site in ([b"same-origin"], [b"none"]):
            return  # browsers set it, and no page can change it
        if not headers.origin and not headers.fetch_site:
            return  # no browser
        origin = headers.origin[0].decode("latin-1") if len(headers.origin) == 1 else ""
        if self.allows(origin):
            return
        # A browser sends Sec-Fetch-Site to trustworthy addresses only; elsewhere the two names must be equal.
        if not headers.fetch_site and headers.host and _is_own(origin, headers.host[0].decode("latin-1")):
            return
        site = shown(origin) if origin not in ("", "null") else "another site"
        raise ProblemError(
            403,
            f"A page of {site} may not use this service. Name its origin in SGE_CORS_ORIGINS on the service, or send the "
            "image from a program.",
            "origin",
        )

    def allows(self, origin: str) -> bool:
        """Whether pages of an origin may use the API."""
        return self.any_origin or (bool(origin) and origin.lower() in self.origins)

    def _has_key(self, headers: RequestHeaders) -> bool:
        if self.digest is None or len(headers.authorization) != 1:
            return False
        scheme, _, rest = headers.authorization[0].partition(b" ")
        kind = scheme.lower()
        if kind == b"bearer":
            given = rest.strip()
        elif kind == b"basic":
            try:
                given = base64.b64decode(rest.strip(), validate=True).partition(b":")[2]
            except binascii.Error:
                return False
        else:
            return False
        return hmac.compare_digest(_digest(given), self.digest)


def _is_own(origin: str, host: str) -> bool:
    """Whether an origin is that of the address that a request names."""
    try:
        parts = urlsplit(origin)
        port = str(parts.port or _PORTS.get(parts.scheme, ""))
    except ValueError:
        return False
    if parts.hostname is None or parts.path or parts.query or parts.username is not None:
        return False
    name, found, own_port = host.rpartition(":") if not host.endswith("]") else (host, "", "")
    if not found:
        name, own_port = host, _PORTS.get(parts.scheme, "")
    return (parts.hostname, port) == (name.strip("[]").lower(), own_port)


def _no_key(*, given: bool) -> ProblemError:
    what = "This is not the key of this service." if given else "This service needs a key."
    return ProblemError(
        401,
        f"{what} Send it with every request, as Authorization: Bearer KEY (curl -H 'Authorization: Bearer KEY'); a browser "
        "asks for it: leave the name empty and give the key as the password.",
        "key",
    )


def _secret(key: SecretStr) -> bytes:
    return key.get_secret_value().encode("ascii")


def _digest(key: bytes) -> bytes:
    """Keys are compared by their hashes, so that the time tells nothing about length or beginning."""
    return hashlib.sha256(key).digest()
