"""Every open connection: their number, the bytes they hold, and a regular look at their time."""

from __future__ import annotations

import asyncio
import heapq
import ipaddress
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache

from ..metrics import Metrics
from ..settings_connections import ConnectionSettings
from .pace import Connection
from .refusals import UPLOADS, Refusal, many_connections, many_of_address

log = logging.getLogger("sge.app")

EVICTABLE_AFTER_S = 1.0
"""A request's head that is unfinished after this time makes room for other connections, seconds."""
_LOOKS_PER_LIMIT = 4


class Connections:
    """The open connections of one server; used on its event loop only.

    Args:
        settings: The limits.
        metrics: Receives the number of open connections and, by reason, of those that were cut off.
        trusted: Whether an address is a proxy, whose connections are not counted by address.
        max_connections: Most connections; by default that of the settings.
    """

    def __init__(
        self,
        settings: ConnectionSettings,
        metrics: Metrics | None = None,
        trusted: Callable[[str], bool] = lambda _address: False,
        max_connections: int | None = None,
    ) -> None:
        self.settings = settings
        self.trusted = trusted
        self.max_connections = max_connections or settings.max_connections
        self.open: set[Connection] = set()
        self.lingering = 0
        """Number of connections that ``linger.Linger`` keeps."""
        self.uploading = 0
        """Bytes of unfinished uploads."""
        self.max_uploading = max(settings.max_uploading_bytes, getattr(settings, "max_bytes", 1))
        self.header_s = min(settings.header_s, getattr(settings, "time_limit_s", settings.header_s))
        self._counted: set[Connection] = set()
        self._by_address: Counter[str] = Counter()
        self._cut: Counter[str] = Counter()
        self._metrics = metrics
        self._look: asyncio.TimerHandle | None = None
        limits = (self.header_s, settings.body_s, settings.send_s, settings.rate_grace_s)
        self.every_s = min(1.0, min(limits) / _LOOKS_PER_LIMIT)
        if metrics is not None:
            metrics.connections.set_function(lambda: len(self.open))

    def add(self, connection: Connection) -> Refusal | None:
        """Counts a new connection.

        Returns:
            Why it must be refused, or None. An idle connection is closed in its place where there is one.
        """
        now = connection.loop.time()
        if self._look is None:
            self._look = connection.loop.call_later(self.every_s, self._look_at_all, connection.loop)
        self.open.add(connection)
        self._counted.add(connection)
        address, settings = connection.address, self.settings
        if address:
            self._by_address[address] += 1
            crowded = self._by_address[address] > settings.max_connections_per_address
            if crowded and not self._make_room(now, connection, address):
                return many_of_address(settings.max_connections_per_address)
        if len(self._counted) > self.max_connections and not self._make_room(now, connection):
            return many_connections(self.max_connections)
        return None

    def remove(self, connection: Connection) -> None:
        """Forgets a closed connection."""
        self.open.discard(connection)
        self.uncount(connection)

    def uncount(self, connection: Connection) -> None:
        """Gives the room of a connection that is being closed to another one."""
        if connection not in self._counted:
            return
        self._counted.discard(connection)
        address = connection.address
        if address:
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]

    def counted_address(self, host: str) -> str:
        """The key under which an address' connections are counted; empty for those that are not."""
        network = counted(host)
        return "" if self.trusted(host) else network

    def note(self, reason: str) -> None:
        """Counts a connection that was cut off; one line a second and reason goes to the log."""
        self._cut[reason] += 1
        if self._metrics is not None:
            self._metrics.cut_connections.labels(reason).inc()

    def uploaded(self, connection: Connection, size: int) -> None:
        """Counts further bytes of an unfinished upload, and ends the slowest where they are too many."""
        self.uploading += size
        if self.uploading > self.max_uploading:
            now = connection.loop.time()
            slowest = min(
                (other for other in self.open if other.upload_bytes),
                key=lambda other: other.pace.upload_speed(now),
            )
            slowest.refuse(UPLOADS)

    def _make_room(self, now: float, new: Connection, address: str | None = None) -> bool:
        """Closes the connection that has been idle, or has not finished a head, for the longest time.

        However many idle connections a client opens, those of others last until they have sent their first bytes.
        """
        candidates = [
            other
            for other in self._counted
            if other is not new and not other.closing and (address is None or other.address == address)
        ]
        found = [
            other
            for other in candidates
            if other.idle or (other.in_head and now - other.since > EVICTABLE_AFTER_S)
        ]
        if not found:
            return False
        # Several at once, so that a flood of connections does not pay for a search each.
        for oldest in heapq.nsmallest(1 + len(candidates) // 64, found, key=lambda other: other.since):
            oldest.cut("room")
        return True

    def _look_at_all(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        unsent = 0
        for connection in tuple(self.open):
            unsent += connection.look(now)
        if unsent > self.settings.max_unsent_bytes:
            self._cut_slowest_readers(unsent - self.settings.max_unsent_bytes, now)
        for reason, count in self._cut.items():
            log.info("connections cut", extra={"reason": reason, "count": count})
        self._cut.clear()
        self._look = loop.call_later(self.every_s, self._look_at_all, loop) if self.open else None

    def _cut_slowest_readers(self, too_many: int, now: float) -> None:
        """Cuts off connections that read slowest for what they hold, but none that was just given its answer."""
        grace = self.settings.rate_grace_s / 2
        readers = [
            other for other in self.open if other.pace.unsent and now - other.pace.unread_since > grace
        ]
        for reader in sorted(readers, key=lambda other: other.pace.reading_speed(now)):
            if too_many <= 0:
                return
            too_many -= reader.pace.unsent
            reader.cut("unsent")


@lru_cache(4096)
def counted(host: str) -> str:
    """An address as it is counted: one IPv6 customer has a /64 network."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def trusted_by(proxies: Sequence[str]) -> Callable[[str], bool]:
    """Whether an address is one of the proxies.

    Args:
        proxies: Addresses, networks, or ``*`` for any.
    """
    if not proxies:
        return lambda _address: False
    if "*" in proxies:
        return lambda _address: True
    networks = [ipaddress.ip_network(proxy) for proxy in proxies]

    @lru_cache(4096)
    def is_trusted(address: str) -> bool:
        try:
            return any(ipaddress.ip_address(address) in network for network in networks)
        except ValueError:
            return False

    return is_trusted
