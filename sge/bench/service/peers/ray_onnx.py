"""Ray Serve with ONNX Runtime: one replica for each thread, batches by its own decorator."""

# mypy: ignore-errors

from __future__ import annotations

import logging
import os
import signal
import threading
from typing import Any

import numpy as np
import ray
from plain import Classifier, arguments, onnx_network
from ray import serve
from starlette.requests import Request

given = arguments()


@serve.deployment(num_replicas=given.threads, max_ongoing_requests=32, ray_actor_options={"num_cpus": 0.5})
class Predict:
    """The five best classes."""

    def __init__(self) -> None:
        self.classifier = Classifier(given.facts, onnx_network(given.file))

    @serve.batch(max_batch_size=8, batch_wait_timeout_s=0)
    async def classify(self, images: list[bytes]) -> list[Any]:
        """Classes of a batch of images."""
        logits = self.classifier.network(np.stack([self.classifier.decode(image) for image in images]))
        return [self.classifier.classes(row) for row in logits]

    async def __call__(self, request: Request) -> Any:
        """One request."""
        return await self.classify(await request.body())


os.environ["PYTHONPATH"] = os.pathsep.join([os.path.dirname(__file__), os.environ.get("PYTHONPATH", "")])
ray.init(
    num_cpus=given.threads + 1,
    include_dashboard=False,
    logging_level=logging.WARNING,
    object_store_memory=100 * 2**20,
    runtime_env={"env_vars": {"PYTHONPATH": os.environ["PYTHONPATH"], "OMP_NUM_THREADS": "1"}},
)
serve.start(http_options={"host": "127.0.0.1", "port": given.port})
serve.run(Predict.bind(), route_prefix="/predict")
ended = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: ended.set())
ended.wait()
serve.shutdown()
ray.shutdown()
