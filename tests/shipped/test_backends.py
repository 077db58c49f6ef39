"""The shipped networks in ONNX Runtime, beside torch."""

from __future__ import annotations

import numpy as np
import pytest

import sge
from sge.lens import Lens
from sge.models import exported_file
from tests.conftest import ROOT
from tests.lens.backends.test_equality import assert_same_analysis, assert_same_logits

SAMPLES = ROOT / "static" / "samples"
NETWORKS = ("sge_efficientnet_lite0", "sge_efficientnet_lite0_tuned", "sge_resnet18_pets")


@pytest.fixture(scope="module", params=NETWORKS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Lens, Lens]:
    model = sge.load_model(request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SGE_MODEL_DIR", str(tmp_path_factory.mktemp("models")))
        exported = exported_file(model)
    return Lens(model, "cpu"), Lens(exported)


@pytest.mark.slow
@pytest.mark.parametrize("framing", ["whole", "center"])
def test_analyses(pair: tuple[Lens, Lens], framing: str) -> None:
    reference, _lens = pair
    image = SAMPLES / "shepherd.jpg"
    expected, found = (one.analyze(image, framing, 3) for one in pair)
    assert_same_analysis(expected, found, 3e-2)
    assert found.fit == expected.fit or found.fit.fits == expected.fit.fits
    frame = reference.frame(image, framing)
    assert_same_logits(*(one._backend.logits(frame.array[None]) for one in pair))


@pytest.mark.slow
def test_effects(pair: tuple[Lens, Lens]) -> None:
    """The groups of the opening block have the same effects, in the same order."""
    reference, lens = pair
    frame = reference.frame(SAMPLES / "shepherd.jpg", "center")
    block = reference.analyze_frames([frame])[0].default_block
    expected = reference.attribute_frame(frame, blocks=[block], method="ablation")
    found = lens.attribute_frame(frame, blocks=[block])
    assert found.target.index == expected.target.index
    np.testing.assert_allclose(found[block], expected[block], atol=2e-4 * abs(expected.logit))
    best = np.argsort(-expected[block])[:3]
    assert set(np.argsort(-found[block])[:3]) == set(best)
    groups = {block: best.tolist()}
    ablations = [one.ablate_frame(frame, groups, "mean", 3) for one in pair]
    assert_same_logits(*(np.stack([one.logits_after, *one.logits_controls]) for one in ablations))
