"""Batches of one shape, and normalization on a device."""

from __future__ import annotations

import numpy as np
import torch

from sge.datasets.batching import MAX_WAITING_BATCHES, batches_of_one_shape, normalize_batch
from sge.images.framing import Preprocess, normalize


def test_groups_are_full_or_last():
    assert list(batches_of_one_shape("aabaab", str, 2)) == [["a", "a"], ["a", "a"], ["b", "b"]]
    assert list(batches_of_one_shape("abcab", str, 3)) == [["a", "a"], ["b", "b"], ["c"]]
    assert list(batches_of_one_shape([], str, 3)) == []


def test_few_inputs_wait():
    """Inputs of ever new shapes are given out before all have been read."""
    read = []

    def inputs():
        for i in range(100):
            read.append(i)
            yield i

    first = next(batches_of_one_shape(inputs(), lambda i: i, 2))
    assert (first, len(read)) == ([0], 2 * MAX_WAITING_BATCHES)


def test_tensors_and_arrays_are_normalized_alike():
    pixels = np.random.RandomState(0).randint(0, 256, (2, 3, 7, 5)).astype(np.uint8)
    preprocess = Preprocess(mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    batch = normalize_batch(torch.from_numpy(pixels), preprocess)
    np.testing.assert_array_equal(batch.numpy(), normalize(pixels, preprocess))
    assert batch.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_array_equal(normalize_batch(torch.from_numpy(pixels).float(), preprocess), batch)
