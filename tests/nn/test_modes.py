"""eval_mode restores what was there, also when several threads use one network."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from torch import nn

from sge.nn.modes import eval_mode


def mixed() -> nn.Sequential:
    network = nn.Sequential(nn.BatchNorm2d(4), nn.Dropout(), nn.Sequential(nn.BatchNorm2d(4)))
    network.train()
    network[1].eval()
    return network


def flags(network: nn.Module) -> list[bool]:
    return [module.training for module in network.modules()]


def test_restores_each_modules_own_mode() -> None:
    network = mixed()
    before = flags(network)
    with eval_mode(network):
        assert not any(flags(network))
        with eval_mode(network):
            pass
        assert not any(flags(network))
    assert flags(network) == before
    with pytest.raises(KeyboardInterrupt), eval_mode(network):
        raise KeyboardInterrupt
    assert flags(network) == before


def test_the_last_user_restores() -> None:
    network = mixed()
    before, entered, leave = flags(network), threading.Barrier(2), threading.Event()

    def hold() -> None:
        with eval_mode(network):
            entered.wait(10)
            leave.wait(10)

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(hold)
        with eval_mode(network):
            entered.wait(10)
        assert not any(flags(network))
        leave.set()
        other.result()
    assert flags(network) == before


def test_a_network_and_a_part_of_it() -> None:
    network = mixed()
    with eval_mode(network[2]):
        assert flags(network) == [True, True, False, False, False]
        with eval_mode(network):
            assert not any(flags(network))
        assert flags(network) == [True, True, False, False, False]
    assert flags(network) == [True, True, False, True, True]


def test_many_threads() -> None:
    network = mixed()
    before = flags(network)

    def use(_number: int) -> bool:
        with eval_mode(network):
            return not any(flags(network))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(use, range(400)))
    assert flags(network) == before
