"""File descriptors: as many as the connections need."""

from __future__ import annotations

import logging
import sys

log = logging.getLogger("sge.app")

RESERVED = 256
"""Descriptors beside those of connections: files of models, pipes of workers, the log."""


def raise_descriptors(connections: int) -> int:
    """Raises the process' limit of descriptors so far as it may, and returns the number of connections that fit.

    Args:
        connections: Number of connections that are wanted.
    """
    if sys.platform == "win32":  # there is no such limit
        return connections
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + RESERVED
    if soft != resource.RLIM_INFINITY and soft < needed:
        reachable = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (reachable, hard))
            soft = reachable
        except (OSError, ValueError):  # macOS has a second limit that cannot be asked for
            pass
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return connections
    fit = max(1, soft - RESERVED if soft > 2 * RESERVED else soft // 2)
    log.warning("descriptors", extra={"limit": soft, "needed": needed, "max_connections": fit})
    return fit
