"""Settings about what a connection may cost."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings

_KIBIBYTE = 1024
_MEBIBYTE = 1024 * 1024
_DAY_S = 86_400


class ConnectionSettings(BaseSettings):
    """The part of ``Settings`` about connections, before, during and after a request."""

    max_connections: int = Field(
        default=1000, ge=1, le=1_000_000, description="most connections open at once, number"
    )
    max_connections_per_address: int = Field(
        default=250,
        ge=1,
        le=1_000_000,
        description="most connections of one address (IPv6: of one /64 network), number; trusted proxies are exempt",
    )
    max_header_bytes: int = Field(
        default=32 * _KIBIBYTE,
        ge=256,
        le=_MEBIBYTE,
        description="longest head of a request (its line and its headers), bytes",
    )
    max_headers: int = Field(default=100, ge=1, le=10_000, description="most headers of a request, number")
    max_url_bytes: int = Field(
        default=8 * _KIBIBYTE, ge=64, le=_MEBIBYTE, description="longest address in a request's line, bytes"
    )
    max_pipelined: int = Field(
        default=8,
        ge=1,
        le=1000,
        description="most requests that one connection may send before the first of them is answered, number",
    )
    max_chunk_overhead: int = Field(
        default=64 * _KIBIBYTE,
        ge=256,
        le=1024 * _MEBIBYTE,
        description="most bytes that the framing of a chunked body may take beyond a quarter of its data, bytes",
    )
    max_uploading_bytes: int = Field(
        default=256 * _MEBIBYTE,
        ge=1,
        description="most bytes of unfinished uploads of all connections; never less than one of max_bytes, bytes",
    )
    max_unsent_bytes: int = Field(
        default=256 * _MEBIBYTE,
        ge=1,
        description="most bytes of answers that clients have not yet read; the slowest is cut off first, bytes",
    )
    header_s: float = Field(
        default=10.0,
        gt=0,
        le=_DAY_S,
        allow_inf_nan=False,
        description="longest time for a request's head, never more than time_limit_s, seconds",
    )
    keep_alive_s: float = Field(
        default=65.0,
        gt=0,
        le=_DAY_S,
        allow_inf_nan=False,
        description="time an idle connection is kept for the next request, seconds",
    )
    body_s: float = Field(
        default=120.0,
        gt=0,
        le=_DAY_S,
        allow_inf_nan=False,
        description="longest time for a request's body, seconds",
    )
    body_rate: int = Field(
        default=4 * _KIBIBYTE,
        ge=0,
        description="slowest mean rate of a body after rate_grace_s, bytes a second",
    )
    send_s: float = Field(
        default=300.0,
        gt=0,
        le=_DAY_S,
        allow_inf_nan=False,
        description="longest time in which a client reads an answer, seconds",
    )
    send_rate: int = Field(
        default=4 * _KIBIBYTE,
        ge=0,
        description="slowest rate at which a client reads an answer, over rate_grace_s, bytes a second",
    )
    rate_grace_s: float = Field(
        default=10.0,
        gt=0,
        le=_DAY_S,
        allow_inf_nan=False,
        description="time before body_rate counts, and over which send_rate is measured, seconds",
    )
    drain_s: float = Field(
        default=8.0,
        ge=0,
        le=_DAY_S,
        allow_inf_nan=False,
        description="longest time that running requests may take after SIGTERM or SIGINT, seconds",
    )
