"""What the peers share: the least that turns JPEG bytes into classes, as a person would write it for one network."""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def arguments() -> argparse.Namespace:
    """Port, files and threads, as ``sge bench service`` gives them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--facts", type=Path, required=True, help="JSON: labels and preprocessing")
    parser.add_argument("--file", required=True, help="the exported network; a model's name for torch")
    parser.add_argument("--threads", type=int, required=True, help="images that are computed at a time")
    parser.add_argument("--backend", choices=["onnxruntime", "torch"], default="onnxruntime")
    return parser.parse_args()


class Classifier:
    """JPEG bytes to the five best classes.

    Args:
        facts: File with labels and preprocessing.
        network: Batches (n, 3, h, w) to logits (n, classes).
    """

    def __init__(self, facts: Path, network: Any) -> None:
        values = json.loads(facts.read_text("utf-8"))
        self.labels, self.size, self.resize = values["labels"], values["size"], values["resize"]
        self.resample = Image.Resampling[values["interpolation"].upper()]
        self.mean = np.array(values["mean"], np.float32) * 255
        self.scale = 1 / (np.array(values["std"], np.float32) * 255)
        self.network = network

    def decode(self, data: bytes) -> Any:
        """The center crop as network input, (3, h, w) float32."""
        image = Image.open(io.BytesIO(data)).convert("RGB")
        factor = self.resize / min(image.size)
        width, height = (round(side * factor) for side in image.size)
        left, top = (width - self.size) // 2, (height - self.size) // 2
        resized = image.resize((width, height), self.resample)
        pixels = np.asarray(resized.crop((left, top, left + self.size, top + self.size)))
        return np.ascontiguousarray(((pixels - self.mean) * self.scale).transpose(2, 0, 1))

    def classes(self, logits: Any) -> list[dict[str, Any]]:
        """The five best classes of one image's logits."""
        scores = np.exp(logits - logits.max())
        scores /= scores.sum()
        best = np.argsort(scores)[:-6:-1]
        return [{"label": self.labels[i], "score": float(scores[i]), "index": int(i)} for i in best]

    def predict(self, data: bytes) -> list[dict[str, Any]]:
        """Bytes to classes, one image."""
        return self.classes(self.network(self.decode(data)[None])[0])


def network(file: str, backend: str, threads: int = 1) -> Any:
    """Runs an exported network with ONNX Runtime, or a model of this project with torch."""
    return torch_network(file, threads) if backend == "torch" else onnx_network(file, threads)


def onnx_network(file: str, threads: int = 1) -> Any:
    """Runs an exported network with ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return lambda batch: session.run(["logits"], {"image": batch})[0]


def torch_network(name: str, threads: int = 1) -> Any:
    """Runs a model of this project with torch, as it is loaded."""
    import torch

    from sge.models import load_model

    torch.set_num_threads(threads)
    model: Any = load_model(name)
    network = model.network.eval()

    def run(batch: Any) -> Any:
        with torch.inference_mode():
            return network(torch.from_numpy(batch)).numpy()

    return run
