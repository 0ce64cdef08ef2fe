"""Worker: runs until it is told to stop, whatever the broker does meanwhile."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import signal
import sys
from pathlib import Path

import structlog
from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry, disable_created_metrics

from agents import topics
from agents.app import WorkerApp
from agents.health import Health, HealthServer
from agents.lane import is_compiled
from agents.metrics import Metrics
from agents.settings import Settings
from schemas.erasure import TYPE as ERASE
from schemas.errors import BrokerError, DangolError, StateError
from stream.engine import Engine

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
"""Seconds between tries to reach the broker: doubling from the first, up to the longest."""

STOP_SECONDS = 9.0
"""How long stopping may take in all: the runs in hand have five of them, orchestrators kill after thirty."""

GC_THRESHOLD = 50_000
"""Allocations between garbage collections: state is free of cycles, and the default of 700 costs
a tenth of the time."""

log = structlog.get_logger("dangol.worker")


async def run(settings: Settings, engine: Engine) -> None:
    """Process touchpoints until SIGTERM or SIGINT.

    Raises:
        TopicError: a topic is missing or not as it must be.
        InputError: the metrics port is taken.
        StateError: state can't be read or written.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    # Series of creation times double what Prometheus stores, and nobody looks at them.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    health = Health()
    metrics = Metrics(CollectorRegistry(), {*engine.playbook.catalogue, ERASE})
    app: WorkerApp | None = None

    def refresh() -> None:
        if app is not None:
            app.refresh()

    server = HealthServer(settings.metrics_host, settings.metrics_port, health, metrics.registry, refresh)
    port = await server.start()
    log.info(
        "starting",
        broker=settings.bootstrap,
        group=settings.group,
        playbook=engine.playbook_version,
        model=engine.model,
        metrics=f"http://{settings.metrics_host}:{port}/metrics",
    )
    if not is_compiled():
        log.warning("faust runs without its compiled parts: there is no wheel for this platform")
    gc.set_threshold(GC_THRESHOLD, 50, 50)
    pause = FIRST_PAUSE
    try:
        while not stop.is_set():
            partitions = await _partitions(settings, stop)
            if partitions is None:
                break
            _make_folder(settings.state)
            app = WorkerApp(settings, engine, partitions, metrics, health)
            reason = await _live(app, stop)
            if reason is None:
                break
            if isinstance(reason, DangolError) or not _is_outage(reason):
                raise reason
            pause = FIRST_PAUSE if app.was_ready else min(pause * 2, LONGEST_PAUSE)
            log.warning("lost the broker, starting over", reason=_brief(reason), retry_in_seconds=pause)
            await _sleep(stop, pause)
    finally:
        await server.stop()
    log.info("stopped")


async def _partitions(settings: Settings, stop: asyncio.Event) -> int | None:
    """How many partitions the topics have, as soon as the broker can be asked; None if told to stop."""
    pause = FIRST_PAUSE
    while not stop.is_set():
        try:
            for finding in await topics.check(settings.bootstrap, settings.topics):
                log.warning(finding.message) if finding.severity == "warning" else log.info(finding.message)
            return await topics.partitions_of(settings.bootstrap, settings.topics.touchpoints)
        except BrokerError as error:
            log.warning("waiting for the broker", reason=str(error), retry_in_seconds=pause)
            await _sleep(stop, pause)
            pause = min(pause * 2, LONGEST_PAUSE)
    return None


async def _live(app: WorkerApp, stop: asyncio.Event) -> BaseException | None:
    """Run one app until told to stop, or until it crashes; what it crashed of."""
    stopping = asyncio.create_task(stop.wait())
    starting = asyncio.create_task(app.start())
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            # What is there now stays: later collections need not look at it.
            gc.collect()
            gc.freeze()
            await app.faust.wait(stopping)
    except (KafkaError, OSError, TimeoutError) as error:
        return error
    finally:
        starting.cancel()
        stopping.cancel()
        await _close(app, stop)
    return None if stop.is_set() else app.failure or app.faust.crash_reason or ConnectionError("it stopped")


async def _close(app: WorkerApp, stop: asyncio.Event) -> None:
    """Stop an app; when told to stop for good, wait no longer than `STOP_SECONDS` for it.

    Without a broker, Faust waits for its last commit and for its consumer's thread, which Python would
    then wait for too. Whatever is left undone, the next owner of the partitions does: so just go.
    """
    closing = asyncio.create_task(app.stop())
    told = asyncio.create_task(stop.wait())
    await asyncio.wait({closing, told}, return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    await asyncio.wait({closing}, timeout=STOP_SECONDS)
    if not closing.done():
        log.warning("the broker is away: left without telling it", after_seconds=STOP_SECONDS)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    closing.result()


def _make_folder(state: Path) -> None:
    try:
        state.mkdir(parents=True, exist_ok=True)
        if not os.access(state, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise StateError(
            f"{state}: the state folder can't be used: {error.strerror}; choose another --state"
        ) from error


def _is_outage(reason: BaseException) -> bool:
    """Whether a crash came from the broker being away, and not from a fault of ours."""
    return isinstance(reason, KafkaError | OSError | TimeoutError)


def _brief(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".removesuffix(": ")


async def _sleep(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
