"""What the doctor says of what it has seen: settings that lose data, memory, disk, secrets."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from agents.access import lack_of_topics
from agents.cli import main
from agents.connection import Connection
from agents.doctor import durability, host
from agents.doctor.check import Patient
from agents.doctor.durability import check_durability
from agents.doctor.login import check_secrecy
from agents.topic_view import TopicView, allowed
from schemas.topics import Topics

TOPIC = Topics().touchpoints
SAFE = {"min.insync.replicas": "2", "unclean.leader.election.enable": "false", "retention.ms": "604800000"}


def risks(replicas: int = 3, in_sync: int = 3, **changed: str) -> list[tuple[str, str]]:
    """Verdicts and messages about the touchpoint topic, without its name."""
    settings = SAFE | {name.replace("_", "."): value for name, value in changed.items()}
    shown = {TOPIC: TopicView(4, replicas, in_sync, None)}
    return [
        (check.verdict, check.message.removeprefix(f"{TOPIC}: "))
        for check in check_durability(shown, {TOPIC: settings}, Topics())
    ]


def test_settings_that_lose_nothing() -> None:
    """Three replicas of which two have to acknowledge."""
    assert risks() == [("ok", "a broker can be lost without losing data")]


@pytest.mark.parametrize(
    ("seen", "verdict", "message"),
    [
        (
            {"replicas": 1, "in_sync": 1, "min_insync_replicas": "1"},
            "warning",
            "kept on one broker alone: with its disk the records are gone; have three brokers keep it",
        ),
        (
            {"min_insync_replicas": "1"},
            "warning",
            "min.insync.replicas=1: what one broker has acknowledged can be lost with it; set it to 2",
        ),
        (
            {"min_insync_replicas": "3"},
            "warning",
            "min.insync.replicas=3 of 3: no broker can be away; set it lower",
        ),
        (
            {"unclean_leader_election_enable": "true"},
            "warning",
            "unclean.leader.election.enable: acknowledged records can be lost; set it to false",
        ),
        (
            {"cleanup_policy": "delete", "retention_bytes": "1000"},
            "warning",
            "retention.bytes=1000: much traffic deletes records early; set it to -1",
        ),
        (
            {"retention_ms": "3600000"},
            "warning",
            "touchpoints are kept for 1.0 h: an outage longer than that loses them; set retention.ms higher",
        ),
        ({"in_sync": 2}, "warning", "2 of 3 replicas are in sync; look at the brokers' health"),
    ],
)
def test_settings_that_lose_data(seen: dict[str, Any], verdict: str, message: str) -> None:
    """Each is told with what to set it to."""
    assert risks(**seen) == [(verdict, message)]


def test_too_few_replicas_in_sync_are_a_problem() -> None:
    """Nothing can be written then."""
    assert (
        "problem",
        "fewer replicas are in sync than min.insync.replicas=2: nothing can be written",
    ) in risks(in_sync=1)


def test_settings_of_brokers() -> None:
    """Offsets that are forgotten early, internal topics on one broker, topics that appear by themselves."""
    bad = {
        "offsets.retention.minutes": "1440",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "auto.create.topics.enable": "true",
    }

    assert [risk.split(";")[0].split(":")[0] for risk in durability._broker_risks(bad, 3)] == [
        "offsets.retention.minutes=1440",
        "offsets.topic.replication.factor=1",
        "transaction.state.log.replication.factor=1",
        "auto.create.topics.enable",
    ]
    assert list(durability._broker_risks({"offsets.topic.replication.factor": "1"}, 1)) == []


def test_what_is_lacking_is_named_with_the_command_that_allows_it() -> None:
    """Rights that are missing of topics; a broker that tells none lacks none."""
    few = TopicView(4, 1, 1, frozenset({"Read", "Describe"}))
    lack = lack_of_topics(Topics(), {TOPIC: few, Topics().decisions: None})
    assert lack is not None

    assert lack.message(Connection("kafka:9092")) == (
        f"the broker at kafka:9092 does not allow us DescribeConfigs and Read and Write on topic {TOPIC} and "
        "1 more topics; we are anonymous, as there is no login; run kafka-acls --add --allow-principal … "
        "--operation DescribeConfigs --operation Read --operation Write --topic cx. "
        "--resource-pattern-type prefixed"
    )
    assert lack_of_topics(Topics(), {TOPIC: TopicView(4, 1, 1, None)}) is None
    assert allowed(-(2**31)) is None


def test_memory_that_does_not_suffice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Profiles that may not fit are a warning that names the way out."""
    monkeypatch.setattr(host, "_memory_limit", lambda: (512 * 1024**2, "of this machine"))

    assert host.check_memory(10_000).verdict == "ok"
    assert host.check_memory(10_000_000).verdict == "warning"
    assert host.check_memory(10_000_000).message.endswith("or use --store rocksdict")


def state_of(folder: Path) -> list[tuple[str, str, int]]:
    """What is said of a state folder."""
    patient = Patient(Connection(), Topics(), "dangol", "rocksdict", folder)
    return [(check.check, check.verdict, check.exit_code) for check in host.check_state(patient)]


def test_a_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is not there yet is fine where it can be made; below a file it can't; disks get full."""
    (tmp_path / "file").write_text("")

    assert state_of(tmp_path / "new" / "state") == [("disk", "ok", 0)]
    assert not (tmp_path / "new").exists()
    assert state_of(tmp_path / "file" / "state") == [("state", "problem", 5)]
    monkeypatch.setattr(host, "SCARCE_BYTES", 1 << 62)
    assert state_of(tmp_path) == [("disk", "warning", 0)]
    monkeypatch.setattr(host, "LOW_BYTES", 1 << 62)
    assert state_of(tmp_path) == [("disk", "problem", 5)]


def test_secrets_that_everyone_can_read(tmp_path: Path) -> None:
    """A password's file is looked at, a certificate's is not."""
    password, authority = tmp_path / "password", tmp_path / "ca.pem"
    for file in (password, authority):
        file.write_text("x")
        file.chmod(0o644)
    login = Connection(
        sasl_mechanism="PLAIN", sasl_username="ann", sasl_password_file=password, tls_ca_file=authority
    )

    assert [check.message for check in check_secrecy(login)] == [
        f"{password} can be read by everyone on this machine; chmod o= {password}"
    ]
    password.chmod(0o600)
    assert list(check_secrecy(login)) == []


def test_speaking_in_the_clear_is_told_unless_it_stays_on_this_machine() -> None:
    """Loopback is no network."""
    assert list(check_secrecy(Connection("127.0.0.1:9092,localhost:9093,[::1]:9094"))) == []
    assert [check.check for check in check_secrecy(Connection("127.0.0.1:9092,kafka:9092"))] == ["encryption"]


def test_no_broker_is_one_problem_and_an_exit_code(tmp_path: Path) -> None:
    """What can be looked at without one is."""
    result = CliRunner().invoke(
        main,
        ["doctor", "--bootstrap", "127.0.0.1:1", "--state", str(tmp_path)],
        env={"COLUMNS": "200", "DANGOL_CONNECTION": ""},
    )
    lines = [line.split() for line in result.stdout.splitlines()]

    assert result.exit_code == 3
    assert [line[:2] for line in lines[:2]] == [["✗", "broker"], ["✓", "disk"]]
    assert lines[-1] == ["1", "to", "mend", "now,", "1", "well"]


@pytest.mark.skipif(sys.platform != "linux", reason="locks are asked about as Linux has it")
def test_a_lock_that_is_held_is_seen_and_not_taken(tmp_path: Path) -> None:
    """A database that nobody has open is free; one that a process has open is not, and stays so."""
    lock = tmp_path / "LOCK"
    lock.write_text("")
    program = (
        "import fcntl, sys; file = open(sys.argv[1], 'rb+'); fcntl.lockf(file, fcntl.LOCK_EX); "
        "print('held', flush=True); sys.stdin.read()"
    )

    assert not host._is_locked(lock)
    with subprocess.Popen(
        [sys.executable, "-c", program, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        seen = [host._is_locked(lock), host._is_locked(lock)]
        holder.kill()
    assert seen == [True, True]
