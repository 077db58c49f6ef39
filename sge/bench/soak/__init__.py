"""The memory of the service after thousands of mixed requests, and after a burst of large images."""

from sge.bench.soak.result import SoakResult
from sge.bench.soak.run import SoakBench, measure_soak

__all__ = ["SoakBench", "SoakResult", "measure_soak"]
