"""The limits of connections: bytes, time and number, counted where the bytes arrive."""

from .by_client import ByClient
from .connections import Connections, trusted_by
from .descriptors import raise_descriptors

__all__ = ["ByClient", "Connections", "raise_descriptors", "trusted_by"]
