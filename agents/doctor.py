"""Doctor: examines a deployment and says what to mend. It changes nothing, on the broker or on disk."""

from __future__ import annotations

import fcntl
import ipaddress
import os
import shutil
import ssl
import stat
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from agents import access, shelf
from agents import topics as admin
from agents.connection import Connection
from agents.group_view import view_of
from agents.handshake import DENIED, certificate_of, trouble
from agents.settings import StoreKind
from agents.topic_view import TopicView, view
from schemas.edition import CURRENT
from schemas.errors import AccessError, BrokerError, DangolError, InputError, StateError, TopicError
from schemas.topics import DAY_MS, Topics

Verdict = Literal["ok", "problem", "warning", "untold"]
"""`problem`: a worker won't start, or data are being lost. `warning`: data can be lost, or soon will be.
`untold`: it can't be found out."""

SKEW_SECONDS = 2.0
"""How far a record may be ahead of our clock: more than that is no delay but a wrong clock."""

CERTIFICATE_DAYS = 14
"""Below so many days a broker's certificate is about to expire; renewing takes days in many places."""

LOW_BYTES, SCARCE_BYTES = 256 * 1024**2, 2 * 1024**3
"""Free disk below which RocksDB may fail at the next compaction, and below which someone should look."""

BASE_BYTES = 200 * 1024**2
"""Memory of a worker before its first profile and with its decoded ones, as the README says."""

PROFILE_BYTES = 750
"""Memory of a profile in the store `memory`: some 600 B, and 150 B for keeping it."""

_FLOCK = "hhqqi"
"""`struct flock` of Linux: type, whence, start, length, process."""

ANSWER_MS = 15_000
"""How long one request may take, in ms."""

NEWEST = 5
"""Records of a partition that are looked at for the newest timestamp."""

LOOK_MS = 3_000
"""How long to wait for the newest records, in ms."""


@dataclass(frozen=True, slots=True)
class Check:
    """Something that was looked at.

    Attributes:
        check: stable, machine-readable name of what was looked at.
        verdict: what came of it.
        message: one line: what is so, and where it is wrong what to do.
        exit_code: of a problem, what a worker would end with because of it; else 0.
    """

    check: str
    verdict: Verdict
    message: str
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class Patient:
    """What is examined.

    Attributes:
        connection: how to reach the broker.
        topics: the topics of the deployment.
        group: the consumer group of its workers.
        store: where its workers keep profiles.
        state: the folder for what a worker keeps on disk, on this machine.
    """

    connection: Connection
    topics: Topics
    group: str
    store: StoreKind
    state: Path


async def examine(patient: Patient) -> list[Check]:
    """Look at everything; what can't be looked at because of a problem before it is left out.

    Raises:
        InputError: the broker's address is none, or a file of the connection can't be used.
    """
    checks = [*_settings(patient.connection), *_state(patient)]
    began = time.monotonic()
    found = await trouble(patient.connection)
    if found is not None:
        return [*checks, _problem("broker", found)]
    took = time.monotonic() - began
    connection = patient.connection
    checks.append(
        Check("broker", "ok", f"{connection} answers after {took * 1000:.0f} ms; we are {connection.who}")
    )
    checks += await _certificate(connection)
    try:
        async with admin.admin_of(connection) as client:
            checks += await _on_the_broker(patient, client)
    except DangolError as error:
        checks.append(_problem("broker", error))
    except (KafkaError, OSError, TimeoutError, NotImplementedError) as error:
        checks.append(_untold("broker", "the rest", error))
    return checks


async def _on_the_broker(patient: Patient, client: AIOKafkaAdminClient) -> list[Check]:
    names = [spec.name for spec in patient.topics.specs]
    try:
        views = await view(patient.connection, names)
    except NotImplementedError:
        views = {}
    checks = await _rights(patient, {name: views[name] for name in names if name in views})
    seen = {name: views.get(name) for name in names}
    there = {name: shown for name, shown in seen.items() if shown is not None and shown.partitions}
    checks += await _group(patient)
    # What may not be seen was told among the rights.
    checks += await _topics(patient, rights_are_told=bool(views))
    try:
        settings = await admin.settings_of(client, list(there))
    except (KafkaError, TopicError) as error:
        settings, more = {}, [_untold("durability", "the topics' settings", error)]
        checks += more
    checks += list(_durability(there, settings, patient.topics))
    checks += await _broker_settings(client)
    checks += await _progress(patient, client, there)
    if patient.topics.playbooks in there:
        checks.append(await _playbook(patient))
    return checks


async def _playbook(patient: Patient) -> Check:
    """Whether what is in force can be used by this program."""
    topic = patient.topics.playbooks
    try:
        found = await shelf.fetch(patient.connection, patient.topics)
    except DangolError as error:
        return _untold("playbook", "what is in force", error)
    if found.current is None:
        what = "none was applied: workers without --playbook decide by the hotel's"
        return Check("playbook", "ok", what)
    try:
        shelf.playbook_of(found.named(CURRENT.decode(), topic), topic)
    except InputError as error:
        what = " ".join(str(error).split())
        return Check("playbook", "warning", f"{what}; workers go on by the one before: apply another")
    return Check("playbook", "ok", f"{found.current} is in force")


def _settings(connection: Connection) -> Iterator[Check]:
    if connection.warning is not None:
        yield Check("encryption", "warning", connection.warning)
    elif not connection.encrypted and not all(map(_is_loopback, connection.addresses)):
        what = f"{connection} is spoken to without encryption and login"
        yield Check("encryption", "warning", f"{what}; have it speak TLS, and see Security in the README")
    for name, file in connection.files.items():
        secret = name in {"sasl_password_file", "sasl_token_file", "tls_key_file", "tls_key_password_file"}
        if secret and file.exists() and stat.S_IMODE(file.stat().st_mode) & 0o007:
            todo = f"chmod o= {file}"
            yield Check("secrets", "warning", f"{file} can be read by everyone on this machine; {todo}")


async def _certificate(connection: Connection) -> list[Check]:
    if not connection.encrypted:
        return []
    try:
        told = await certificate_of(connection)
    except (OSError, EOFError, TimeoutError) as error:
        return [_untold("certificate", "until when the broker's certificate is valid", error)]
    days = (ssl.cert_time_to_seconds(told["notAfter"]) - time.time()) / 86_400
    message = f"the broker's certificate is valid for {days:.0f} more days"
    if days < CERTIFICATE_DAYS:
        return [Check("certificate", "warning", f"{message}; have it renewed")]
    return [Check("certificate", "ok", message)]


async def _rights(patient: Patient, views: dict[str, TopicView | None]) -> list[Check]:
    connection, topics, group = patient.connection, patient.topics, patient.group
    lacks = [access.lack_of_topics(topics, views)]
    checks = []
    for what, asking in (
        (f"what we may do with group {group}", access.lack_of_group(connection, topics, group)),
        ("what we may do with transactions", access.lack_of_transactions(connection, topics, group)),
    ):
        try:
            lacks.append(await asking)
        except (KafkaError, OSError, NotImplementedError) as error:
            checks.append(_untold("rights", what, error))
    found = [lack.message(connection) for lack in lacks if lack is not None]
    checks += [Check("rights", "problem", message, AccessError.exit_code) for message in found]
    if any(shown is not None and shown.allowed is None for shown in views.values()) or not views:
        checks.append(Check("rights", "untold", "the broker does not tell what we may do with topics"))
    return checks or [Check("rights", "ok", "a worker is allowed what it needs")]


async def _group(patient: Patient) -> list[Check]:
    group = patient.group
    try:
        seen = await view_of(patient.connection, group)
    except DENIED:
        return []  # Told among the rights.
    except (KafkaError, OSError, NotImplementedError) as error:
        return [_untold("group", f"what group {group} does", error)]
    if not seen.members:
        return [
            Check("group", "warning", f"no worker of group {group} is running; start one: `dangol worker`")
        ]
    return [Check("group", "ok", f"group {group} has {_count(seen.members, 'worker')} ({seen.state})")]


async def _topics(patient: Patient, *, rights_are_told: bool) -> list[Check]:
    findings = await admin.inspect(patient.connection, patient.topics)
    verdicts: dict[admin.Severity, Verdict] = {"error": "problem", "warning": "warning", "note": "untold"}
    checks = []
    for finding in findings:
        if rights_are_told and finding.code == "denied":
            continue
        code = AccessError.exit_code if finding.code == "denied" else TopicError.exit_code
        checks.append(
            Check(
                "topics",
                verdicts[finding.severity],
                finding.message,
                code if finding.severity == "error" else 0,
            )
        )
    count = len(patient.topics.specs)
    return checks if findings else [Check("topics", "ok", f"all {count} topics are as they should be")]


def _durability(
    there: dict[str, TopicView], settings: dict[str, dict[str, str]], topics: Topics
) -> Iterator[Check]:
    """Settings that lose data, each told once with all topics that have it."""
    found: dict[str, list[str]] = {}
    broken: dict[str, list[str]] = {}
    for name, shown in there.items():
        told = settings.get(name, {})
        at_least = int(told.get("min.insync.replicas", "1"))
        for wrong in _risks(shown, told, at_least):
            found.setdefault(wrong, []).append(name)
        if shown.in_sync < at_least:
            wrong = f"fewer replicas are in sync than min.insync.replicas={at_least}: nothing can be written"
            broken.setdefault(wrong, []).append(name)
        kept = int(told.get("retention.ms", "-1"))
        if name == topics.touchpoints and 0 <= kept < DAY_MS:
            wrong = (
                f"touchpoints are kept for {kept / 3_600_000:.1f} h: an outage longer than that loses them"
            )
            found.setdefault(f"{wrong}; set retention.ms higher", []).append(name)
    for wrong, names in broken.items():
        yield Check("durability", "problem", f"{_several(names)}: {wrong}", BrokerError.exit_code)
    for wrong, names in found.items():
        yield Check("durability", "warning", f"{_several(names)}: {wrong}")
    if there and settings and not found and not broken:
        yield Check("durability", "ok", "a broker can be lost without losing data")


def _risks(shown: TopicView, told: dict[str, str], at_least: int) -> Iterator[str]:
    if shown.replicas == 1:
        yield "kept on one broker alone: with its disk the records are gone; have three brokers keep it"
    elif shown.in_sync < shown.replicas:
        yield f"{shown.in_sync} of {shown.replicas} replicas are in sync; look at the brokers' health"
    if shown.replicas > 1 and at_least == 1:
        yield "min.insync.replicas=1: what one broker has acknowledged can be lost with it; set it to 2"
    if shown.replicas > 1 and at_least >= shown.replicas:
        yield f"min.insync.replicas={at_least} of {shown.replicas}: no broker can be away; set it lower"
    if told.get("unclean.leader.election.enable") == "true":
        yield "unclean.leader.election.enable: acknowledged records can be lost; set it to false"
    if "delete" in told.get("cleanup.policy", "") and int(told.get("retention.bytes", "-1")) >= 0:
        yield f"retention.bytes={told['retention.bytes']}: much traffic deletes records early; set it to -1"


async def _broker_settings(client: AIOKafkaAdminClient) -> list[Check]:
    try:
        cluster = await client.describe_cluster()
        number = str(cluster["brokers"][0]["node_id"])
        (answer,) = await client.describe_configs([ConfigResource(ConfigResourceType.BROKER, number)])
    except (KafkaError, NotImplementedError, IndexError) as error:
        return [_untold("broker-settings", "the brokers' settings", error)]
    code, _, _, _, entries = answer.resources[0][:5]
    if code:
        right = "DescribeConfigs on the cluster, which only `dangol doctor` needs"
        return [Check("broker-settings", "untold", f"we may not look at the brokers' settings: {right}")]
    told = {entry[0]: entry[1] for entry in entries if entry[1] is not None}
    brokers = len(cluster["brokers"])
    checks = [Check("broker-settings", "warning", wrong) for wrong in _broker_risks(told, brokers)]
    return checks or [
        Check("broker-settings", "ok", f"{_count(brokers, 'broker')} with settings that lose nothing")
    ]


def _broker_risks(told: dict[str, str], brokers: int) -> Iterator[str]:
    minutes = int(told.get("offsets.retention.minutes", "10080"))
    if minutes * 60_000 < 7 * DAY_MS:
        what = f"offsets.retention.minutes={minutes}: after an outage as long the group begins anew"
        yield f"{what}; set it to 10080 or more"
    for name in ("offsets.topic.replication.factor", "transaction.state.log.replication.factor"):
        if brokers > 1 and told.get(name) == "1":
            yield f"{name}=1: with one broker the workers stop; set it to 3 and reassign that topic"
    if told.get("auto.create.topics.enable") == "true":
        yield "auto.create.topics.enable: a misspelt topic appears with the wrong settings; set it to false"


async def _progress(
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
            checks.append(_memory(sum(after[tp] - first[tp] for tp in kept)))
    except (KafkaError, OSError, TimeoutError) as error:
        return [_untold("lag", "how far the workers are", error)]
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
        return [_untold("lag", "how far the workers are", error)]
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


def _memory(records: int) -> Check:
    limit, whose = _memory_limit()
    needed = BASE_BYTES + records * PROFILE_BYTES
    what = (
        f"up to {records:,} profiles take {needed / 1024**2:,.0f} MiB of {limit / 1024**2:,.0f} MiB {whose}"
    )
    if needed > limit:
        todo = "raise the limit, start more workers, or use --store rocksdict"
        return Check("memory", "warning", f"{what} if one worker has them all; {todo}")
    return Check("memory", "ok", what)


def _memory_limit() -> tuple[int, str]:
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for file in (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")):
        try:
            limit = int(file.read_text())
        except (OSError, ValueError):
            continue  # Another version of control groups, or no limit.
        if limit < physical:
            return limit, "that this container may take"
    return physical, "of this machine"


def _state(patient: Patient) -> Iterator[Check]:
    folder = patient.state
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        todo = "choose another --state"
        yield Check(
            "state", "problem", f"{folder}: nothing can be written there; {todo}", StateError.exit_code
        )
        return
    free = shutil.disk_usage(there).free
    what = f"{free / 1024**3:,.1f} GiB are free for {folder}"
    if free < LOW_BYTES:
        yield Check("disk", "problem", f"{what}: a worker may fail; make room", StateError.exit_code)
    elif free < SCARCE_BYTES:
        yield Check("disk", "warning", f"{what}; make room before it is full")
    else:
        yield Check("disk", "ok", what)
    locked = [lock.parent.name for lock in sorted(folder.glob("profiles/*/LOCK")) if _is_locked(lock)]
    if locked:
        what = f"a worker is running with the state in {folder} ({len(locked)} partitions)"
        yield Check("state", "ok", f"{what}; another one needs another --state")


def _is_locked(lock: Path) -> bool:
    """Whether a process has a database open, by the lock that RocksDB holds as long.

    The lock is asked about and not tried: a worker that starts at this moment must not find it taken.
    """
    if sys.platform != "linux":
        return False  # The question is laid out otherwise there, and workers are run on Linux.
    try:
        with lock.open("rb") as file:
            question = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            kind, *_ = struct.unpack(_FLOCK, fcntl.fcntl(file, fcntl.F_GETLK, question))
    except OSError:
        return False
    return bool(kind != fcntl.F_UNLCK)


def _is_loopback(address: str) -> bool:
    """Whether an address is of this machine alone.

    >>> _is_loopback("127.0.0.1:9092"), _is_loopback("kafka:9092")
    (True, False)
    """
    host = address.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _problem(check: str, error: DangolError) -> Check:
    if isinstance(error, InputError):
        raise error
    return Check(check, "problem", " ".join(str(error).split()), error.exit_code)


def _untold(check: str, what: str, error: BaseException) -> Check:
    reason = " ".join(str(error).split()) or type(error).__name__
    return Check(check, "untold", f"{what} can't be found out: {reason}")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _several(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
