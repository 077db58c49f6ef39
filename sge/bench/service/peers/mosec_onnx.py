"""Mosec with ONNX Runtime: one worker process for each thread, behind a server in Rust."""

# mypy: ignore-errors

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from mosec import Server, Worker
from plain import Classifier, onnx_network


class Predict(Worker):
    """The five best classes."""

    def __init__(self) -> None:
        self.classifier = Classifier(Path(os.environ["FACTS"]), onnx_network(os.environ["NETWORK"]))

    def deserialize(self, data: bytes) -> Any:
        """The image as network input."""
        return self.classifier.decode(data)

    def forward(self, data: Any) -> Any:
        """Logits of one image."""
        return self.classifier.network(data[None])[0]

    def serialize(self, data: Any) -> bytes:
        """Classes of the logits, as JSON."""
        return json.dumps(self.classifier.classes(data)).encode()


if __name__ == "__main__":
    # Mosec reads the command line itself and knows options of its own only.
    given = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
    os.environ |= {"FACTS": given["--facts"], "NETWORK": given["--file"]}
    sys.argv[1:] = ["--port", given["--port"], "--address", "127.0.0.1", "--timeout", "60000"]
    server = Server()
    server.append_worker(Predict, num=int(given["--threads"]))
    server.run()
