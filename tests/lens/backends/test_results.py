"""Exported files without logits, and files of one size, in a lens."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

import sge
from sge.errors import ChoiceError, UnsupportedNetworkError
from sge.lens import Wanted
from sge.models.export import existing_export, exported_file
from tests.models.exported import LABELS, Network, model, network


class Maps(Network):
    def forward(self, x):
        x = self.second(self.first(self.stem(x)))
        return {"out": self.bam1(x + self.third(x))}


@pytest.fixture(scope="module")
def photo():
    pixels = np.random.default_rng(0).integers(0, 256, (90, 130, 3), np.uint8)
    return Image.fromarray(pixels).resize((260, 180), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_a_file_without_logits_shows_its_masks(tmp_path, photo, runtime):
    pytest.importorskip(runtime)
    made = sge.Model("maps", network(Maps), LABELS)
    file = sge.export_onnx(made, tmp_path / "maps.onnx")
    assert file.labels == LABELS
    lens = sge.Lens(sge.load_model(file.path), backend=runtime)
    found, expected = lens.analyze(photo, size=64), sge.Lens(made).analyze(photo, size=64)
    assert found.predictions == found.boxes == expected.predictions == []
    assert any("output" in note for note in found.model.notes)
    assert [block.name for block in found.blocks] == [block.name for block in expected.blocks]
    for name, mask in expected.masks.items():
        np.testing.assert_allclose(found.masks[name], mask, atol=1e-4)
        np.testing.assert_allclose(found.energy[name], expected.energy[name], atol=1e-4)
    assert lens.predict(photo, size=64) == []
    nothing = Wanted(masks=False, similarity=False, energy=False, parts=False)
    assert lens.analyze(photo, size=64, wanted=nothing).masks == {}
    for call in (lambda: lens.ablate(photo, {"first": [0]}), lambda: lens.attribute(photo)):
        with pytest.raises(UnsupportedNetworkError, match="logits"):
            call()


def test_torch_runs_what_a_file_would_do_less_of(tmp_path, monkeypatch):
    monkeypatch.setenv("SGE_MODEL_DIR", str(tmp_path))
    made = sge.Model("maps", network(Maps), LABELS)
    for _ in range(2):  # The second finds the file.
        with pytest.raises(UnsupportedNetworkError, match="Choose the backend torch"):
            sge.Lens(made, backend="onnxruntime")
    assert existing_export(made) is None
    with pytest.raises(UnsupportedNetworkError, match="no logits"):
        exported_file(made)


def test_a_file_of_one_size_says_which(tmp_path, photo):
    file = sge.export_onnx(model(), tmp_path / "a.onnx", size=96)
    lens = sge.Lens(file)
    frame = lens.frame(photo, "center", 96)
    with torch.no_grad():
        expected = network()(torch.from_numpy(frame.array[None]))[0].softmax(0)
    assert lens.analyze(photo, "center", size=96).predictions[0].score == pytest.approx(
        float(expected.max()), abs=1e-5
    )
    with pytest.raises(ChoiceError, match="size is 64, and this model takes inputs of 96 x 96 pixels alone"):
        lens.analyze(photo, size=64)
    with pytest.raises(ChoiceError, match=r"96 x 96 pixels alone, and this one has 64 x 96.*lens.frame"):
        lens.analyze_frames([sge.Lens(model(), "cpu").frame(photo.resize((60, 90)), size=64)])
    wide = sge.Lens(sge.export_onnx(model(), tmp_path / "b.onnx", size=(64, 160)))
    seen = wide.analyze(photo)
    assert seen.geometry.input == (160, 64)
    assert [(block.height, block.width) for block in wide.stated_blocks] == [
        (block.height, block.width) for block in seen.blocks
    ]
