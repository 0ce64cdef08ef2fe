"""Health: `/livez`, `/readyz` and `/metrics` over HTTP, judged by progress and not by presence."""

from __future__ import annotations

import time
from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from schemas.errors import InputError

STALLED_SECONDS = 120.0
"""A run that has been worked on for longer is stuck: it takes milliseconds, and retries of a
publish count as progress. Below the five minutes after which people start to call."""


class Health:
    """What the worker is doing, and since when there was no progress.

    Attributes:
        ready: whether partitions are assigned and recovered.
        working: runs in hand.
    """

    def __init__(self) -> None:
        self.ready = False
        self.working = 0
        self._progress = time.monotonic()

    def progress(self) -> None:
        """Something moved: a run was begun or done, or a publish is tried again."""
        self._progress = time.monotonic()

    def is_alive(self) -> bool:
        """Whether nothing is stuck."""
        return self.working == 0 or time.monotonic() - self._progress < STALLED_SECONDS


class HealthServer:
    """Serves health and metrics; anything else is 404.

    Args:
        host: address to bind to.
        port: port to bind to; 0 picks a free one.
        health: what is judged.
        registry: the metrics to show.
        refresh: called before metrics are shown, to bring gauges up to date.
    """

    def __init__(
        self, host: str, port: int, health: Health, registry: CollectorRegistry, refresh: Callable[[], None]
    ) -> None:
        self._host = host
        self._port = port
        self._health = health
        self._registry = registry
        self._refresh = refresh
        self._runner: web.AppRunner | None = None

    async def start(self) -> int:
        """Begin to serve; the port that was bound.

        Raises:
            InputError: the port is taken, or not ours to bind, or there is no such address.
        """
        app = web.Application()
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        try:
            await site.start()
        except (OSError, OverflowError) as error:
            await self._runner.cleanup()
            why = error.strerror if isinstance(error, OSError) else "no such port"
            raise InputError(
                f"metrics can't bind to {self._host}:{self._port}: {why}; choose another --metrics-port"
            ) from error
        port: int = self._runner.addresses[0][1]
        return port

    async def stop(self) -> None:
        """Stop serving."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _livez(self, _: web.Request) -> web.Response:
        return _answer(ok=self._health.is_alive(), otherwise="stalled")

    async def _readyz(self, _: web.Request) -> web.Response:
        return _answer(ok=self._health.ready and self._health.is_alive(), otherwise="not ready")

    async def _metrics(self, _: web.Request) -> web.Response:
        self._refresh()
        return web.Response(
            body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )


def _answer(*, ok: bool, otherwise: str) -> web.Response:
    return web.Response(text="ok\n" if ok else f"{otherwise}\n", status=200 if ok else 503)
