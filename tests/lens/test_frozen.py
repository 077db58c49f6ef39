"""A lens of a network that nobody changes, beside one of a network that somebody may change."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from PIL import Image

from sge.lens.lens import Lens
from sge.models.model import Model
from tests.conftest import fill
from tests.lens.networks import LABELS, Concat, Residual


def image(seed=0):
    small = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), np.uint8)
    return Image.fromarray(small).resize((96, 64), Image.Resampling.BICUBIC)


def lenses(kind):
    network = kind().eval()
    fill(network)
    model = Model("small", network, LABELS)
    return Lens(model, "cpu"), Lens(model, "cpu", frozen=True)


@pytest.mark.parametrize("kind", [Residual, Concat])
def test_answers_are_the_same(kind):
    plain, frozen = lenses(kind)
    expected, found = plain.analyze(image()), frozen.analyze(image())
    assert np.allclose(
        [p.score for p in found.predictions], [p.score for p in expected.predictions], atol=1e-4
    )
    for name, mask in expected.masks.items():
        assert np.allclose(found.masks[name], mask, atol=1e-3)
    before = [lens.ablate(image(), "all", controls=2).logits_after for lens in (plain, frozen)]
    assert np.allclose(*before, rtol=1e-3, atol=1e-4)
    effects = [lens.attribute(image(), 1).effect for lens in (plain, frozen)]
    assert all(np.allclose(effects[0][name], effects[1][name], atol=1e-4) for name in effects[0])


def test_without_the_promise_every_change_is_seen():
    plain, frozen = lenses(Residual)
    before = [lens.predict(image())[0].raw_score for lens in (plain, frozen)]
    plain.network.second[1].running_var.data.mul_(100)  # which torch does not count as a change
    plain.network.fc.weight.data.mul_(3)
    assert abs(plain.predict(image())[0].raw_score - before[0]) > 1e-2


def test_threads_share_a_frozen_lens():
    _, frozen = lenses(Residual)
    images = [image(seed) for seed in range(5)]
    expected = [frozen.analyze(one) for one in images]
    wrong = []

    def work():
        for one, right in zip(images * 3, expected * 3, strict=True):
            found = frozen.analyze(one)
            if any(not np.array_equal(found.masks[name], mask) for name, mask in right.masks.items()):
                wrong.append(one)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_network_is_not_changed():
    _, frozen = lenses(Residual)
    state = {name: value.clone() for name, value in frozen.network.state_dict().items()}
    frozen.analyze(image())
    assert all(torch.equal(value, state[name]) for name, value in frozen.network.state_dict().items())
