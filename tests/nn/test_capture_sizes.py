"""A capture that records the maps of some blocks, and of the others the sizes alone."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sge.errors import CaptureError
from sge.nn import Capture, spatial_blocks
from tests.lens.networks import Concat, Residual, resnet

NETWORKS = {"residual": Residual().eval(), "concat": Concat().eval(), "resnet": resnet().eval()}


@given(st.sampled_from(list(NETWORKS)), st.data(), st.integers(1, 3))
@settings(max_examples=12, deadline=None)
def test_the_same_as_in_a_capture_of_everything(name, data, rows):
    network = NETWORKS[name]
    blocks = list(spatial_blocks(network))
    wanted = data.draw(st.sets(st.sampled_from(blocks)))
    energy = data.draw(st.sets(st.sampled_from(blocks)))
    images = torch.randn(rows, 3, 64, 96, generator=torch.Generator().manual_seed(rows))
    with torch.no_grad(), Capture(network, energy=True) as every:
        network(images)
    with (
        torch.no_grad(),
        Capture(network, energy=energy, only_sizes=set(blocks) - wanted, rows=rows) as some,
    ):
        network(images)
    assert some.sizes == every.sizes == {block: tuple(every.masks[block].shape) for block in blocks}
    assert some.channels == every.channels
    for signal, names in (("masks", wanted), ("similarity", wanted), ("energy", energy)):
        if signal == "energy" and not energy:
            with pytest.raises(CaptureError, match="energy=True"):
                _ = some.energy
            continue
        found = getattr(some, signal)
        assert list(found) == [block for block in blocks if block in names]
        for block, tensor in found.items():
            assert torch.equal(tensor, getattr(every, signal)[block])


def test_sizes_of_a_part_of_the_batch_are_refused():
    network = NETWORKS["residual"]
    for blocks in ({"first"}, {"first", "second"}):
        with torch.no_grad(), Capture(network, only_sizes=blocks, rows=4) as seen:
            network(torch.zeros(3, 3, 64, 64))
        with pytest.raises(CaptureError, match="3 of 4 images"):
            _ = seen.sizes
    with Capture(network, only_sizes={"first"}) as seen:
        pass
    with pytest.raises(CaptureError, match="No forward pass"):
        _ = seen.sizes
