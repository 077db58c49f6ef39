"""Feature extractors, segmenters and detectors of other packages, which nobody prepared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn
from torchvision.models import detection, segmentation

import sge
from sge.errors import ChoiceError, UnsupportedNetworkError
from tests.drawn_images import noise
from tests.nn.foreign_modules import ByEinsum, ByViews

IMAGE = noise(70, 50)
MAPS = "The network returns maps"
NO_WEIGHTS = {"weights": None, "weights_backbone": None, "num_classes": 5}


def retina() -> nn.Module:
    backbone = sge.insert_sge(torchvision.models.resnet18(num_classes=2), 16)
    levels = detection.backbone_utils._resnet_fpn_extractor(backbone, 5, returned_layers=[2, 3, 4])
    return detection.RetinaNet(
        levels,
        5,
        min_size=64,
        max_size=128,
        score_thresh=0.0,
        detections_per_img=9,
        anchor_generator=detection.anchor_utils.AnchorGenerator(((16,),) * 4, ((1.0,),) * 4),
    )


class UNet(nn.Module):
    """Two levels down and up again; SGE, of other people's code, gates what is handed over to the decoder and its output."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = self.level(3, 16), self.level(16, 32)
        self.attention, self.last = ByEinsum(4), ByViews(8)
        self.up = nn.ConvTranspose2d(32, 16, 2, 2)
        self.decoder, self.head = self.level(32, 16), nn.Conv2d(16, 3, 1)

    @staticmethod
    def level(before: int, after: int) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(before, after, 3, 1, 1), nn.BatchNorm2d(after), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        fine = self.first(x)
        coarse = self.second(nn.functional.max_pool2d(fine, 2))
        joined = torch.cat([self.attention(fine), self.up(coarse)], 1)
        return self.head(self.last(self.decoder(joined)))


NETWORKS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "timm, features_only": (lambda: timm.create_model("resnet18", features_only=True), MAPS),
    "timm, num_classes=0": (
        lambda: timm.create_model("resnet18", num_classes=0),
        "512 numbers for each image",
    ),
    "timm, no pooling": (lambda: timm.create_model("resnet18", num_classes=0, global_pool=""), MAPS),
    "torchvision, LRASPP": (lambda: segmentation.lraspp_mobilenet_v3_large(**NO_WEIGHTS), MAPS),
    "torchvision, DeepLabV3": (lambda: segmentation.deeplabv3_mobilenet_v3_large(**NO_WEIGHTS), MAPS),
    "a U-Net with copies of SGE": (UNet, MAPS),
    "torchvision, FCN": (lambda: segmentation.fcn_resnet50(**NO_WEIGHTS), MAPS),
    "torchvision, RetinaNet": (retina, ""),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_without_logits(name: str, tmp_path: Path) -> None:
    build, note = NETWORKS[name]
    torch.manual_seed(0)
    network = build()
    if not sge.nn.sge_blocks(network):
        sge.insert_sge(network, 8)
    state = {key: value.clone() for key, value in network.state_dict().items()}
    lens = sge.Lens(sge.Model("mine", network), "cpu")
    if name == "torchvision, RetinaNet":
        with pytest.raises(ChoiceError, match="5 classes with the background"):
            sge.Lens(sge.Model("mine", network, ["a"]), "cpu")
    seen = lens.analyze(IMAGE, size=64)
    assert seen.predictions == lens.predict(IMAGE, size=64) == []
    assert seen.masks.keys() == {block.name for block in seen.blocks} == set(lens.groups)
    assert bool(seen.boxes) == (name == "torchvision, RetinaNet")
    assert [said.startswith(note) or note in said for said in seen.model.notes] == [True] * bool(note)
    assert seen.overlay(seen.blocks[-1].name, 0).size == (70, 50)
    seen.save(tmp_path / "seen.html")
    seen.save(tmp_path / "seen.json")
    assert sge.Analysis.open(tmp_path / "seen.json").masks.keys() == seen.masks.keys()
    assert lens.steps(IMAGE, seen.blocks[0].name, 1, size=64).group == 1
    with pytest.raises(UnsupportedNetworkError, match="gives no logits"):
        lens.ablate(IMAGE, {seen.blocks[0].name: [0]}, size=64)
    assert all(torch.equal(state[key], value) for key, value in network.state_dict().items())


class Changed(nn.Module):
    """A network whose output is changed after it."""

    def __init__(self, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.network, self.change = sge.insert_sge(timm.create_model("test_resnet", num_classes=3), 8), change

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        with torch.enable_grad():
            return self.change(self.network(images))


def test_outputs_with_gradients_and_sparse_ones() -> None:
    def analyze(change: Callable[[torch.Tensor], torch.Tensor]) -> sge.Analysis:
        return sge.Lens(sge.Model("x", Changed(change).eval(), list("abc"))).analyze(IMAGE)

    assert len(analyze(lambda logits: logits.clone().requires_grad_()).predictions) == 3
    sparse = analyze(lambda logits: logits.to_sparse())
    assert sparse.predictions == []
    assert "a sparse tensor of shape (1, 3)" in sparse.model.notes[-1]
