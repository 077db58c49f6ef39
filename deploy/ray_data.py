"""Analyzes a folder or bucket of images with Ray Data: one row an image, as Parquet or JSON lines.

    pip install 'sge-lens[ray]'
    python deploy/ray_data.py photos --out records                         # a Ray of its own, on this machine
    RAY_ADDRESS=auto python deploy/ray_data.py s3://bucket/photos --out s3://bucket/records --workers 32

A row has ``path``, ``sha256``, ``width``, ``height``, ``model``, ``label``, ``score``, ``predictions`` and ``parts``
(JSON), ``notes``, with ``--record`` the whole record (JSON, as ``sge analyze`` writes it), and ``error``: the sentence on
an image that cannot be used, whose other fields are empty. The rows have no order; ``path`` says whose they are. Exit
status 0: all well, 1: some images failed and the rest is written, 2: nothing was found or written.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import ray

from sge import Lens, SGEError, load_model
from sge.analysis import json_text, to_record
from sge.images import decode

EXTENSIONS = ["jpg", "jpeg", "png", "webp", "gif", "avif", "heic", "heif"]
MODEL = "sge_efficientnet_lite0_tuned"
BATCH = 8
SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("sha256", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("model", pa.string()),
        ("label", pa.string()),
        ("score", pa.float32()),
        ("predictions", pa.string()),
        ("parts", pa.string()),
        ("notes", pa.string()),
        ("record", pa.string()),
        ("error", pa.string()),
    ]
)


class Analyze:
    """Rows of images to rows of records; one in each worker process.

    Args:
        model: Name or file; every machine of a cluster must have the file.
        backend: As ``sge.Lens`` takes it.
        framing: ``whole`` or ``center``.
        top_k: Classes of ``predictions``.
        record: Also write the whole record, with every map.
    """

    def __init__(self, model: str, backend: str, framing: str, top_k: int, record: bool) -> None:
        self.lens = Lens(load_model(model), backend=backend, threads=1)
        self.framing, self.top_k, self.record = framing, top_k, record

    def __call__(self, batch: dict[str, np.ndarray]) -> pa.Table:
        """A batch with ``path`` and ``bytes``."""
        rows: list[dict[str, Any]] = [{} for _ in batch["path"]]
        together: dict[tuple[int, ...], list[tuple[int, Any]]] = {}
        for number, (path, data) in enumerate(zip(batch["path"], batch["bytes"], strict=True)):
            rows[number]["path"] = str(path)
            try:
                frame = self.lens.frame(decode(bytes(data), name=PurePosixPath(str(path)).name), self.framing)
            except SGEError as error:
                rows[number]["error"] = str(error)
            else:
                together.setdefault(frame.array.shape, []).append((number, frame))
        for members in together.values():
            for (number, _frame), analysis in zip(members, self._analyses(members), strict=True):
                if isinstance(analysis, SGEError):
                    rows[number]["error"] = str(analysis)
                else:
                    rows[number] |= self._row(analysis)
        return pa.Table.from_pylist(rows, SCHEMA)

    def _analyses(self, members: list[tuple[int, Any]]) -> list[Any]:
        """Analyses of frames of one shape; if they fail together, each has its own error."""
        try:
            return list(self.lens.analyze_frames([frame for _, frame in members], self.top_k))
        except SGEError as error:
            return [error] if len(members) == 1 else [self._analyses([one])[0] for one in members]

    def _row(self, analysis: Any) -> dict[str, Any]:
        image, best = analysis.image_info, analysis.predictions[0]
        return {
            "sha256": image.sha256,
            "width": image.width,
            "height": image.height,
            "model": analysis.model.name,
            "label": best.label,
            "score": best.score,
            "predictions": json.dumps([asdict(one) for one in analysis.predictions]),
            "parts": json.dumps([asdict(part) for part in analysis.parts]),
            "notes": " ".join(image.notes) or None,
            "record": json_text(to_record(analysis)) if self.record else None,
        }


def analyze(
    source: str,
    out: str,
    format: str = "parquet",
    model: str = MODEL,
    backend: str = "auto",
    framing: str = "whole",
    top_k: int = 5,
    workers: int = 1,
    record: bool = False,
) -> tuple[int, int]:
    """Analyzes every image below ``source`` and writes the rows into the folder ``out``.

    Args:
        source: Folder, file, or address that pyarrow reads, such as ``s3://bucket/photos``.
        out: Folder, or address that pyarrow writes.
        format: ``parquet`` or ``jsonl``.
        model: As ``Analyze`` takes it, and so the next four.
        backend: as of ``Lens``.
        framing: ``whole`` or ``center``.
        top_k: Classes of ``predictions``.
        workers: Processes that compute, each with one core.
        record: Also write the whole record.

    Returns:
        Number of images that were analyzed, and of those that failed.
    """
    images = ray.data.read_binary_files(source, include_paths=True, file_extensions=EXTENSIONS)
    rows = images.map_batches(
        Analyze,
        fn_constructor_kwargs={
            "model": model,
            "backend": backend,
            "framing": framing,
            "top_k": top_k,
            "record": record,
        },
        batch_size=BATCH,
        compute=ray.data.ActorPoolStrategy(size=workers),
        num_cpus=1,
    ).materialize()  # Written once and counted once, without a second analysis.
    write = rows.write_parquet if format == "parquet" else rows.write_json
    write(out)
    total = rows.count()
    failed = rows.filter(lambda row: row["error"] is not None).take_all() if total else []
    for row in failed:
        print(f"  {row['path']}: {row['error']}", file=sys.stderr)
    return total - len(failed), len(failed)


def main() -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="Analyze a folder or bucket of images with Ray Data.")
    parser.add_argument("source")
    parser.add_argument("--out", required=True)
    parser.add_argument("--format", default="parquet", choices=["parquet", "jsonl"])
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--backend", default="auto", choices=["auto", "torch", "onnxruntime", "openvino"])
    parser.add_argument("--framing", default="whole", choices=["whole", "center"])
    parser.add_argument("--top-k", type=int, default=5)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--record", action="store_true", help="also write the whole record, with every map")
    given = parser.parse_args()
    ray.init(include_dashboard=False, ignore_reinit_error=True)
    try:
        done, failed = analyze(**vars(given))
    except FileNotFoundError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if not done + failed:
        print(f"error: no images in {given.source}. Name a folder that holds some.", file=sys.stderr)
        return 2
    print(f"{done} done, {failed} failed; rows in {given.out}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
