"""FastAPI with ONNX Runtime or torch: one route, computed in the framework's thread pool."""

# mypy: ignore-errors

from __future__ import annotations

from typing import Any

import uvicorn
from anyio import to_thread
from fastapi import Depends, FastAPI, Request
from plain import Classifier, arguments, network

given = arguments()
classifier = Classifier(given.facts, network(given.file, given.backend))
app = FastAPI()


async def body(request: Request) -> bytes:
    """The image's bytes; the pool computes as many images at a time as there are threads."""
    to_thread.current_default_thread_limiter().total_tokens = given.threads
    return await request.body()


@app.post("/predict")
def predict(data: bytes = Depends(body)) -> list[dict[str, Any]]:
    """The five best classes."""
    return classifier.predict(data)


uvicorn.run(app, host="127.0.0.1", port=given.port, access_log=False, log_level="warning")
