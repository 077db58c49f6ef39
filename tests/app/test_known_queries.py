"""Queries that are checked once: what is remembered, and what never is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Annotated

import pytest
from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request, Response
from fastapi.testclient import TestClient

from app import known_queries
from app.deps import EngineDep, refuse_unknown_names
from app.errors import install
from app.known_queries import KnownQueries


class Counted:
    """An application whose endpoint says what it was given, and how often the parameters were checked."""

    def __init__(self) -> None:
        self.checks = 0
        self.app = FastAPI()
        self.app.state.engine = SimpleNamespace(name="first")
        install(self.app)
        router = APIRouter(
            prefix="/api",
            route_class=KnownQueries,
            dependencies=[Depends(refuse_unknown_names), Depends(self.check)],
        )

        @router.post("/sum")
        async def add(
            request: Request, engine: EngineDep, one: Annotated[int, Query(le=99)] = 1, two: float = 0.5
        ) -> Response:
            body = (await request.body()).decode()
            return Response(f"{engine.name} {one + two} {body}")  # type: ignore[attr-defined]

        @router.post("/of/{name}")
        async def of(request: Request, name: Annotated[str, Path()], two: float = 0.5) -> Response:
            return Response(f"{name} {two}")

        @router.post("/both")
        async def both(request: Request, names: Annotated[list[str], Query()]) -> Response:
            names.append("end")
            return Response(" ".join(names))

        self.app.include_router(router)
        self.client = TestClient(self.app)

    async def check(self) -> None:
        """Counts."""
        self.checks += 1

    def post(self, path: str, body: str = "") -> tuple[int, str]:
        """Status and text of an answer."""
        answer = self.client.post(path, content=body)
        return answer.status_code, answer.text


@pytest.fixture
def counted() -> Counted:
    return Counted()


def test_a_query_is_checked_once_and_answered_alike(counted: Counted) -> None:
    for body in ("a", "b", "c"):
        assert counted.post("/api/sum?one=3&two=1.5", body) == (200, f"first 4.5 {body}")
    assert counted.checks == 1
    assert counted.post("/api/sum?two=1.5&one=4") == (200, "first 5.5 ")
    assert counted.post("/api/sum") == (200, "first 1.5 ")
    assert counted.checks == 3


def test_another_application_has_its_own_engine(counted: Counted) -> None:
    counted.post("/api/sum?one=3")
    counted.app.state.engine = SimpleNamespace(name="second")
    assert counted.post("/api/sum?one=3") == (200, "second 3.5 ")
    assert counted.checks == 1


@pytest.mark.parametrize("query", ["one=100", "one=x", "three=1", "one=1&one=2"])
def test_what_is_refused_is_refused_every_time(counted: Counted, query: str) -> None:
    first = counted.post(f"/api/sum?{query}")
    assert first[0] == 422
    assert [counted.post(f"/api/sum?{query}") for _ in range(2)] == [first, first]


def test_paths_and_lists_are_left_to_the_framework(counted: Counted) -> None:
    assert counted.post("/api/of/a?two=2") == (200, "a 2.0")
    assert counted.post("/api/of/b?two=2") == (200, "b 2.0")
    for _ in range(2):
        assert counted.post("/api/both?names=x") == (200, "x end")
    assert counted.checks == 4


def test_little_is_remembered(counted: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_queries, "MAX_QUERIES", 3)
    for number in range(10):
        counted.post(f"/api/sum?one={number}")
    long = f"/api/sum?one={'0' * 600}7"
    assert counted.post(long) == counted.post(long) == (200, "first 7.5 ")
    assert counted.checks == 12
    route = next(known for known in _routes(counted.app.routes) if known.path.endswith("/sum"))
    assert 0 < len(route._known) <= 3


def _routes(routes: list[object]) -> list[KnownQueries]:
    found: list[KnownQueries] = []
    for route in routes:
        if isinstance(route, KnownQueries):
            found.append(route)
        for name in ("routes", "original_router", "router"):
            inner = getattr(route, name, None)
            found += _routes(getattr(inner, "routes", inner if isinstance(inner, list) else []))
    return found
