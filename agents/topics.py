"""The topics on the broker: create the missing ones, find what is wrong with the others."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    IncompatibleBrokerVersion,
    KafkaConnectionError,
    KafkaError,
    NodeNotReadyError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)

from agents.connection import Broker, Connection, connection_to
from agents.handshake import denial, trouble
from agents.topic_view import view
from schemas.errors import AccessError, BrokerError, TopicError
from schemas.topics import Topics

PARTITIONS = 8
"""Partitions of each topic unless told otherwise: room for eight workers, and a changelog each is cheap."""

CONNECT_SECONDS = 10.0
"""How long a broker may take to answer at first; past that it is not there, or something else is."""

REQUEST_MS = 20_000
"""How long one request may take, in milliseconds; creating topics on a busy cluster takes seconds."""

SETTLE_SECONDS = 15.0
"""How long a created topic may take until the broker lists it with a leader for every partition."""

_DENIED = {TopicAuthorizationFailedError.errno, ClusterAuthorizationFailedError.errno}
"""Codes in a broker's answer: we may not."""

SETTLE_PAUSE = 0.1
"""Seconds between two looks at the list."""

Severity = Literal["error", "warning", "note"]
"""`error`: a worker must not start. `warning`: it works, not as meant. `note`: something can't be told."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about a topic that is not as it should be.

    Attributes:
        topic: the topic's name.
        severity: how bad it is.
        code: stable, machine-readable kind: `denied`, `missing`, `partitions`, `cleanup-policy`, `retention`,
            `setting`, `left-over` or `untold`.
        message: one line: what is wrong and what to do.
    """

    topic: str
    severity: Severity
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Creation:
    """What `create` did.

    Attributes:
        created: names of the topics that are new.
        existed: names of those that were there already; they were left as they are.
    """

    created: list[str]
    existed: list[str]


async def create(
    broker: Broker, topics: Topics, partitions: int = PARTITIONS, replication: int = 1
) -> Creation:
    """Create the topics that are missing and wait until they can be used.

    Topics that exist are not changed, so this can run before every start; `inspect` tells whether they are
    as they should be.

    Args:
        broker: how to reach the broker.
        topics: which topics.
        partitions: how many partitions each new topic gets.
        replication: on how many brokers each record is kept.

    Raises:
        InputError: the broker's address or a file of the connection can't be used.
        BrokerError: the broker can't be reached, or refuses us (`AccessError`).
        TopicError: the broker refuses to create a topic.
    """
    names = [spec.name for spec in topics.specs]
    async with admin_of(broker) as admin:
        there = await _partitions(admin)
        wanted = [
            NewTopic(spec.name, partitions, replication, topic_configs=spec.config)
            for spec in topics.specs
            if spec.name not in there
        ]
        created = []
        answers = (await admin.create_topics(wanted)).topic_errors if wanted else []
        # A broker answers in any order; what is told of several refusals is about the first topic.
        for name, code, reason in sorted(answers, key=lambda answer: names.index(answer[0])):
            if code == 0:
                created.append(name)
            # Someone else may create them at the same moment: as good as ours.
            elif code != TopicAlreadyExistsError.errno:
                if code in _DENIED:
                    raise AccessError(
                        f"the broker at {broker} does not let us create topic {name}; "
                        f"we are {connection_to(broker).who}; have it allowed by kafka-acls --add"
                    )
                why = reason or for_code(code).__name__
                raise TopicError(f"the broker at {broker} refuses to create topic {name}: {why}")
        await _settled(admin, broker, names)
    return Creation(created, [name for name in names if name not in created])


async def inspect(broker: Broker, topics: Topics, partitions: int | None = None) -> list[Finding]:
    """Compare the topics on the broker with what they should be; the worst findings come first.

    Args:
        broker: how to reach the broker.
        topics: which topics.
        partitions: how many partitions each must have; None: as many as most of them have.

    Raises:
        InputError: the broker's address or a file of the connection can't be used.
        BrokerError: the broker can't be reached, or refuses us (`AccessError`).
    """
    async with admin_of(broker) as admin:
        there = await _partitions(admin)
        names = [spec.name for spec in topics.specs if spec.name in there]
        settings = await settings_of(admin, names)
        hidden = await _hidden(connection_to(broker), [s.name for s in topics.specs if s.name not in there])
    findings = [
        *_denied(hidden, connection_to(broker)),
        *(one for one in _wrong_partitions(there, topics, partitions) if one.topic not in hidden),
        *_wrong_settings(settings, topics),
        *_left_over(there, topics),
    ]
    order: list[Severity] = ["error", "warning", "note"]
    return sorted(findings, key=lambda finding: order.index(finding.severity))


async def check(broker: Broker, topics: Topics, partitions: int | None = None) -> list[Finding]:
    """Make sure that a worker can start on these topics; what does not stop it is returned.

    Args:
        broker: how to reach the broker.
        topics: which topics.
        partitions: how many partitions each must have; None: as many as most of them have.

    Raises:
        InputError: the broker's address or a file of the connection can't be used.
        BrokerError: the broker can't be reached, or refuses us (`AccessError`).
        TopicError: a topic is missing, has the wrong number of partitions or the wrong cleanup policy.
    """
    findings = await inspect(broker, topics, partitions)
    refuse(broker, findings)
    return findings


async def partitions_of(broker: Broker, topic: str) -> int:
    """How many partitions a topic has.

    Raises:
        InputError: the broker's address or a file of the connection can't be used.
        BrokerError: the broker can't be reached, or refuses us (`AccessError`).
        TopicError: there is no such topic.
    """
    async with admin_of(broker) as admin:
        there = await _partitions(admin)
    if topic not in there:
        raise TopicError(f"at {broker}, topic {topic} is missing; run `dangol topics create`")
    return there[topic]


def refuse(broker: Broker, findings: list[Finding]) -> None:
    """Raise if there is an error among the findings.

    Raises:
        AccessError: we may not see a topic.
        TopicError: with the first error, and how many more there are.
    """
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        more = f" (and {len(errors) - 1} more: dangol topics check)" if len(errors) > 1 else ""
        kind = AccessError if errors[0].code == "denied" else TopicError
        raise kind(f"at {broker}, {errors[0].message}{more}")


def _denied(hidden: Collection[str], connection: Connection) -> Iterator[Finding]:
    for name in hidden:
        wrong = f"the broker does not let us see topic {name}; we are {connection.who}"
        yield Finding(name, "error", "denied", f"{wrong}; have it allowed by kafka-acls --add")


def _wrong_partitions(there: dict[str, int], topics: Topics, expected: int | None) -> Iterator[Finding]:
    counts = Counter(there[spec.name] for spec in topics.specs if spec.name in there)
    if expected is None and counts:
        expected = counts.most_common(1)[0][0]
    for spec in topics.specs:
        if spec.name not in there:
            todo = f"run `dangol topics create --prefix {topics.prefix}`"
            yield Finding(spec.name, "error", "missing", f"topic {spec.name} is missing; {todo}")
        elif there[spec.name] != expected:
            # Adding partitions would send customers elsewhere than where their profile is.
            has = f"{there[spec.name]} partitions instead of {expected}"
            todo = "all topics need the same number: delete it and create it anew, or use another prefix"
            yield Finding(spec.name, "error", "partitions", f"topic {spec.name} has {has}; {todo}")


def _wrong_settings(settings: dict[str, dict[str, str]], topics: Topics) -> Iterator[Finding]:
    untold = []
    for spec in topics.specs:
        if spec.name not in settings:
            continue
        for key, expected in spec.config.items():
            value = settings[spec.name].get(key)
            if value is None:
                untold.append((spec.name, key))
            elif not _same(value, expected):
                # A wrong policy loses profiles, or all but the last touchpoint of a customer.
                severity: Severity = "error" if key == "cleanup.policy" else "warning"
                code = {"cleanup.policy": "cleanup-policy", "retention.ms": "retention"}.get(key, "setting")
                wrong = f"topic {spec.name} has {key}={value} instead of {expected}"
                yield Finding(spec.name, severity, code, f"{wrong}; set it with kafka-configs --alter")
    if untold:
        keys = ", ".join(sorted({key for _, key in untold}))
        names = list(dict.fromkeys(name for name, _ in untold))
        which = f"topic {names[0]}" + (f" and {len(names) - 1} more" if len(names) > 1 else "")
        yield Finding(names[0], "note", "untold", f"the broker tells us no {keys} of {which}; not checked")


def _left_over(there: Collection[str], topics: Topics) -> Iterator[Finding]:
    ours = {spec.name for spec in topics.specs}
    for name in sorted(there):
        if name.startswith(f"{topics.prefix}.") and name not in ours:
            wrong = f"topic {name} is none of dangol's"
            todo = "a misspelt name or an older version made it; delete it if nobody reads it"
            yield Finding(name, "warning", "left-over", f"{wrong}; {todo}")


def _same(value: str, expected: str) -> bool:
    """Whether two settings mean the same: Kafka writes numbers and lists in its own way.

    >>> _same("0.10", "0.1"), _same("delete,compact", "compact")
    (True, False)
    """
    try:
        return float(value) == float(expected)
    except ValueError:
        return value.replace(" ", "") == expected


async def _partitions(admin: AIOKafkaAdminClient) -> dict[str, int]:
    """Partition counts of all topics; asked for all, as asking by name creates topics on some brokers."""
    return {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics()}


async def _hidden(connection: Connection, names: list[str]) -> list[str]:
    """Those that are missing from the list because we may not see them."""
    if not names or connection.security_protocol == "PLAINTEXT":
        return []
    try:
        shown = await view(connection, names)
        return [name for name in names if name in shown and shown[name] is None]
    except NotImplementedError:
        return []  # A broker that can't be asked; then they are told as missing.


async def _settled(admin: AIOKafkaAdminClient, broker: Broker, names: list[str]) -> None:
    async def listed() -> None:
        while True:
            led = {
                topic["topic"]
                for topic in await admin.describe_topics()
                if topic["partitions"] and all(part["leader"] >= 0 for part in topic["partitions"])
            }
            if led.issuperset(names):
                return
            await asyncio.sleep(SETTLE_PAUSE)

    try:
        await asyncio.wait_for(listed(), SETTLE_SECONDS)
    except TimeoutError as error:
        raise BrokerError(
            f"topics at {broker} have no leader after {SETTLE_SECONDS:.0f} s; look at the brokers' health"
        ) from error


async def settings_of(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    """Settings by topic, as far as the broker tells them.

    Raises:
        TopicError: it fails to.
    """
    settings: dict[str, dict[str, str]] = {name: {} for name in names}
    if not names:
        return settings
    try:
        answers = await admin.describe_configs(
            [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        )
    except IncompatibleBrokerVersion:
        return settings  # Told as a finding: nothing is known about any of them.
    for answer in answers:
        for code, reason, _, name, entries in (resource[:5] for resource in answer.resources):
            if code in _DENIED:
                continue  # Told as a finding, as above.
            if code:
                raise TopicError(
                    f"the broker tells no settings of topic {name}: {reason or for_code(code).__name__}"
                )
            settings[name] = {entry[0]: entry[1] for entry in entries if entry[1] is not None}
    return settings


@contextlib.asynccontextmanager
async def admin_of(broker: Broker) -> AsyncIterator[AIOKafkaAdminClient]:
    """A connected admin client, as a context manager; what goes wrong inside is told in one line.

    Raises:
        InputError: the broker's address or a file of the connection can't be used.
        BrokerError: the broker can't be reached, refuses us (`AccessError`) or fails a request.
    """
    connection = connection_to(broker)
    # aiokafka logs every failed attempt by itself; here the one line of ours is what the user gets.
    client_log = logging.getLogger("aiokafka")
    level = client_log.level
    client_log.setLevel(logging.CRITICAL)
    admin = None
    try:
        admin = await _connected(connection)
        yield admin
    except (KafkaError, OSError, TimeoutError) as error:
        if denied := denial(connection, error, "look at topics"):
            raise denied from error
        reason = str(error) or type(error).__name__
        lost = isinstance(error, KafkaConnectionError | NodeNotReadyError)
        if lost and isinstance(found := await trouble(connection), AccessError):
            raise found from error
        raise BrokerError(f"the broker at {connection} failed a request about topics: {reason}") from error
    finally:
        if admin is not None:
            await admin.close()
        client_log.setLevel(level)


async def _connected(connection: Connection) -> AIOKafkaAdminClient:
    admin = AIOKafkaAdminClient(
        client_id="dangol-topics", request_timeout_ms=REQUEST_MS, **connection.options()
    )
    try:
        await asyncio.wait_for(admin.start(), CONNECT_SECONDS)
    except (KafkaError, OSError, TimeoutError, ValueError) as error:
        await admin.close()
        # None: it could be reached after all, a moment later.
        found = await trouble(connection) or BrokerError(f"the broker at {connection} was too slow to answer")
        raise found from error
    except BaseException:
        await admin.close()
        raise
    return admin
