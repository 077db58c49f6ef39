"""The real application with the shipped weights, and applications with other settings."""

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
import app.slots
from app.engine import Engine
from app.main import create_app
from app.settings import PREFIX, Settings
from sge import Lens, Model, load_model
from sge.images.framing import Frame

API = "/api/v1"
WAIT_S = 60
"""After this time a test that waits fails instead of hanging."""


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in Settings.model_fields:
            patch.delenv(PREFIX + name.upper(), raising=False)
        patch.setenv("SGE_MODEL_DIR", str(tmp_path_factory.mktemp("models")))
        # Each service has its own engine and thread; the cache saves reading the same 50 MB again.
        patch.setattr(app.slots, "load_model", functools.cache(load_model))
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
    """An application with these settings, and with the first shipped model alone unless ``models`` is given."""
    # A busy machine must not turn a slow answer into a 504. The test client calls the service "testserver".
    defaults = {
        "models": ["sge_efficientnet_lite0"],
        "time_limit_s": WAIT_S,
        "threads": 1,
        "backend": "torch",
        "allowed_hosts": ["*"],
    }
    application = create_app(Settings(**defaults | settings))
    with TestClient(application) as client:
        service = Service(application, client, application.state.engine)
        if wait:
            until(lambda: service.engine.ready or any(slot.error for slot in service.engine.slots.values()))
        yield service


def until(condition: Callable[[], object]) -> None:
    """Waits for a condition that another thread fulfills."""
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)


@pytest.fixture(scope="session")
def service(_no_settings_from_outside: None) -> Iterator[Service]:
    with running() as started:
        yield started


@pytest.fixture
def client(service: Service) -> TestClient:
    return service.client


@pytest.fixture(scope="session")
def model(_no_settings_from_outside: None) -> Model:
    return app.slots.load_model("sge_efficientnet_lite0")


@pytest.fixture(scope="session")
def lens(model: Model) -> Lens:
    """The library's own lens of a network that nobody changes, as the service's is, to compare it with."""
    return Lens(model, frozen=True)


@pytest.fixture(scope="session")
def photo() -> bytes:
    return (Path(__file__).resolve().parents[2] / "static/samples/chelsea.jpg").read_bytes()


@dataclass
class Gate:
    """A barrier in front of a service's forward passes."""

    entered: threading.Event = field(default_factory=threading.Event)
    """Set once a forward pass waits at the barrier."""
    open: threading.Event = field(default_factory=threading.Event)
    """Set by the test to let every forward pass run."""
    batches: list[list[str]] = field(default_factory=list)
    """The sha256 of each batch's images."""


@pytest.fixture
def hold(monkeypatch: pytest.MonkeyPatch) -> Callable[[Service], AbstractContextManager[Gate]]:
    """Stops a service's forward passes; when the context ends, everything that waited runs.

    Passes are those of a GPU: one after the other, with all images that wait and have the same shape.
    """
    monkeypatch.setattr("app.scheduler.runs_beside", lambda _lens: False)
    monkeypatch.setattr("app.engine.runs_beside", lambda _lens: False)

    @contextmanager
    def holding(service: Service) -> Iterator[Gate]:
        gate = Gate()
        lens = service.engine.slots[service.engine.default].require_lens()
        real = {name: getattr(lens, name) for name in ("analyze_frames", "predict_frames")}

        def held(name: str) -> Callable[..., Any]:
            def forward(frames: Sequence[Frame], *asked: Any, **more: Any) -> Any:
                gate.entered.set()
                assert gate.open.wait(WAIT_S)
                gate.batches.append([frame.image.sha256 for frame in frames])
                return real[name](frames, *asked, **more)

            return forward

        for name in real:
            monkeypatch.setattr(lens, name, held(name))
        try:
            yield gate
        finally:
            gate.open.set()
            until(lambda: service.engine.depth == 0)
            for name, method in real.items():
                monkeypatch.setattr(lens, name, method)

    return holding


@pytest.fixture(scope="session")
def real_port(_no_settings_from_outside: None) -> Iterator[int]:
    """The port of a real server, which a proxy may offer below ``/lens``."""
    from tests.app.serving import served

    with served(root_path="/lens", trusted_proxies=["127.0.0.1"]) as (port, _):
        yield port
