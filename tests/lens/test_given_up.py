"""Long computations that nobody waits for any more: they end between two passes, and spoil nothing for those that follow."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sge.errors import GivenUpError
from sge.lens import Lens, ablation, given_up_when
from tests.drawn_images import noise
from tests.lens.networks import Plain, Residual, lens_of

IMAGE = noise(96, 96)


class Count:
    """True from the call of a certain number on."""

    def __init__(self, most: int) -> None:
        self.most, self.calls = most, 0

    def __call__(self) -> bool:
        self.calls += 1
        return self.calls > self.most


ASKED: dict[str, Callable[[Lens, str], Any]] = {
    "ablate": lambda lens, block: lens.ablate(IMAGE, {block: [0]}, controls=8).logits_controls,
    "measured": lambda lens, block: lens.attribute(IMAGE, blocks=[block], method="ablation").effect[block],
    "gradient": lambda lens, block: lens.attribute(IMAGE, method="gradient").effect[block],
}


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("network", [Residual, Plain])
def test_it_ends_between_any_two_passes_and_the_next_one_is_right(
    monkeypatch: pytest.MonkeyPatch, asked: str, network: Any
) -> None:
    monkeypatch.setattr(ablation, "MAX_ROWS", 2)
    lens, ask = lens_of(network()), ASKED[asked]
    block = next(iter(lens.groups))
    looks = Count(10**6)
    with given_up_when(looks):
        expected = ask(lens_of(network()), block)
    assert looks.calls >= 2
    for most in range(min(looks.calls, 6)):
        with pytest.raises(GivenUpError, match="nobody waits"), given_up_when(Count(most)):
            ask(lens, block)
    np.testing.assert_allclose(ask(lens, block), expected, atol=2e-4, rtol=1e-4)


def test_other_threads_and_what_comes_after_go_on() -> None:
    lens, made = lens_of(Residual()), []
    block = next(iter(lens.groups))
    with given_up_when(lambda: True):
        thread = threading.Thread(target=lambda: made.append(ASKED["ablate"](lens, block)))
        thread.start()
        thread.join()
    made.append(ASKED["ablate"](lens, block))
    np.testing.assert_allclose(made[0], made[1], atol=1e-5)
