"""Health: judged by progress, served over HTTP on loopback, with the metrics beside it."""

from __future__ import annotations

import asyncio
import socket
import time

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Gauge

from agents.health import STALLED_SECONDS, Health, HealthServer
from schemas.errors import InputError

Answer = tuple[int, str, str]


def ask(
    health: Health, *paths: str, registry: CollectorRegistry | None = None, gauge: Gauge | None = None
) -> list[Answer]:
    """Status, content type and text of paths, asked of a server of their own."""

    def refresh() -> None:
        if gauge is not None:
            gauge.set(7)

    async def answers() -> list[Answer]:
        server = HealthServer("127.0.0.1", 0, health, registry or CollectorRegistry(), refresh)
        port = await server.start()
        got = []
        async with aiohttp.ClientSession() as session:
            for path in paths:
                async with session.get(f"http://127.0.0.1:{port}{path}") as answer:
                    got.append((answer.status, answer.headers["Content-Type"], await answer.text()))
        await server.stop()
        return got

    return asyncio.run(answers())


def test_a_worker_that_waits_is_alive_and_not_ready() -> None:
    """Before partitions are there and recovered, traffic must wait; a restart would not help."""
    assert [answer[::2] for answer in ask(Health(), "/livez", "/readyz")] == [
        (200, "ok\n"),
        (503, "not ready\n"),
    ]


def test_a_worker_with_its_partitions_is_ready() -> None:
    """Ready means assigned and recovered."""
    health = Health()
    health.ready = True

    assert [answer[::2] for answer in ask(health, "/livez", "/readyz")] == [(200, "ok\n"), (200, "ok\n")]


def test_a_run_that_makes_no_progress_is_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in hand and nothing moved for `STALLED_SECONDS`: restart it, and send nobody there."""
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    health = Health()
    health.ready, health.working = True, 1
    health.progress()
    clock[0] = STALLED_SECONDS - 1
    assert health.is_alive()

    clock[0] = STALLED_SECONDS
    assert not health.is_alive()
    health.progress()
    assert health.is_alive()

    health.working = 0
    clock[0] = 10 * STALLED_SECONDS
    assert health.is_alive()


def test_a_stuck_worker_says_so_on_both_pages() -> None:
    """503 on both, in one word each."""
    health = Health()
    health.ready, health.working = True, 1
    health._progress -= STALLED_SECONDS

    assert [answer[::2] for answer in ask(health, "/livez", "/readyz")] == [
        (503, "stalled\n"),
        (503, "not ready\n"),
    ]


@pytest.mark.parametrize("path", ["/", "/metrics/", "/table", "/router", "/livez/x", "/../etc/passwd"])
def test_anything_else_is_not_there(path: str) -> None:
    """Three pages and no more: nothing that shows a customer."""
    assert ask(Health(), path)[0][0] == 404


def test_metrics_are_brought_up_to_date_before_they_are_shown() -> None:
    """In Prometheus' own content type, with gauges as they are now."""
    registry = CollectorRegistry()
    gauge = Gauge("cx_profiles", "Profiles.", registry=registry)
    ((status, content_type, text),) = ask(Health(), "/metrics", registry=registry, gauge=gauge)

    assert status == 200
    assert content_type.startswith("text/plain; version=")
    assert "cx_profiles 7.0" in text.splitlines()


def test_a_port_that_is_taken_is_one_line() -> None:
    """Which address, why, and which option to change."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = HealthServer("127.0.0.1", port, Health(), CollectorRegistry(), lambda: None)
        with pytest.raises(InputError, match=rf"metrics can't bind to 127.0.0.1:{port}: .*--metrics-port"):
            asyncio.run(server.start())


@pytest.mark.parametrize(("host", "port"), [("no.such.host.invalid", 0), ("127.0.0.1", 99_999)])
def test_an_address_that_can_not_be_is_one_line(host: str, port: int) -> None:
    """A name that nobody knows, a port that no machine has."""
    server = HealthServer(host, port, Health(), CollectorRegistry(), lambda: None)

    with pytest.raises(InputError, match="metrics can't bind to"):
        asyncio.run(server.start())


def test_a_server_that_never_started_can_be_stopped() -> None:
    """Stopping is safe whatever came before."""
    asyncio.run(HealthServer("127.0.0.1", 0, Health(), CollectorRegistry(), lambda: None).stop())
