"""How a connection is described: by environment and file, with secrets that nothing repeats."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from agents.connection import Connection, load
from deploy.kafka.certificates import Authority
from schemas.errors import InputError

SECRET = "s3cr3t-geheim"


def env(**settings: object) -> dict[str, str]:
    """An environment with settings by their names."""
    return {f"DANGOL_{name.upper()}": str(value) for name, value in settings.items()}


def refused(**settings: object) -> str:
    """The one line that settings are refused by."""
    with pytest.raises(InputError) as caught:
        load(None, None, env(**settings)).options()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def password(tmp_path: Path) -> Path:
    """A file with a password, as an editor leaves it."""
    file = tmp_path / "password"
    file.write_text(f"{SECRET}\n")
    return file


def test_nothing_told_is_plaintext_on_loopback() -> None:
    """Without settings there is neither TLS nor a login."""
    assert load(None, None, {}).options() == {
        "bootstrap_servers": ["127.0.0.1:9092"],
        "security_protocol": "PLAINTEXT",
    }
    assert load(None, None, {}).credentials() is None


def test_a_login_is_with_tls_unless_told_otherwise(password: Path) -> None:
    """Naming a mechanism is enough to get TLS 1.2 or newer with the host's name checked."""
    told = env(
        sasl_mechanism="scram-sha-512",
        sasl_username="ann",
        sasl_password_file=password,
        bootstrap="a:1, b:2",
    )
    options = load(None, None, told).options()
    context = options.pop("ssl_context")

    assert options == {
        "bootstrap_servers": ["a:1", "b:2"],
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "ann",
        "sasl_plain_password": SECRET,
    }
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_faust_gets_the_same(password: Path, mechanism: str) -> None:
    """Faust's credentials carry the mechanism, the user, the password and TLS."""
    told = Connection(sasl_mechanism=mechanism, sasl_username="ann", sasl_password_file=password)
    credentials = told.credentials()

    assert (credentials.protocol.value, credentials.mechanism.value) == ("SASL_SSL", mechanism)
    assert (credentials.username, credentials.password) == ("ann", SECRET)
    assert credentials.ssl_context is not None


def test_faust_gets_tokens_and_certificates(tmp_path: Path) -> None:
    """A token's file becomes a provider, a certificate a context."""
    (tmp_path / "token").write_text("t")
    authority = Authority(tmp_path)
    certificate, key = authority.issue("client", password=SECRET)
    (tmp_path / "lock").write_text(SECRET)
    mutual = Connection(
        tls_ca_file=authority.certificate,
        tls_cert_file=certificate,
        tls_key_file=key,
        tls_key_password_file=tmp_path / "lock",
    )

    oauth = Connection(sasl_mechanism="OAUTHBEARER", sasl_token_file=tmp_path / "token").credentials()
    assert (oauth.protocol.value, oauth.mechanism.value) == ("SASL_SSL", "OAUTHBEARER")
    assert mutual.credentials().protocol.value == "SSL"


def test_a_password_that_changed_is_used_from_then_on(password: Path) -> None:
    """The file is read whenever a client is made."""
    told = Connection(sasl_mechanism="PLAIN", sasl_username="ann", sasl_password_file=password)
    password.write_text("new")

    assert told.options()["sasl_plain_password"] == "new"


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    """A file describes the cluster with paths beside it; environment and option change one setting."""
    (tmp_path / "ca.pem").write_text("")
    file = tmp_path / "kafka.toml"
    file.write_text(
        'bootstrap = "file:1"\nsecurity_protocol = "SSL"\ntls_ca_file = "ca.pem"\n', encoding="utf-8"
    )

    assert load(None, file, {}).bootstrap == "file:1"
    assert load(None, file, {}).tls_ca_file == tmp_path / "ca.pem"
    assert load(None, file, env(bootstrap="env:1", security_protocol="")).bootstrap == "env:1"
    assert load("option:1", file, env(bootstrap="env:1")).bootstrap == "option:1"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("tls_cafile = 'x'", "there is no setting `tls_cafile`; did you mean tls_ca_file?"),
        (f"sasl_password = '{SECRET}'", "a password has a file of its own"),
        ("bootstrap = 9092", "`bootstrap` is no text; write it in quotation marks"),
        ("bootstrap", "the connection's settings can't be read: "),
    ],
)
def test_a_file_that_can_not_be(tmp_path: Path, content: str, told: str) -> None:
    """The line names the file and what is wrong with it, and repeats no secret."""
    file = tmp_path / "kafka.toml"
    file.write_text(content)

    with pytest.raises(InputError) as caught:
        load(None, file, {})

    assert str(caught.value).startswith(f"{file}: {told}")
    assert SECRET not in str(caught.value)


def test_settings_that_can_not_be(password: Path, tmp_path: Path) -> None:
    """Each contradiction is one line that names the variable to change."""
    login = {"sasl_mechanism": "PLAIN", "sasl_username": "ann", "sasl_password": SECRET}
    lines = [
        refused(security_protocol="SASL_TLS", sasl_mechanism="PLAIN"),
        refused(sasl_mechanism="GSSAPI"),
        refused(security_protocol="SASL_SSL"),
        refused(security_protocol="SSL", **login),
        refused(sasl_mechanism="PLAIN"),
        refused(sasl_mechanism="PLAIN", sasl_username="ann"),
        refused(sasl_password_file=password, **login),
        refused(sasl_mechanism="OAUTHBEARER"),
        refused(sasl_username="ann", sasl_password=SECRET),
        refused(security_protocol="SASL_PLAINTEXT", tls_ca_file="ca.pem", **login),
        refused(tls_key_file="key.pem", security_protocol="SSL"),
        refused(bootstrap=" , "),
    ]

    assert lines == [
        (
            "DANGOL_SECURITY_PROTOCOL=SASL_TLS is none of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL; "
            "did you mean SASL_SSL?"
        ),
        "DANGOL_SASL_MECHANISM=GSSAPI is none of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER",
        (
            "SASL_SSL needs a login; "
            "set DANGOL_SASL_MECHANISM to one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER"
        ),
        "PLAIN is a login, and SSL has none; set DANGOL_SECURITY_PROTOCOL to SASL_SSL, or leave it out",
        "PLAIN needs a user name and a password; set DANGOL_SASL_USERNAME",
        "PLAIN needs a user name and a password; set DANGOL_SASL_PASSWORD_FILE",
        "the password is told twice, by DANGOL_SASL_PASSWORD and DANGOL_SASL_PASSWORD_FILE; leave one out",
        "OAUTHBEARER needs a token; set DANGOL_SASL_TOKEN_FILE to the file that holds it",
        (
            "there is a login, but no way to say it; "
            "set DANGOL_SASL_MECHANISM to one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER"
        ),
        (
            "DANGOL_TLS_CA_FILE is about TLS, and SASL_PLAINTEXT is without; "
            "set DANGOL_SECURITY_PROTOCOL to SASL_SSL"
        ),
        "there is a key without a certificate; set DANGOL_TLS_CERT_FILE as well",
        "DANGOL_BOOTSTRAP names no broker; write host:port, as 127.0.0.1:9092",
    ]


def test_files_that_can_not_be_used(tmp_path: Path) -> None:
    """A file that is missing, empty or holds something else is named with its variable."""
    nowhere, empty = tmp_path / "nowhere", tmp_path / "empty"
    empty.write_text("\n")
    authority = Authority(tmp_path)
    certificate, key = authority.issue("client", password=SECRET)
    other = authority.issue("other")[1]
    plain = {"sasl_mechanism": "PLAIN", "sasl_username": "ann"}
    lines = [
        refused(sasl_password_file=nowhere, **plain),
        refused(sasl_password_file=empty, **plain),
        refused(sasl_mechanism="OAUTHBEARER", sasl_token_file=nowhere),
        refused(tls_ca_file=nowhere),
        refused(tls_ca_file=empty),
        refused(tls_cert_file=nowhere),
        refused(tls_cert_file=certificate, tls_key_file=nowhere),
        refused(tls_cert_file=certificate, tls_key_file=other),
        refused(tls_cert_file=certificate, tls_key_file=key),
    ]

    assert lines == [
        f"{nowhere}: DANGOL_SASL_PASSWORD_FILE can't be used: No such file or directory",
        f"{empty}: DANGOL_SASL_PASSWORD_FILE can't be used: it is empty",
        f"{nowhere}: DANGOL_SASL_TOKEN_FILE can't be used: there is no such file",
        f"{nowhere}: DANGOL_TLS_CA_FILE can't be used: No such file or directory",
        f"{empty}: DANGOL_TLS_CA_FILE can't be used: it holds no certificate in PEM",
        f"{nowhere}: DANGOL_TLS_CERT_FILE can't be used: No such file or directory",
        f"{nowhere}: DANGOL_TLS_KEY_FILE can't be used: No such file or directory",
        f"the key in {other} does not belong to the certificate in {certificate}",
        (
            f"{certificate} and {key} hold no certificate with its private key in PEM, or the password in "
            "DANGOL_TLS_KEY_PASSWORD_FILE is wrong"
        ),
    ]


def test_nothing_repeats_the_password(password: Path) -> None:
    """Neither `repr` nor `str` nor who we are shows it, wherever it came from."""
    login = {"sasl_mechanism": "PLAIN", "sasl_username": "ann"}
    for told in (env(sasl_password=SECRET, **login), env(sasl_password_file=password, **login)):
        connection = load(None, None, told)
        shown = f"{connection!r} {connection} {connection.who} {connection.credentials()!r}"

        assert connection.password() == SECRET
        assert SECRET not in shown


def test_a_login_without_encryption_is_warned_of() -> None:
    """It is possible, and said to be unsafe; with TLS nothing is said."""
    login = {"sasl_mechanism": "PLAIN", "sasl_username": "ann", "sasl_password": SECRET}
    warning = load(None, None, env(security_protocol="SASL_PLAINTEXT", **login)).warning

    assert warning == (
        "the login goes to 127.0.0.1:9092 without encryption; have the broker speak TLS and set "
        "DANGOL_SECURITY_PROTOCOL=SASL_SSL"
    )
    assert load(None, None, env(**login)).warning is None
