"""The real application with the real weights, and smaller ones of it with other limits."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

import app.engine
from app.engine import Engine
from app.main import create_app
from app.settings import PREFIX, Settings
from sge import Analysis, Lens, Model, load_model
from sge.images.framing import Frame

API = "/api/v1"
WAIT_S = 60
"""How long a test waits for what must come; it then fails by itself instead of hanging."""


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in Settings.model_fields:
            patch.delenv(PREFIX + name.upper(), raising=False)
        patch.setenv("SGE_MODEL_DIR", str(tmp_path_factory.mktemp("models")))
        # Each service has its own engine and thread; only reading 50 MB again is saved.
        patch.setattr(app.engine, "load_model", functools.cache(load_model))
        yield


@dataclass
class Service:
    """A running application."""

    app: FastAPI
    client: TestClient
    engine: Engine

    def in_loop(self, work: Callable[..., Any], *args: Any) -> Any:
        """Runs a coroutine function on the application's own event loop."""
        portal = self.client.portal
        assert portal is not None
        return portal.call(work, *args)

    def metric(self, name: str, **labels: str) -> float:
        """A metric's value; 0 where nothing was counted yet."""
        return self.engine.metrics.registry.get_sample_value(name, labels) or 0.0


@contextmanager
def running(*, wait: bool = True, **settings: Any) -> Iterator[Service]:
    """An application with other settings; of the shipped models only the first, unless they say otherwise."""
    application = create_app(Settings(**{"models": ["sge_efficientnet_lite0"]} | settings))
    with TestClient(application) as client:
        service = Service(application, client, application.state.engine)
        if wait:
            until(lambda: service.engine.ready or any(slot.error for slot in service.engine.slots.values()))
        yield service


def until(condition: Callable[[], object]) -> None:
    """Waits for what another thread brings about."""
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)


@pytest.fixture(scope="session")
def service(_no_settings_from_outside: None) -> Iterator[Service]:
    with running() as one:
        yield one


@pytest.fixture
def client(service: Service) -> TestClient:
    return service.client


@pytest.fixture(scope="session")
def model(_no_settings_from_outside: None) -> Model:
    return app.engine.load_model("sge_efficientnet_lite0")


@pytest.fixture(scope="session")
def lens(model: Model) -> Lens:
    """The library itself, to compare the service with."""
    return Lens(model)


@pytest.fixture(scope="session")
def photo() -> bytes:
    return (Path(__file__).resolve().parents[2] / "static/samples/chelsea.jpg").read_bytes()


@dataclass
class Gate:
    """A lens that waits at its door until it is let in."""

    entered: threading.Event = field(default_factory=threading.Event)
    open: threading.Event = field(default_factory=threading.Event)
    looked: list[list[str]] = field(default_factory=list)
    """The sha256 of each batch's images."""


@pytest.fixture
def hold(monkeypatch: pytest.MonkeyPatch) -> Callable[[Service], AbstractContextManager[Gate]]:
    """Stops a service's forward passes; afterwards everything that waited goes on."""

    @contextmanager
    def holding(one: Service) -> Iterator[Gate]:
        gate = Gate()
        slot = one.engine.slots[one.engine.default]
        real = slot.require_lens().analyze_frames

        def look(frames: Sequence[Frame], top_k: int = 5) -> list[Analysis]:
            gate.entered.set()
            assert gate.open.wait(WAIT_S)
            gate.looked.append([one.image.sha256 for one in frames])
            return real(frames, top_k)

        monkeypatch.setattr(slot.lens, "analyze_frames", look)
        try:
            yield gate
        finally:
            gate.open.set()
            until(lambda: one.engine._admitted == 0)
            monkeypatch.setattr(slot.lens, "analyze_frames", real)

    return holding
