from __future__ import annotations

import pytest
import torch

from sge.training.mask_losses import flatness_loss, mask_std, openness, openness_loss


def half_open():
    return torch.cat([torch.zeros(1, 1, 2, 4), torch.ones(1, 1, 2, 4)], 2)


def test_constant_masks():
    constant = torch.full((2, 1, 4, 4), 0.3, requires_grad=True)
    assert float(mask_std(constant).detach()) == pytest.approx(0, abs=1e-6)
    assert float(openness(constant).detach()) == pytest.approx(1)
    mask_std(constant).sum().backward()
    assert bool(constant.grad.isfinite().all())


def test_a_half_open_mask():
    assert float(mask_std(half_open())) == pytest.approx(float(half_open().std()))
    assert float(openness(half_open())) == pytest.approx(0.5)
    assert float(openness_loss([half_open(), half_open()])) == pytest.approx(0.5)


def test_flatness_is_the_shortfall_from_the_target():
    std = float(half_open().std())
    assert float(flatness_loss([half_open()], std / 2)) == 0
    assert float(flatness_loss([half_open()], 2 * std)) == pytest.approx(0.5)


def test_a_mask_of_one_position():
    assert float(mask_std(torch.ones(2, 3, 1, 1)).sum()) == 0
