"""Apache Kafka with TLS, logins and access control lists: what works, and the one line where it does not."""

from __future__ import annotations

import base64
import datetime as dt
import json
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agents.cli import main
from deploy.kafka.certificates import Authority
from deploy.kafka.secure import PASSWORD, STRANGER, USER, SecureKafkaServer
from schemas.rights import Kind, rights
from schemas.topics import Topics
from tests.cluster import Worker, wait_for
from tests.conftest import require_kafka

TOPICS = Topics("hotel.cx")
GROUP = "hotel"


@dataclass
class Site:
    """A secure broker with topics, and the files that a client needs.

    Attributes:
        server: the broker.
        folder: where the files are.
    """

    server: SecureKafkaServer
    folder: Path

    def env(self, **settings: object) -> dict[str, str]:
        """The environment of who logs in by SCRAM over TLS, but for some settings; None takes one out."""
        usual = {
            "bootstrap": self.server.login,
            "prefix": TOPICS.prefix,
            "group": GROUP,
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_username": USER,
            "sasl_password_file": self.folder / "password",
            "tls_ca_file": self.server.authority.certificate,
        }
        told = {name: value for name, value in (usual | settings).items() if value is not None}
        return {f"DANGOL_{name.upper()}": str(value) for name, value in told.items()}

    def without_login(self, **settings: object) -> dict[str, str]:
        """As `env`, without a login."""
        nobody = {"sasl_mechanism": None, "sasl_username": None, "sasl_password_file": None}
        return self.env(**(nobody | settings))


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A secure broker on which `USER` has the rights of the README, and its topics."""
    require_kafka()
    folder = Path(tempfile.mkdtemp(prefix="dangol-secure-"))
    try:
        (folder / "password").write_text(f"{PASSWORD}\n")
        (folder / "password").chmod(0o600)
        with SecureKafkaServer(folder / "broker") as server:
            every = rights(TOPICS, GROUP)
            server.allow(USER, [*every["worker"], *every["topics create"]])
            server.authority.issue("client")
            server.allow("CN=client", every["worker"])
            here = Site(server, folder)
            assert run(here.env(), "topics", "create", "--partitions", "4").exit_code == 0
            yield here
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(environment: dict[str, str], *arguments: str, stdin: bytes | None = None) -> Result:
    """A command in an environment that says nothing else of dangol."""
    clean = dict.fromkeys(name for name in os.environ if name.startswith("DANGOL_"))
    return CliRunner().invoke(main, list(arguments), input=stdin, env=clean | environment)


def refused(environment: dict[str, str], *arguments: str, code: int = 3) -> str:
    """The one line on standard error of a command that is refused, without the addresses of the broker."""
    result = run(environment, *(arguments or ("topics", "check")))
    lines = [line for line in result.stderr.splitlines() if not line.startswith("dangol: warning: ")]
    assert (result.exit_code, len(lines)) == (code, 1), result.output
    assert PASSWORD not in result.output
    return lines[0].replace(environment["DANGOL_BOOTSTRAP"], "BROKER").removeprefix("dangol: ")


def token(**claims: object) -> str:
    """A token without a signature, as the broker takes it in tests."""

    def part(content: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")

    now = time.time()
    return f"{part({'alg': 'none'})}.{part({'sub': USER, 'iat': now - 60, 'exp': now + 600, **claims})}."


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_every_password_works(site: Site, mechanism: str) -> None:
    """Each mechanism that has a password logs in over TLS."""
    result = run(site.env(sasl_mechanism=mechanism), "topics", "check")

    assert (result.exit_code, result.stderr) == (0, "")


def test_a_token_works(site: Site) -> None:
    """OAUTHBEARER logs in by the token that stands in the file; one that has expired is refused."""
    file = site.folder / "token"
    environment = site.without_login(sasl_mechanism="OAUTHBEARER", sasl_token_file=file)
    file.write_text(token())
    good = run(environment, "topics", "check")
    file.write_text(token(exp=time.time() - 30))
    bad = refused(environment)

    assert (good.exit_code, good.stderr) == (0, "")
    assert bad == (
        f"the broker at BROKER does not accept the token; look at what {file} holds: who issued it, "
        "for whom, until when"
    )


def test_a_certificate_works(site: Site) -> None:
    """Mutual TLS: who we are stands in our certificate, and a command needs nothing else."""
    files = {"tls_cert_file": site.folder / "broker/certificates/client.pem"}
    files["tls_key_file"] = files["tls_cert_file"].with_suffix(".key")
    result = run(site.without_login(bootstrap=site.server.mutual, **files), "topics", "check")

    assert (result.exit_code, result.stderr) == (0, "")


def test_publish_and_tail_work(site: Site) -> None:
    """Touchpoints go in and come out over TLS with a login, all settings in one file."""
    file = site.folder / "kafka.toml"
    file.write_text(
        f'bootstrap = "{site.server.login}"\nsasl_mechanism = "SCRAM-SHA-256"\nsasl_username = "{USER}"\n'
        f'sasl_password_file = "password"\ntls_ca_file = "{site.server.authority.certificate}"\n',
        encoding="utf-8",
    )
    told = {"DANGOL_CONNECTION": str(file), "DANGOL_PREFIX": TOPICS.prefix}
    line = b'{"specversion":"1.0","id":"1","source":"/s","type":"page.viewed","subject":"ann"}'
    published = run(told, "publish", "-", "--json", stdin=line)
    letters = run(told, "dlq", "list", "--json")

    assert (published.exit_code, json.loads(published.stdout)["published"]) == (0, 1)
    assert (letters.exit_code, json.loads(letters.stdout)["letters"]) == (0, [])


def test_a_wrong_password(site: Site) -> None:
    """The same line for a password that is wrong and for a user that there is not: no more is known."""
    environment = site.env(sasl_password_file=None, sasl_password="wrong")
    todo = "look at DANGOL_SASL_USERNAME and DANGOL_SASL_PASSWORD, and whether the user is one for"

    for mechanism in ("SCRAM-SHA-512", "PLAIN"):
        assert refused({**environment, "DANGOL_SASL_MECHANISM": mechanism}) == (
            f"the broker at BROKER does not know user 'dangol' by {mechanism} with this password; "
            f"{todo} {mechanism}"
        )
    assert "does not know user 'nobody'" in refused(site.env(sasl_username="nobody"))


def test_a_certificate_that_nobody_trusts(site: Site) -> None:
    """An authority of the system, or another one of ours: the line says whose list it is not on."""
    other = Authority(site.folder / "other").certificate

    assert refused(site.env(tls_ca_file=None)) == (
        "the certificate of the broker at BROKER is not signed by an authority of this system; "
        "name the file of its own by DANGOL_TLS_CA_FILE"
    )
    assert refused(site.env(tls_ca_file=other)) == (
        f"the certificate of the broker at BROKER is not signed by an authority in {other}; "
        "put there the one that signed it"
    )


def test_one_speaks_tls_and_the_other_does_not(site: Site) -> None:
    """Both ways round, with and without a login, the line names the protocol to set."""
    server = site.server
    clear = {"tls_ca_file": None, "security_protocol": "SASL_PLAINTEXT"}
    no_tls = "the broker at BROKER speaks no TLS there; use the port that does, or set "
    tls = "the broker at BROKER speaks TLS and we do not; set DANGOL_SECURITY_PROTOCOL="

    assert refused(site.env(bootstrap=server.bootstrap)) == (
        f"{no_tls}DANGOL_SECURITY_PROTOCOL=SASL_PLAINTEXT"
    )
    assert refused(site.without_login(bootstrap=server.bootstrap)) == (
        f"{no_tls}DANGOL_SECURITY_PROTOCOL=PLAINTEXT"
    )
    assert refused(site.without_login(tls_ca_file=None)) == f"{tls}SSL, or SASL_SSL with a login"
    assert refused(site.env(**clear)) == f"{tls}SASL_SSL"


def test_one_wants_a_login_and_the_other_does_not(site: Site) -> None:
    """The line says on which side the login is missing."""
    server = site.server
    clear = {"tls_ca_file": None, "security_protocol": "SASL_PLAINTEXT"}

    assert refused(site.without_login()) == (
        "the broker at BROKER wants a login; set DANGOL_SECURITY_PROTOCOL=SASL_SSL, DANGOL_SASL_MECHANISM "
        "and who we are"
    )
    assert refused(site.without_login(bootstrap=server.login_open, tls_ca_file=None)).startswith(
        "the broker at BROKER wants a login; set DANGOL_SECURITY_PROTOCOL=SASL_PLAINTEXT"
    )
    assert refused(site.env(bootstrap=server.bootstrap, **clear)) == (
        "the broker at BROKER knows no login there; use the port that does, or leave the login out and set "
        "DANGOL_SECURITY_PROTOCOL=PLAINTEXT"
    )
    assert refused(site.without_login(bootstrap=server.mutual)) == (
        "the broker at BROKER wants a certificate of ours; set DANGOL_TLS_CERT_FILE and DANGOL_TLS_KEY_FILE"
    )


def test_a_certificate_that_the_broker_does_not_trust(site: Site) -> None:
    """Ours is of another authority: the line names the file."""
    certificate, key = Authority(site.folder / "foreign").issue("client")
    said = refused(
        site.without_login(bootstrap=site.server.mutual, tls_cert_file=certificate, tls_key_file=key)
    )

    assert said.startswith(f"the broker at BROKER does not accept our certificate {certificate} (")


def test_a_user_without_rights(site: Site) -> None:
    """What may not be seen is not called missing, and every command says who was refused what."""
    environment = site.env(sasl_username=STRANGER)
    who = f"we are user '{STRANGER}' by SCRAM-SHA-512; have it allowed by kafka-acls --add"
    unseen = "at BROKER, the broker does not let us see topic"

    assert refused(environment) == (
        f"{unseen} {TOPICS.touchpoints}; {who} (and {len(TOPICS.specs) - 1} more: dangol topics check)"
    )
    assert refused(environment, "topics", "create") == (
        f"the broker at BROKER does not let us create topic {TOPICS.touchpoints}; {who}"
    )
    assert refused(environment, "tail", "--decisions") == f"{unseen} {TOPICS.decisions}; {who}"
    assert refused(environment, "publish", os.devnull) == f"{unseen} {TOPICS.touchpoints}; {who}"
    assert refused(environment, "dlq", "list") == f"{unseen} {TOPICS.dead_letters}; {who}"
    assert refused(environment, "model", "promote") == f"{unseen} {TOPICS.models}; {who}"


def test_rights_that_are_too_few(site: Site) -> None:
    """Who may only publish can publish and not read; who may only read can't publish."""
    every = rights(TOPICS, GROUP)
    environment = site.env(sasl_username=STRANGER)
    line = b'{"specversion":"1.0","id":"2","source":"/s","type":"page.viewed","subject":"ann"}'
    site.server.allow(STRANGER, every["publish"])
    published = run(environment, "publish", "-", stdin=line)
    unread = refused(environment, "tail", "--decisions")
    site.server.take_back(STRANGER)
    site.server.allow(STRANGER, every["tail"])
    file = site.folder / "one.jsonl"
    file.write_bytes(line)
    unwritten = refused(environment, "publish", str(file))
    site.server.take_back(STRANGER)
    site.server.allow(STRANGER, every["model"])
    unlearned = run(environment, "model", "promote")
    site.server.take_back(STRANGER)
    site.server.allow(STRANGER, every["dlq"])
    listed = run(environment, "dlq", "list")
    replayed = run(environment, "dlq", "replay", "--all", "--dry-run")
    site.server.take_back(STRANGER)

    assert [published.exit_code, listed.exit_code, replayed.exit_code] == [0, 0, 0]
    assert "does not let us see topic" in unread
    assert unlearned.exit_code == 2
    assert unlearned.stderr.startswith(f"dangol: nothing on {TOPICS.models} is a challenger")
    assert unwritten.startswith(f"the broker at BROKER does not let us write to {TOPICS.touchpoints}; we are")


def worker(site: Site, folder: Path, *options: str, **settings: object) -> Worker:
    """A worker as a user that may do what the README says, unless settings say otherwise."""
    environment = site.env(**settings)
    del environment["DANGOL_PREFIX"], environment["DANGOL_GROUP"]
    options = ("--group", GROUP, "--clock", "event", *options)
    address = environment.pop("DANGOL_BOOTSTRAP")
    return Worker(address, TOPICS, folder, *options, environment=environment)


def listening(pid: int) -> set[str] | None:
    """The addresses that a process listens on; None where the system does not tell, as Linux does."""
    sockets = Path(f"/proc/{pid}/net")
    if not sockets.exists():
        return None
    own = {str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir() if entry.is_symlink()}
    found = set()
    for family, table in ((socket.AF_INET, "tcp"), (socket.AF_INET6, "tcp6")):
        for line in (sockets / table).read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == "0A" and f"socket:[{rest[5]}]" in own:
                words = bytes.fromhex(local.split(":")[0])
                packed = b"".join(words[n : n + 4][::-1] for n in range(0, len(words), 4))
                found.add(socket.inet_ntop(family, packed))
    return found


def test_a_worker_works(site: Site, tmp_path: Path) -> None:
    """With the rights of the README and no others: touchpoints over TLS with a login, triggers come out."""
    environment = site.env()
    running = worker(site, tmp_path, "--delivery", "exactly-once").start().wait_ready()
    line = (
        b'{"specversion":"1.0","id":"c1","source":"/s","type":"complaint.opened","subject":"kim",'
        b'"data":{"issue":"i-1"}}'
    )
    try:
        assert listening(running.process.pid) in (None, {"127.0.0.1"})
        assert run(environment, "publish", "-", stdin=line).exit_code == 0
        wait_for(lambda: running.metric("cx_triggers_emitted_total") >= 2, "triggers", running)
        tailed = run(environment, "tail", "--from-beginning", "--max", "2", "--json")
        examined = run(environment, "doctor", "--json", "--state", str(tmp_path / "state"))
    finally:
        assert running.stop() == 0

    assert {json.loads(line)["subject"] for line in tailed.stdout.splitlines()} == {"kim"}
    assert examined.exit_code == 0
    verdicts = {check["check"]: check["verdict"] for check in json.loads(examined.stdout)["checks"]}
    assert verdicts == {
        "broker": "ok",
        "certificate": "warning",
        "broker-settings": "untold",
        "clock": "ok",
        "disk": "ok",
        "durability": "warning",
        "group": "ok",
        "lag": "ok",
        "memory": "ok",
        "playbook": "ok",
        "rights": "ok",
        "topics": "ok",
    }


def test_a_playbook_is_applied_by_whom_it_may(site: Site) -> None:
    """With the rights of the README and no others; without them, or with a wrong password, in one line."""
    environment = site.env(sasl_username=STRANGER)
    denied = refused(environment, "playbook", "apply", "hotel")
    wrong = refused(site.env(sasl_password_file=None, sasl_password="wrong"), "playbook", "apply", "hotel")
    site.server.allow(STRANGER, rights(TOPICS, GROUP)["playbook"])
    try:
        applied = run(environment, "playbook", "apply", "hotel")
        shown = run(environment, "playbook", "show")
    finally:
        site.server.take_back(STRANGER)

    assert denied.startswith(f"at BROKER, the broker does not let us see topic {TOPICS.playbooks}")
    assert "with this password" in wrong
    assert (applied.exit_code, shown.exit_code) == (0, 0)
    assert applied.stdout.startswith("hotel@")


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("topic", f"does not let us see topic {TOPICS.touchpoints}"),
        ("group", f"does not allow us Read on group {GROUP}; we are user '{STRANGER}'"),
        ("transactional-id", f"does not allow us Write on transactional ids that begin with {GROUP}-;"),
    ],
)
def test_a_worker_without_a_right_ends(site: Site, tmp_path: Path, kind: Kind, told: str) -> None:
    """Exit code 3 and one line that names the right, at once and not after retries; doctor says the same."""
    site.server.allow(STRANGER, rights(TOPICS, GROUP)["worker"])
    site.server.take_back(STRANGER, kind)
    try:
        running = worker(site, tmp_path, sasl_username=STRANGER).start()
        code = running.process.wait(timeout=60)
        examined = run(site.env(sasl_username=STRANGER), "doctor", "--json")
    finally:
        site.server.take_back(STRANGER)
    (line,) = [line for line in running.log().splitlines() if not line.startswith("{")]
    problems = [one for one in json.loads(examined.stdout)["checks"] if one["verdict"] == "problem"]

    assert code == 3
    assert told in line
    assert (examined.exit_code, {one["check"] for one in problems}) == (3, {"rights"})


def test_a_worker_with_a_wrong_password_ends(site: Site, tmp_path: Path) -> None:
    """Exit code 3 at once, one line, and no word of a customer or of the password in the log."""
    running = worker(site, tmp_path, sasl_password_file=None, sasl_password="wrong-one").start()
    code = running.process.wait(timeout=60)
    (line,) = [line for line in running.log().splitlines() if not line.startswith("{")]

    assert code == 3
    assert line.startswith(f"dangol: the broker at {site.server.login} does not know user 'dangol' by SCRAM")
    assert "wrong-one" not in running.log()
    assert "Traceback" not in running.log()


def test_a_worker_that_is_refused_later_is_patient_and_ends(site: Site, tmp_path: Path) -> None:
    """Rights are taken away while it runs: it says so, goes on for a while, and ends with exit code 3."""
    site.server.allow(STRANGER, rights(TOPICS, "other")["worker"])
    patient = ("--group", "other", "--patience", "3")
    running = worker(site, tmp_path, *patient, sasl_username=STRANGER).start().wait_ready()
    line = b'{"specversion":"1.0","id":"g","source":"/s","type":"page.viewed","subject":"ann-geheim"}'
    assert run(site.env(), "publish", "-", stdin=line).exit_code == 0
    site.server.take_back(STRANGER)
    code = running.process.wait(timeout=60)
    lines = [line for line in running.log().splitlines() if not line.startswith("{")]

    assert code == 3
    assert lines[0].startswith("dangol: ")
    assert f"we are user '{STRANGER}'" in lines[0]
    assert "ann-geheim" not in running.log()
    assert "Traceback" not in running.log()


def test_a_password_that_is_renewed_is_used(site: Site, tmp_path: Path) -> None:
    """A new file makes the worker start over with it, without being told."""
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    running = worker(site, tmp_path, "--patience", "2", sasl_password_file=password).start().wait_ready()
    try:
        password.write_text(f"{PASSWORD}\n")
        wait_for(lambda: running.log().count('"ready"') == 2, "it to be ready again", running)
    finally:
        assert running.stop() == 0

    assert "credentials were renewed, starting over with them" in running.log()


def test_a_certificate_for_another_name_or_time(tmp_path: Path) -> None:
    """A broker whose certificate is for another host is not spoken to, nor one whose certificate is old."""
    require_kafka()
    (tmp_path / "password").write_text(PASSWORD)
    with SecureKafkaServer(tmp_path / "broker", ["kafka.example"]) as server:
        there = Site(server, tmp_path)
        other = refused(there.env())

    with SecureKafkaServer(tmp_path / "expired", lasts=dt.timedelta(hours=-1)) as server:
        old = refused(Site(server, tmp_path).env())

    assert other == (
        "the certificate of the broker at BROKER is not for the address 127.0.0.1; connect by the name that "
        "it is for, or have it issued for 127.0.0.1 as well"
    )
    assert old == "the certificate of the broker at BROKER has expired; have it renewed"
