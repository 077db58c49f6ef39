"""What groups do to the answers of the shipped networks."""

from __future__ import annotations

import numpy as np
import pytest

import sge
from tests.conftest import ROOT

SHEPHERD = ROOT / "static" / "samples" / "shepherd.jpg"
NETWORKS = ("sge_efficientnet_lite0", "sge_efficientnet_lite0_tuned", "sge_resnet18_pets")


@pytest.fixture(scope="module")
def lenses() -> dict[str, sge.Lens]:
    return {name: sge.Lens(sge.load_model(name), "cpu") for name in NETWORKS}


@pytest.mark.slow
def test_three_groups_carry_the_shepherd(lenses: dict[str, sge.Lens]) -> None:
    """With inactive gates: 97 % before, 7 % after; ten draws of three random groups leave more."""
    found = lenses["sge_efficientnet_lite0"].ablate(SHEPHERD, {"blocks.5.0": [20, 36, 26]}, "zero")
    shepherd = found.labels.index("German shepherd")
    assert found.before[shepherd] == pytest.approx(0.97, abs=0.01)
    assert found.after[shepherd] == pytest.approx(0.07, abs=0.01)
    assert (found.controls[:, shepherd] > 0.5).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_before_is_the_prediction_and_blocks_share_their_prefix(
    lenses: dict[str, sge.Lens], name: str
) -> None:
    lens = lenses[name]
    expected = lens.predict(SHEPHERD, top_k=3)
    blocks = [block.name for block in lens.analyze(SHEPHERD).blocks]
    for block in (blocks[0], blocks[-1]):
        found = lens.ablate(SHEPHERD, {block: [0]}, "zero", 0)
        for one in expected:
            assert found.before[one.index] == pytest.approx(one.score, abs=1e-4)
    assert {way for key, way in lens._backend.found.items() if key[0] == "way"} == {"shared"}


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_masks_that_are_constant_have_no_spatial_effect(lenses: dict[str, sge.Lens], name: str) -> None:
    found = lenses[name].attribute(SHEPHERD)
    largest = max(np.abs(effect).max() for effect in found.spatial.values())
    assert (largest < 1e-3) == (name == "sge_efficientnet_lite0")
    assert found.grad_cam.layer == ("layer4" if "resnet" in name else "bn2")
    assert found.target.label == lenses[name].predict(SHEPHERD)[0].label


@pytest.mark.slow
def test_a_named_block_that_no_shortcut_bypasses_is_measured(lenses: dict[str, sge.Lens]) -> None:
    lens = lenses["sge_efficientnet_lite0"]
    found = lens.attribute(SHEPHERD, blocks=["blocks.5.0"])
    assert found.method == {"blocks.5.0": "ablation"}
    three = np.argsort(found["blocks.5.0"])[-3:]
    alone = lens.ablate(SHEPHERD, {"blocks.5.0": [int(three[-1])]}, "zero", 0)
    index = found.target.index
    assert found["blocks.5.0"].max() == pytest.approx(
        alone.logits_before[index] - alone.logits_after[index], abs=1e-3
    )
