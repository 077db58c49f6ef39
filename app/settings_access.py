"""Settings about who may use the service, and about what stands in front of it."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode

_NAME = r"[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?)*"
ORIGIN = re.compile(rf"https?://(?:(?:\*\.)?{_NAME}|\[[0-9a-f:.]+\])(?::[0-9]{{1,5}})?", re.ASCII)
"""Scheme, host and perhaps port; ``https://*.example.org`` stands for every host below ``example.org``."""
HOST = re.compile(rf"(?:\*\.)?{_NAME}|\[[0-9a-f:.]+\]", re.ASCII)
"""A host as the ``Host`` header names it, without a port; ``*.example.org`` stands for every host below."""
ROOT_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)+", re.ASCII)
KEY = re.compile(r"[!-+\--9;-~]+", re.ASCII)
"""What a key may consist of: visible ASCII; a comma would end a header's value, and a colon Basic's user name."""
OWN_PATHS = ("api", "static", "samples", "docs", "v2", "openapi.json", "favicon.ico", "metrics")
"""First segments of the service's own addresses."""
LOOPBACK_HOSTS = ["localhost", "*.localhost", "127.0.0.1", "[::1]"]
ANY = "*"


def comma_list(value: object) -> object:
    """The entries of a text that separates them by commas; anything else as it is."""
    if isinstance(value, str):
        return [entry.strip() for entry in value.split(",") if entry.strip()]
    return value


class AccessSettings(BaseSettings):
    """The part of ``Settings`` about clients, browsers and proxies."""

    api_key: SecretStr | None = Field(
        default=None,
        description="key that every request must show, except health/live: Authorization: Bearer KEY, or as the password "
        "that a browser asks for",
    )
    allowed_hosts: Annotated[list[str], NoDecode] = Field(
        default=["auto"],
        description="names that the Host header may have, separated by commas; *.example.org: every name below; *: any; "
        "auto: those of this computer if host is a loopback address, else any",
    )
    cors_origins: Annotated[list[str], NoDecode] = Field(
        default=[],
        description="origins of other sites whose pages may use the API, such as https://example.org, separated by commas; "
        "*: any",
    )
    root_path: str = Field(
        default="", description="path below which a proxy offers the service, such as /lens"
    )
    trusted_proxies: Annotated[list[str], NoDecode] = Field(
        default=[],
        description="addresses or networks of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed, separated "
        "by commas; *: any",
    )
    metrics_port: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="port that answers /metrics without a key, on the same address; then only there. 0: /api/v1/metrics",
    )
    otlp_endpoint: str = Field(
        default="",
        description="address of an OpenTelemetry collector that receives traces, OTLP over HTTP, such as "
        "http://localhost:4318; it needs the extra [otel]",
    )
    frame_ancestors: Annotated[list[str], NoDecode] = Field(
        default=["'none'"],
        description="sites that may embed the page: 'none', or self and origins such as https://example.org, "
        "separated by commas",
    )

    @field_validator("api_key")
    @classmethod
    def _key(cls, value: SecretStr | None) -> SecretStr | None:
        key = None if value is None else value.get_secret_value()
        if key == "":
            raise ValueError("the key is empty. Set one, or unset the variable to let everybody in")
        if key is not None and not (KEY.fullmatch(key) and len(key) <= 512):
            raise ValueError(
                "the key has characters that a header cannot hold. Use up to 512 letters, digits and signs other than "
                "spaces, commas and colons, such as the output of: openssl rand -hex 32"
            )
        return value

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _allowed_hosts(cls, value: object) -> object:
        hosts = comma_list(value.lower() if isinstance(value, str) else value)
        if not isinstance(hosts, list):
            return hosts
        if not hosts:
            raise ValueError("no host is named. Give names such as lens.example.org, or * for any")
        hosts = [f"[{host}]" if host.count(":") > 1 and host[0] != "[" else host for host in hosts]
        if wrong := [host for host in hosts if host not in (ANY, "auto") and not HOST.fullmatch(host)]:
            raise ValueError(
                f"{wrong[0]!r} is not the name of a host. Give names without scheme, port and path, such as "
                "lens.example.org, *.example.org or 192.0.2.1, separated by commas, or * for any"
            )
        return hosts

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _cors_origins(cls, value: object) -> object:
        origins = comma_list(value.lower() if isinstance(value, str) else value)
        if isinstance(origins, list):
            _check_origins([origin for origin in origins if origin != ANY], "give origins")
        return origins

    @field_validator("root_path", mode="before")
    @classmethod
    def _root_path(cls, value: object) -> object:
        if not isinstance(value, str) or value in ("", "/"):
            return "" if value == "/" else value
        path = value.removesuffix("/")
        if not ROOT_PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
            raise ValueError("this is not a path. Give one such as /lens, with letters, digits and . _ ~ -")
        if path.split("/")[1] in OWN_PATHS:
            raise ValueError(
                "the service's own addresses begin so. Let the proxy use another path, such as /lens"
            )
        return path

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _trusted_proxies(cls, value: object) -> object:
        proxies = comma_list(value)
        for proxy in proxies if isinstance(proxies, list) else ():
            try:
                if proxy != ANY:
                    ipaddress.ip_network(proxy)
            except ValueError:
                raise ValueError(
                    f"{proxy!r} is no address and no network. Give some such as 127.0.0.1 or 10.0.0.0/8, separated by commas"
                ) from None
        return proxies

    @field_validator("otlp_endpoint", mode="before")
    @classmethod
    def _otlp_endpoint(cls, value: object) -> object:
        if isinstance(value, str) and value:
            try:
                parts = urlsplit(value)
                usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
            except ValueError:
                usable = False
            if not usable:
                raise ValueError("this is not an address. Give one such as http://localhost:4318")
        return value

    @field_validator("frame_ancestors", mode="before")
    @classmethod
    def _frame_ancestors(cls, value: object) -> object:
        """The sources of CSP's ``frame-ancestors``."""
        if not isinstance(value, str):
            return value
        given = [name.strip().strip("'").lower() for name in value.split(",")]
        if given == ["none"]:
            return ["'none'"]
        _check_origins([name for name in given if name != "self"], "give none, or self and origins")
        return ["'self'" if name == "self" else name for name in given]


def _check_origins(origins: list[str], advice: str) -> None:
    if wrong := [origin for origin in origins if not ORIGIN.fullmatch(origin)]:
        raise ValueError(
            f"{wrong[0]!r} is not a site; {advice} such as https://example.org or http://localhost:8080 without a path, "
            "separated by commas"
        )


def hosts_of(allowed: list[str], host: str) -> list[str] | None:
    """The hosts that a request may name; None: any.

    Args:
        allowed: ``AccessSettings.allowed_hosts``.
        host: The address that the service listens on.
    """
    names = list(allowed)
    if "auto" in names:
        names.remove("auto")
        names += LOOPBACK_HOSTS if is_loopback(host) else [ANY]
    return None if ANY in names else names


def is_loopback(host: str) -> bool:
    """Whether an address that is listened on can be reached from this computer alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"
