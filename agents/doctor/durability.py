"""Durability: settings of topics and brokers by which data are lost."""

from __future__ import annotations

from collections.abc import Iterator

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from agents import topics as admin
from agents.doctor.check import Check, Patient, Verdict, counted, several, untold
from agents.topic_view import TopicView
from schemas.errors import AccessError, BrokerError, TopicError
from schemas.topics import DAY_MS, Topics


async def check_topics(patient: Patient, *, rights_are_told: bool) -> list[Check]:
    """Whether the topics are as they should be; what may not be seen is told among the rights."""
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


def check_durability(
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
        yield Check("durability", "problem", f"{several(names)}: {wrong}", BrokerError.exit_code)
    for wrong, names in found.items():
        yield Check("durability", "warning", f"{several(names)}: {wrong}")
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


async def check_brokers(client: AIOKafkaAdminClient) -> list[Check]:
    """Settings of the brokers that lose data, as one of them tells them."""
    try:
        cluster = await client.describe_cluster()
        number = str(cluster["brokers"][0]["node_id"])
        (answer,) = await client.describe_configs([ConfigResource(ConfigResourceType.BROKER, number)])
    except (KafkaError, NotImplementedError, IndexError) as error:
        return [untold("broker-settings", "the brokers' settings", error)]
    code, _, _, _, entries = answer.resources[0][:5]
    if code:
        right = "DescribeConfigs on the cluster, which only `dangol doctor` needs"
        return [Check("broker-settings", "untold", f"we may not look at the brokers' settings: {right}")]
    told = {entry[0]: entry[1] for entry in entries if entry[1] is not None}
    brokers = len(cluster["brokers"])
    checks = [Check("broker-settings", "warning", wrong) for wrong in _broker_risks(told, brokers)]
    return checks or [
        Check("broker-settings", "ok", f"{counted(brokers, 'broker')} with settings that lose nothing")
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
