"""Weights of other people's networks with SGE, whose modules have names of their own, compute what those networks do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor, nn
from torchvision.models import resnet

from sge.errors import CheckpointError
from sge.models import import_weights, load_model
from sge.nn import sge_blocks
from tests.models.test_described import act, network, same
from tests.nn.foreign_modules import ByViews
from tests.weights import save

TORCHVISION, TIMM = "torchvision:resnet18", "timm:test_resnet"


class Attended(resnet.BasicBlock):
    """A block as people change it: the module stands before the addition."""

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.relu(self.attention(out) + shortcut)  # type: ignore[no-any-return]


class Named(nn.Module):
    """SGE whose parameters have other names."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = ByViews(8)
        self.gamma, self.beta = self.inner.weight, self.inner.bias
        del self.inner.weight, self.inner.bias

    def forward(self, x: Tensor) -> Tensor:
        self.inner.weight, self.inner.bias = self.gamma, self.beta
        out: Tensor = self.inner(x)
        del self.inner.weight, self.inner.bias
        return out


def attended(made: Any, kind: type[nn.Module] = ByViews) -> None:
    for block in made.modules():
        if isinstance(block, resnet.BasicBlock):
            block.__class__ = Attended
            block.attention = kind()


def blocks_of(made: Any) -> list[Any]:
    return [stage[0] for stage in (made.layer1, made.layer2, made.layer3, made.layer4)]


def dropped(made: Any, kind: type[nn.Module] = ByViews) -> None:
    for block in blocks_of(made):
        block.drop_path = kind()


def wrapped_norms(made: Any) -> None:
    for block in blocks_of(made):
        name = "bn3" if hasattr(block, "bn3") else "bn2"
        setattr(block, name, nn.Sequential(getattr(block, name), ByViews(8)))


def wrapped_stages(made: Any) -> None:
    for name in ("layer1", "layer2", "layer3", "layer4"):
        setattr(made, name, nn.Sequential(getattr(made, name), ByViews(16)))


def appended(made: Any) -> None:
    made.layer3.append(ByViews(4))


def one_block(made: Any) -> None:
    made.layer2[0].drop_path = ByViews(8)


def before_pool(made: Any) -> None:
    made.sge_last = ByViews(8)
    made.global_pool = nn.Sequential(made.sge_last, made.global_pool)


KINDS: dict[str, tuple[str, Callable[[Any], None], str, int]] = {
    "in each block": (TORCHVISION, attended, "", 8),
    "of timm": (TIMM, dropped, "", 4),
    "other names": (TIMM, lambda made: dropped(made, Named), "", 4),
    "after norms": (TIMM, wrapped_norms, "", 4),
    "after stages": (TIMM, wrapped_stages, "", 4),
    "at the end of a stage": (TIMM, appended, "", 1),
    "in one block": (TIMM, one_block, "", 1),
    "at the end": (TIMM, before_pool, "?where=layer4", 1),
}


def theirs(name: str, change: Callable[[Any], None]) -> nn.Module:
    library, _, architecture = name.partition(":")
    made = network(architecture, library, num_classes=5)
    change(made)
    return act(made.eval())


@pytest.mark.parametrize("kind", KINDS)
def test_the_outputs_are_those_of_their_network(kind: str, tmp_path: Path) -> None:
    name, change, options, count = KINDS[kind]
    trained = theirs(name, change)
    # The module at the end has two names in the file.
    state = {
        f"module.{key}": value for key, value in trained.state_dict().items() if "global_pool" not in key
    }
    model = load_model(f"{name}{options}@{save(tmp_path / 'w.pth', {'model_state': state})}")
    assert len(model.groups) == count
    assert same(model.network, trained)
    assert model.card.gates == "trained"
    assert any("in their own way" in note for note in model.card.notes)


def test_an_import_keeps_where_they_are(home: Path, tmp_path: Path) -> None:
    trained = theirs(TIMM, wrapped_stages)
    path = save(tmp_path / "w.pth", trained.state_dict())
    import_weights(path, "mine", network=TIMM)
    model = load_model("mine")
    assert same(model.network, trained)
    assert model.groups == {f"layer{number}": 16 for number in (1, 2, 3, 4)}
    assert all(type(one).__name__ == "SpatialGroupEnhance" for one in sge_blocks(model.network).values())


def two(made: Any) -> None:
    dropped(made)
    made.layer1[0].aa = ByViews(8)


def several_groups(made: Any) -> None:
    dropped(made)
    made.layer4[0].drop_path = ByViews(16)


def after_blocks(made: Any) -> None:
    made.layer1[0] = nn.Sequential(made.layer1[0], ByViews(8))


def of_channels(made: Any) -> None:
    made.layer1[0].drop_path = ByViews(32)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (before_pool, r"SGE at sge_last \(sge_last.weight, 8 groups\).*layer1.0.*\?where=MODULE"),
        (two, "layer1.0.aa.weight and layer1.0.drop_path.weight, and layer1.0 of timm:test_resnet takes one"),
        (several_groups, "has 8 groups, and layer1.0.*one number of groups"),
        (after_blocks, "layer1.0.1.weight after the whole block layer1.0"),
        (of_channels, "layer1.0.drop_path.weight has 32 groups, and layer1.0, where it belongs, has 32 channels"),
    ],
)  # fmt: skip
def test_what_cannot_be_placed_is_refused_by_name(
    change: Callable[[Any], None], why: str, tmp_path: Path
) -> None:
    state = {
        key: value for key, value in theirs(TIMM, change).state_dict().items() if "global_pool" not in key
    }
    with pytest.raises(CheckpointError, match=why):
        load_model(f"{TIMM}@{save(tmp_path / 'w.pth', state)}")
