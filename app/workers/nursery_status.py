"""How the nursery tells the exit status of a worker."""

import struct

STATUS = struct.Struct("!i")
"""Negative is the number of the signal that ended the worker."""
