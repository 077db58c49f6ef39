from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

from app.turns import Turns

Log = list[tuple[bool, int]]


def taking(turns: Turns, log: Log) -> Callable[[int, bool], Coroutine[Any, Any, None]]:
    async def take(order: int, large: bool) -> None:
        async with turns.turn(order, large=large):
            log.append((large, order))
            await asyncio.sleep(0)

    return take


def test_the_oldest_is_next_whatever_the_order_of_asking() -> None:
    log: Log = []

    async def run() -> None:
        take = taking(Turns(1, 1), log)
        orders = list(range(20))
        random.Random(3).shuffle(orders)
        await asyncio.gather(take(-1, False), *(take(order, False) for order in orders))

    asyncio.run(run())
    assert [order for _, order in log] == [-1, *range(20)]


def test_large_and_small_alternate_where_both_wait() -> None:
    log: Log = []

    async def run() -> None:
        take = taking(Turns(1, 1), log)
        large = [take(order, True) for order in range(10)]
        await asyncio.gather(*large, *(take(100 + order, False) for order in range(10)))

    asyncio.run(run())
    assert [large for large, _ in log[1:19]] == [False, True] * 9


def test_large_work_never_has_every_turn_and_no_bound_is_passed() -> None:
    async def run() -> tuple[int, int]:
        turns, now, most = Turns(3, 2), {True: 0, False: 0}, [0, 0]

        async def take(order: int, large: bool) -> None:
            async with turns.turn(order, large=large):
                now[large] += 1
                most[0] = max(most[0], now[True])
                most[1] = max(most[1], now[True] + now[False])
                await asyncio.sleep(0.001)
                now[large] -= 1

        draw = random.Random(1)
        await asyncio.gather(*(take(order, draw.random() < 0.7) for order in range(60)))
        return most[0], most[1]

    assert asyncio.run(run()) == (2, 3)


def test_who_is_cancelled_while_waiting_or_in_the_same_moment_takes_no_turn_away() -> None:
    async def run() -> None:
        for late in range(4):
            turns, log = Turns(1, 1), Log()
            take = taking(turns, log)
            holder = asyncio.create_task(take(0, False))
            await asyncio.sleep(0)
            waiting = [asyncio.create_task(take(order, order % 2 == 0)) for order in range(1, 6)]
            for _ in range(late):  # the cancellations come at every moment of handing on
                await asyncio.sleep(0)
            waiting[0].cancel()
            waiting[3].cancel()
            await asyncio.gather(holder, *waiting, return_exceptions=True)
            async with asyncio.timeout(5), turns.turn(9, large=True):
                pass
            assert turns._free == {False: 1, True: 1}

    asyncio.run(run())
