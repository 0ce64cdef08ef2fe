"""What the topics are called and how they are set up."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from agents.cli import main
from agents.topics import Finding, refuse
from deploy.kafka.jars import POM, version
from schemas.errors import TopicError
from schemas.topics import DAY_MS, Topics

ROOT = Path(__file__).parents[2]


def test_names_are_dotted_lower_case_with_a_version() -> None:
    """Every name is `<prefix>.<words>.v<N>`, dead letters with `-dlt` behind, and none has an underscore."""
    names = [spec.name for spec in Topics().specs]

    assert [name for name in names if not re.fullmatch(r"cx(\.[a-z-]+)+\.v\d+(-dlt)?", name)] == []
    assert len(set(names)) == len(names)


def test_profiles_are_compacted_and_touchpoints_expire() -> None:
    """State keeps the last record of every customer for ever; events go after a week."""
    specs = {spec.name: spec for spec in Topics().specs}

    assert specs["cx.profiles.v1"].config["cleanup.policy"] == "compact"
    assert specs["cx.touchpoints.v1"].config == {
        "cleanup.policy": "delete",
        "retention.ms": str(7 * DAY_MS),
    }


def test_refuse_names_the_first_error_and_counts_the_others() -> None:
    """The one line that a worker ends with says what is wrong and that there is more."""
    findings = [
        Finding("cx.a.v1", "error", "missing", "topic cx.a.v1 is missing; create it"),
        Finding("cx.b.v1", "error", "missing", "topic cx.b.v1 is missing; create it"),
        Finding("cx.c.v1", "warning", "retention", "topic cx.c.v1 has another retention"),
    ]

    with pytest.raises(TopicError) as caught:
        refuse("broker:9092", findings)

    assert str(caught.value) == (
        "at broker:9092, topic cx.a.v1 is missing; create it (and 1 more: dangol topics check)"
    )


def test_refuse_lets_warnings_pass() -> None:
    """A retention of the operator's own does not stop a worker."""
    refuse("broker:9092", [Finding("cx.c.v1", "warning", "retention", "topic cx.c.v1 has another retention")])


@pytest.mark.parametrize("arguments", [["create"], ["check"], ["check", "--json"]])
def test_no_broker_is_one_line_and_exit_code_3(arguments: list[str]) -> None:
    """Without a broker there is one line with the address, no traceback and no log of the client."""
    result = CliRunner().invoke(main, ["topics", *arguments, "--bootstrap", "127.0.0.1:1"])

    assert result.exit_code == 3
    assert result.stderr == (
        "dangol: no Kafka broker answers at 127.0.0.1:1; "
        "start one with `dangol broker` or name another by --bootstrap\n"
    )
    assert result.stdout == ""


def test_an_address_that_is_none_is_exit_code_2() -> None:
    """A typo in the address is the user's input, not a broker that is down."""
    result = CliRunner().invoke(main, ["topics", "check", "--bootstrap", "127.0.0.1:x"])

    assert result.exit_code == 2
    assert result.stderr == (
        "dangol: '127.0.0.1:x' is no broker address; write host:port, as 127.0.0.1:9092\n"
    )


def test_compose_runs_the_kafka_that_is_tested() -> None:
    """docker-compose.yml and the pom name the same version of Apache Kafka."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())

    assert compose["services"]["kafka"]["image"] == f"apache/kafka:{version()}"


def test_compose_runs_commands_that_there_are() -> None:
    """What docker-compose.yml has our image do are commands of ours, with options that they know."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    ours = [service["command"] for service in compose["services"].values() if service["image"] == "dangol"]

    assert [command[0] for command in ours] == ["topics", "worker", "trainer"]
    assert [CliRunner().invoke(main, [*command, "--help"]).exit_code for command in ours] == [0, 0, 0]


def test_the_pom_names_no_registry() -> None:
    """Where the jars come from is the machine's business: the pom has no repository of its own."""
    assert re.findall(r"<(?:repository|pluginRepository|url)>", POM.read_text()) == []


def test_create_shows_its_defaults() -> None:
    """`dangol topics create --help` tells how many partitions and replicas it makes."""
    result = CliRunner().invoke(main, ["topics", "create", "--help"])

    assert result.exit_code == 0
    assert "[default: 8; x>=1]" in result.output
    assert "[default: 1; x>=1]" in result.output
