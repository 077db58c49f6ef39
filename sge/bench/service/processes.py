"""A server as a child process: started in a folder of its own, watched, paused while others are measured, ended."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from sge.errors import SGEError

START_LIMIT_S = 180.0
"""A server that does not answer after this time has failed to start."""
STOP_LIMIT_S = 15.0
PROC = Path("/proc")


class ServerStartError(SGEError):
    """A server ended or did not answer."""


class ServerProcess:
    """A server and the processes that it starts.

    Args:
        name: For messages.
        command: The program and its arguments.
        environment: Added to this process's own.
        log: File that receives its output.
    """

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str], log: Path) -> None:
        self.name, self.log = name, log
        self._known: dict[int, str] = {}
        """Processes seen below the server, and when each began, because ids are used again."""
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Process id of the server itself."""
        return self._process.pid

    def check(self) -> None:
        """Checks that the server runs.

        Raises:
            ServerStartError: It has ended; the message has the end of its log.
        """
        if (code := self._process.poll()) is not None:
            last = self.log.read_bytes()[-2000:].decode("utf-8", "replace").strip()
            raise ServerStartError(f"{self.name} ended with status {code}: {last or 'it wrote nothing'}")

    def tree(self) -> list[int]:
        """Ids of the server and of all processes below it; only its own where there is no /proc."""
        children: dict[int, list[int]] = {}
        for pid, parent in _parents():
            children.setdefault(parent, []).append(pid)
        # A child whose parent has ended belongs to init; what was seen below the server stays known.
        known = [pid for pid, began in self._known.items() if _began(pid) == began]
        found: set[int] = set()
        frontier = [self.pid, *known]
        while frontier:
            pid = frontier.pop()
            if pid not in found:
                found.add(pid)
                frontier += children.get(pid, [])
        self._known = {pid: began for pid in found - {self.pid} if (began := _began(pid))}
        return sorted({self.pid, *self._known})

    def cpu_seconds(self) -> float | None:
        """CPU seconds that the tree has used, ended children included; None where there is no /proc."""
        return _total(_cpu_seconds(pid) for pid in self.tree())

    def memory_bytes(self) -> int | None:
        """Memory of the tree (proportional set size: shared pages are divided); None where there is no /proc."""
        found = _total(_memory(pid) for pid in self.tree())
        return None if found is None else int(found)

    def pause(self) -> None:
        """Stops every process of the tree, so that an idle server uses nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets every process of the tree go on."""
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """Asks the server to end, then ends what is left of its tree."""
        tree = self.tree()
        self.resume()
        with suppress(ProcessLookupError):
            self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_LIMIT_S)
        for pid in tree:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        for pid in self.tree():
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def _parents() -> Iterable[tuple[int, int]]:
    if not PROC.is_dir():
        return
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            yield int(entry.name), int(fields[1])


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name: state, parent, ...; empty if there is no such process."""
    try:
        return (PROC / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return []


def _began(pid: int) -> str:
    """When a process began, in clock ticks; empty if there is none of that id."""
    fields = _stat(pid)
    return fields[19] if fields and fields[0] != "Z" else ""


def _cpu_seconds(pid: int) -> float | None:
    fields = _stat(pid)
    if not fields:
        return None
    # utime, stime, and those of children that were waited for; proc(5) counts the fields from 1, pid included.
    return sum(int(value) for value in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> float | None:
    try:
        text = (PROC / str(pid) / "smaps_rollup").read_text("utf-8")
    except OSError:
        return None
    return next(
        (1024.0 * int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")), None
    )


def _total(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
