"""Serves predictions and masks with Ray Serve: on one machine or many, with replicas that each run the same Lens.

    pip install 'sge-lens[app,ray]'
    python deploy/ray_serve.py --replicas 4 --port 8000                    # a Ray of its own, on this machine
    RAY_ADDRESS=auto python deploy/ray_serve.py --replicas 32              # in a running cluster
    curl --data-binary @dog.jpg -H "Content-Type: image/jpeg" http://127.0.0.1:8000/predict

Two deployments. ``Front`` takes the HTTP requests and computes nothing; ``LensReplica`` decodes and computes. When a
replica dies, what it was computing is answered with 503 and may be sent again, other requests do not notice, and Ray
starts another replica. The page, the limits on images and the rest of the REST API are the service's, ``sge serve``.
"""

# No postponed annotations: Ray hands the routes to FastAPI in another process, where their names are unknown.
import argparse
import asyncio
import io
import os
import signal
import threading
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import ray
from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse
from ray import serve
from ray.exceptions import RayActorError, RayError
from ray.serve.exceptions import BackPressureError, RayServeException

from sge import Lens, SGEError, Wanted, load_model
from sge.images import decode

MAX_BYTES = 20 * 2**20
"""Largest image, bytes."""
MAX_BATCH = 8
MAX_WAITING = 64
"""Requests that wait for a free replica; further ones are refused with 503."""
RETRY_AFTER_S = 2
MODEL = "sge_efficientnet_lite0_tuned"


Answer = tuple[int, Any]
"""A status, and the result (200) or the sentence on what is wrong."""


@dataclass(frozen=True)
class Task:
    """One image and what is asked of it."""

    data: bytes
    framing: str
    top_k: int
    blocks: tuple[str, ...] | None
    """Blocks whose masks are wanted; None for predictions only."""


@serve.deployment(
    max_ongoing_requests=2 * MAX_BATCH, max_queued_requests=MAX_WAITING, health_check_period_s=2
)
class LensReplica:
    """One model in one process.

    Args:
        model: Name or file; an exported file (``.onnx``) needs no torch.
        backend: As ``sge.Lens`` takes it.
        threads: Threads of one forward pass.
    """

    def __init__(self, model: str, backend: str, threads: int | None) -> None:
        self.lens = Lens(load_model(model), backend=backend, threads=threads)

    def about(self) -> dict[str, Any]:
        """Facts of the model."""
        model = self.lens.model
        return {"name": model.name, "backend": self.lens.backend, "classes": len(model.labels)}

    @serve.batch(max_batch_size=MAX_BATCH, batch_wait_timeout_s=0)
    async def answer(self, tasks: list[Task]) -> list[Answer]:
        """For each task the predictions, or the masks by block."""
        return await asyncio.to_thread(self._answers, tasks)

    def _answers(self, tasks: list[Task]) -> list[Answer]:
        answers: list[Answer] = [(500, None)] * len(tasks)
        together: dict[tuple[Any, ...], list[tuple[int, Any]]] = {}
        for number, task in enumerate(tasks):
            try:
                frame = self.lens.frame(decode(task.data), task.framing)
            except SGEError as error:
                answers[number] = (422, str(error))
            else:
                together.setdefault((frame.array.shape, task.blocks), []).append((number, frame))
        for (_shape, blocks), members in together.items():
            found = self._compute([frame for _, frame in members], blocks)
            for (number, _frame), answer in zip(members, found, strict=True):
                answers[number] = answer
        for number, task in enumerate(tasks):
            status, found_one = answers[number]
            if status == 200 and task.blocks is None:
                answers[number] = (200, found_one[: task.top_k])
        return answers

    def _compute(self, frames: list[Any], blocks: tuple[str, ...] | None) -> list[Answer]:
        """Results of frames of one shape; if they fail together, each has its own."""
        try:
            if blocks is None:
                found = self.lens.predict_frames(frames, top_k=len(self.lens.model.labels))
                return [(200, [asdict(one) for one in predictions]) for predictions in found]
            wanted = Wanted(blocks=blocks or None, similarity=False, energy=False, parts=False)
            return [(200, analysis.masks) for analysis in self.lens.analyze_frames(frames, wanted=wanted)]
        except SGEError as error:
            if len(frames) == 1:
                return [(422, str(error))]
            return [self._compute([frame], blocks)[0] for frame in frames]

    def process_id(self) -> int:
        """Of this replica; for logs and tests."""
        return os.getpid()


# Above the routes: ``serve.ingress`` pickles them with what exists at that moment.
def _problem(status: int, detail: str) -> Response:
    """RFC 9457."""
    body = {"type": "about:blank", "status": status, "detail": detail}
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status == 503 else None
    return JSONResponse(body, status, headers, "application/problem+json")


app = FastAPI(title="SGE Lens on Ray Serve", docs_url=None, redoc_url=None)


@serve.deployment
@serve.ingress(app)
class Front:
    """HTTP to tasks, and answers or problems to HTTP."""

    def __init__(self, lens: Any) -> None:
        self.lens = lens

    @app.post("/predict")
    async def predict(
        self,
        request: Request,
        framing: Literal["whole", "center"] = "whole",
        top_k: int = Query(5, ge=1, le=1000),
    ) -> Response:
        """Classes, best first, of the image in the body (``Content-Type: image/*``)."""
        status, answer = await self._ask(request, framing, top_k, None)
        return JSONResponse(answer) if status == 200 else _problem(status, answer)

    @app.post("/masks")
    async def masks(
        self, request: Request, framing: Literal["whole", "center"] = "whole", blocks: str = ""
    ) -> Response:
        """Masks as ``.npz``, one array (groups, height, width) for each named block; by default of all blocks."""
        named = tuple(name.strip() for name in blocks.split(",") if name.strip())
        status, answer = await self._ask(request, framing, 1, named)
        if status != 200:
            return _problem(status, answer)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **answer)
        return Response(buffer.getvalue(), media_type="application/zip")

    @app.get("/health/ready")
    async def ready(self) -> Response:
        """200 while a replica answers."""
        try:
            return JSONResponse(await self.lens.about.remote())
        except (RayError, RayServeException):
            return _problem(503, "No replica answers yet. Try again in a few seconds.")

    async def _ask(
        self, request: Request, framing: str, top_k: int, blocks: tuple[str, ...] | None
    ) -> Answer:
        data = bytearray()
        async for chunk in request.stream():
            data += chunk
            if len(data) > MAX_BYTES:
                return 413, f"The image is larger than {MAX_BYTES // 2**20} MiB. Send a smaller one."
        if not data:
            return 400, "The body is empty. Send the image's bytes with Content-Type: image/jpeg."
        try:
            answer: Answer = await self.lens.answer.remote(Task(bytes(data), framing, top_k, blocks))
        except RayActorError:
            return 503, "The process that computed this image has ended. Nothing is lost: send it again."
        except (BackPressureError, RayServeException):
            return 503, f"All replicas are busy. Try again in {RETRY_AFTER_S} s."
        return answer


def build(
    model: str = MODEL,
    backend: str = "auto",
    replicas: int = 2,
    fronts: int = 1,
    threads: int | None = 1,
    cpus: float = 1,
    gpus: float = 0,
) -> Any:
    """The application for ``serve.run``.

    Args:
        model: Name or file of a model; every machine of a cluster must have the file.
        backend: As ``sge.Lens`` takes it.
        replicas: Processes that compute.
        fronts: Processes that take HTTP requests.
        threads: Threads of one forward pass; as many as ``cpus`` is right.
        cpus: Cores that Ray reserves for a replica.
        gpus: GPUs that Ray reserves for a replica.
    """
    resources = {"num_cpus": cpus, "num_gpus": gpus}
    lens = LensReplica.options(num_replicas=replicas, ray_actor_options=resources)
    front = Front.options(num_replicas=fronts, ray_actor_options={"num_cpus": 0})
    return front.bind(lens.bind(model, backend, threads))


def main() -> None:
    """Serves until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(description="Serve a model with Ray Serve.")
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--backend", default="auto", choices=["auto", "torch", "onnxruntime", "openvino"])
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--fronts", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cpus", type=float, default=1)
    parser.add_argument("--gpus", type=float, default=0)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    given = parser.parse_args()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    ray.init(include_dashboard=False, ignore_reinit_error=True)
    serve.start(http_options={"host": given.host, "port": given.port})
    serve.run(
        build(
            given.model, given.backend, given.replicas, given.fronts, given.threads, given.cpus, given.gpus
        ),
        name="sge-lens",
    )
    ended.wait()
    serve.shutdown()


if __name__ == "__main__":
    main()
