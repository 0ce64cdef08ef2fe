"""Dead letters: reading their topic up to its end as of now, and publishing them once more.

A letter that is published again is a new record on the touchpoint topic: deduplication looks at it as at any
other, so what was applied already is dropped there. On the dead-letter topic nothing is changed or deleted.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NamedTuple, Self

from aiokafka import TopicPartition

from agents.connection import Broker
from agents.past import Past, Stretch
from agents.publisher import Publisher
from schemas import deadletter
from schemas.deadletter import Reason
from schemas.errors import InputError
from schemas.topics import Topics
from schemas.touchpoint import MAX_BYTES

UNKNOWN = "unknown"
"""Reason of a record on the dead-letter topic that does not carry the headers of one."""

MAX_ATTEMPTS = 5
"""How often a letter is published again unless forced: what died five times is not mended by a sixth."""

MAX_EXTRA_BYTES = 64 * 1024
"""Largest key and headers of a letter that is published again, in bytes: as large as a touchpoint may be.
Together they stay far below the 1 MiB that a broker takes, so that one letter can't stop all others."""


class Address(NamedTuple):
    """Where a letter stands on the dead-letter topic.

    >>> str(Address(3, 17))
    '3:17'
    """

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"


@dataclass(frozen=True, slots=True)
class Letter:
    """A record on the dead-letter topic.

    Attributes:
        address: where it stands.
        timestamp: when it was put there, in ms.
        key: its key.
        value: its value.
        headers: its headers, the original ones first.
        reason: why it is here; None if it is none of ours.
    """

    address: Address
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    reason: Reason | None

    @property
    def code(self) -> str:
        """The reason's code, or `unknown`."""
        return UNKNOWN if self.reason is None else self.reason.code

    @property
    def size(self) -> int:
        """Bytes of its value."""
        return len(self.value or b"")

    @property
    def attempts(self) -> int:
        """How often it was published again before it died this time."""
        return deadletter.attempts_of(self.headers)


class Span(NamedTuple):
    """A part of the dead-letter topic.

    Attributes:
        stretch: the part.
        since: letters put there before are left out, in ms; None: none are.
    """

    stretch: Stretch
    since: int | None

    @property
    def length(self) -> int:
        """How many offsets there are."""
        return self.stretch.length


def refusal(letter: Letter, *, force: bool = False) -> tuple[str, str] | None:
    """Why a letter can't be published again, as a code and one line; None if it can.

    Args:
        letter: the letter.
        force: however often it was tried.
    """
    if letter.reason is None:
        return UNKNOWN, "it does not carry the headers of a dead letter"
    if letter.reason.stage == deadletter.STATE:
        return "no-touchpoint", "it is a stored profile that could not be read"
    return _beyond_limits(letter, force=force)


def _beyond_limits(letter: Letter, *, force: bool) -> tuple[str, str] | None:
    told = {name for name, _ in letter.headers}
    if told.intersection(deadletter.SHORTENED):
        return "shortened", "part of it was cut when it was put here, as it was too large"
    if letter.size > MAX_BYTES:
        return "too-large", f"its {letter.size:,} bytes are more than a touchpoint may have ({MAX_BYTES:,})"
    extra = len(letter.key or b"") + sum(len(name) + len(value or b"") for name, value in letter.headers)
    if extra > MAX_EXTRA_BYTES:
        return "too-large", f"key and headers have {extra:,} bytes, the limit is {MAX_EXTRA_BYTES:,}"
    if letter.attempts >= MAX_ATTEMPTS and not force:
        return "attempts", f"it was replayed {letter.attempts} times and died each time; --force tries again"
    return None


class DeadLetters:
    """Reads the dead-letter topic without a group; an async context manager.

    Args:
        broker: how to reach the broker.
        topics: the topics of the deployment.

    Raises:
        InputError: the broker's address or a file of the connection can't be used.
        BrokerError: the broker can't be reached, refuses us, or is silent for `past.STALL_SECONDS`.
        TopicError: the dead-letter topic is missing.
    """

    def __init__(self, broker: Broker, topics: Topics) -> None:
        self._topic = topics.dead_letters
        self._past = Past(broker, topics, [self._topic], client="dangol-dlq", what="the dead letters")

    async def __aenter__(self) -> Self:
        await self._past.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._past.__aexit__(kind, error, trace)

    async def span(self, since: int | None = None) -> Span:
        """The topic from its beginning, or from a time on, to its end as of now.

        Args:
            since: ms since 1970.

        Raises:
            BrokerError: the broker does not tell.
        """
        return Span(await self._past.stretch([self._topic], since=since), since)

    async def letters(self, span: Span) -> AsyncGenerator[Letter, None]:
        """The letters of a span; in order within a partition.

        Raises:
            BrokerError: the broker is silent for `past.STALL_SECONDS` while there is more to come.
        """
        async with aclosing(self._past.records(span.stretch)) as batches:
            async for records in batches:
                for record in records:
                    # Times on a topic need not rise, so what the broker found is looked at again.
                    if span.since is None or record.timestamp >= span.since:
                        yield _letter(record)

    async def at(self, address: Address) -> Letter:
        """The letter at an address.

        Raises:
            InputError: there is none.
            BrokerError: the broker does not answer.
        """
        whole = await self._past.stretch([self._topic])
        partition = TopicPartition(self._topic, address.partition)
        if partition not in whole.ends:
            have = f"partitions 0 to {len(whole.ends) - 1}"
            raise InputError(f"{self._topic} has {have}, so there is no letter {address}")
        start, end = whole.starts[partition], whole.ends[partition]
        if not start <= address.offset < end:
            have = f"offsets {start} to {end - 1}" if start < end else "nothing"
            where = f"partition {address.partition} of {self._topic}"
            raise InputError(f"{where} holds {have}, so there is no letter {address}")
        alone = Span(Stretch({partition: address.offset}, {partition: address.offset + 1}), None)
        async with aclosing(self.letters(alone)) as letters:
            async for letter in letters:
                return letter
        raise InputError(f"{self._topic} holds no record at {address}, only a mark of a transaction")


async def publish_again(letter: Letter, topics: Topics, publisher: Publisher) -> None:
    """Publish a letter for which there is no `refusal` to the touchpoint topic again.

    It goes where its key belongs; without a key where it was, so that order is kept.

    Raises:
        BrokerError: as `Publisher.send`.
        TopicError: as `Publisher.send`.
    """
    await publisher.send(
        letter.key,
        letter.value,
        deadletter.headers_again(letter.headers, topics.dead_letters, *letter.address),
        letter.reason.origin.partition if letter.reason else 0,
    )


def died_again(letter: Letter, topics: Topics) -> Address | None:
    """The address of the letter that this one was before it was published again and died once more."""
    told = (dict(letter.headers).get(deadletter.REPLAYED) or b"").decode("utf-8", "replace")
    place = told.removeprefix(f"{topics.dead_letters}-")
    partition, found, offset = place.partition("@")
    if letter.reason is None or place == told or not found:
        return None
    try:
        return Address(int(partition), int(offset))
    except ValueError:
        return None


def _letter(record: Any) -> Letter:
    reason = deadletter.origin_of(record.headers)
    where = Address(record.partition, record.offset)
    return Letter(where, record.timestamp, record.key, record.value, record.headers, reason)
