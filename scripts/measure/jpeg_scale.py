"""How far logits move when JPEGs are decoded at 1/2, 1/4 or 1/8 (SGE_JPEG_DRAFT), beside saving them once more.

Run it with ``python -m scripts.measure.jpeg_scale FOLDER``; the folder has photos with large sides. A second argument is
another side of the network's input, in pixels, for folders of smaller photos.
"""

from __future__ import annotations

import io
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from sge import Lens, load_model
from sge.arrays import Array
from sge.images import DecodedImage, decode, frame, inspect, jpeg_scale

RESAVED_QUALITY = 90


def logits(lens: Lens, image: DecodedImage, framing: str) -> Array:
    """Logits of every class, up to a constant: logarithms of the probabilities."""
    framed = frame(image, lens.model.preprocess, framing)
    classes = lens.classify_frames([framed], top_k=10**6)[0].predictions
    scores = {one.index: np.log(max(one.raw_score or one.score, 1e-30)) for one in classes}
    values = np.array([scores[index] for index in sorted(scores)])
    return np.asarray(values - values.mean())


def main(folder: Path, side: int | None = None) -> None:
    """Prints a line for every framing."""
    model = load_model("sge_efficientnet_lite0")
    if side is not None:
        resized = replace(model.preprocess, size=side, resize=round(side * 1.14), whole=side)
        model = replace(model, preprocess=resized)
    lens = Lens(model, device="cpu")
    for framing in ("whole", "center"):
        moved: list[float] = []
        resaved: list[float] = []
        seconds = [0.0, 0.0]
        for path in sorted(folder.glob("*.jp*g")):
            data = path.read_bytes()
            scale = jpeg_scale(inspect(data), lens.model.preprocess, framing)
            if scale == 1:
                continue
            images = []
            for number, used in enumerate((1, scale)):
                started = time.thread_time()
                images.append(decode(data, scale=used))
                seconds[number] += time.thread_time() - started
            whole = logits(lens, images[0], framing)
            again = io.BytesIO()
            Image.open(io.BytesIO(data)).convert("RGB").save(again, "JPEG", quality=RESAVED_QUALITY)
            others = images[1], decode(again.getvalue())
            for image, listed in zip(others, (moved, resaved), strict=True):
                change = np.linalg.norm(logits(lens, image, framing) - whole)
                listed.append(float(change / np.linalg.norm(whole)))
        if not moved:
            print(f"{framing}: no photo here is large enough")
            continue
        print(
            f"{framing}: {len(moved)} photos, decoding in {seconds[1] / seconds[0]:.2f} of the time; change of the logits "
            f"relative to their norm: median {np.median(moved):.3f}, largest {max(moved):.3f}; saved again as JPEG "
            f"{RESAVED_QUALITY}: median {np.median(resaved):.3f}, largest {max(resaved):.3f}"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None)
