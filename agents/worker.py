"""Worker: runs until it is told to stop, whatever the broker does meanwhile."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import signal
import sys
import time
from pathlib import Path

import structlog
from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry, disable_created_metrics

from agents import access, topics
from agents.app import WorkerApp
from agents.handshake import denial, trouble
from agents.health import Health, HealthServer
from agents.lane import is_compiled
from agents.metrics import Metrics
from agents.models import Models
from agents.playbooks import Playbooks
from agents.settings import Settings
from agents.standstill import Standstill, has_unowned, places, watch
from schemas.erasure import TYPE as ERASE
from schemas.errors import AccessError, BrokerError, DangolError, InputError, StateError
from stream.engine import Engine

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
"""Seconds between tries to reach the broker: doubling from the first, up to the longest."""

STOP_SECONDS = 9.0
"""How long stopping may take in all: the runs in hand have five of them, orchestrators kill after thirty."""

RESTART_SECONDS = 60.0
"""How long an app may take to stop that lost the broker: its last requests wait for their time-outs."""

SHORTEST_PAUSE = 0.5
GUARD_SECONDS = 30.0
"""How often to look whether the broker still takes our credentials: one login, a few milliseconds."""

GC_THRESHOLD = 50_000
"""Allocations between garbage collections: state is free of cycles, and the default of 700 costs
a tenth of the time."""

log = structlog.get_logger("dangol.worker")


async def run(settings: Settings, engine: Engine) -> None:
    """Process touchpoints until SIGTERM or SIGINT.

    Raises:
        AccessError: the broker refuses us; after a start that went well, for `settings.patience`.
        TopicError: a topic is missing or not as it must be.
        InputError: the metrics port is taken, or a file of the connection can't be used.
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
    # A playbook that was named is not to change; without one, the topic says what is in force.
    followed = settings.topics.playbooks if settings.playbook is None else None
    # So is a model that was named.
    learned = Models(settings.connection, settings.topics.models, metrics) if settings.model is None else None
    playbooks = Playbooks(engine, metrics, settings.connection, followed, learned)
    app: WorkerApp | None = None

    def refresh() -> None:
        if app is not None:
            app.refresh()

    server = HealthServer(settings.metrics_host, settings.metrics_port, health, metrics.registry, refresh)
    port = await server.start()
    log.info(
        "starting",
        broker=settings.connection.bootstrap,
        group=settings.group,
        playbook=engine.playbook_version,
        model=engine.model,
        metrics=f"http://{settings.metrics_host}:{port}/metrics",
    )
    if settings.connection.warning is not None:
        log.warning(settings.connection.warning)
    if not is_compiled():
        log.warning("faust runs without its compiled parts: there is no wheel for this platform")
    gc.set_threshold(GC_THRESHOLD, 50, 50)
    pause = FIRST_PAUSE
    patience = 0.0
    try:
        while not stop.is_set():
            partitions = await _partitions(settings, stop, patience)
            if partitions is None:
                break
            _make_folder(settings.state)
            app = WorkerApp(settings, playbooks, partitions, metrics, health)
            reason = await _live(app, settings, stop)
            if reason is None:
                break
            if app.was_ready:
                patience = settings.patience
            if isinstance(reason, Renewed | Standstill):
                continue
            if isinstance(reason, DangolError) or not _is_outage(reason):
                raise reason
            pause = FIRST_PAUSE if app.was_ready else min(pause * 2, LONGEST_PAUSE)
            log.warning("lost the broker, starting over", reason=_brief(reason), retry_in_seconds=pause)
            await _sleep(stop, pause)
    finally:
        await server.stop()
    log.info("stopped")


async def _partitions(settings: Settings, stop: asyncio.Event, patience: float) -> int | None:
    """How many partitions the topics have, as soon as the broker can be asked; None if told to stop.

    Raises:
        AccessError: the broker has refused us for `patience` seconds.
    """
    pause = FIRST_PAUSE
    connection = settings.connection
    refused: float | None = None
    while not stop.is_set():
        try:
            for finding in await topics.check(connection, settings.topics):
                log.warning(finding.message) if finding.severity == "warning" else log.info(finding.message)
            await access.check(connection, settings.topics, settings.group)
            return await topics.partitions_of(connection, settings.topics.touchpoints)
        except BrokerError as error:
            if isinstance(error, AccessError):
                refused = refused or time.monotonic()
                if time.monotonic() - refused >= patience:
                    raise
            else:
                refused = None
            log.warning("waiting for the broker", reason=str(error), retry_in_seconds=pause)
            await _sleep(stop, pause)
            pause = min(pause * 2, LONGEST_PAUSE)
    return None


class Renewed(Exception):  # noqa: N818 - nothing went wrong
    """Credentials were renewed: clients that run have the old ones."""


async def _guard(settings: Settings) -> DangolError | Renewed:
    """Wait until the broker has refused us for as long as our patience lasts, or credentials were renewed.

    The clients of Kafka don't tell: they try to log in for ever, with the password that they began with.
    Connections that are open stay so, whatever has changed; so refusals are told before anything stops.
    """
    connection = settings.connection
    stamp = connection.stamp()
    refused: float | None = None
    while True:
        await asyncio.sleep(max(min(GUARD_SECONDS, settings.patience / 2), SHORTEST_PAUSE))
        try:
            reason = await trouble(connection)
            if reason is None:
                if connection.stamp() != stamp:
                    log.info("credentials were renewed, starting over with them")
                    return Renewed()
                await access.check(connection, settings.topics, settings.group)
        except DangolError as error:
            reason = error
        if not isinstance(reason, AccessError | InputError):
            refused = None
            continue
        refused = refused or time.monotonic()
        if time.monotonic() - refused >= settings.patience:
            return reason
        log.error("the broker refuses us, going on as long as it lets us", reason=str(reason))


async def _live(app: WorkerApp, settings: Settings, stop: asyncio.Event) -> BaseException | None:
    """Run one app until told to stop, or until it crashes; what it crashed of."""
    stopping = asyncio.create_task(stop.wait())
    guarding = asyncio.create_task(_guard(settings))
    watching = asyncio.create_task(_watch(app, settings))
    reason: BaseException | None = None
    starting = asyncio.create_task(app.start())
    try:
        await asyncio.wait({starting, stopping, watching}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            # What is there now stays: later collections need not look at it.
            gc.collect()
            gc.freeze()
            first = asyncio.wait({stopping, guarding, watching}, return_when=asyncio.FIRST_COMPLETED)
            await app.faust.wait(first)
        for done in (guarding, watching):
            if done.done() and not stopping.done():
                reason = done.result()
    except (KafkaError, OSError, TimeoutError) as error:
        reason = error
    finally:
        starting.cancel()
        stopping.cancel()
        guarding.cancel()
        watching.cancel()
        reason = reason or app.failure or app.faust.crash_reason
        patience = RESTART_SECONDS if reason is None or _is_outage(reason) else STOP_SECONDS
        await _close(app, stop, _end(settings, reason), patience)
    return None if stop.is_set() else reason or ConnectionError("it stopped")


def _end(settings: Settings, reason: BaseException | None) -> DangolError | None:
    """The error to end with, such as a full disk or a broker that refuses us; None if it is to start over."""
    if reason is None or isinstance(reason, DangolError):
        return reason
    return denial(settings.connection, reason, "go on")


async def _watch(app: WorkerApp, settings: Settings) -> Standstill:
    connection = settings.connection

    async def is_missed() -> bool:
        return await has_unowned(connection, settings.group, app.partitions)

    return await watch(app.progress, connection, settings.session_timeout, is_missed)


async def _close(app: WorkerApp, stop: asyncio.Event, end: DangolError | None, patience: float) -> None:
    """Stop an app, within `patience` seconds, or `STOP_SECONDS` when told to stop for good.

    Without a broker, Faust waits for its last commit, and aiokafka for answers. Whatever is left undone, the
    next owner of the partitions does: so just go. Where
    another app is to follow, and this one doesn't end, the program begins anew in its process.
    """
    closing = asyncio.create_task(app.stop())
    told = asyncio.create_task(stop.wait())
    await asyncio.wait({closing, told}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    if stop.is_set():
        await asyncio.wait({closing}, timeout=STOP_SECONDS)
    if closing.done():
        closing.result()
        return
    sys.stdout.flush()
    if stop.is_set():
        log.warning("the broker is away: left without telling it", after_seconds=STOP_SECONDS)
    elif end is not None:
        sys.stderr.write(f"dangol: {end}\n")
    else:
        log.warning("stopping takes too long, beginning anew", after_seconds=patience, at=places())
    sys.stderr.flush()
    if end is None and not stop.is_set():
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - what we were started as
    os._exit(0 if end is None or stop.is_set() else end.exit_code)


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
