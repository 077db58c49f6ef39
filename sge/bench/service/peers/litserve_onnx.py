"""LitServe with ONNX Runtime: one worker process for each thread. It takes multipart bodies only."""

# mypy: ignore-errors

# LitServe looks at the annotation of a request itself, which postponed annotations would hide.
from typing import Any

import litserve
from fastapi import Request
from plain import Classifier, arguments, onnx_network


class Predict(litserve.LitAPI):
    """The five best classes."""

    def setup(self, device: str) -> None:
        """Loads the network in a worker."""
        given = arguments()
        self.classifier = Classifier(given.facts, onnx_network(given.file))

    def decode_request(self, request: Request, **kwargs: Any) -> Any:
        """The form's image as network input."""
        return self.classifier.decode(request["image"].file.read())

    def predict(self, x: Any, **kwargs: Any) -> Any:
        """Logits of one image."""
        return self.classifier.network(x[None])[0]

    def encode_response(self, output: Any, **kwargs: Any) -> list[dict[str, Any]]:
        """Classes of the logits."""
        return self.classifier.classes(output)


if __name__ == "__main__":
    given = arguments()
    server = litserve.LitServer(
        Predict(), accelerator="cpu", workers_per_device=given.threads, timeout=60, fast_queue=True
    )
    server.run(host="127.0.0.1", port=given.port, log_level="warning", generate_client_file=False)
