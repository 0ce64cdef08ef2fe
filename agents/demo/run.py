"""Run: the demo from the first topic to the last count."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack

import aiohttp
import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from agents import topics as admin
from agents.demo.child import ANSWER_SECONDS, WorkerProcess
from agents.demo.tally import Summary, Tally
from agents.demo.view import View
from agents.simulation.happening import DAY_START
from agents.simulation.record import Record
from agents.simulation.simulation import Simulation
from schemas import profile
from schemas.budget import is_ledger
from schemas.errors import BrokerError, DangolError
from schemas.profile import Profile
from schemas.timestamp import DAY, MINUTE
from schemas.topics import Topics
from schemas.trigger import TriggerEvent

PARTITIONS = 4
"""Enough that re-keying has somewhere to go, few enough that one worker's runs are well filled."""

STALL_SECONDS = 60.0
"""Seconds without any progress after which the demo gives up. A worker asks again what the broker has not
answered after 30 (`broker_request_timeout` in agents/app.py), and then has to catch up."""

LISTEN_SECONDS = 0.25
"""Seconds between two looks at the worker's counters."""

TICK_SECONDS = 0.005
"""Pause of the publisher between records that are due: far below the latencies that are measured."""

BATCH_BYTES = 128 * 1024
"""Largest batch of the import, in bytes: a few hundred touchpoints to a request."""

WINDOW = 2_000
"""Records of the import on their way at once: bounded, and enough to fill requests to each partition."""

FETCH_WAIT_MS = 10
"""How long the broker may hold a fetch back, in ms. aiokafka has one fetch on its way to a broker at a time,
and what it just handed out is asked for in the next one only: with the default of 500 ms, a trigger
waits that long behind a fetch for the other partitions."""

_decode_trigger = msgspec.json.Decoder(TriggerEvent).decode


async def run(
    bootstrap: str, metrics_port: int, simulation: Simulation, seconds: float, view: View, *, embedded: bool
) -> Summary:
    """Live the simulated day on a broker.

    Args:
        bootstrap: the broker, `host:port`.
        metrics_port: a free port of 127.0.0.1, for the worker.
        simulation: what happens.
        seconds: how long the day takes.
        view: what shows it.
        embedded: whether it is the embedded broker, which lacks idempotent producers and goes when we go;
            on any other the demo's topics are deleted afterwards.

    Raises:
        BrokerError: the broker can't be reached, or failed.
        DangolError: the worker ended or got nowhere.
    """
    # A name of its own each time: no demo sees the records of another.
    topics = Topics(f"demo-{secrets.token_hex(3)}.cx")
    await admin.create(bootstrap, topics, PARTITIONS)
    try:
        with WorkerProcess(bootstrap, topics.prefix, metrics_port) as worker:
            return await _Demo(bootstrap, topics, worker, simulation, seconds, view).run()
    except KafkaError as error:
        raise BrokerError(
            f"the broker at {bootstrap} failed the demo: {error or type(error).__name__}"
        ) from error
    finally:
        if not embedded:
            await _delete(bootstrap, topics)


class _Demo:
    def __init__(
        self,
        bootstrap: str,
        topics: Topics,
        worker: WorkerProcess,
        simulation: Simulation,
        seconds: float,
        view: View,
    ) -> None:
        self._bootstrap = bootstrap
        self._topics = topics
        self._worker = worker
        self._simulation = simulation
        self._seconds = seconds
        self._view = view
        self._tally = Tally(simulation)
        self._began = 0.0

    async def run(self) -> Summary:
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        async with AsyncExitStack() as stack:
            self._http = await stack.enter_async_context(aiohttp.ClientSession(timeout=timeout))
            stack.enter_context(self._view)
            self._view.says("starting a worker")
            await self._worker.ready(self._http)
            self._producer = await stack.enter_async_context(
                AIOKafkaProducer(
                    bootstrap_servers=self._bootstrap, acks="all", max_batch_size=BATCH_BYTES, linger_ms=0
                )
            )
            self._consumer = await stack.enter_async_context(_reading(self._bootstrap, self._topics.triggers))
            await self._alongside(self._live())
            profiles = await _profiles(self._bootstrap, self._topics.profiles)
        return self._tally.summary(profiles, self._seconds)

    async def _alongside(self, story: object) -> None:
        """Tell the story while listening to the worker, reading triggers and drawing."""
        main = asyncio.ensure_future(story)  # type: ignore[call-overload]
        tasks = [
            main,
            *(asyncio.ensure_future(task) for task in (self._listen(), self._read(), self._draw())),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _live(self) -> None:
        await self._import(self._simulation.history)
        await self._settled()
        self._tally.phase = "living the day"
        self._began = time.monotonic()
        await self._live_day(self._simulation.day)
        self._tally.phase = "waiting for the last ones"
        await self._settled()
        await self._drained()

    async def _import(self, records: Sequence[Record]) -> None:
        """Publish as fast as the broker takes it; it packs by itself what can't go out at once."""
        for start in range(0, len(records), WINDOW):
            window = records[start : start + WINDOW]
            await asyncio.gather(*[await self._send(record) for record in window])

    async def _live_day(self, records: Sequence[Record]) -> None:
        """Publish each record when its moment of the day has come."""
        tally = self._tally
        pace = DAY / self._seconds
        waiting: list[asyncio.Future[object]] = []
        position = 0
        while position < len(records):
            tally.clock = int(DAY_START + (time.monotonic() - self._began) * pace)
            while position < len(records) and records[position].at <= tally.clock:
                record = records[position]
                tally.sent(record.id)
                waiting.append(await self._send(record))
                position += 1
            waiting = [future for future in waiting if not _is_delivered(future)]
            await asyncio.sleep(TICK_SECONDS)
        tally.clock = DAY_START + DAY - MINUTE
        await asyncio.gather(*waiting)

    async def _send(self, record: Record) -> asyncio.Future[object]:
        future: asyncio.Future[object] = await self._producer.send(
            self._topics.touchpoints, key=record.key, value=record.value, headers=list(record.headers)
        )
        self._tally.published += 1
        return future

    async def _settled(self) -> None:
        """Wait until the worker has accounted for all that was published.

        Raises:
            DangolError: it gets nowhere any more.
        """
        tally = self._tally
        progress, since = -1, time.monotonic()
        while tally.accounted < tally.published:
            if tally.accounted != progress:
                progress, since = tally.accounted, time.monotonic()
            elif time.monotonic() - since > STALL_SECONDS:
                raise DangolError(
                    f"the worker has accounted for {progress:,} of {tally.published:,} touchpoints "
                    f"and for none in the last {STALL_SECONDS:.0f} s; {self._worker.last_words()}"
                )
            await asyncio.sleep(LISTEN_SECONDS / 2)

    async def _drained(self) -> None:
        """Wait until the subscriber has read every trigger there is."""
        partitions = sorted(self._consumer.assignment())
        ends = await self._consumer.end_offsets(partitions)
        deadline = time.monotonic() + STALL_SECONDS
        for partition in partitions:
            while await self._consumer.position(partition) < ends[partition]:
                if time.monotonic() > deadline:
                    raise DangolError(f"triggers on {partition.topic} can't be read to the end; try again")
                await asyncio.sleep(LISTEN_SECONDS / 2)
        # What `position` has passed may still be in the reader's hands.
        await asyncio.sleep(LISTEN_SECONDS)

    async def _listen(self) -> None:
        while True:
            self._tally.heard(await self._worker.counters(self._http))
            await asyncio.sleep(LISTEN_SECONDS)

    async def _read(self) -> None:
        while True:
            for records in (await self._consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    self._tally.received(_decode_trigger(record.value))

    async def _draw(self) -> None:
        while True:
            self._view.draw(self._tally)
            await asyncio.sleep(self._view.pause)


def _is_delivered(future: asyncio.Future[object]) -> bool:
    if not future.done():
        return False
    future.result()  # A record that the broker refused ends the demo.
    return True


@contextlib.asynccontextmanager
async def _reading(bootstrap: str, names: Sequence[str]) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of all partitions of these topics, from their beginning, in no group."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=FETCH_WAIT_MS,
    )
    async with consumer:
        consumer.assign([TopicPartition(name, number) for name in names for number in range(PARTITIONS)])
        yield consumer


async def _profiles(bootstrap: str, topic: str) -> list[Profile]:
    """The latest profile of each customer, as any subscriber of the compacted topic reads them."""
    stored: dict[bytes, bytes | None] = {}
    async with _reading(bootstrap, [topic]) as consumer:
        partitions = sorted(consumer.assignment())
        ends = await consumer.end_offsets(partitions)
        deadline = time.monotonic() + STALL_SECONDS
        while any([await consumer.position(p) < ends[p] for p in partitions]):
            if time.monotonic() > deadline:
                raise DangolError(f"profiles on {topic} can't be read to the end; try again")
            for records in (await consumer.getmany(timeout_ms=200)).values():
                stored.update((record.key, record.value) for record in records)
    kept = (value for key, value in stored.items() if value is not None and profile.is_profile(key))
    return [each for each in map(profile.decode, kept) if not is_ledger(each.customer)]


async def _delete(bootstrap: str, topics: Topics) -> None:
    """Delete everything that bears the demo's prefix, whoever created it."""
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    # The demo is over, and what went wrong before is what the user should read.
    with contextlib.suppress(KafkaError, OSError):
        try:
            await client.start()
            ours = [name for name in await client.list_topics() if name.startswith(f"{topics.prefix}.")]
            await client.delete_topics(ours)
        finally:
            await client.close()
