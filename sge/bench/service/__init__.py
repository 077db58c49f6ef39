"""The service beside other servers: the same weights and images, equal threads, in turn."""

from sge.bench.service.result import ServiceResult
from sge.bench.service.run import ServiceBench, measure_service

__all__ = ["ServiceBench", "ServiceResult", "measure_service"]
