"""Shelf: the playbooks that stand on their topic, and which of them is in force."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import BrokerResponseError, KafkaError

from agents import topics as admin
from agents.connection import Broker, Connection, connection_to
from agents.consumer import stopped
from agents.handshake import denial
from agents.producer import start_producer
from agents.version import VERSION
from schemas import edition
from schemas.edition import CURRENT, KEPT, MAX_BYTES, PARTITION, Edition
from schemas.errors import BrokerError, InputError, TopicError
from schemas.model import CHALLENGER
from schemas.nearest import nearest
from schemas.playbook import Playbook, load
from schemas.timestamp import to_rfc3339
from schemas.topics import Topics

PROGRAM = f"dangol {VERSION}"
"""What we call ourselves on what we publish."""

POLL_MS = 200
"""How long one look for records waits, in ms: it is also how late a new playbook is noticed."""

ANSWER_SECONDS = 30.0
"""How long the broker may be silent while there is more to read, or to acknowledge."""

REQUEST_BYTES = 2 * MAX_BYTES
"""Largest request, above what the topic takes, so that it is the broker who refuses."""


class Shelf:
    """What stands on the playbooks' topic, as far as it was read.

    >>> shelf = Shelf()
    >>> shelf.put(b"hotel@3f9c2a1b", b"playbook: hotel", 700, None)
    >>> shelf.put(b"current", b"hotel@3f9c2a1b", 700, None)
    >>> shelf.in_force
    Edition(version='hotel@3f9c2a1b', text=b'playbook: hotel', published=700, program=None)

    Attributes:
        editions: editions by version, those published first at the front; twice `KEPT` at most.
        current: version of the one in force; None where none is.
        challenger: on the topic of models, version of the one that learns in its shadow; None for none.
        chosen: versions that were put in force, in order, since someone took note and cleared it; the latest
            `KEPT`.
    """

    def __init__(self) -> None:
        self.editions: dict[str, Edition] = {}
        self.current: str | None = None
        self.challenger: str | None = None
        self.chosen: deque[str] = deque(maxlen=KEPT)

    @property
    def in_force(self) -> Edition | None:
        """The edition in force; None where none is, or where its text is not here."""
        return None if self.current is None else self.editions.get(self.current)

    def named(self, version: str, topic: str) -> Edition:
        """The edition of a version; `current` is the one in force.

        Args:
            version: the version.
            topic: where this was read, for the error.

        Raises:
            InputError: there is none.
        """
        wanted = (self.current or "none") if version == CURRENT.decode() else version
        edition = self.editions.get(wanted)
        if edition is None and wanted != version:
            raise InputError(f"{topic} says that {wanted} is in force, which is not there: apply one")
        if edition is None:
            hint = nearest(wanted, self.editions) or "; dangol playbook show --list tells which are"
            raise InputError(f"{wanted} is not on {topic}{hint}")
        return edition

    def put(self, key: bytes | None, value: bytes | None, timestamp: int, program: str | None) -> None:
        """Take a record of the topic.

        Args:
            key: a version, `CURRENT` or `CHALLENGER`.
            value: the text, or the version in force or in its shadow; None takes it away.
            timestamp: when it was written, in ms.
            program: what has written it.
        """
        if key is None:
            return
        text = (value or b"").decode("utf-8", "replace")
        if key == CURRENT:
            self.current = text or None
            self.chosen.append(text)
            return
        if key == CHALLENGER:
            self.challenger = text or None
            return
        version = key.decode("utf-8", "replace")
        # Taken out and put back, it stands at the end.
        self.editions.pop(version, None)
        if value is not None:
            self.editions[version] = Edition(version, value, timestamp, program)
        # Whatever is written there, memory is bounded.
        others = [each for each in self.editions if each not in (self.current, self.challenger)]
        for old in others[: -2 * KEPT]:
            del self.editions[old]

    def take(self, records: Iterable[Any]) -> None:
        """Take records as a consumer hands them over."""
        for record in records:
            self.put(record.key, record.value, record.timestamp, edition.program_in(record.headers))


def playbook_of(published: Edition, topic: str) -> Playbook:
    """The playbook that was published.

    Args:
        published: the edition.
        topic: where it stands, for the error.

    Raises:
        InputError: it can't be used: what is wrong, where, and what has published it if not we.
    """
    where = f"{topic} {published.version}"
    try:
        if len(published.text) > MAX_BYTES:
            raise InputError(f"{where}: {too_large(len(published.text))}")
        try:
            text = published.text.decode()
        except UnicodeDecodeError as error:
            raise InputError(f"{where}: not UTF-8 at byte {error.start}") from None
        return load(text, where)
    except InputError as error:
        if published.program in (None, PROGRAM):
            raise
        raise InputError(f"{error}; {published.program} has published it, and this is {PROGRAM}") from None


def decides(shelf: Shelf, topic: str) -> Playbook | None:
    """What workers decide by: the playbook in force, or the latest that can be used; None for what ships.

    Args:
        shelf: what is on the topic.
        topic: where it stands.
    """
    for published in (shelf.in_force, *reversed(shelf.editions.values())):
        if shelf.current is not None and published is not None:
            with suppress(InputError):
                return playbook_of(published, topic)
    return None


def too_large(size: int) -> str:
    """That a playbook is too large, and what to do.

    >>> too_large(1_000_001)
    '1,000,001 bytes are more than a playbook may have (1,000,000): drop what is not used any more'
    """
    what = f"{size:,} bytes are more than a playbook may have ({MAX_BYTES:,})"
    return f"{what}: drop what is not used any more"


@asynccontextmanager
async def reading(broker: Broker, topic: str) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of the playbooks' topic from its beginning, in no group.

    Raises:
        KafkaError: the broker can't be reached or refuses us.
        InputError: a file of the connection can't be used.
    """
    consumer = AIOKafkaConsumer(
        **connection_to(broker).options(),
        client_id="dangol-playbook",
        group_id=None,
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
    )
    try:
        await consumer.start()
        place = TopicPartition(topic, PARTITION)
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        yield consumer
    finally:
        await stopped(consumer)


async def read_to_end(consumer: AIOKafkaConsumer, shelf: Shelf) -> None:
    """Put on the shelf what is on the topic by now.

    Raises:
        KafkaError: the broker can't be asked.
        TimeoutError: it is silent for `ANSWER_SECONDS`.
    """
    (place,) = consumer.assignment()
    end = (await consumer.end_offsets([place]))[place]
    heard = time.monotonic()
    while (at := await consumer.position(place)) < end:
        fetched = await consumer.getmany(place, timeout_ms=POLL_MS)
        shelf.take(fetched.get(place, ()))
        if await consumer.position(place) > at:
            heard = time.monotonic()
        elif time.monotonic() - heard > ANSWER_SECONDS:
            raise TimeoutError


async def fetch(broker: Broker, topics: Topics, topic: str | None = None) -> Shelf:
    """What stands on the playbooks' topic, or on another that is kept like it.

    Args:
        broker: how to reach the broker.
        topics: the topics of the deployment.
        topic: which of them; by default that of the playbooks.

    Raises:
        InputError: the broker's address or a file of the connection can't be used.
        BrokerError: the broker can't be reached, or refuses us (`AccessError`).
        TopicError: the topic is missing, or not compacted.
    """
    connection = connection_to(broker)
    topic = topic or topics.playbooks
    await _check(connection, topics, topic)
    shelf = Shelf()
    try:
        async with reading(connection, topic) as consumer:
            await read_to_end(consumer, shelf)
    except (KafkaError, OSError, TimeoutError) as error:
        raise failure(connection, error, f"read {topic}") from None
    return shelf


@dataclass(frozen=True, slots=True)
class Applied:
    """What `apply` did.

    Attributes:
        version: the version that is in force now.
        before: the one that was in force before; None where none was.
        removed: versions that were taken off the topic, as there are `KEPT` newer ones.
    """

    version: str
    before: str | None
    removed: list[str]


async def apply(
    broker: Broker,
    topics: Topics,
    text: bytes,
    version: str,
    *,
    allows: Callable[[Playbook], None] = lambda _: None,
) -> Applied:
    """Publish a playbook and put it in force, at once or not at all; returning means that the broker has it.

    Args:
        broker: how to reach the broker.
        topics: the topics of the deployment.
        text: the YAML, which was checked.
        version: the playbook's version.
        allows: is asked about the one that decides so far, if one was applied; raises where nothing is to be
            written.

    Raises:
        InputError: it is too large; or the broker's address or a file of the connection can't be used.
        BrokerError: the broker can't be reached, or refuses us (`AccessError`).
        TopicError: the topic is missing or not compacted, or takes no record of that size.
    """
    if len(text) > MAX_BYTES:
        raise InputError(too_large(len(text)))
    connection = connection_to(broker)
    shelf = await fetch(connection, topics)
    before = shelf.current
    if (deciding := decides(shelf, topics.playbooks)) is not None:
        allows(deciding)
    now = int(time.time() * 1000)
    headers = edition.headers_of(to_rfc3339(now), PROGRAM)
    shelf.put(version.encode(), text, now, PROGRAM)
    removed = [each for each in shelf.editions if each not in (version, before)][: -(KEPT - 2)]
    key = version.encode()
    try:
        producer = await start_producer(
            connection,
            "dangol-playbook",
            max_batch_size=REQUEST_BYTES,
            max_request_size=REQUEST_BYTES,
            request_timeout_ms=int(ANSWER_SECONDS * 1000),
        )
        try:
            # In one batch, so that nobody sees one without the other.
            batch = producer.create_batch()
            batch.append(key=key, value=text, timestamp=None, headers=headers)
            batch.append(key=CURRENT, value=key, timestamp=None, headers=headers)
            await (await producer.send_batch(batch, topics.playbooks, partition=PARTITION))
            for old in removed:
                await producer.send_and_wait(topics.playbooks, key=old.encode(), partition=PARTITION)
        finally:
            await producer.stop()
    except (KafkaError, OSError, TimeoutError) as error:
        raise failure(connection, error, f"write to {topics.playbooks}") from None
    return Applied(version, before, removed)


async def _check(connection: Connection, topics: Topics, topic: str) -> None:
    """Make sure that the topic is there, and keeps what is written to it.

    Raises:
        TopicError: it is not, or does not.
        AccessError: we may not see it.
    """
    findings = await admin.inspect(connection, topics)
    # How many partitions it has is the workers' concern.
    ours = [one for one in findings if one.topic == topic and one.code != "partitions"]
    admin.refuse(connection, ours)


def failure(connection: Connection, error: BaseException, what: str) -> BrokerError | TopicError:
    """What the user is told where the broker failed or refused, in one line.

    Args:
        connection: how it was to be reached.
        error: what went wrong.
        what: what was to be done, as in `does not let us …`.
    """
    if denied := denial(connection, error, what):
        return denied
    if isinstance(error, TimeoutError):
        return BrokerError(f"the broker at {connection} has not answered for {ANSWER_SECONDS:.0f} s")
    # aiokafka's errors name themselves.
    reason = str(error).rstrip(".") or type(error).__name__
    if isinstance(error, BrokerResponseError) and not error.retriable:
        return TopicError(f"the broker at {connection} does not let us {what}: {reason}")
    return BrokerError(f"the broker at {connection} failed: {reason}")
