"""The arrays of one group's mask, recomputed by NumPy from its features."""

from __future__ import annotations

import numpy as np
import pytest

from sge.errors import UnknownBlockError, UnknownGroupError
from sge.lens.lens import Lens
from sge.nn import sge_blocks
from sge.nn.module import EPS
from tests.drawn_images import noise
from tests.lens.networks import Residual, lens_of

IMAGE = noise(96, 64)


@pytest.fixture(scope="module")
def lens() -> Lens:
    return lens_of(Residual())


def test_refusals(lens: Lens) -> None:
    with pytest.raises(UnknownBlockError, match="there are: first, second"):
        lens.steps(IMAGE, "third", 0)
    for group in (-1, 4):
        with pytest.raises(UnknownGroupError, match="0 to 3"):
            lens.steps(IMAGE, "first", group)


@pytest.mark.parametrize(("block", "group"), [("first", 0), ("first", 3), ("second", 1)])
def test_the_arrays_follow_from_each_other(lens: Lens, block: str, group: int) -> None:
    found = lens.steps(IMAGE, block, group)
    gate = sge_blocks(lens.network)[block]
    mean = found.features.mean((1, 2))
    product = (found.features * mean[:, None, None]).sum(0)
    similarity = (product - product.mean()) / (product.std(ddof=1) + EPS)
    mask = 1 / (1 + np.exp(-(found.weight * similarity + found.bias)))
    np.testing.assert_allclose(found.mean, mean, atol=1e-5)
    np.testing.assert_allclose(found.product, product, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.similarity, similarity, atol=1e-4)
    np.testing.assert_allclose(found.mask, mask, atol=1e-4)
    np.testing.assert_allclose(found.output, found.features * mask, atol=1e-4)
    assert found.weight == float(gate.weight.detach()[0, group, 0, 0])
    assert found.bias == float(gate.bias.detach()[0, group, 0, 0])
    analysis = lens.analyze(IMAGE)
    np.testing.assert_array_equal(found.mask, analysis.masks[block][group])
    np.testing.assert_array_equal(found.similarity, analysis.similarity[block][group])
    assert (found.block, found.group) == (block, group)
    assert {array.dtype for array in (found.features, found.mean, found.product, found.output)} == {
        np.dtype("f4")
    }
    assert found.features.shape == (8 // gate.groups, 24, 32)


def test_half_precision(lens: Lens) -> None:
    exact = lens.steps(IMAGE, "first", 1)
    half = lens_of(Residual(), precision="bfloat16").steps(IMAGE, "first", 1)
    np.testing.assert_allclose(half.mask, exact.mask, atol=0.1)
    assert half.features.dtype == np.float32
