"""A simulated service that turns out to be slower, or faster, than was assumed when its first requests came."""

from __future__ import annotations

import heapq
import random
from contextlib import ExitStack
from functools import partial

import pytest

from app.admission import Admission, Admissions
from app.cost import Costs
from app.errors import ProblemError
from app.lookout import LOOK_S
from app.uploads import Upload
from tests.app.test_admission import LIMIT_S, Clock, clock

__all__ = ["clock"]


class Service:
    """One server, which does the oldest work first and takes ``slower`` times as long as is assumed at the start.

    ``busy_others`` is the part of that for which others have the core.
    """

    def __init__(self, clock: Clock, slower: float, busy_others: float = 1.0) -> None:
        self.busy_others = busy_others
        self.clock, self.slower = clock, slower
        self.admissions = Admissions(Costs(), 2, 2, 1 << 40)
        self.events: list[tuple[float, int, str, int]] = []
        self.waiting: dict[int, Admission] = {}
        self.open: dict[int, ExitStack] = {}
        self.busy = False
        self.answered: dict[int, float] = {}
        self.refused: list[tuple[int, float, float]] = []
        """Client, how long it had waited, and Retry-After."""
        self.late: list[int] = []
        self.megapixels: dict[int, float] = {}

    def run(self, megapixels: dict[int, float], spread: float = 0.001, *, polite: bool = False) -> None:
        self.megapixels, self.polite = megapixels, polite
        for number, client in enumerate(megapixels):
            heapq.heappush(self.events, (number * spread, client, "comes", client))
        heapq.heappush(self.events, (LOOK_S, -1, "look", -1))
        while self.events:
            self.clock.now, _, what, client = heapq.heappop(self.events)
            getattr(self, what)(client)
            self.next()

    def look(self, _client: int) -> None:
        self.admissions.look()
        if self.events:
            heapq.heappush(self.events, (self.clock.now + LOOK_S, -1, "look", -1))

    def comes(self, client: int) -> None:
        now, size = self.clock.now, self.megapixels[client]
        wanted = Admission(Upload(b"%d" % client, None), "image", now + LIMIT_S, megapixels=size)
        wanted.refuse = partial(self.leave, client)
        stack = ExitStack()
        try:
            stack.enter_context(self.admissions.admit(wanted))
        except ProblemError as problem:
            self.note(client, 0.0, problem)
            return
        self.waiting[client], self.open[client] = wanted, stack

    def note(self, client: int, waited: float, problem: ProblemError) -> None:
        retry = problem.retry_after_s or 0
        self.refused.append((client, waited, retry))
        if self.polite:
            heapq.heappush(self.events, (self.clock.now + retry, client, "comes", client))

    def leave(self, client: int, problem: ProblemError) -> None:
        wanted = self.waiting.pop(client)
        self.note(client, self.clock.now - wanted.since, problem)
        self.events.append((self.clock.now, client, "close", client))
        heapq.heapify(self.events)

    def close(self, client: int) -> None:
        self.open.pop(client).close()

    def next(self) -> None:
        while self.waiting and not self.busy:
            client = min(self.waiting, key=lambda one: self.waiting[one].order)
            wanted = self.waiting[client]
            try:
                self.admissions.begin(wanted)
            except ProblemError as problem:
                self.leave(client, problem)
                continue
            del self.waiting[client]
            self.busy = True
            end = self.clock.now + self.slower * Costs().expected("image", wanted.megapixels)
            if end > wanted.deadline:
                self.late.append(client)
            heapq.heappush(self.events, (end, client, "done", client))
            self.running = wanted

    def done(self, client: int) -> None:
        wanted, self.busy = self.running, False
        seconds = self.clock.now - wanted.began
        self.admissions.learn(wanted, "draw", seconds, seconds / self.busy_others)
        self.admissions.done(wanted, "draw")
        self.answered[client] = self.clock.now
        self.close(client)


@pytest.mark.parametrize("busy_others", [1.0, 3.0])
@pytest.mark.parametrize("slower", [1.0, 2.0, 3.0, 6.0])
def test_twelve_at_once_on_a_machine_that_nobody_has_measured_are_answered_or_refused_and_none_is_late(
    clock: Clock, slower: float, busy_others: float
) -> None:
    service = Service(clock, slower, busy_others)
    service.run(dict.fromkeys(range(12), 20.0))
    alone = slower * Costs().expected("image", 20.0)
    assert service.late == []
    assert len(service.answered) + len(service.refused) == 12
    assert len(service.answered) >= min(12, int(LIMIT_S / alone) - 1)
    # Whoever is refused later than at once is refused when it is known how slow the machine is.
    assert sum(waited > 3 * alone for _, waited, _ in service.refused) <= 2
    assert service.admissions.count == 0


@pytest.mark.parametrize("slower", [0.2, 1.0, 4.0])
def test_polite_clients_of_such_a_machine_are_all_answered_without_asking_for_ever(
    clock: Clock, slower: float
) -> None:
    service = Service(clock, slower)
    draw = random.Random(3)
    service.run({client: draw.choice([8.0, 20.0, 40.0]) for client in range(24)}, polite=True)
    assert sorted(service.answered) == list(range(24))
    assert len(service.late) <= 1
    assert len(service.refused) <= 24 * 8


def test_a_machine_that_was_slow_once_is_not_taken_for_slow_for_ever(clock: Clock) -> None:
    service = Service(clock, 6.0)
    service.run(dict.fromkeys(range(4), 20.0), spread=40.0)
    service.slower, clock.now = 1.0, 0.0
    service.run(dict.fromkeys(range(100, 130), 20.0), spread=40.0)
    service.refused.clear()
    clock.now = 0.0
    service.run(dict.fromkeys(range(200, 212), 20.0))
    assert service.refused == []


def test_one_that_is_slow_by_itself_is_tried_also_when_it_has_begun_a_moment_later(clock: Clock) -> None:
    service = Service(clock, 1.0)
    service.run({0: 1.0, 1: 600.0})
    assert (service.refused, service.late) == ([], [1])


def test_a_task_that_takes_much_longer_than_others_did_is_counted_for_those_behind_it(clock: Clock) -> None:
    """While it still runs: nothing has been learned from it yet."""
    service = Service(clock, 1.0)
    service.run(dict.fromkeys(range(3), 20.0), spread=40.0)
    clock.now = 0.0
    service.slower = 19.0
    service.run(dict.fromkeys(range(10, 20), 20.0))
    assert (
        len(service.late) <= 1
    )  # of the first one it is not known whether the image or the machine was slow
    assert min(waited for _, waited, _ in service.refused) < 19.0 * Costs().expected("image", 20.0)
