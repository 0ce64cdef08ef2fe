"""Touchpoints: a run of records through the engine.

What a run comes to is published by agents/delivery.py. A crash at any point replays the run; a profile
knows the last offset applied to it, and trigger ids are deterministic, so state changes once and a
repeated trigger carries the id it had.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import structlog

from agents.batches import Abandoned, Record
from agents.delivery import Delivery
from agents.metrics import Metrics
from agents.records import Records
from agents.settings import Clock
from agents.tables.profiles import Profiles, Undecodable
from agents.work import Work, stored_of
from schemas import deadletter, ingestion, touchpoint
from schemas.deadletter import Origin
from schemas.errors import RejectedError, StateError
from schemas.ingestion import Ingestion
from schemas.profile import Profile
from schemas.timestamp import DAY
from schemas.topics import Topics
from schemas.touchpoint import Touchpoint
from stream.churn import outages
from stream.churn.outages import NOTED
from stream.engine import Engine

REKEYED = "cx-rekeyed"
"""Header of a record that was published once more under the right key; its value is the old partition."""

MAX_HEADER_BYTES = 64 * 1024
"""Largest headers of a record that is published once more, in bytes: as large as a touchpoint may be.
With the header that says why, larger ones could exceed what the topic takes, and no record gets past them."""

log = structlog.get_logger("dangol.touchpoints")


class TouchpointProcessor:
    """Takes runs of touchpoint records from decoding to acknowledgement.

    Args:
        profiles: the state.
        delivery: what publishes.
        topics: the topics of this deployment.
        group: the consumer group, for dead letters.
        clock: what `now` of a decision is.
        partition_of: the partition that a key belongs to.
        metrics: what is counted.

    Attributes:
        decided_at: when something decided was announced last, by the monotonic clock in seconds.
    """

    def __init__(
        self,
        profiles: Profiles,
        delivery: Delivery,
        topics: Topics,
        group: str,
        clock: Clock,
        partition_of: Callable[[bytes], int],
        metrics: Metrics,
    ) -> None:
        self._profiles = profiles
        self._delivery = delivery
        self._topics = topics
        self._urgent = frozenset((topics.touchpoints, *topics.triggers))
        self._group = group
        self._event_clock = clock == "event"
        self._partition_of = partition_of
        self._metrics = metrics
        self._published = Records(topics, partition_of).of
        self.decided_at = 0.0

    @property
    def announces(self) -> bool:
        """Whether triggers are seen before what they come of is committed."""
        return self._delivery.announces

    async def announce(self, work: Work, keep_trying: Callable[[], bool]) -> None:
        """Have others see what cannot wait, where the guarantee lets them before it is committed.

        That is triggers, and touchpoints for other customers; decisions and the like are for later readers.

        Args:
            work: what it came to.
            keep_trying: whether a publish that fails should be tried again.

        Raises:
            Abandoned: `keep_trying` said no; nothing of the run may be committed.
        """
        self.decided_at = time.monotonic()
        urgent = [record for record in work.records if record.topic in self._urgent]
        if await self._delivery.announce(urgent, keep_trying):
            work.seen = time.time() * 1000
            if urgent:
                work.records = [record for record in work.records if record.topic not in self._urgent]

    async def commit(self, works: Sequence[Work], keep_trying: Callable[[], bool]) -> None:
        """Publish what has changed with the offset, and take it over into state.

        Args:
            works: what consecutive runs and timers of a partition came to, one at least, announced.
            keep_trying: whether a publish that fails should be tried again.

        Raises:
            Abandoned: `keep_trying` said no; nothing of it may be acked.
            Uncertain: only the changelog can tell whether timers have fired.
        """
        partition = works[0].partition
        profiles: dict[str, Profile] = {}
        forgotten: set[str] = set()
        records: list[Record] = []
        next_offset = None
        heard = None
        is_ours = True
        for work in works:
            heard = work.ingestion or heard
            profiles.update(work.profiles)
            forgotten |= work.forgotten
            records += work.records
            if work.run:
                next_offset = work.run[-1].offset + 1
        if profiles or records or next_offset is not None:
            stored = stored_of(profiles, forgotten)
            if heard is not None:
                # At the end: where it stands, everything that was decided before it does.
                stored[ingestion.KEY] = ingestion.encode(heard)
            changelog = self._topics.profiles
            changes = [Record(changelog, partition, key, value, []) for key, value in stored.items()]
            offsets = await self._delivery.commit(partition, records, changes, next_offset, keep_trying)
            is_ours = keep_trying()
            if stored and is_ours:
                self._profiles.commit(partition, profiles, stored, offsets[changelog])
        for work in works:
            work.count(self._metrics)
        if not is_ours:
            # The partition may be someone else's by now. What stands on the changelog is right in any case,
            # and counted: whoever takes the run again finds it there.
            raise Abandoned

    def apply_timers(
        self, engine: Engine, partition: int, customers: Iterable[str], until: int, clock: int
    ) -> Work:
        """Fire timers that are due; publishes nothing and changes no state.

        Args:
            engine: what decides.
            partition: of the touchpoint topic.
            customers: whose timers, of this partition.
            until: timers due at or before it fire, in ms.
            clock: what time it really is, in ms.

        Raises:
            StateError: a stored profile can't be read.
        """
        work = Work(partition)
        heard = self._profiles.ingestion(partition)
        for customer in customers:
            try:
                before = self._profiles.get(partition, customer)
                if before is None:
                    continue
                outcome = engine.fire(before, until, clock, heard)
                work.records += self._published(outcome, customer.encode(), partition)
            except StateError:
                raise
            except Undecodable:
                # The customer's next touchpoint makes a dead letter of it.
                continue
            except Exception as error:  # noqa: BLE001 - a fault of ours must not stop a partition
                # The timer stays in the profile, for when it is mended.
                log.error(  # noqa: TRY400 - a traceback may show a customer's data
                    "the engine failed on a timer",
                    partition=partition,
                    error=type(error).__name__,
                    at=_place(error),
                )
                continue
            work.profiles[customer] = outcome.profile
            if outcome.profile.looked > before.looked:
                # Nothing has happened, but the risk was said anew.
                work.scores.append(outcome.profile.risk)
            work.note_decided(outcome)
        return work

    def apply(self, engine: Engine, partition: int, run: Sequence[Any]) -> Work:
        """Decode and step a run; publishes nothing and changes no state.

        Args:
            engine: what decides.
            partition: of the touchpoint topic.
            run: consecutive records of it.

        Raises:
            StateError: a stored profile can't be read: no record's fault, so none is given up for it.
        """
        work = Work(partition, run)
        step, learns = engine.step, engine.learns
        consumed = work.consumed
        event_clock = self._event_clock
        profiles = work.profiles
        heard = self._profiles.ingestion(partition)
        for record in run:
            try:
                stage = "decode"
                timestamp = record.timestamp
                event = touchpoint.decode(record.value, record.headers, timestamp if timestamp >= 0 else None)
                consumed[event.type] = consumed.get(event.type, 0) + 1
                customer = event.customer
                now = event.time if event_clock or timestamp < 0 else timestamp
                if learns and (now - heard.latest >= NOTED or event.time <= heard.out_until):
                    heard = self._heard(work, heard, event, now)
                stage = "step"
                before = profiles.get(customer)
                if before is None:
                    before = self._stored(record, customer, work)
                key = customer.encode()
                # Of customers who are known here the partition is right: to hash every key would cost as
                # much as decoding, and a profile is only ever made where it belongs.
                if record.key != key or (before is None and self._partition_of(key) != partition):
                    self._forward(record, key, work)
                    continue
                if before is not None and before.applied.get(partition, -1) >= record.offset:
                    work.replayed += 1
                    continue
                outcome = step(before, event, now, heard)
                published = self._published(outcome, key, partition)
            except RejectedError as error:
                self._dead_letter(record, work, error.code, str(error), stage)
                continue
            except msgspec.ValidationError as error:
                self._dead_letter(record, work, "data-invalid", str(error), stage)
                continue
            except StateError:
                raise
            except Exception as error:  # noqa: BLE001 - a fault of ours must not stop a partition
                # The record is kept for when it is mended. The error's own words may be a customer's data.
                log.error(  # noqa: TRY400 - so may be what a traceback shows
                    "the engine failed on a record",
                    partition=partition,
                    offset=record.offset,
                    error=type(error).__name__,
                    at=_place(error),
                )
                self._dead_letter(record, work, "engine-error", type(error).__name__, stage)
                continue
            if outcome.duplicate:
                work.duplicates += 1
                continue
            if outcome.erased:
                work.erased += 1
                continue
            work.note(outcome, event, record, published)
        return work

    def _heard(self, work: Work, before: Ingestion, event: Touchpoint, now: int) -> Ingestion:
        """What is known of when touchpoints came, once one has come that may say something new."""
        heard = outages.after(before, event, now)
        if heard is not before:
            work.ingestion = heard
        if heard.out_until > before.out_until:
            work.outages += 1
            last = heard.outages[-1]
            log.warning(
                "touchpoints come again after an outage: labels mature later by as long",
                partition=work.partition,
                days=round((last.end - last.start) / DAY, 1),
            )
        return heard

    def _forward(self, record: Any, key: bytes, work: Work) -> None:
        if sum(len(name) + len(value or b"") for name, value in record.headers) > MAX_HEADER_BYTES:
            raise RejectedError(
                "headers-too-large",
                f"under another key than its customer's, with headers of over {MAX_HEADER_BYTES} bytes",
            )
        work.rekeyed += 1
        headers = deadletter.with_first([h for h in record.headers if h[0] != REKEYED], record.timestamp)
        headers.append((REKEYED, str(work.partition).encode()))
        work.records.append(
            Record(self._topics.touchpoints, self._partition_of(key), key, record.value, headers)
        )

    def _stored(self, record: Any, customer: str, work: Work) -> Profile | None:
        """A customer's profile; None for one who is new.

        One that can't be read becomes a dead letter, and the customer starts anew: a customer without
        history is better than a dead worker, and the history is still there.
        """
        partition = work.partition
        try:
            return self._profiles.get(partition, customer)
        except Undecodable as error:
            log.error("a stored profile can't be read", partition=partition, reason=error.reason)  # noqa: TRY400
            origin = Origin(
                self._topics.profiles,
                partition,
                self._profiles.store.offset(partition) or 0,
                record.timestamp,
                self._group,
            )
            headers = deadletter.headers_of([], origin, "state-undecodable", error.reason, deadletter.STATE)
            work.rejected["state-undecodable",] += 1
            work.records.append(
                Record(
                    self._topics.dead_letters,
                    partition,
                    customer.encode(),
                    error.stored,
                    headers,
                    original=0,
                )
            )
            return error.instead

    def _dead_letter(self, record: Any, work: Work, code: str, message: str, stage: str) -> None:
        work.rejected[code,] += 1
        origin = Origin(
            self._topics.touchpoints, work.partition, record.offset, record.timestamp, self._group
        )
        headers = deadletter.headers_of(record.headers, origin, code, message, stage)
        work.records.append(
            Record(
                self._topics.dead_letters,
                work.partition,
                record.key,
                record.value,
                headers,
                original=len(deadletter.without_reason(record.headers)),
            )
        )


def _place(error: Exception) -> str:
    """Where an error was raised, as `file:line`."""
    trace = error.__traceback__
    if trace is None:
        return "?"
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
