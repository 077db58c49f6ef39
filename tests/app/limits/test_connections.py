"""How many connections there may be, in all and of one address, and who makes room for whom."""

from __future__ import annotations

import json
import resource
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.limits import raise_descriptors, trusted_by
from app.limits.connections import counted
from tests.app.limits.serving import Serving, get, post, serving, until


def test_idle_and_half_sent_connections_make_room_for_requests() -> None:
    with serving(max_connections=30, max_connections_per_address=1000) as served, served.wires(30) as wires:
        silent, half, idle = wires[:10], wires[10:20], wires[20:]
        for wire in half:
            wire.send(b"GET / HTTP/1.1\r\n")
        for wire in idle:
            wire.send(get("/"))
            assert wire.answer()[0] == 200
        until(lambda: served.open == 30)
        time.sleep(1.1)  # EVICTABLE_AFTER_S
        with served.wires(30) as others:
            for wire in others:
                wire.send(get("/"))
                assert wire.answer()[0] == 200
        assert served.cut("room") >= 28
        assert all(group[0].closed(1) for group in (silent, half, idle))


def test_a_flood_of_idle_connections_refuses_nobody() -> None:
    limits = {"max_connections": 40, "max_connections_per_address": 25}
    with serving(**limits) as served, served.wires(300), served.wires(20) as others:
        for wire in others:
            wire.send(get("/"))
            assert wire.answer()[0] == 200
        assert served.cut("address") == served.cut("connections") == 0


def test_requests_are_not_ended_for_others() -> None:
    with serving(max_connections=4, max_connections_per_address=1000) as served:
        with served.wires(3) as running, served.wires(1) as (uploading,):
            for wire in running:
                wire.send(get("/wait"))
            uploading.send(post("/", "Content-Length: 4"), b"ab")
            until(lambda: served.app.waiting == 3)
            time.sleep(1.1)
            with served.wires(1) as (refused,):
                status, headers, body = refused.answer()
                assert (status, headers["retry-after"]) == (503, "2")
                assert "All 4 connections" in json.loads(body)["detail"]
                assert refused.closed()
            uploading.send(b"cd")
            assert uploading.answer()[0] == 200
            served.app.open.set()
            assert [wire.answer()[2] for wire in running] == [b"waited"] * 3
        with served.wires(4) as again:
            for wire in again:
                wire.send(get("/"))
                assert wire.answer()[0] == 200


def hold(served: Serving, number: int) -> None:
    """Opens connections that are refused, and closes them: none may be counted for ever."""
    for _ in range(number):
        with served.wires(1) as (wire,):
            assert wire.answer()[0] in (429, 503)


def test_one_address_cannot_take_every_connection() -> None:
    with serving(max_connections=50, max_connections_per_address=3) as served, served.wires(3) as running:
        for wire in running:
            wire.send(get("/wait"))
        until(lambda: served.app.waiting == 3)
        with served.wires(1) as (refused,):
            status, _, body = refused.answer()
            assert status == 429
            assert "SGE_TRUSTED_PROXIES" in json.loads(body)["detail"]
        hold(served, 80)  # more than may linger
        served.app.open.set()
        assert [wire.answer()[0] for wire in running] == [200] * 3


def test_behind_a_proxy_the_forwarded_address_counts() -> None:
    limits = {"max_connections_per_address": 2, "trusted_proxies": "127.0.0.1"}
    with serving(**limits) as served, served.wires(5) as wires:
        for wire, client in zip(wires, ["1.1.1.1", "1.1.1.1", "2001:db8::1", "2001:db8::2"], strict=False):
            wire.send(get("/wait", f"X-Forwarded-For: {client}"))
        until(lambda: served.app.waiting == 4)
        for client, status in (("1.1.1.1", 429), ("2001:db8::3", 429), ("2.2.2.2", 200)):
            wires[4].send(get("/", f"X-Forwarded-For: {client}"))
            assert wires[4].answer()[0] == status
        served.app.open.set()
        assert [wire.answer()[0] for wire in wires[:4]] == [200] * 4
        wires[4].send(get("/", "X-Forwarded-For: 1.1.1.1"))
        assert json.loads(wires[4].answer()[2])["client"] == "1.1.1.1"


def test_forwarded_addresses_of_strangers_are_not_believed() -> None:
    with serving(trusted_proxies="10.0.0.0/8") as served, served.wires(1) as (wire,):
        wire.send(get("/", "X-Forwarded-For: 1.1.1.1"))
        assert json.loads(wire.answer()[2])["client"] == "127.0.0.1"


@given(st.ip_addresses(v=6), st.integers(0, 2**64 - 1))
def test_addresses_of_one_network_are_one(address: object, other: int) -> None:
    import ipaddress

    first = ipaddress.IPv6Address(int(address) >> 64 << 64)  # type: ignore[call-overload]
    second = ipaddress.IPv6Address(int(first) + other)
    if second.ipv4_mapped is None and first.ipv4_mapped is None:
        assert counted(str(first)) == counted(str(second))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("::ffff:1.2.3.4", "1.2.3.4", True),
        ("1.2.3.4", "1.2.3.5", False),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("a socket", "another", False),
    ],
)
def test_what_counts_as_one_address(one: str, other: str, same: bool) -> None:
    assert (counted(one) == counted(other)) is same


def test_trusted_proxies_are_addresses_and_networks() -> None:
    trusts = trusted_by(["127.0.0.1", "10.0.0.0/8", "2001:db8::/32"])
    assert [trusts(address) for address in ("127.0.0.1", "10.2.3.4", "2001:db8::9")] == [True] * 3
    assert [trusts(address) for address in ("127.0.0.2", "::1", "", "unix")] == [False] * 4
    assert trusted_by(["*"])("anything")
    assert not trusted_by([])("127.0.0.1")


def test_descriptors_are_raised_and_connections_fit_them(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = [(1024, 4096)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, given: limits.append(given))
    assert raise_descriptors(500) == 500
    assert limits == [(1024, 4096)]  # enough
    assert raise_descriptors(2000) == 2000
    assert limits[-1] == (2256, 4096)
    assert raise_descriptors(1_000_000) == 4096 - 256
    limits.append((64, 64))
    assert 1 <= raise_descriptors(1000) <= 32
    limits.append((resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert raise_descriptors(1000) == 1000
