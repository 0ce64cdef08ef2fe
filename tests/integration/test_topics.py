"""Creating and checking topics on a real Apache Kafka."""

from __future__ import annotations

import asyncio
import json
import secrets

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from click.testing import CliRunner

from agents.cli import main
from agents.topics import Creation, Finding, check, create, inspect, partitions_of
from deploy.embedded import EmbeddedBroker
from schemas.errors import TopicError
from schemas.topics import DAY_MS, Topics


async def make(bootstrap: str, name: str, partitions: int, config: dict[str, str]) -> None:
    """Create one topic as someone else might have."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=config)])
    finally:
        await admin.close()


def with_one_different(bootstrap: str, name: str, partitions: int, config: dict[str, str]) -> list[Finding]:
    """All topics in order but this one (`{prefix}` stands for the prefix); what `inspect` says then."""

    async def run() -> list[Finding]:
        topics = Topics(f"t{secrets.token_hex(4)}.cx")
        await make(bootstrap, name.format(prefix=topics.prefix), partitions, config)
        await create(bootstrap, topics, 4)
        return await inspect(bootstrap, topics)

    return asyncio.run(run())


def found(findings: list[Finding]) -> list[tuple[str, str, str]]:
    """Severity, code and the topic's name behind the prefix."""
    return [(one.severity, one.code, one.topic.split(".cx.", 1)[1]) for one in findings]


def test_created_topics_are_as_they_should_be(kafka: str, topics: Topics) -> None:
    """What `create` makes passes `check` without a finding."""
    assert asyncio.run(check(kafka, topics, 4)) == []


def test_create_twice_changes_nothing(kafka: str) -> None:
    """The second run creates nothing and names what existed."""
    topics = Topics(f"t{secrets.token_hex(4)}.cx")
    names = [spec.name for spec in topics.specs]

    first = asyncio.run(create(kafka, topics, 2))
    second = asyncio.run(create(kafka, topics, 2))

    assert first == Creation(created=names, existed=[])
    assert second == Creation(created=[], existed=names)


def test_two_creators_at_once_both_succeed(kafka: str) -> None:
    """Two workers that start together don't fail on each other's topics, and every topic is made once."""
    topics = Topics(f"t{secrets.token_hex(4)}.cx")

    async def both() -> list[Creation]:
        return list(await asyncio.gather(create(kafka, topics, 2), create(kafka, topics, 2)))

    created = [name for one in asyncio.run(both()) for name in one.created]

    assert sorted(created) == sorted(spec.name for spec in topics.specs)


def test_more_replicas_than_brokers_is_refused(kafka: str) -> None:
    """The broker's own reason reaches the user, with the topic's name."""
    topics = Topics(f"t{secrets.token_hex(4)}.cx")

    with pytest.raises(TopicError, match=rf"refuses to create topic {topics.touchpoints}: .*99"):
        asyncio.run(create(kafka, topics, 2, replication=99))


def test_missing_topics_are_errors(kafka: str) -> None:
    """Where nothing was created, each topic is named as missing."""
    topics = Topics(f"t{secrets.token_hex(4)}.cx")

    findings = asyncio.run(inspect(kafka, topics))

    assert [one.topic for one in findings] == [spec.name for spec in topics.specs]
    assert {(one.severity, one.code) for one in findings} == {("error", "missing")}


def test_another_number_of_partitions_is_an_error(kafka: str) -> None:
    """One topic with fewer partitions than the others breaks co-partitioning."""
    config = {"cleanup.policy": "delete", "retention.ms": str(7 * DAY_MS)}

    findings = with_one_different(kafka, "{prefix}.decisions.v1", 1, config)

    assert found(findings) == [("error", "partitions", "decisions.v1")]


def test_an_expected_number_of_partitions_is_held(kafka: str, topics: Topics) -> None:
    """With --partitions, all topics are measured by that number, not by each other."""
    findings = asyncio.run(inspect(kafka, topics, 5))

    assert {(one.severity, one.code) for one in findings} == {("error", "partitions")}
    assert len(findings) == len(topics.specs)


@pytest.mark.parametrize("policy", ["delete", "compact,delete"])
def test_profiles_that_could_expire_are_an_error(kafka: str, policy: str) -> None:
    """Profiles must be compacted and nothing else, or customers are forgotten after a week."""
    config = next(spec.config for spec in Topics().specs if spec.compacted) | {"cleanup.policy": policy}

    findings = with_one_different(kafka, "{prefix}.profiles.v1", 4, config)

    assert found(findings) == [("error", "cleanup-policy", "profiles.v1")]


def test_compacted_touchpoints_are_an_error(kafka: str) -> None:
    """Compaction would keep only the last touchpoint of each customer."""
    config = {"cleanup.policy": "compact", "retention.ms": str(7 * DAY_MS)}

    findings = with_one_different(kafka, "{prefix}.touchpoints.v1", 4, config)

    assert found(findings) == [("error", "cleanup-policy", "touchpoints.v1")]


def test_another_retention_is_a_warning(kafka: str) -> None:
    """A worker starts all the same, and the operator is told both numbers."""
    findings = with_one_different(kafka, "{prefix}.decisions.v1", 4, {"retention.ms": "3600000"})

    assert found(findings) == [("warning", "retention", "decisions.v1")]
    assert f"has retention.ms=3600000 instead of {7 * DAY_MS};" in findings[0].message


def test_late_compaction_is_a_warning(kafka: str) -> None:
    """Profiles on the broker's default of half dirty recover slowly, which is worth a word."""
    config = next(spec.config for spec in Topics().specs if spec.compacted)
    del config["min.cleanable.dirty.ratio"]

    findings = with_one_different(kafka, "{prefix}.profiles.v1", 4, config)

    assert found(findings) == [("warning", "setting", "profiles.v1")]


def test_left_over_topics_are_a_warning(kafka: str) -> None:
    """A topic under our prefix that nobody specified, such as a typo's, is named."""
    findings = with_one_different(kafka, "{prefix}.touchpoint.v1", 1, {})

    assert found(findings) == [("warning", "left-over", "touchpoint.v1")]


def test_check_raises_on_errors(kafka: str) -> None:
    """A worker ends before it starts, with the exit code for topics."""
    topics = Topics(f"t{secrets.token_hex(4)}.cx")

    with pytest.raises(TopicError) as caught:
        asyncio.run(check(kafka, topics))

    assert caught.value.exit_code == 4
    assert str(caught.value).startswith(f"at {kafka}, topic {topics.touchpoints} is missing;")


def test_partitions_are_told_and_a_missing_topic_is_an_error(kafka: str, topics: Topics) -> None:
    """A worker learns the number from the broker, and asking does not create the topic."""
    assert asyncio.run(partitions_of(kafka, topics.touchpoints)) == 4

    for _ in range(2):
        with pytest.raises(TopicError, match=r"topic none\.cx\.v1 is missing"):
            asyncio.run(partitions_of(kafka, "none.cx.v1"))


def test_command_line_creates_and_checks(kafka: str) -> None:
    """`topics check` exits with 4 before `topics create` and with 0 after it; both speak JSON."""
    prefix = f"t{secrets.token_hex(4)}.cx"
    where = ["--bootstrap", kafka, "--prefix", prefix, "--json"]

    before = CliRunner().invoke(main, ["topics", "check", *where])
    made = CliRunner().invoke(main, ["topics", "create", "--partitions", "3", *where])
    after = CliRunner().invoke(main, ["topics", "check", "--partitions", "3", *where])

    assert before.exit_code == 4
    assert json.loads(before.stdout)["findings"][0]["code"] == "missing"
    assert made.exit_code == 0
    assert json.loads(made.stdout)["created"] == [spec.name for spec in Topics(prefix).specs]
    assert after.exit_code == 0
    assert json.loads(after.stdout) == {"bootstrap": kafka, "prefix": prefix, "findings": []}


def test_embedded_broker_passes_the_check(embedded: EmbeddedBroker) -> None:
    """The embedded broker tells the settings that a topic was created with."""
    asyncio.run(create(embedded.bootstrap, Topics(), 4))

    assert asyncio.run(check(embedded.bootstrap, Topics())) == []


def test_settings_that_a_broker_does_not_tell_are_a_note(embedded: EmbeddedBroker) -> None:
    """Where a broker is silent about a setting, the check says so and does not fail."""
    asyncio.run(make(embedded.bootstrap, "cx.touchpoints.v1", 4, {}))
    asyncio.run(create(embedded.bootstrap, Topics(), 4))

    assert asyncio.run(check(embedded.bootstrap, Topics())) == [
        Finding(
            "cx.touchpoints.v1",
            "note",
            "untold",
            "the broker tells us no cleanup.policy, retention.ms of topic cx.touchpoints.v1; not checked",
        )
    ]
