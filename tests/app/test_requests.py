from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request

from app.requests import cancelled_on_disconnect, wait_for_disconnect
from sge import Analysis
from tests.app.asking import Exchange, jpeg, post
from tests.app.conftest import Service

UNKNOWN = [
    ("masks", "blocks=nope"),
    ("masks", "groups=99999"),
    ("masks", "signal=weights"),
    ("masks", "format=pickle"),
    ("overlay", "block=nope"),
    ("overlay", "group=0-6"),
    ("analyze", "model=nope"),
    ("predict", "framing=half"),
]


@pytest.mark.parametrize(("route", "query"), UNKNOWN)
def test_what_a_request_names_is_checked_before_a_byte_is_read(
    service: Service, route: str, query: str
) -> None:
    exchange = Exchange(route, [jpeg()], {"Content-Type": "image/jpeg"}, query=query)
    service.in_loop(exchange.run, service)
    assert exchange.status in (404, 422)
    assert exchange.pulled == 0


@pytest.mark.slow
def test_predictions_are_made_without_masks_and_parts(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    lens = service.engine.slots[service.engine.default].require_lens()

    def fail(*_args: Any, **_kwargs: Any) -> list[Analysis]:
        pytest.fail("maps were captured")

    with monkeypatch.context() as patch:
        patch.setattr(lens, "analyze_frames", fail)
        patch.setattr("sge.lens.lens.PartSearch", fail)
        predicted = post(service.client, "predict", jpeg(5)).json()
    analyzed = post(service.client, "analyze", jpeg(5)).json()["predictions"]
    assert [entry["index"] for entry in predicted] == [entry["index"] for entry in analyzed]
    for entry, other in zip(predicted, analyzed, strict=True):
        assert entry["score"] == pytest.approx(other["score"], abs=1e-6)


def request_from(receive: Callable[[], Awaitable[Any]]) -> Request:
    return Request({"type": "http", "headers": []}, receive)


def test_work_is_cancelled_when_the_client_disconnects() -> None:
    cancelled = []

    async def receive() -> Any:
        await asyncio.sleep(0)
        return {"type": "http.disconnect"}

    async def work() -> None:
        async with cancelled_on_disconnect(request_from(receive)):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(True)
                raise

    async def run() -> None:
        with pytest.raises(ClientDisconnect):
            await work()
        await asyncio.sleep(0)  # the cancellation is over: the task may wait again

    asyncio.run(run())
    assert cancelled == [True]


async def never() -> Any:
    await asyncio.Event().wait()


def test_nothing_keeps_waiting_for_a_client_that_was_answered() -> None:
    async def run() -> int:
        async with cancelled_on_disconnect(request_from(never)):
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        return len(asyncio.all_tasks())

    assert asyncio.run(run()) == 1


def test_an_error_of_the_work_is_raised() -> None:
    async def run() -> None:
        async with cancelled_on_disconnect(request_from(never)):
            raise ValueError("own")

    with pytest.raises(ValueError, match="own"):
        asyncio.run(run())


def test_a_cancellation_from_outside_stays_one() -> None:
    async def work() -> None:
        async with cancelled_on_disconnect(request_from(never)):
            await asyncio.Event().wait()

    async def run() -> bool:
        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert asyncio.run(run())


def test_further_messages_of_the_body_are_no_disconnect() -> None:
    messages = [{"type": "http.request", "body": b""}] * 3 + [{"type": "http.disconnect"}]

    async def receive() -> Any:
        return messages.pop(0)

    asyncio.run(wait_for_disconnect(request_from(receive)))
    assert messages == []
