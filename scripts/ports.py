"""A port that stays free until the process that is told of it listens on it."""

from __future__ import annotations

import random
import socket

# The kernel gives outgoing connections and sockets bound to port 0 a number from 32768 on (Linux) or 49152 on (others).
# Ray's workers take 10002 to 19999. No process takes a port between the two unless it is told to.
PORTS = range(20_000, 32_000)


def free_port() -> int:
    """A port of 127.0.0.1 on which nothing listens, outside the range from which the kernel chooses.

    A port that the kernel chose and that was closed again can be given to another process before it is listened on.

    Raises:
        RuntimeError: a hundred ports in sequence are taken.
    """
    for port in random.sample(PORTS, 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("Of a hundred ports between 20000 and 32000 none is free.")
