"""Where a person reads: results on stdout, everything else on stderr."""

from __future__ import annotations

import sys

from rich.console import Console

messages = Console(stderr=True)
# Into a file or a pipe nothing is wrapped at a terminal's width.
results = Console(width=None if sys.stdout.isatty() else 120)
