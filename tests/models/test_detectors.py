"""The paper's detectors run, and take mmdetection's names in both of its ways."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import sge
from sge.errors import CheckpointError, ChoiceError, SGEError, UnsupportedNetworkError
from sge.models import load_model
from sge.models.described_detectors import with_background
from sge.nn import DETECTORS, build_detector, from_mmdetection
from tests.drawn_images import noise

CLASSES = 4
"""With the background."""
State = dict[str, Tensor]


@pytest.fixture(scope="module")
def network() -> Callable[[str], nn.Module]:
    """A small detector of each kind with drawn weights, made once."""
    made: dict[str, nn.Module] = {}

    def find(kind: str) -> nn.Module:
        if kind not in made:
            torch.manual_seed(1)
            made[kind] = build_detector(kind, 18, CLASSES, 64, 128)
        return made[kind]

    return find


def old_names(kind: str) -> dict[str, str]:
    """mmdetection's name to this package's, stated beside the conversion."""
    pairs = {
        f"rpn_head.{old}": f"rpn.head.{new}"
        for old, new in (("rpn_conv", "conv.0.0"), ("rpn_cls", "cls_logits"), ("rpn_reg", "bbox_pred"))
    }
    for level in range(4):
        pairs[f"neck.lateral_convs.{level}.conv"] = f"backbone.fpn.inner_blocks.{level}.0"
        pairs[f"neck.fpn_convs.{level}.conv"] = f"backbone.fpn.layer_blocks.{level}.0"
        if kind == "mask_rcnn":
            pairs[f"mask_head.convs.{level}.conv"] = f"roi_heads.mask_head.{level}.0"
    if kind == "mask_rcnn":
        pairs["mask_head.upsample"] = "roi_heads.mask_predictor.conv5_mask"
        pairs["mask_head.conv_logits"] = "roi_heads.mask_predictor.mask_fcn_logits"
    news = ("head.fc6", "head.fc7", "cls_score", "bbox_pred")
    if kind != "cascade_rcnn":
        news = ("box_head.fc6", "box_head.fc7", "box_predictor.cls_score", "box_predictor.bbox_pred")
    olds = ("shared_fcs.0", "shared_fcs.1", "fc_cls", "fc_reg")
    for stage in ("0.", "1.", "2.") if kind == "cascade_rcnn" else ("",):
        for old, new in zip(olds, news, strict=True):
            prefix = f"stages.{stage}" if stage else ""
            pairs[f"bbox_head.{stage}{old}"] = f"roi_heads.{prefix}{new}"
    return pairs


def as_mmdetection(kind: str, state: State, *, new: bool) -> State:
    """The state dict as mmdetection writes it: version 1, or a new one with the background last."""
    pairs = {here: there for there, here in old_names(kind).items()}
    made = {}
    for key, tensor in state.items():
        module, _, leaf = key.rpartition(".")
        if module not in pairs:
            made[key.replace("backbone.body.", "backbone.")] = tensor
            continue
        name = pairs[module]
        if new and name.startswith(("bbox_head", "mask_head")):
            if name.endswith("fc_cls"):
                tensor = torch.cat([tensor[1:], tensor[:1]])
            elif name.endswith("conv_logits") or (name.endswith("fc_reg") and kind != "cascade_rcnn"):
                tensor = tensor[len(tensor) // CLASSES :]
            name = f"roi_head.{name}"
        made[f"{name}.{leaf}"] = tensor
    return made


@pytest.mark.parametrize("new", [False, True], ids=["version 1", "version 2"])
@pytest.mark.parametrize("kind", DETECTORS)
def test_names_of_mmdetection(kind: str, new: bool, network: Callable[[str], nn.Module]) -> None:
    state = network(kind).state_dict()
    found = from_mmdetection(as_mmdetection(kind, state, new=new), kind)
    assert found.keys() == state.keys()
    for key, tensor in state.items():
        unused = new and key.startswith(
            ("roi_heads.box_predictor.bbox_pred", "roi_heads.mask_predictor.mask_fcn")
        )
        rows = slice(len(tensor) // CLASSES if unused else 0, None)
        assert found[key].shape == tensor.shape
        assert torch.equal(
            found[key][rows] if tensor.dim() else found[key], tensor[rows] if tensor.dim() else tensor
        )


def test_a_checkpoint_of_mmdetection(tmp_path: Path, network: Callable[[str], nn.Module]) -> None:
    expected = network("faster_rcnn")
    state = as_mmdetection("faster_rcnn", expected.state_dict(), new=True)
    path = tmp_path / "epoch_12.pth"
    torch.save(
        {"meta": {"epoch": 12, "CLASSES": ("a", "b", "c")}, "state_dict": state, "optimizer": {}}, path
    )
    found = sge.sge_detector("faster_rcnn", 18, CLASSES, path, size=64).state_dict()
    key = "roi_heads.box_predictor.cls_score.weight"
    assert torch.equal(found[key], expected.state_dict()[key])
    with pytest.raises(CheckpointError, match=r"no weights of mmdetection's faster_rcnn.*fc_mask"):
        from_mmdetection({**state, "bbox_head.fc_mask.weight": torch.zeros(1)}, "faster_rcnn")
    with pytest.raises(CheckpointError, match="missing"):
        sge.sge_detector("faster_rcnn", 18, CLASSES, {"rpn_head.rpn_cls.bias": torch.zeros(3)})


@pytest.mark.parametrize("kind", ["mask_rcnn", "cascade_rcnn"])
def test_a_lens_shows_boxes_and_masks(kind: str, network: Callable[[str], nn.Module]) -> None:
    detector = network(kind)
    detector.rpn._post_nms_top_n = {"training": 20, "testing": 20}
    lens = sge.Lens(sge.Model("mine", detector, ["background", "a", "b", "c"]), "cpu")
    assert lens.model.preprocess == sge.Preprocess.unnormalized(64)
    seen = lens.analyze(noise(96, 64))
    assert len(seen.blocks) == 8
    assert seen.masks["backbone.body.layer1.0"].shape == (64, 16, 24)
    pixels = torch.from_numpy(lens.frame(noise(96, 64)).array)
    with torch.no_grad():
        (expected,) = detector([pixels])
    assert len(seen.boxes) == len(expected["boxes"]) > 0
    assert [box.score for box in seen.boxes] == pytest.approx(
        sorted(expected["scores"].tolist(), reverse=True)
    )
    best = expected["boxes"][expected["scores"].argmax()].tolist()
    one = seen.boxes[0]
    assert [one.x, one.y, one.x + one.width, one.y + one.height] == pytest.approx(best, abs=1e-3)
    assert {box.label for box in seen.boxes} <= {"a", "b", "c"}


def test_what_the_network_pads_belongs_to_no_pixel(network: Callable[[str], nn.Module]) -> None:
    lens = sge.Lens(sge.Model("mine", network("faster_rcnn")), "cpu")
    seen = lens.analyze(noise(40, 60), size=32)  # 32 x 64 pixels, which become 64 x 128
    assert seen.geometry.window == (0, 0, 40, 60)
    seen = lens.analyze(noise(70, 40), size=64)  # 128 x 64 pixels, no more than the network allows
    assert [block.stride for block in seen.blocks[::2]] == [4, 8, 16, 32]
    seen = lens.analyze(noise(110, 40), size=96)  # 256 x 96 pixels, which become 128 x 48 with 16 below
    assert seen.geometry.window == pytest.approx((0, 0, 110, 40 * 64 / 48))
    assert seen.geometry.to_image("backbone.body.layer4.1", 0, 0)[2:] == pytest.approx((27.5, 40 * 32 / 48))
    assert seen.overlay("backbone.body.layer4.1", 0).size == (110, 40)


def test_what_is_refused(network: Callable[[str], nn.Module]) -> None:
    with pytest.raises(ChoiceError, match="faster_rcnn, mask_rcnn, cascade_rcnn"):
        sge.sge_detector("yolo")
    with pytest.raises(ChoiceError, match="2 or more"):
        sge.sge_detector("faster_rcnn", num_classes=1)
    with pytest.raises(UnsupportedNetworkError, match="No ResNet-51"):
        sge.sge_detector("faster_rcnn", 51)
    cascade = build_detector("cascade_rcnn", 18, 2)
    with pytest.raises(UnsupportedNetworkError, match="is not trained"):
        cascade.train().roi_heads({}, [], [])
    for kind in DETECTORS:
        with pytest.raises(ChoiceError, match=r"4 classes with the background.*3 labels are given"):
            sge.Lens(sge.Model("mine", network(kind), ["a", "b", "c"]), "cpu")
    with pytest.raises(ChoiceError, match=r"normalizes its images itself.*Preprocess\.unnormalized\(224\)"):
        sge.Lens(sge.Model("mine", network("faster_rcnn"), preprocess=sge.Preprocess()), "cpu")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, network: Callable[[str], nn.Module]) -> Path:
    """A checkpoint of mmdetection, in its newer way, whose scores are not far from each other."""
    detector = network("faster_rcnn")
    nn.init.constant_(detector.roi_heads.box_predictor.cls_score.bias, 0)
    state = as_mmdetection("faster_rcnn", detector.state_dict(), new=True)
    path = tmp_path_factory.mktemp("weights") / "epoch_12.pth"
    torch.save({"meta": {"CLASSES": ("a", "b", "c")}, "state_dict": state}, path)
    return path


NAMED = "sge:faster_rcnn?depth=18&size=64"


def test_by_a_name(checkpoint: Path, network: Callable[[str], nn.Module]) -> None:
    model = load_model(f"{NAMED}@{checkpoint}")
    assert model.labels == ["background", "a", "b", "c"]
    assert (model.name, model.arch, model.card.gates) == ("epoch_12", "sge:faster_rcnn", "inactive")
    assert model.card.title == "Faster R-CNN on SGE-ResNet-18"
    assert model.preprocess == sge.Preprocess.unnormalized(64)
    assert not any("inserted" in note or "assumed" in note for note in model.card.notes)
    expected, loaded = network("faster_rcnn").state_dict(), model.network.state_dict()
    key = "roi_heads.box_predictor.cls_score.weight"
    assert torch.equal(loaded[key], expected[key])
    assert loaded.keys() == expected.keys()


def test_labels_with_the_background_or_without() -> None:
    beside = {"meta.CLASSES": ["a", "b"], "names": ["none", "a", "b"]}
    for given, expected in (
        (["a", "b"], ["background", "a", "b"]),
        (["none", "a", "b"], ["none", "a", "b"]),
        (["a"], ["a"]),
        (None, None),
    ):
        labels, found = with_background(3, given, beside)
        assert labels == expected
        assert found == {"meta.CLASSES": ["background", "a", "b"], "names": ["none", "a", "b"]}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sge:faster_rcnn", "random weights show nothing"),
        ("sge:faster_rcn@{}", "Did you mean faster_rcnn"),
        ("sge:faster_rcnn?depth=51@{}", "No ResNet-51"),
        ("sge:faster_rcnn?size=0@{}", "size is 0"),
        ("sge:faster_rcnn?depth=18&num_classes=1@{}", "2 or more"),
        ("sge:faster_rcnn?depth=18&min_size=4@{}", "no argument min_size. It takes depth, num_classes, size|Did you mean"),
        ("sge:faster_rcnn?depth=18&num_classes=81@{}", "do not fit sge:faster_rcnn"),
        ("sge:faster_rcnn?depth=50@{}", "do not fit sge:faster_rcnn"),
        ("sge:mask_rcnn?depth=18@{}", "missing"),
        ("sge:cascade_rcnn?depth=18@{}", "no weights of mmdetection's cascade_rcnn"),
        ("sge:faster_rcnn?depth=18&num_classes=1000000@{}", "numbers up to"),
    ],
)  # fmt: skip
def test_names_that_cannot_be(checkpoint: Path, name: str, words: str) -> None:
    with pytest.raises(SGEError, match=words) as error:
        load_model(name.format(checkpoint))
    assert len(str(error.value)) < 800
