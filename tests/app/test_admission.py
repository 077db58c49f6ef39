"""Admission on a clock that the test turns: a simulated service whose workers take as long as is expected."""

from __future__ import annotations

import heapq
import random
from contextlib import ExitStack, suppress

import pytest

import app.admission
import app.promises
from app.admission import LARGE_S, Admission, Admissions
from app.cost import Costs
from app.errors import ProblemError
from app.uploads import Upload

LIMIT_S = 30.0
MIB = 1024 * 1024


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(app.admission, "time", made)
    monkeypatch.setattr(app.promises, "time", made)
    return made


class Simulation:
    """Clients of one service with ``servers`` servers for small work and one for large; work is done in the order of age."""

    def __init__(self, clock: Clock, servers: int = 2) -> None:
        self.clock = clock
        self.admissions = Admissions(Costs(), servers, servers, 1 << 40)
        self.free = {False: [0.0] * servers, True: [0.0] * max(1, servers - 1)}
        self.events: list[tuple[float, int, str, int]] = []
        self.answered: dict[int, float] = {}
        self.late: list[int] = []
        self.refusals: dict[int, int] = {}
        self.open: dict[int, ExitStack] = {}

    def run(self, arrivals: dict[int, float], megapixels: dict[int, float], until: float = 1e9) -> None:
        """Clients arrive once, wait as Retry-After says, and come again until they are answered."""
        for client, at in arrivals.items():
            heapq.heappush(self.events, (at, client, "comes", client))
        while self.events and self.events[0][0] < until:
            self.clock.now, _, what, client = heapq.heappop(self.events)
            if what == "done":
                self.open.pop(client).close()
            else:
                self.come(client, megapixels[client])

    def come(self, client: int, megapixels: float) -> None:
        now = self.clock.now
        wanted = Admission(Upload(b"%d" % client, None), "image", now + LIMIT_S, megapixels=megapixels)
        stack = ExitStack()
        try:
            stack.enter_context(self.admissions.admit(wanted))
        except ProblemError as refused:
            self.refusals[client] = self.refusals.get(client, 0) + 1
            heapq.heappush(self.events, (now + (refused.retry_after_s or 0), client, "comes", client))
            return
        servers = self.free[wanted.large("draw")]
        end = max(now, heapq.heappop(servers)) + wanted.work["draw"]
        heapq.heappush(servers, end)
        self.open[client] = stack
        self.answered[client] = end
        if end > wanted.deadline:
            self.late.append(client)
        heapq.heappush(self.events, (end, client, "done", client))


def test_sixty_four_polite_clients_are_all_answered_in_time_and_the_first_ones_first(clock: Clock) -> None:
    simulation = Simulation(clock)
    simulation.run({client: client / 1000 for client in range(64)}, dict.fromkeys(range(64), 43.0))
    assert len(simulation.answered) == 64
    assert simulation.late == []
    order = sorted(simulation.answered, key=simulation.answered.__getitem__)
    assert max(abs(place - client) for place, client in enumerate(order)) <= 16
    assert max(simulation.refusals.values(), default=0) <= 4  # and nobody had to come again and again


def test_whoever_was_refused_is_before_those_that_come_later(clock: Clock) -> None:
    """New clients arrive as fast as the service can answer: without promises they would take every free moment."""
    simulation = Simulation(clock)
    arrivals = {client: client / 1000 for client in range(40)}
    arrivals |= {100 + number: 5 + 3.0 * number for number in range(30)}
    simulation.run(arrivals, dict.fromkeys(arrivals, 43.0))
    waits = {client: simulation.answered[client] - at for client, at in arrivals.items()}
    early = [waits[client] for client in range(40)]
    assert max(early) < 40 * 3.2 / 1 + LIMIT_S
    first_half = sorted(simulation.answered, key=simulation.answered.__getitem__)[:35]
    assert sum(client < 100 for client in first_half) >= 25


def test_small_requests_are_admitted_while_large_ones_are_refused(clock: Clock) -> None:
    simulation = Simulation(clock)
    large = {client: client / 1000 for client in range(40)}
    small = {1000 + number: 0.1 + number / 50 for number in range(50)}
    sizes = dict.fromkeys(large, 43.0) | dict.fromkeys(small, 0.3)
    simulation.run(large | small, sizes)
    assert not any(client in simulation.refusals for client in small)
    assert any(client in simulation.refusals for client in large)


def test_a_refusal_costs_nothing_and_says_a_time_that_holds(clock: Clock) -> None:
    """Whoever comes again at the time that was said is admitted, if the service is as fast as expected."""
    simulation = Simulation(clock)
    arrivals = {client: client / 1000 for client in range(24)}
    simulation.run(arrivals, dict.fromkeys(arrivals, 43.0))
    assert simulation.refusals
    assert all(count == 1 for count in simulation.refusals.values())
    admissions = simulation.admissions
    assert admissions.count == 0
    assert sum(admissions._ahead.values()) == pytest.approx(0, abs=1e-9)
    assert len(admissions._promises) == 0


def test_a_request_that_alone_takes_too_long_is_tried(clock: Clock) -> None:
    """There is no time after which it would be faster, so a 503 would be a lie."""
    simulation = Simulation(clock)
    simulation.run({0: 0.0}, {0: 400.0})
    assert simulation.refusals == {}


def test_promises_end_and_hold_nothing_up_for_ever(clock: Clock) -> None:
    simulation = Simulation(clock)
    rude = {client: client / 1000 for client in range(60)}  # they never come again
    simulation.run(rude, dict.fromkeys(rude, 43.0), until=0.5)
    simulation.events = [event for event in simulation.events if event[2] == "done"]
    heapq.heapify(simulation.events)
    simulation.run({500: 200.0}, {500: 43.0})
    assert 500 not in simulation.refusals


def test_whoever_never_comes_again_keeps_nobody_out(clock: Clock) -> None:
    admissions = Admissions(Costs(), 2, 2, 1 << 40)
    held = ExitStack()
    for number in range(60):  # a script that ignores Retry-After
        with suppress(ProblemError):
            held.enter_context(
                admissions.admit(Admission(Upload(b"%d" % number, None), "overlay", LIMIT_S, megapixels=12))
            )
    held.close()  # it has left
    admitted = []
    for second in range(120):
        clock.now = float(second)
        with suppress(ProblemError):
            wanted = Admission(Upload(b"new %d" % second, None), "overlay", second + LIMIT_S, megapixels=12)
            with admissions.admit(wanted):
                admitted.append(second)
    assert admitted[-1] == 119
    assert set(admitted) >= set(range(40, 120))


def test_unequal_work_is_never_late_by_much_and_all_are_answered(clock: Clock) -> None:
    draw = random.Random(7)
    simulation = Simulation(clock)
    arrivals = {client: draw.uniform(0, 20) for client in range(150)}
    sizes = {client: draw.choice([0.2, 0.5, 2.0, 43.0, 48.0]) for client in arrivals}
    simulation.run(arrivals, sizes)
    assert len(simulation.answered) == 150
    assert len(simulation.late) <= 3


def test_uploads_are_bounded_in_bytes_and_small_ones_have_room_left(clock: Clock) -> None:
    admissions = Admissions(Costs(), 2, 2, 40 * MIB)
    with ExitStack() as held:
        for _ in range(3):
            held.enter_context(admissions.admit(_upload(10 * MIB)))
        with pytest.raises(ProblemError, match="as many as are held"), admissions.admit(_upload(10 * MIB)):
            pass
        for _ in range(10):
            held.enter_context(admissions.admit(_upload(MIB)))
        with pytest.raises(ProblemError, match="as many as are held"), admissions.admit(_upload(MIB)):
            pass
    with admissions.admit(_upload(30 * MIB)):
        assert admissions.count == 1


def _upload(size: int) -> Admission:
    return Admission(Upload(bytes(size), None), "predict", LIMIT_S)


def test_what_fails_frees_what_it_held(clock: Clock) -> None:
    admissions = Admissions(Costs(), 2, 2, 1 << 30)
    with suppress(ZeroDivisionError), admissions.admit(_upload(9)):
        raise ZeroDivisionError
    assert admissions.count == 0
    assert sum(admissions._ahead.values()) == 0


def test_equal_images_of_two_clients_have_a_promise_each(clock: Clock) -> None:
    admissions = Admissions(Costs(), 1, 1, 1 << 30)
    with ExitStack() as held:
        with suppress(ProblemError):
            while True:
                held.enter_context(admissions.admit(_slow()))
        with pytest.raises(ProblemError), admissions.admit(_slow()):
            pass
        assert len(admissions._promises) == 2


def _slow() -> Admission:
    admission = Admission(Upload(b"same", None), "overlay", LIMIT_S, megapixels=43.0)
    assert LARGE_S < 1
    return admission
