"""Benchmarks that report ratios within one run, because single times on a shared machine vary too much.

What needs torch is imported when it is first used, because the worker processes of the benchmarks must stay small.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sge.bench.contenders import Contenders, networks, stages
    from sge.bench.exports import exported_networks, write_networks
    from sge.bench.service import ServiceBench, ServiceResult, measure_service
    from sge.bench.soak import SoakBench, SoakResult, measure_soak
    from sge.bench.timing import interleaved

_MODULES = {
    "Contenders": "sge.bench.contenders",
    "ServiceBench": "sge.bench.service",
    "ServiceResult": "sge.bench.service",
    "SoakBench": "sge.bench.soak",
    "SoakResult": "sge.bench.soak",
    "exported_networks": "sge.bench.exports",
    "interleaved": "sge.bench.timing",
    "measure_service": "sge.bench.service",
    "measure_soak": "sge.bench.soak",
    "networks": "sge.bench.contenders",
    "stages": "sge.bench.contenders",
    "write_networks": "sge.bench.exports",
}

__all__ = [
    "Contenders",
    "ServiceBench",
    "ServiceResult",
    "SoakBench",
    "SoakResult",
    "exported_networks",
    "interleaved",
    "measure_service",
    "measure_soak",
    "networks",
    "stages",
    "write_networks",
]


def __getattr__(name: str) -> Any:
    """The exported name, imported when it is first used (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)
