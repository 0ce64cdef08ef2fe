"""Progress: who is at work, how far they are, and whether clocks agree."""

from __future__ import annotations

import time

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from agents.doctor.check import Check, Patient, counted, untold
from agents.doctor.host import check_memory
from agents.group_view import view_of
from agents.handshake import DENIED
from agents.topic_view import TopicView
from schemas.errors import TopicError

SKEW_SECONDS = 2.0
"""How far a record may be ahead of our clock: more than that is no delay but a wrong clock."""

ANSWER_MS = 15_000
"""How long one request may take, in ms."""

NEWEST = 5
"""Records of a partition that are looked at for the newest timestamp."""

LOOK_MS = 3_000
"""How long to wait for the newest records, in ms."""


async def check_group(patient: Patient) -> list[Check]:
    """Whether anyone is at work."""
    group = patient.group
    try:
        seen = await view_of(patient.connection, group)
    except DENIED:
        return []  # Told among the rights.
    except (KafkaError, OSError, NotImplementedError) as error:
        return [untold("group", f"what group {group} does", error)]
    if not seen.members:
        return [
            Check("group", "warning", f"no worker of group {group} is running; start one: `dangol worker`")
        ]
    return [Check("group", "ok", f"group {group} has {counted(seen.members, 'worker')} ({seen.state})")]


async def check_progress(
    patient: Patient, client: AIOKafkaAdminClient, there: dict[str, TopicView]
) -> list[Check]:
    """How far the group is behind, whether touchpoints went before it came, clocks, and memory."""
    topics = patient.topics
    if topics.touchpoints not in there or topics.profiles not in there:
        return []
    consumer = AIOKafkaConsumer(
        client_id="dangol-doctor", request_timeout_ms=ANSWER_MS, **patient.connection.options()
    )
    try:
        await consumer.start()
        source = [TopicPartition(topics.touchpoints, n) for n in range(there[topics.touchpoints].partitions)]
        starts = await consumer.beginning_offsets(source)
        ends = await consumer.end_offsets(source)
        checks = await _lag(patient, client, starts, ends)
        checks.append(await _clock(consumer, starts, ends))
        kept = [TopicPartition(topics.profiles, n) for n in range(there[topics.profiles].partitions)]
        first, after = await consumer.beginning_offsets(kept), await consumer.end_offsets(kept)
        if patient.store == "memory":
            checks.append(check_memory(sum(after[tp] - first[tp] for tp in kept)))
    except (KafkaError, OSError, TimeoutError) as error:
        return [untold("lag", "how far the workers are", error)]
    finally:
        await consumer.stop()
    return checks


async def _lag(
    patient: Patient,
    client: AIOKafkaAdminClient,
    starts: dict[TopicPartition, int],
    ends: dict[TopicPartition, int],
) -> list[Check]:
    try:
        committed = await client.list_consumer_group_offsets(patient.group, partitions=list(ends))
    except (KafkaError, NotImplementedError) as error:
        return [untold("lag", "how far the workers are", error)]
    at = {tp: told.offset for tp, told in committed.items() if told.offset >= 0}
    lost = sum(max(starts[tp] - offset, 0) for tp, offset in at.items())
    left = sum(max(end - max(at.get(tp, 0), starts[tp]), 0) for tp, end in ends.items())
    if lost:
        what = f"{lost:,} touchpoints were deleted before a worker came to them"
        todo = "set retention.ms of the touchpoints higher, and publish them again if their source has them"
        return [Check("lag", "problem", f"{what}; {todo}", TopicError.exit_code)]
    if not at:
        return [
            Check("lag", "ok", f"group {patient.group} has processed none yet; {left:,} touchpoints wait")
        ]
    return [Check("lag", "ok", f"{left:,} touchpoints wait for group {patient.group}")]


async def _clock(
    consumer: AIOKafkaConsumer, starts: dict[TopicPartition, int], ends: dict[TopicPartition, int]
) -> Check:
    """Kafka does not tell what time it is. The newest records do, as far as they are ahead of us."""
    filled = [tp for tp, end in ends.items() if end > starts[tp]]
    if not filled:
        return Check("clock", "untold", "clocks were not compared: there is no record to compare")
    consumer.assign(filled)
    for tp in filled:
        # Not the last alone: that may be the mark of a transaction, which is not handed out.
        consumer.seek(tp, max(ends[tp] - NEWEST, starts[tp]))
    newest = 0
    deadline = time.monotonic() + LOOK_MS / 1000
    waiting = set(filled)
    while waiting and time.monotonic() < deadline:
        for tp, records in (await consumer.getmany(*waiting, timeout_ms=LOOK_MS)).items():
            newest = max(newest, *(record.timestamp for record in records))
            waiting.discard(tp)
    if not newest:
        return Check("clock", "untold", "clocks were not compared: the newest records can't be read")
    ahead = newest / 1000 - time.time()
    if ahead > SKEW_SECONDS:
        what = f"a touchpoint's record is {ahead:.0f} s ahead of the clock of this machine"
        return Check("clock", "warning", f"{what}; set the clocks of all machines by NTP")
    return Check("clock", "ok", f"the newest record is {-ahead:,.0f} s old: no clock is ahead of ours")
