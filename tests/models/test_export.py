"""Exported files compute what the network computes, or are refused."""

from __future__ import annotations

import copy
import json
import os

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

import sge
from sge.errors import CaptureError, CheckpointError, ChoiceError, UnsupportedNetworkError
from sge.models import load_model
from sge.models.differences import LOGITS
from sge.models.export import content_hash, existing_export, export_onnx, exported_file
from sge.models.onnx_checks import output_names
from sge.models.onnx_graph import reduced
from sge.models.smooth_images import smooth_image
from sge.nn import MaskCapture, SpatialGroupEnhance, edit_masks, insert_sge
from tests.models.exported import LABELS, Network, exported, model, network


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return exported(tmp_path_factory.mktemp("exported"))


def run(content, image, **edits):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    content = content if isinstance(content, bytes) else content.path.read_bytes()
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    feeds = {"image": image.numpy()} | {name.replace("__", "/"): value for name, value in edits.items()}
    return dict(zip(names, map(torch.from_numpy, session.run(names, feeds)), strict=True))


@pytest.mark.parametrize("shape", [(1, 3, 64, 96), (4, 3, 33, 47), (2, 3, 8, 250)])
def test_logits_maps_and_energies_are_those_of_torch(file, shape):
    image = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    net = network()
    with torch.no_grad(), MaskCapture(net, energy=True) as seen:
        expected = {"logits": net(image)}
    for kind, values in (("similarity", seen.similarity), ("mask", seen.masks), ("energy", seen.energy)):
        expected |= {f"{kind}/{name}": tensor for name, tensor in values.items()}
    found = run(file, image)
    assert list(found) == output_names(file.blocks)
    assert set(found) == set(expected)
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, atol=2e-4, rtol=1e-4)


def test_edits_replace_the_masks_that_multiply(file):
    net, image = network(), torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    keep = torch.tensor([[1.0, 1, 1, 1], [0, 1, 1, 0.5], [1, 0, 1, 1]])
    flat = torch.tensor([[0.0, 0, 0, 0], [0, 0, 0, 0.5], [0, 1, 0, 0]])
    found = run(
        reduced(file.path, ["logits"], True), image, keep__first=keep.numpy(), flat__first=flat.numpy()
    )
    for row in range(3):
        k, f = keep[row][None, :, None, None], flat[row][None, :, None, None]
        edit = {"first": lambda mask, k=k, f=f: k * mask + f * mask.mean((2, 3), keepdim=True)}
        with torch.no_grad(), edit_masks(net, edit):
            torch.testing.assert_close(found["logits"][row], net(image)[0], atol=1e-4, rtol=1e-4)
    plain = run(reduced(file.path, ["logits"], False), image)["logits"]
    torch.testing.assert_close(found["logits"][0], plain[0], atol=1e-5, rtol=1e-5)


def test_facts_survive(file):
    made = model()
    again = load_model(file.path)
    assert (again.labels, again.card, again.preprocess, again.finder) == (
        LABELS,
        made.card,
        made.preprocess,
        made.finder,
    )
    assert (again.arch, again.permutations, again.parameters) == (
        made.arch,
        made.permutations,
        made.parameters,
    )
    kinds = [(b.name, b.kind, b.groups, b.channels, b.stride) for b in again.blocks]
    assert kinds == [
        ("first", "sge", 4, 16, 8),
        ("second", "sge", 8, 32, 8),
        ("third", "cbam", 1, 32, 8),
        ("bam1", "bam", 1, 32, 8),
    ]
    assert {b.cells for b in again.blocks} == {(28, 28)}
    assert again.groups == made.groups == {"first": 4, "second": 8}
    assert again.inactive is made.inactive is False
    assert again.multiple == 1
    assert again.check["logits"] < 1e-4
    assert set(again.check["mask"]) == {b.name for b in again.blocks}
    json.dumps(again.check, allow_nan=False)


def test_the_network_keeps_no_trace(tmp_path):
    made = model()
    made.network.train()
    state = copy.deepcopy(made.network.state_dict())
    attributes = {name: set(vars(module)) for name, module in made.network.named_modules()}
    export_onnx(made, tmp_path / "a.onnx")
    assert all(module.training for module in made.network.modules())
    assert {name: set(vars(module)) for name, module in made.network.named_modules()} == attributes
    assert all(not module._forward_hooks for module in made.network.modules())
    assert all(torch.equal(value, state[key]) for key, value in made.network.state_dict().items())


class Twice(Network):
    def forward(self, x):
        return self.fc(
            self.bam1(self.third(self.second[2](self.second(self.first(self.stem(x)))))).mean((2, 3))
        )


class Baked(Network):
    """A number that a recording keeps from its example."""

    def forward(self, x):
        return super().forward(x) * float(x.shape[2])


class Failing(Network):
    def forward(self, x):
        raise KeyError("mask of\nmy own")


class Rows(Network):
    def forward(self, x):
        return super().forward(x).repeat(2, 1)


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        (Twice, "uses second 2 times"),
        (Baked, "not what PyTorch does"),
        (Failing, "it fails on an image of 160 x 128 pixels"),
        (Rows, "logits of 4 rows for 2 images"),
    ],
)
def test_what_cannot_be_exported_is_refused_and_nothing_is_written(tmp_path, kind, sentence):
    with pytest.raises(UnsupportedNetworkError, match=sentence) as refused:
        export_onnx(model(kind), tmp_path / "no.onnx")
    assert "\n" not in str(refused.value)
    assert not list(tmp_path.iterdir())


def test_other_arguments_have_sentences(tmp_path):
    made = model()
    made.labels = LABELS[:2]
    with pytest.raises(ChoiceError, match="3 classes, and 2 labels"):
        export_onnx(made, tmp_path / "no.onnx")
    with pytest.raises(ChoiceError, match="takes a Model, and this is Linear"):
        export_onnx(nn.Linear(1, 1), tmp_path / "no.onnx")
    with pytest.raises(CaptureError):
        export_onnx(sge.Model("plain", nn.Sequential(nn.Conv2d(3, 3, 1)), LABELS), tmp_path / "no.onnx")
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(CheckpointError, match="cannot be written"):
        export_onnx(model(), tmp_path / "file" / "a.onnx")


def test_half_precision_is_exported_in_single_precision(tmp_path):
    made = model()
    made.network.to(torch.bfloat16)
    image = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        expected = copy.deepcopy(made.network).float()(image)
    found = run(export_onnx(made, tmp_path / "a.onnx"), image)["logits"]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    assert next(made.network.parameters()).dtype == torch.bfloat16


def test_a_known_family_with_inactive_gates(tmp_path):
    import torchvision

    net = insert_sge(
        torchvision.models.mobilenet_v3_small(num_classes=3), 8, where=["features.3", "features.8"]
    )
    made = export_onnx(sge.Model("mobile", net.eval(), LABELS), tmp_path / "a.onnx")
    assert made.inactive
    assert made.check["logits"] < 1e-4


def test_exported_files_are_made_once_and_found_by_content(tmp_path, monkeypatch):
    monkeypatch.setenv("SGE_MODEL_DIR", str(tmp_path))
    made = model()
    first = exported_file(made)
    written = first.path.stat().st_mtime_ns
    assert exported_file(model()).path == first.path
    assert first.path.stat().st_mtime_ns == written
    first.path.write_bytes(first.path.read_bytes()[:-1000])
    assert exported_file(made).labels == LABELS
    assert first.path.stat().st_mtime_ns > written
    before = content_hash(made)
    with torch.no_grad():
        made.network.fc.bias[0] += 1
    assert content_hash(made) != before
    made.labels = ["a", "b", "c"]
    assert content_hash(made) != before


@pytest.mark.skipif(os.geteuid() != 0 and not os.access("/tmp", os.W_OK), reason="no temporary folder")
def test_a_folder_that_cannot_be_written_leaves_the_temporary_one(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("SGE_MODEL_DIR", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    assert (tmp_path / "temporary") in exported_file(model()).path.parents


@pytest.mark.parametrize("kind", ["link", "writable", "file"])
def test_a_temporary_folder_in_which_others_can_plant_files_is_not_used(tmp_path, monkeypatch, kind):
    """Its name is known, so that on a shared machine somebody else can make it first."""
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("SGE_MODEL_DIR", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    planted = tmp_path / f"sge-exported-{os.getuid()}"
    if kind == "link":
        (tmp_path / "elsewhere").mkdir()
        planted.symlink_to(tmp_path / "elsewhere")
    elif kind == "writable":
        planted.mkdir()
        planted.chmod(0o777)
    else:
        planted.write_bytes(b"")
    with pytest.raises(CheckpointError, match="SGE_MODEL_DIR"):
        exported_file(model())
    assert existing_export(model()) is None


def test_reduced_files_have_only_what_is_asked(file):
    import onnx

    image = torch.randn(2, 3, 40, 56, generator=torch.Generator().manual_seed(3))
    whole = run(file, image)
    for wanted in (["mask/second"], ["energy/bam1", "logits"], ["similarity/third"]):
        content = reduced(file.path.read_bytes(), wanted, False)
        graph = onnx.load_model_from_string(content).graph
        assert [one.name for one in graph.output] == wanted
        assert [one.name for one in graph.input] == ["image"]
        assert not [node.name for node in graph.node if node.name.startswith("edit/")]
        for name, values in run(content, image).items():
            torch.testing.assert_close(values, whole[name], atol=1e-5, rtol=1e-5)
    small = onnx.load_model_from_string(reduced(file.path, ["mask/first"], False)).graph
    assert len(small.node) < len(onnx.load(file.path).graph.node) / 3
    edited = onnx.load_model_from_string(reduced(file.path, ["mask/second"], True)).graph
    assert {one.name for one in edited.input} == {"image", "keep/first", "flat/first"}
    named = [node.name for node in onnx.load(file.path).graph.node if node.name.startswith("energy/")]
    assert named
    assert not set(named) & {
        node.name for node in onnx.load_model_from_string(reduced(file.path, ["logits"], False)).graph.node
    }
    for wrong in ([], ["nothing"], ["logits", "mask/none"]):
        with pytest.raises(ChoiceError, match="has no output"):
            reduced(file.path, wrong, False)
    np.testing.assert_array_equal(whole["mask/third"].shape, (2, 1, 5, 7))


class Amplified(nn.Module):
    """Features that differ by no more than their rounding: the similarity shows it, and so do the logits."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 8, 8)
        self.block = nn.Sequential(nn.Identity())
        self.block.add_module("sge", SpatialGroupEnhance(16, 4))
        self.fc = nn.Linear(16, 3)

    def forward(self, x):
        return self.fc(self.block(self.stem(x) * 2e-6 + 30).amax((2, 3)))


class AmplifiedAndWrong(Amplified):
    """The recording keeps a factor of its example, by which other sizes are wrong: no more than rounding would be."""

    def forward(self, x):
        return super().forward(x) * (1 if x.shape[2] == 128 else 1.05)


class Random(Network):
    def forward(self, x):
        return nn.functional.dropout(super().forward(x))


def plain_model(kind):
    return sge.Model("small", network(kind), LABELS)


def test_rounding_that_the_network_enlarges_is_told_from_a_wrong_graph(tmp_path):
    """The difference in single precision is the same; in double precision only the wrong graph has one."""
    made = export_onnx(plain_model(Amplified), tmp_path / "a.onnx")
    assert made.check["logits"] > 10 * LOGITS
    image = smooth_image((1, 3, 96, 64), 1)
    with torch.no_grad():
        wrong, right = network(AmplifiedAndWrong)(image), network(Amplified).double()(image.double())
        rounding = (network(Amplified)(image) - right).abs().max()
    assert (wrong - right).abs().max() < 10 * rounding
    with pytest.raises(UnsupportedNetworkError, match="in double precision by"):
        export_onnx(plain_model(AmplifiedAndWrong), tmp_path / "b.onnx")


def test_a_network_with_random_numbers_is_refused(tmp_path):
    with pytest.raises(UnsupportedNetworkError, match="other numbers each time"):
        export_onnx(model(Random), tmp_path / "no.onnx")


def test_random_numbers_without_a_use_are_no_reason(tmp_path):
    class Drawing(Network):
        def forward(self, x):
            torch.rand(1)
            return super().forward(x)

    assert export_onnx(model(Drawing), tmp_path / "yes.onnx").check["logits"] < LOGITS
