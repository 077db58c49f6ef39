"""Errors that a caller of the network layer can cause."""

from __future__ import annotations


class SGEError(Exception):
    """Base of every error that a user of SGE Lens can cause; its message says what to do next."""


class GroupsError(SGEError, ValueError):
    """The number of groups does not divide the number of channels."""


class ShapeError(SGEError, ValueError):
    """A tensor has not the shape that the module needs."""


class UnsupportedNetworkError(SGEError, TypeError):
    """A network offers no place where SGE could be put."""


class OrderError(SGEError, ValueError):
    """An order of channels cannot be folded into the network."""
