from __future__ import annotations

import asyncio
import random

import pytest

from app.workers.lines import Lines


@pytest.mark.parametrize("places", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", range(5))
def test_any_mixture_is_served_in_order_and_never_by_large_tasks_alone(places, seed):
    """Tasks of drawn lengths, some of which give up; the clock is a count of turns of the event loop."""
    random_ = random.Random(seed)

    async def main() -> None:
        lines = Lines[int](places)
        for number in range(places):
            lines.add(number)
        begun: dict[bool, list[int]] = {False: [], True: []}
        running = {False: 0, True: 0}
        taken: set[int] = set()

        async def task(number: int, large: bool, turns: int) -> None:
            place = await lines.take(large)
            assert place not in taken
            taken.add(place)
            begun[large].append(number)
            running[large] += 1
            assert running[True] <= max(1, places - 1)
            assert sum(running.values()) <= places
            try:
                for _ in range(turns):
                    await asyncio.sleep(0)
            finally:
                running[large] -= 1
                taken.discard(place)
                lines.done(large)
                lines.add(place)

        tasks = []
        for number in range(120):
            tasks.append(asyncio.create_task(task(number, random_.random() < 0.5, random_.randrange(6))))
            if random_.random() < 0.2:
                random_.choice(tasks).cancel()
            if random_.random() < 0.5:
                await asyncio.sleep(0)
        async with asyncio.timeout(20):
            await asyncio.gather(*tasks, return_exceptions=True)
        for numbers in begun.values():
            # One that finds a free place begins before one that has just been given its own, but before no other.
            order = {number: at for at, number in enumerate(sorted(numbers))}
            assert all(abs(order[number] - at) <= places for at, number in enumerate(numbers))
        assert (lines.waiting(True), lines.waiting(False), running) == (0, 0, {False: 0, True: 0})
        assert sum(one.cancelled() for one in tasks) + sum(map(len, begun.values())) >= len(tasks)
        # Every place is there again.
        again = await asyncio.gather(*(lines.take(False) for _ in range(places)))
        assert sorted(again) == list(range(places))

    asyncio.run(main())


def test_one_place_is_shared_in_turns():
    async def main() -> list[bool]:
        lines = Lines[int](1)
        order: list[bool] = []

        async def task(large: bool) -> None:
            place = await lines.take(large)
            order.append(large)
            await asyncio.sleep(0)
            lines.done(large)
            lines.add(place)

        tasks = [asyncio.create_task(task(large)) for large in (True, True, True, False, False, False)]
        await asyncio.sleep(0)
        lines.add(0)
        await asyncio.gather(*tasks)
        return order

    assert asyncio.run(main()) == [True, False, True, False, True, False]


def test_those_who_wait_can_be_refused():
    async def main() -> None:
        lines = Lines[int](2)
        waiting = [asyncio.create_task(lines.take(large)) for large in (True, False)]
        await asyncio.sleep(0)
        lines.refuse(ValueError("closed"))
        assert [str(error) for error in await asyncio.gather(*waiting, return_exceptions=True)] == [
            "closed"
        ] * 2
        lines.add(7)
        assert await lines.take(True) == 7

    asyncio.run(main())
