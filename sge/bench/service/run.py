"""Starts the servers, gives each its load in turn, and ends them."""

from __future__ import annotations

import asyncio
import os
import platform
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from sge.bench.service.ceiling import Ceiling, CeilingWorkers
from sge.bench.service.contenders import Contender, Question, Setup, contenders, port_of
from sge.bench.service.load import Load, closed_loop, form, open_loop, post
from sge.bench.service.processes import START_LIMIT_S, ServerProcess, ServerStartError
from sge.bench.service.result import Cell, Line, ServiceResult
from sge.bench.service.weights import write_network
from sge.errors import DataError
from sge.paths import shipped

WARMUP_S = 2.0
QUESTION_LIMIT_S = 10.0
"""A server that has answered its first question and not another after this time cannot answer that one."""
SETTLE_S = 0.3
"""A server that was paused goes on for this long before its load begins."""
MAX_IMAGES = 32
FRAMING = "center"
Say = Callable[[str], None]


@dataclass(frozen=True)
class ServiceBench:
    """What is measured.

    Args:
        model: Name or file of the model.
        images: Folder of JPEG files; by default the samples of the page.
        only: Keys of the contenders; by default all.
        clients: Numbers of clients of the closed loops.
        shares: Rates of the open loops, in parts of each server's own capacity.
        seconds: Length of one load.
        rounds: How often every load is given to every server, in turn.
        threads: Images that a server computes at a time.
        port: First of the ports that are used, on 127.0.0.1.
    """

    model: str
    images: Path | None = None
    only: Sequence[str] = ()
    clients: Sequence[int] = (1, 4, 16)
    shares: Sequence[float] = (0.5, 0.8, 0.95)
    seconds: float = 5.0
    rounds: int = 3
    threads: int = 1
    port: int = 8420


@dataclass
class _Running:
    contender: Contender
    process: ServerProcess
    requests: dict[str, list[bytes]]
    """By the name of the question; of those that it answers."""

    @property
    def questions(self) -> list[Question]:
        """What the server answers."""
        return [question for question in self.contender.questions if question.name in self.requests]


def measure_service(bench: ServiceBench, say: Say) -> ServiceResult:
    """Measures every server that can be started.

    Args:
        bench: What is measured.
        say: Receives a line for each step.

    Raises:
        SGEError: no images, an unknown contender, or a model that cannot be loaded or exported.
    """
    images = _images(bench.images)
    with tempfile.TemporaryDirectory(prefix="sge-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        files = write_network(bench.model, folder)
        setup = Setup(bench.model, files.logits, files.facts, bench.threads)
        result = ServiceResult(_machine(bench))
        if files.is_exported:
            result.skipped["torch"] = "the model is an exported file"
        running = _start(bench, setup, folder, images, result, stack, say)
        networks: dict[str, Path | str] = {
            "predict, onnxruntime": files.logits,
            "analyze, onnxruntime": files.maps,
        }
        if any(one.contender.backend == "torch" for one in running):
            networks |= {"predict, torch": bench.model, "analyze, torch": bench.model}
        ceiling = CeilingWorkers(networks, images, files.preprocess, FRAMING, bench.threads)
        stack.callback(ceiling.close)
        result.lines = [
            Line(q.name, q.kind, one.contender.backend, one.contender.ours)
            for one in running
            for q in one.questions
        ]
        _closed_loops(bench, running, ceiling, result, say)
        _open_loops(bench, running, result, say)
        for one in running:
            memory = one.process.memory_bytes()
            for question in one.questions:
                _line(result, question).memory_bytes = memory
        return result


def _closed_loops(
    bench: ServiceBench,
    running: list[_Running],
    ceiling: CeilingWorkers,
    result: ServiceResult,
    say: Say,
) -> None:
    for number in range(bench.rounds):
        for clients in bench.clients:
            say(f"round {number + 1} of {bench.rounds}: {clients} clients")
            ceilings: dict[str, Ceiling] = {}
            for one, question in _in_turn(running, number):
                name = _ceiling_of(question, one.contender)
                if name not in ceilings:
                    ceilings[name] = ceiling.run(name, clients, bench.seconds)
                    result.ceilings.setdefault(name, {}).setdefault(clients, []).append(ceilings[name].rate)
                top = ceilings[name]
                requests = one.requests[question.name]
                load, cpu = _give(one, closed_loop(port_of(one.contender), requests, clients, bench.seconds))
                _line(result, question).closed.setdefault(clients, Cell()).add(load, top, cpu)


def _open_loops(bench: ServiceBench, running: list[_Running], result: ServiceResult, say: Say) -> None:
    for number in range(bench.rounds):
        for share in bench.shares:
            say(f"round {number + 1} of {bench.rounds}: {100 * share:g} % of capacity")
            for one, question in _in_turn(running, number):
                line = _line(result, question)
                rate = share * line.capacity
                if rate <= 0 or question.kind != "predict":
                    continue
                requests = one.requests[question.name]
                load, cpu = _give(
                    one, open_loop(port_of(one.contender), requests, rate, bench.seconds, number)
                )
                line.opened.setdefault(share, Cell()).add(load, None, cpu)


def _in_turn(running: list[_Running], number: int) -> Iterator[tuple[_Running, Question]]:
    """Every question, in another order in each round."""
    pairs = [(one, question) for one in running for question in one.questions]
    first = (number * 3) % len(pairs) if pairs else 0
    yield from pairs[first:] + pairs[:first]


def _give(one: _Running, load: Coroutine[Any, Any, Load]) -> tuple[Load, float | None]:
    """Lets a server go on, gives it a load, and pauses it again; the CPU seconds are those of the load."""
    with _awake(one.process):
        before = one.process.cpu_seconds()
        result = asyncio.run(load)
        after = one.process.cpu_seconds()
    return result, None if before is None or after is None else after - before


@contextmanager
def _awake(process: ServerProcess) -> Iterator[None]:
    process.resume()
    time.sleep(SETTLE_S)
    try:
        yield
    finally:
        process.pause()


def _ceiling_of(question: Question, contender: Contender) -> str:
    return f"{question.kind}, {'torch' if contender.backend == 'torch' else 'onnxruntime'}"


def _line(result: ServiceResult, question: Question) -> Line:
    return next(line for line in result.lines if line.name == question.name)


def _start(
    bench: ServiceBench,
    setup: Setup,
    folder: Path,
    images: list[bytes],
    result: ServiceResult,
    stack: ExitStack,
    say: Say,
) -> list[_Running]:
    """Starts, warms and pauses the servers; one that cannot be started is skipped with its reason."""
    running = []
    listed = contenders(setup, bench.port)
    if unknown := set(bench.only) - {one.key for one in listed}:
        raise DataError(
            f"No contender {', '.join(sorted(unknown))}; there are: {', '.join(one.key for one in listed)}."
        )
    for contender in listed:
        if contender.key not in bench.only and (bench.only or contender.only_named):
            continue
        if "torch" in result.skipped and contender.backend == "torch":
            continue
        if contender.missing:
            result.skipped[contender.name] = f"the package {contender.package} is not installed"
            continue
        say(f"starting {contender.name}")
        log = folder / f"{contender.key}.log"
        process = ServerProcess(contender.name, list(contender.command), contender.environment, log)
        stack.callback(process.stop)
        bodies = [form(image) if contender.multipart else (image, "image/jpeg") for image in images]
        host = f"127.0.0.1:{port_of(contender)}"
        requests = {q.name: [post(q.path, host, *body) for body in bodies] for q in contender.questions}
        one = _Running(contender, process, requests)
        try:
            asyncio.run(_warm(one, bench, result))
        except ServerStartError as error:
            result.skipped[contender.name] = str(error)
            process.stop()
            continue
        process.pause()
        running.append(one)
    return running


async def _warm(one: _Running, bench: ServiceBench, result: ServiceResult) -> None:
    """Waits until the server answers, and lets it run for a moment; questions that it cannot answer are skipped."""
    until = time.perf_counter() + START_LIMIT_S
    port = port_of(one.contender)
    for name, requests in list(one.requests.items()):
        while not (await closed_loop(port, requests, 1, 0.5)).latencies:
            one.process.check()
            if time.perf_counter() > until:
                if name == one.contender.questions[0].name:
                    raise ServerStartError(f"{name} did not answer within {START_LIMIT_S:g} s.")
                result.skipped[name] = "it was not answered with 200"
                del one.requests[name]
                break
        else:
            await closed_loop(port, requests, 2 * bench.threads, WARMUP_S)
        until = min(until, time.perf_counter() + QUESTION_LIMIT_S)


def _images(folder: Path | None) -> list[bytes]:
    chosen = shipped("static") / "samples" if folder is None else folder
    files = sorted(path for path in chosen.glob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    kept = [path for path in files if ".thumb." not in path.name][:MAX_IMAGES]
    if not kept:
        raise DataError(f"No JPEG files in {chosen}. Name a folder that holds some with --images.")
    return [path.read_bytes() for path in kept]


def _machine(bench: ServiceBench) -> dict[str, object]:
    packages = (
        "onnxruntime",
        "openvino",
        "torch",
        "fastapi",
        "uvicorn",
        "litserve",
        "mosec",
        "ray",
        "sge-lens",
    )
    versions = {}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": bench.threads,
        "model": bench.model,
        "rounds": bench.rounds,
        "seconds": bench.seconds,
        "versions": versions,
    }
