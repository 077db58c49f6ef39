"""Benchmarks that report ratios within one run, because single times on a shared machine vary too much."""

from sge.bench.contenders import Contenders, networks, stages
from sge.bench.timing import interleaved

__all__ = [
    "Contenders",
    "interleaved",
    "networks",
    "stages",
]
