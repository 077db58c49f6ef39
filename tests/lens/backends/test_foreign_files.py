"""A lens of an ONNX file that somebody else made: what it has is shown, and what it lacks is refused in words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import sge
from sge.errors import SGEError, UnsupportedNetworkError
from sge.models import import_weights
from tests.drawn_images import noise
from tests.models.foreign_files import GROUPS, foreign, saved

GATE = "att/\u00e4"
IMAGE = noise(90, 60)


def lens_of(proto: onnx.ModelProto, folder: Path, backend: str = "auto", **choices: Any) -> sge.Lens:
    path = saved(proto, folder)
    model = sge.load_model(
        import_weights(path, "theirs", folder / "models", **{"maps": {"layer1": GATE}} | choices)
    )
    return sge.Lens(model, backend=backend)


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("image", [("n", 3, "h", "w"), (1, 3, 32, 48)])
def test_masks_and_classes(backend: str, image: tuple[Any, ...], tmp_path: Path) -> None:
    pytest.importorskip(backend)
    proto = foreign(image=image)
    lens = lens_of(proto, tmp_path, backend, labels=["a", "b", "c"], preprocess={"size": 32})
    frames = [lens.frame(IMAGE), lens.frame(IMAGE.rotate(180).resize((90, 60)))]
    evaluator = ReferenceEvaluator(proto)
    for frame, seen in zip(frames, lens.analyze_frames(frames), strict=True):
        expected, scores = map(np.asarray, evaluator.run([GATE, "scores"], {"pixels": frame.array[None]}))
        np.testing.assert_allclose(seen.masks["layer1"], expected[0], atol=1e-5)
        assert seen.predictions[0].index == scores[0].argmax()
        (block,) = seen.blocks
        assert (block.signals, block.stride, block.channels) == (("mask",), 8, 0)
        assert (seen.similarity, seen.energy, seen.signal) == ({}, {}, "mask")
    assert lens.groups == {}
    assert any("lacks similarity, energy and inputs" in note for note in seen.model.notes)


def test_what_is_absent_is_refused_in_words(tmp_path: Path) -> None:
    lens = lens_of(foreign(image=(1, 3, 32, 48)), tmp_path)
    seen = lens.analyze(IMAGE)
    refused: dict[str, Callable[[], object]] = {
        "gives no similarity of layer1": lambda: seen.maps("layer1", "similarity"),
        "no way to remove groups": lambda: lens.ablate(IMAGE, "all"),
        "gives maps": lambda: lens.attribute(IMAGE),
        "somebody else made": lambda: lens.steps(IMAGE, "layer1", 0),
        "does not give Grad-CAM. Load": lambda: lens.grad_cam(IMAGE),
        "48 x 32 pixels alone": lambda: lens.analyze(IMAGE, size=64),
    }
    for said, ask in refused.items():
        with pytest.raises(SGEError, match=said):
            ask()


def test_files_of_an_analysis(tmp_path: Path) -> None:
    seen = lens_of(foreign(), tmp_path).analyze(IMAGE, size=64)
    masks = seen.masks["layer1"]
    positive = np.maximum(masks - masks.mean((1, 2), keepdims=True), 0).reshape(GROUPS, -1)
    focus = 1 - positive.sum(1) ** 2 / (positive.shape[1] * (positive**2).sum(1))
    np.testing.assert_allclose(seen.focus("layer1"), focus, atol=1e-5)
    for ending in ("json", "safetensors"):
        seen.save(tmp_path / f"a.{ending}")
        opened = sge.Analysis.open(tmp_path / f"a.{ending}")
        assert (opened.blocks, opened.similarity, opened.energy) == (seen.blocks, {}, {})
        np.testing.assert_allclose(opened.masks["layer1"], masks, atol=1e-2)
    for ending in ("html", "png"):
        seen.save(tmp_path / f"a.{ending}")
    assert seen.overlay("layer1", 1).size == (90, 60)


def test_a_mask_beyond_0_to_1_is_refused_when_it_comes(tmp_path: Path) -> None:
    proto = foreign(image=(1, 3, 32, 32))
    scale = numpy_helper.from_array(np.array(1e-2, np.float32), "scale")
    half = numpy_helper.from_array(np.array(0.5, np.float32), "half")
    proto.graph.initializer.extend([scale, half])
    proto.graph.node[2].CopyFrom(helper.make_node("Mul", ["before", "scale"], ["small"]))
    proto.graph.node.append(helper.make_node("Add", ["small", "half"], [GATE]))
    lens = lens_of(proto, tmp_path)
    frame = lens.frame(IMAGE)
    assert lens.analyze_frames([frame])[0].masks["layer1"].min() >= 0
    frame.array[:] = 1e4
    with pytest.raises(UnsupportedNetworkError, match=r"layer1=sigmoid\(OUTPUT\)"):
        lens.analyze_frames([frame])


def test_boxes_lie_where_the_padded_image_is(tmp_path: Path) -> None:
    """A YOLO's output for 64 x 96 pixels, with one box; names as ultralytics writes them."""
    anchors = np.zeros((1, 4 + 2, 8 * 12 + 4 * 6 + 2 * 3), np.float32)
    anchors[0, :, 7] = [30, 20, 20, 10, 0.1, 0.8]
    proto = foreign(image=(1, 3, 64, 96))
    proto.graph.initializer.append(numpy_helper.from_array(anchors, "found"))
    proto.graph.node.append(helper.make_node("Identity", ["found"], ["output0"]))
    proto.graph.output[0].CopyFrom(helper.make_tensor_value_info("output0", TensorProto.FLOAT, anchors.shape))
    proto.metadata_props.add(key="names", value="{0: 'cat', 1: 'dog'}")
    lens = lens_of(proto, tmp_path)
    assert lens.model.preprocess == sge.Preprocess((0.0,) * 3, (1.0,) * 3, 64, 64, fixed=(64, 96))
    tall = noise(100, 200)  # It becomes 32 x 64 pixels.
    seen = lens.analyze(tall)
    (box,) = seen.boxes
    corners = (box.x, box.y, box.x + box.width, box.y + box.height)
    assert corners == pytest.approx((62.5, 46.875, 100, 78.125))
    assert box.label == "dog"
    assert box.score == pytest.approx(0.8)
    assert seen.predictions == []
    assert lens.predict(tall) == []
