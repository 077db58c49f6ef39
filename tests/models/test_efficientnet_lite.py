"""EfficientNet-Lite0 computes what the package that publishes its weights computes."""

from __future__ import annotations

import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet

from sge.models.efficientnet_lite import base_weights, load_base, rename
from sge.models.names import ORIGINAL_MODEL
from sge.models.registry import load_model


@pytest.fixture(scope="module")
def published() -> EfficientNet:
    """The network of the package with its weights."""
    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(base_weights(), weights_only=True))
    return network.eval()


def image_like(height: int, width: int) -> torch.Tensor:
    """Returns (1, 3, height, width) from -1 to 1: soft shapes with edges and noise."""
    generator = torch.Generator().manual_seed(height * width)
    coarse = torch.rand(1, 3, height // 32, width // 32, generator=generator)
    image = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
    image[..., height // 3 : height // 2, width // 4 : width // 2] = torch.tensor([0.8, 0.5, 0.2]).view(
        1, 3, 1, 1
    )
    return (image + 0.05 * torch.randn(image.shape, generator=generator)).clamp(0, 1) * 255 / 128 - 127 / 128


@pytest.mark.slow
@pytest.mark.parametrize("size", [(224, 224), (320, 256)])
def test_logits_equal_the_packages_before_and_after_insertion(published, size):
    x = image_like(*size)
    with torch.inference_mode():
        theirs = published(x)
        ours = load_base(base_weights())(x)
        inserted = load_model(ORIGINAL_MODEL).network(x)  # its channels are sorted
    scale = float(theirs.abs().max())
    assert float(theirs.std()) > 0.5
    assert float((ours - theirs).abs().max()) < 1e-4 * scale
    assert float((inserted - theirs).abs().max()) < 1e-4 * scale
    assert (
        ours.topk(5).indices.tolist() == theirs.topk(5).indices.tolist() == inserted.topk(5).indices.tolist()
    )


def test_the_key_mapping_is_complete_and_one_to_one(published):
    network = load_base(base_weights())
    state = published.state_dict()
    renamed = rename(state, network)
    assert len(renamed) == len(state)
    assert renamed.keys() == network.state_dict().keys()
    assert all(renamed[key].shape == value.shape for key, value in network.state_dict().items())
    assert list(map(id, renamed.values())) == list(map(id, state.values()))  # FACTS.md 3: the same order
