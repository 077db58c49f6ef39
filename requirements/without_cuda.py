"""Prints a lock without PyTorch and what it brings for GPUs: for images that take PyTorch's CPU wheels instead.

Usage: python requirements/without_cuda.py requirements/run.lock
"""

import re
import sys
from pathlib import Path

DROPPED = re.compile(r"(torch|torchvision|triton|nvidia-[\w-]+|cuda-[\w-]+)==")


def main() -> None:
    """Entries begin in the first column; their hashes and comments are indented."""
    keep = True
    for line in Path(sys.argv[1]).read_text("utf-8").splitlines():
        if line and not line[0].isspace():
            keep = DROPPED.match(line) is None
        if keep:
            print(line)


if __name__ == "__main__":
    main()
