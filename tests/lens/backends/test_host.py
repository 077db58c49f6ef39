"""Copies between host and device."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sge.lens.backends.host import joined_to_host, to_device, to_host

SHAPES = st.lists(st.lists(st.integers(0, 4), max_size=4).map(tuple), min_size=1, max_size=6)


@given(SHAPES, st.sampled_from([torch.float32, torch.float16, torch.bfloat16, torch.float64]), st.booleans())
@settings(max_examples=60, deadline=None)
def test_one_copy_gives_what_single_copies_give(shapes, dtype, last):
    tensors = {str(n): torch.randn(shape).to(dtype) for n, shape in enumerate(shapes)}
    if last:  # another order in memory
        tensors = {name: tensor.mT if tensor.dim() > 1 else tensor for name, tensor in tensors.items()}
    joined, single = joined_to_host(tensors), to_host(tensors)
    assert list(joined) == list(single) == list(tensors)
    for name, tensor in tensors.items():
        expected = tensor.float().numpy()
        for found in (joined[name], single[name]):
            assert found.dtype == np.float32
            assert found.shape == expected.shape
            assert np.array_equal(found, expected)


def test_images_come_in_the_dtype_of_the_network():
    images = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)[..., ::-1]
    found = to_device(images, torch.device("cpu"), torch.bfloat16)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, torch.from_numpy(images.copy()).bfloat16())
