"""Networks of other people in exported files: what they return, their sizes, and the operators that they need."""

from __future__ import annotations

import re
from collections import namedtuple
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
import pytest
import timm
import torch
from torch import nn
from torchvision import models

import sge
from sge.errors import ChoiceError, UnsupportedNetworkError
from sge.models import load_model, reduced
from sge.models.export import export_onnx
from sge.models.results import MAX_RESULTS, named_results
from sge.models.smooth_images import smooth_image
from tests.conftest import ROOT
from tests.models.exported import LABELS, Network, exported, model, network
from tests.nn.foreign_modules import Averaged, Biased, ByEinsum, ByViews, Interleaved, Volumetric

PAGE = (ROOT / "docs" / "export.md").read_text("utf-8")


def active(net):
    """The network with gates that are not inactive."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        for module in net.modules():
            if isinstance(module, sge.SpatialGroupEnhance):
                nn.init.normal_(module.weight)
    return net.eval()


def classifier():
    return active(sge.insert_sge(timm.create_model("resnet10t", num_classes=3), 8))


def features():
    return active(sge.insert_sge(timm.create_model("resnet10t", features_only=True), 8))


def segmenter():
    made = models.segmentation.lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=3)
    return active(sge.insert_sge(made, 8))


def yolo():
    tasks = pytest.importorskip("ultralytics.nn.tasks", exc_type=ImportError)
    made = tasks.DetectionModel("yolov8n.yaml", nc=3, verbose=False)
    return active(sge.insert_sge(made, 8, where=["model.4", "model.6"]))


def leaves(output):
    """The tensors of an output, in its order."""
    if isinstance(output, torch.Tensor):
        return [output]
    values = output.values() if isinstance(output, dict) else output
    return [leaf for value in values for leaf in leaves(value)]


def run(file, image):
    session = onnxruntime.InferenceSession(file.path, providers=["CPUExecutionProvider"])
    return dict(
        zip([one.name for one in session.get_outputs()], session.run(None, {"image": image}), strict=True)
    )


def operators(path):
    proto = onnx.load(path)
    assert {(one.domain, one.version) for one in proto.opset_import} == {("", 18)}
    return {node.op_type for node in proto.graph.node}


def stated_operators():
    section = PAGE.partition("## TensorRT")[2].partition("\n## ")[0]
    return [
        set(re.findall(r"`([A-Z]\w+)`", block)) for block in re.findall(r"(?:^`[A-Z].*\n)+", section, re.M)
    ]


@pytest.mark.parametrize(
    ("make", "labels", "size", "names"),
    [
        (classifier, LABELS, None, ["logits"]),
        (features, None, 64, [f"output/{at}" for at in range(5)]),
        (segmenter, LABELS, (64, 96), ["output"]),
        (yolo, LABELS, None, ["output/0", "output/1/boxes", "output/1/scores", "output/1/feats/0"]),
    ],
)
def test_what_networks_return_is_in_the_file(tmp_path, make, labels, size, names):
    net = make()
    file = export_onnx(sge.Model("mine", net, labels), tmp_path / "a.onnx", size=size)
    assert list(file.results[: len(names)]) == names
    assert file.size == ((64, 64) if size == 64 else size)
    again = load_model(file.path)
    assert (again.results, again.size, again.labels) == (file.results, file.size, labels)
    assert again.classes == (3 if names == ["logits"] else 0)
    image = smooth_image((2, 3, *(file.size or (96, 160))), 5)
    found = run(file, image.numpy())
    with torch.no_grad(), sge.MaskCapture(net) as seen:
        expected = leaves(net(image))
    for name, values in zip(file.results, expected, strict=True):
        scale = values.abs().amax() or 1
        torch.testing.assert_close(torch.from_numpy(found[name]) / scale, values / scale, atol=2e-4, rtol=0)
    for block in file.blocks:
        torch.testing.assert_close(
            torch.from_numpy(found[f"mask/{block.name}"]), seen.masks[block.name], atol=2e-3, rtol=0
        )
    small = reduced(file.path, [file.results[0]], False)
    assert [one.name for one in onnx.load_model_from_string(small).graph.output] == [file.results[0]]
    own, others = stated_operators()
    assert operators(file.path) <= own | others


def test_the_operators_of_the_attention_modules_are_those_of_the_page(tmp_path):
    own, others = stated_operators()
    assert operators(exported(tmp_path).path) == own
    assert not own & others


class Maps(Network):
    def forward(self, x):
        x = self.second(self.first(self.stem(x)))
        return {"out": self.bam1(x + self.third(x)), "number": 3}


def test_openvino_runs_a_file_without_logits(tmp_path):
    openvino = pytest.importorskip("openvino")
    file = export_onnx(sge.Model("mine", network(Maps), None), tmp_path / "a.onnx", size=(64, 96))
    image = smooth_image((2, 3, 64, 96), 6).numpy()
    program = openvino.Core().compile_model(str(file.path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    request = program.create_infer_request()
    request.infer({"image": image})
    for name, values in run(file, image).items():
        if not name.startswith("energy"):
            scale = max(1, np.abs(values).max()) if name.startswith("output") else 1
            np.testing.assert_allclose(request.get_tensor(name).data / scale, values / scale, atol=2e-3)


class OneSize(Network):
    """A sum over positions that the layers know by number, as position embeddings are."""

    def __init__(self):
        super().__init__()
        self.position = nn.Parameter(torch.linspace(0, 1, 8 * 12).reshape(1, 1, 8, 12))

    def forward(self, x):
        return super().forward(nn.functional.pad(x, (0, 0)) * 1 + self.position.repeat(1, 1, 8, 8))


class ByItsSize(Network):
    def forward(self, x):
        return super().forward(x) * float(x.shape[2])


class Tall(Network):
    """Takes the example of the recording and no other height."""

    def forward(self, x):
        return super().forward(x + torch.zeros(128 if x.shape[2] != 64 else 64, 1))


class Large(Network):
    """Fails on images whose maps vanish, as a network of many layers without padding does."""

    def forward(self, x):
        return super().forward(nn.functional.avg_pool2d(x, 75, 1) if min(x.shape[2:]) < 75 else x)


def test_a_network_that_takes_no_small_image_is_exported_for_any_size(tmp_path):
    file = export_onnx(model(Large), tmp_path / "a.onnx")
    assert (file.size, file.multiple) == (None, 1)
    image = smooth_image((2, 3, 96, 131), 7)
    with torch.no_grad():
        expected = network(Large)(image)
    torch.testing.assert_close(
        torch.from_numpy(run(file, image.numpy())["logits"]), expected, atol=1e-2, rtol=1e-4
    )


@pytest.mark.parametrize("kind", [OneSize, ByItsSize, Tall])
def test_a_network_of_one_size_is_exported_for_it(tmp_path, kind):
    with pytest.raises(UnsupportedNetworkError, match=r"size=\.\.\."):
        export_onnx(model(kind), tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())
    file = export_onnx(model(kind), tmp_path / "a.onnx", size=(64, 96))
    image = smooth_image((5, 3, 64, 96), 7)
    with torch.no_grad():
        expected = network(kind)(image)
    torch.testing.assert_close(
        torch.from_numpy(run(file, image.numpy())["logits"]), expected, atol=1e-2, rtol=1e-4
    )


@pytest.mark.parametrize("size", [0, -1, 1.5, True, "64", (64,), (64, 96, 3), (64, 0), 10**6, (64, None)])
def test_a_size_is_a_number_of_pixels(tmp_path, size):
    with pytest.raises(ChoiceError, match="give a side, or"):
        export_onnx(model(), tmp_path / "a.onnx", size=size)


class Detector(Network):
    def forward(self, x):
        scores = super().forward(x).softmax(1)
        return [
            {"boxes": scores[:0].repeat(1, 2)[:, :4], "scores": one[:0], "labels": one[:0].long()}
            for one in scores
        ]


def test_a_detector_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(UnsupportedNetworkError, match=r"network\.backbone"):
        export_onnx(sge.Model("small", network(Detector), LABELS), tmp_path / "a.onnx")


def test_names_of_results():
    x, logits, maps = torch.zeros(2, 7), torch.zeros(2, 3), torch.zeros(2, 3, 4, 4)
    point = namedtuple("point", "first second")

    @dataclass
    class Held:
        logits: torch.Tensor
        hidden: torch.Tensor
        nothing: None = None

    def names(output, classes=3):
        return list(named_results(output, classes))

    assert names(logits) == names((logits,)) == names({"logits": logits}) == ["logits"]
    assert names(x) == ["logits"]  # so that the number of labels is refused, and not the labels ignored
    assert names(x, None) == names(maps) == names([maps]) == names({"out": maps}) == ["output"]
    assert names((logits, maps)) == ["logits", "output"]
    assert names((logits, logits)) == ["output/0", "output/1"]
    assert names({"logits": logits, "aux": logits}) == ["logits", "output"]
    assert names({"a b/ü\n": maps, "c": [x, maps], 3: None, "d": "text"}) == [
        "output/a_b_ü_",
        "output/c/0",
        "output/c/1",
    ]
    assert names(point(maps, x)) == ["output/first", "output/second"]
    assert names(Held(logits, maps), None) == ["logits", "output"]
    assert names({"a b": maps, "a_b": x}, None) == ["output/a_b", "output/a_b_"]
    assert names(torch.zeros(2, 3).long()) == names(None) == names("x") == []
    assert names([maps] * (MAX_RESULTS + 1)) == []
    endless: list = []
    endless.append(endless)
    assert names(endless) == []


class Foreign(nn.Module):
    """A network with a module of other people's code, twice."""

    def __init__(self, kind):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 16, 3, 4, 1), nn.ReLU())
        self.first.add_module("attention", kind())
        self.second = nn.Sequential(nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU())
        self.second.add_module("attention", kind())
        self.fc = nn.Linear(32, 3)

    def forward(self, x):
        return self.fc(self.second(self.first(x)).mean((2, 3)))


@pytest.mark.parametrize(
    "kind", [ByViews, ByEinsum, Volumetric, Biased, Interleaved, Averaged], ids=lambda kind: kind.__name__
)
def test_modules_of_other_people_are_exported_as_they_are(tmp_path, kind):
    with torch.random.fork_rng():
        torch.manual_seed(4)
        net = Foreign(kind).eval()
        for module in (net.first.attention, net.second.attention):
            for parameter in module.parameters():
                nn.init.normal_(parameter)
    file = export_onnx(sge.Model("foreign", net, LABELS), tmp_path / "a.onnx")
    image = smooth_image((2, 3, 96, 160), 8)
    with torch.no_grad(), sge.MaskCapture(net) as seen:
        expected = net(image)
    found = run(file, image.numpy())
    torch.testing.assert_close(torch.from_numpy(found["logits"]), expected, atol=1e-5, rtol=1e-4)
    assert list(file.groups) == list(seen.masks) == ["first", "second"]
    for name, mask in seen.masks.items():
        torch.testing.assert_close(torch.from_numpy(found[f"mask/{name}"]), mask, atol=1e-4, rtol=0)
    own, others = stated_operators()
    assert operators(file.path) <= own | others
