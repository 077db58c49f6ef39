"""What ``sge bench service`` has measured, summed up over its rounds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from sge.bench.service.ceiling import Ceiling
from sge.bench.service.load import Load

PREDICT_SHARE, ANALYZE_SHARE, LONE_EXTRA_S = 0.9, 0.6, 0.005
"""The goals: share of the ceiling at the most clients, and seconds that HTTP may add to a lone request."""


@dataclass
class Cell:
    """One question under one load, over all rounds."""

    rates: list[float] = field(default_factory=list)
    """Answers a second, one a round."""
    shares: list[float] = field(default_factory=list)
    """Rate in parts of the ceiling's rate of the same round."""
    extra: list[float] = field(default_factory=list)
    """Median latency less the ceiling's median of the same round, seconds; it says something for one client only."""
    cpu: list[float] = field(default_factory=list)
    """CPU seconds of the server an answer, one a round; empty where they cannot be read."""
    load: Load = field(default_factory=Load)

    cpu_shares: list[float] = field(default_factory=list)
    """CPU seconds of the ceiling an image in parts of the server's an answer; other processes change it little."""

    def add(self, load: Load, ceiling: Ceiling | None, cpu_seconds: float | None) -> None:
        """Adds one round.

        Args:
            load: What was answered.
            ceiling: Of the same round and number of clients.
            cpu_seconds: Of the server during the load.
        """
        self.rates.append(load.rate)
        self.load.add(load)
        middle = load.quantile(0.5)
        cpu = cpu_seconds / len(load.latencies) if cpu_seconds and load.latencies else None
        if cpu is not None:
            self.cpu.append(cpu)
        if ceiling is not None:
            self.shares.append(load.rate / ceiling.rate)
            if cpu is not None:
                self.cpu_shares.append(ceiling.cpu_seconds / cpu)
            if middle is not None:
                self.extra.append(middle - ceiling.latency)

    def to_dict(self) -> dict[str, Any]:
        """For JSON; times in milliseconds."""
        return {
            "rate": _rounded(_middle(self.rates)),
            "share_of_ceiling": _rounded(_middle(self.shares), 3),
            "shares": [_rounded(share, 3) for share in self.shares],
            "p50_ms": _ms(self.load.quantile(0.5)),
            "p95_ms": _ms(self.load.quantile(0.95)),
            "over_ceiling_ms": _ms(_middle(self.extra)),
            "cpu_ms": _ms(_middle(self.cpu)),
            "cpu_share_of_ceiling": _rounded(_middle(self.cpu_shares), 3),
            "answers": len(self.load.latencies),
            "refused": self.load.refused,
            "failed": self.load.failed,
            "sent_late": self.load.sent_late,
        }


@dataclass
class Line:
    """One question to one server."""

    name: str
    kind: str
    backend: str
    ours: bool
    closed: dict[int, Cell] = field(default_factory=dict)
    """By number of clients."""
    opened: dict[float, Cell] = field(default_factory=dict)
    """By share of the line's own capacity."""
    memory_bytes: int | None = None

    @property
    def capacity(self) -> float:
        """Answers a second with the most clients, median of the rounds."""
        return _middle(self.closed[max(self.closed)].rates) or 0.0

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "name": self.name,
            "kind": self.kind,
            "backend": self.backend,
            "closed": {str(clients): cell.to_dict() for clients, cell in self.closed.items()},
            "open": {str(share): cell.to_dict() for share, cell in self.opened.items()},
            "memory_mb": None if self.memory_bytes is None else round(self.memory_bytes / 1e6),
        }


@dataclass(frozen=True)
class Goal:
    """One aim of the engine, and what was measured."""

    text: str
    value: str
    met: bool


@dataclass
class ServiceResult:
    """Everything that one run has measured."""

    machine: dict[str, Any]
    lines: list[Line] = field(default_factory=list)
    ceilings: dict[str, dict[int, list[float]]] = field(default_factory=dict)
    """Name of a ceiling, by number of clients: images a second, one a round."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Name of a server to why it was not measured."""

    def goals(self) -> list[Goal]:
        """The aims for CPUs, each as far as this run has measured it."""
        own = [goal for line in self.lines if line.ours and line.closed for goal in self._goals_of(line)]
        return own + self._ahead()

    def _goals_of(self, line: Line) -> Iterable[Goal]:
        most = max(line.closed)
        share = _middle(line.closed[most].shares) or 0.0
        wanted = PREDICT_SHARE if line.kind == "predict" else ANALYZE_SHARE
        yield Goal(f"{line.name}: {wanted} of the ceiling at {most} clients", f"{share:.2f}", share >= wanted)
        if line.kind == "predict" and 1 in line.closed:
            extra = _middle(line.closed[1].extra)
            yield Goal(
                f"{line.name}: a lone request at most {1000 * LONE_EXTRA_S:g} ms over its ceiling",
                "none answered" if extra is None else f"{1000 * extra:.1f} ms",
                extra is not None and extra <= LONE_EXTRA_S,
            )

    def _ahead(self) -> list[Goal]:
        predict = [line for line in self.lines if line.kind == "predict" and line.closed]
        ours = [line for line in predict if line.ours]
        peers = [line for line in predict if not line.ours]
        if not ours or not peers:
            return []
        best = max(ours, key=lambda line: line.capacity)
        most = max(best.closed)
        rival = max(peers, key=lambda line: line.capacity)
        quick = min(peers, key=lambda line: _p95(line.closed[most]))
        return [
            Goal(
                f"throughput at {most} clients ahead of every peer",
                f"{best.capacity:.1f} against {rival.capacity:.1f} /s ({rival.name})",
                best.capacity > rival.capacity,
            ),
            Goal(
                f"p95 at {most} clients ahead of every peer",
                f"{1000 * _p95(best.closed[most]):.0f} against {1000 * _p95(quick.closed[most]):.0f} ms ({quick.name})",
                _p95(best.closed[most]) < _p95(quick.closed[most]),
            ),
        ]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "machine": self.machine,
            "ceilings": {
                name: {str(clients): _rounded(_middle(rates)) for clients, rates in runs.items()}
                for name, runs in self.ceilings.items()
            },
            "lines": [line.to_dict() for line in self.lines],
            "skipped": self.skipped,
            "goals": [asdict(goal) for goal in self.goals()],
        }


def _p95(cell: Cell) -> float:
    found = cell.load.quantile(0.95)
    return float("inf") if found is None else found


def _middle(values: list[float]) -> float | None:
    return median(values) if values else None


def _rounded(value: float | None, digits: int = 1) -> float | None:
    return None if value is None else round(value, digits)


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(1000 * seconds, 1)
