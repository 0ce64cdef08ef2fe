"""Connection: where the broker is, how we speak to it, and who we are; for every client that dangol makes.

Settings come from the environment or from a TOML file, the environment first. Secrets are in files of their
own that are named there, and are read anew whenever a client is made; none of them is ever an argument of
a command, part of a message or of a `repr`.
"""

from __future__ import annotations

import difflib
import ssl
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from schemas.errors import InputError

DEFAULT_BOOTSTRAP = "127.0.0.1:9092"
"""Where a broker is looked for unless told otherwise."""

PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
"""How Kafka calls the four ways to speak: with TLS (`SSL`) or without, with a login (`SASL`) or without."""

PASSWORD_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
MECHANISMS = (*PASSWORD_MECHANISMS, "OAUTHBEARER")
"""How we can say who we are."""

ENVIRONMENT = "DANGOL_"
"""What the name of a setting begins with in the environment."""

MAX_SECRET_BYTES = 64 * 1024
"""Largest file with a password: real ones are short, and a file named by mistake may be anything."""


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach a broker; the names of the attributes are those of the settings.

    Attributes:
        bootstrap: addresses to begin with, `host:port`, separated by commas.
        security_protocol: one of `PROTOCOLS`; left out, what the other settings ask for, always with TLS.
        sasl_mechanism: one of `MECHANISMS`; left out, no login.
        sasl_username: who we are, for a mechanism with a password.
        sasl_password: the password itself, from the environment only.
        sasl_password_file: the file that holds the password.
        sasl_token_file: the file that holds the token of OAUTHBEARER; read at every connection.
        tls_ca_file: authorities whose signature we trust, in PEM; left out, those of the system.
        tls_cert_file: our certificate, with those between it and the authority, in PEM; for mutual TLS.
        tls_key_file: its private key in PEM; left out, it stands in the certificate's file.
        tls_key_password_file: the file that holds the private key's password.

    Raises:
        InputError: the settings contradict each other, or one is missing.

    >>> Connection("kafka:9092").security_protocol
    'PLAINTEXT'
    >>> Connection("kafka:9093", tls_ca_file=Path("ca.pem")).security_protocol
    'SSL'
    """

    bootstrap: str = DEFAULT_BOOTSTRAP
    security_protocol: str = ""
    sasl_mechanism: str = ""
    sasl_username: str = ""
    sasl_password: str = field(default="", repr=False)
    sasl_password_file: Path | None = None
    sasl_token_file: Path | None = None
    tls_ca_file: Path | None = None
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None
    tls_key_password_file: Path | None = None

    def __post_init__(self) -> None:
        protocol, mechanism = self.security_protocol.upper(), self.sasl_mechanism.upper()
        if not protocol:
            tls = any((self.tls_ca_file, self.tls_cert_file))
            protocol = "SASL_SSL" if mechanism else "SSL" if tls else "PLAINTEXT"
        object.__setattr__(self, "security_protocol", protocol)
        object.__setattr__(self, "sasl_mechanism", mechanism)
        if fault := self._fault():
            raise InputError(fault)

    def __str__(self) -> str:
        """The addresses, which is how messages name a broker."""
        return self.bootstrap

    @property
    def encrypted(self) -> bool:
        """Whether we speak TLS."""
        return self.security_protocol.endswith("SSL")

    @property
    def logs_in(self) -> bool:
        """Whether we say who we are by a mechanism."""
        return self.security_protocol.startswith("SASL_")

    @property
    def addresses(self) -> list[str]:
        """The addresses to begin with, one by one."""
        return [address for each in self.bootstrap.split(",") if (address := each.strip())]

    @property
    def who(self) -> str:
        """Who we are to the broker, for messages.

        >>> Connection("kafka:9092").who
        'anonymous, as there is no login'
        """
        if self.logs_in:
            named = f"user {self.sasl_username!r}" if self.sasl_username else "whom the token names"
            return f"{named} by {self.sasl_mechanism}"
        if self.tls_cert_file is not None:
            return f"whom {self.tls_cert_file} names"
        return "anonymous, as there is no login"

    @property
    def warning(self) -> str | None:
        """What is unsafe about these settings, in one line; None if nothing is."""
        if self.logs_in and not self.encrypted:
            what = "the token goes" if self.sasl_mechanism == "OAUTHBEARER" else "the login goes"
            return (
                f"{what} to {self.bootstrap} without encryption; have the broker speak TLS and set "
                f"{ENVIRONMENT}SECURITY_PROTOCOL=SASL_SSL"
            )
        return None

    @property
    def files(self) -> dict[str, Path]:
        """The files that are read when a client is made, by the name of their setting."""
        named = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: path for name, path in named.items() if isinstance(path, Path)}

    def stamp(self) -> tuple[tuple[int, ...], ...]:
        """Changes when a file was renewed that is read only when a client is made."""
        stamps = []
        for name, path in self.files.items():
            # The token's is read at every connection.
            if name != "sasl_token_file" and path.exists():
                told = path.stat()
                stamps.append((told.st_mtime_ns, told.st_ino, told.st_size))
        return tuple(stamps)

    def options(self) -> dict[str, Any]:
        """What every client of aiokafka is given, with the secrets as they stand in their files now.

        Raises:
            InputError: a file can't be read, or holds something else.
        """
        options: dict[str, Any] = {
            "bootstrap_servers": self.addresses,
            "security_protocol": self.security_protocol,
        }
        if self.encrypted:
            options["ssl_context"] = self.tls()
        if self.logs_in:
            options["sasl_mechanism"] = self.sasl_mechanism
        if self.logs_in and self.sasl_mechanism in PASSWORD_MECHANISMS:
            options |= {"sasl_plain_username": self.sasl_username, "sasl_plain_password": self.password()}
        if self.logs_in and self.sasl_token_file is not None:
            # Here, so that `--help` need not wait for aiokafka.
            from agents.token_file import TokenFile  # noqa: PLC0415

            if not self.sasl_token_file.exists():
                raise InputError(
                    _unreadable("sasl_token_file", self.sasl_token_file, "there is no such file")
                )
            options["sasl_oauth_token_provider"] = TokenFile(self.sasl_token_file)
        return options

    def credentials(self) -> Any:
        """The same for Faust: its credentials, or None where there is neither TLS nor a login.

        Raises:
            InputError: as `options`.
        """
        import faust  # noqa: PLC0415 - only a worker needs it, and it takes its time
        from faust.auth import OAuthCredentials  # noqa: PLC0415

        options = self.options()
        context = options.get("ssl_context")
        if provider := options.get("sasl_oauth_token_provider"):
            return OAuthCredentials(oauth_cb=provider, ssl_context=context)
        if self.logs_in:
            return faust.SASLCredentials(
                username=options["sasl_plain_username"],
                password=options["sasl_plain_password"],
                mechanism=self.sasl_mechanism,
                ssl_context=context,
            )
        return None if context is None else faust.SSLCredentials(context=context)

    def password(self) -> str:
        """The password of a mechanism that has one.

        Raises:
            InputError: its file can't be read or holds none.
        """
        if self.sasl_password_file is None:
            return self.sasl_password
        return _secret("sasl_password_file", self.sasl_password_file)

    def tls(self) -> ssl.SSLContext:
        """TLS 1.2 or newer, which checks the broker's certificate and that it is for the name we asked for.

        Raises:
            InputError: a file can't be read or is no certificate or key.
        """
        try:
            context = ssl.create_default_context(cafile=self.tls_ca_file)
        except (OSError, ValueError) as error:
            assert self.tls_ca_file is not None
            raise InputError(_unreadable("tls_ca_file", self.tls_ca_file, _why(error))) from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.check_hostname = True
        if self.tls_cert_file is not None:
            locked = self.tls_key_password_file
            # Never asked at the terminal: a worker has none.
            password = "" if locked is None else _secret("tls_key_password_file", locked)
            try:
                context.load_cert_chain(self.tls_cert_file, self.tls_key_file, lambda: password)
            except (OSError, ValueError) as error:
                raise InputError(self._bad_certificate(error)) from None
        return context

    def _bad_certificate(self, error: Exception) -> str:
        assert self.tls_cert_file is not None
        certificate, key = self.tls_cert_file, self.tls_key_file or self.tls_cert_file
        if not isinstance(error, ssl.SSLError):
            missing = certificate if not certificate.is_file() else key
            name = "tls_cert_file" if missing == certificate else "tls_key_file"
            return _unreadable(name, missing, _why(error))
        if "MISMATCH" in str(error):
            return f"the key in {key} does not belong to the certificate in {certificate}"
        return (
            f"{certificate} and {key} hold no certificate with its private key in PEM, or the password in "
            f"{_env('tls_key_password_file')} is wrong"
        )

    def _fault(self) -> str | None:
        """What can't be about the settings, in one line."""
        if not self.addresses:
            return f"{_env('bootstrap')} names no broker; write host:port, as {DEFAULT_BOOTSTRAP}"
        return (
            _unknown("security_protocol", self.security_protocol, PROTOCOLS)
            or _unknown("sasl_mechanism", self.sasl_mechanism or MECHANISMS[0], MECHANISMS)
            or self._fault_of_tls()
            or self._fault_of_login()
        )

    def _fault_of_tls(self) -> str | None:
        told = [name for name in self.files if name.startswith("tls_")]
        if told and not self.encrypted:
            todo = f"set {_env('security_protocol')} to {self.security_protocol.replace('PLAINTEXT', 'SSL')}"
            return f"{_env(told[0])} is about TLS, and {self.security_protocol} is without; {todo}"
        if self.tls_cert_file is None and (self.tls_key_file or self.tls_key_password_file):
            return f"there is a key without a certificate; set {_env('tls_cert_file')} as well"
        return None

    def _fault_of_login(self) -> str | None:
        protocol, mechanism = self.security_protocol, self.sasl_mechanism
        has_password = bool(self.sasl_password or self.sasl_password_file)
        choose = f"set {_env('sasl_mechanism')} to one of {', '.join(MECHANISMS)}"
        fault = None
        if mechanism and not self.logs_in:
            todo = f"set {_env('security_protocol')} to SASL_SSL, or leave it out"
            fault = f"{mechanism} is a login, and {protocol} has none; {todo}"
        elif self.logs_in and not mechanism:
            fault = f"{protocol} needs a login; {choose}"
        elif not mechanism and (self.sasl_username or has_password or self.sasl_token_file):
            fault = f"there is a login, but no way to say it; {choose}"
        elif self.sasl_password and self.sasl_password_file:
            both = f"{_env('sasl_password')} and {_env('sasl_password_file')}"
            fault = f"the password is told twice, by {both}; leave one out"
        elif mechanism in PASSWORD_MECHANISMS and not (self.sasl_username and has_password):
            missing = "sasl_password_file" if self.sasl_username else "sasl_username"
            fault = f"{mechanism} needs a user name and a password; set {_env(missing)}"
        elif mechanism == "OAUTHBEARER" and self.sasl_token_file is None:
            fault = f"{mechanism} needs a token; set {_env('sasl_token_file')} to the file that holds it"
        return fault


Broker = Connection | str
"""A connection, or the bare address of a broker that wants neither encryption nor a login."""


def connection_to(broker: Broker) -> Connection:
    """The connection to a broker that may be named by its address alone.

    >>> connection_to("kafka:9092").bootstrap
    'kafka:9092'
    """
    return Connection(broker) if isinstance(broker, str) else broker


def load(bootstrap: str | None, file: Path | None, environment: Mapping[str, str]) -> Connection:
    """The connection that the user described.

    Args:
        bootstrap: the address; goes before what file and environment say.
        file: a TOML file with settings by the names of `Connection`'s attributes; paths are relative to it.
        environment: the environment; what it says goes before the file.

    Raises:
        InputError: a setting is unknown or can't be, or the settings contradict each other.

    >>> load(None, None, {"DANGOL_BOOTSTRAP": "kafka:9092"}).bootstrap
    'kafka:9092'
    """
    values: dict[str, str] = {} if file is None else _read(file)
    for name in _NAMES:
        # An empty variable is none: orchestrators set those they have no value for.
        if told := environment.get(_env(name), "").strip():
            values[name] = told
    if bootstrap:
        values["bootstrap"] = bootstrap
    settings: dict[str, Any] = {
        name: Path(told) if name.endswith("_file") else told for name, told in values.items()
    }
    return Connection(**settings)


def _read(file: Path) -> dict[str, str]:
    """The settings in a file, with its paths as they are seen from here."""
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: the connection's settings can't be read: {_why(error)}") from None
    for name, told in content.items():
        if name not in _NAMES:
            raise InputError(f"{file}: there is no setting `{name}`{_near(name, _NAMES)}")
        if name == "sasl_password":
            raise InputError(
                f"{file}: a password has a file of its own; put it there and name that by sasl_password_file"
            )
        if not isinstance(told, str) or not told:
            raise InputError(f"{file}: `{name}` is no text; write it in quotation marks")
    return {
        name: str(file.parent / Path(told).expanduser()) if name.endswith("_file") else told
        for name, told in content.items()
    }


def _secret(name: str, path: Path) -> str:
    """What a file with a secret holds, without the line's end that editors leave there."""
    try:
        with path.open("rb") as file:
            said = file.read(MAX_SECRET_BYTES + 1)
        secret = said.decode().rstrip("\r\n")
    except OSError as error:
        raise InputError(_unreadable(name, path, _why(error))) from None
    except UnicodeDecodeError:
        raise InputError(_unreadable(name, path, "it is no text in UTF-8")) from None
    if not secret or len(said) > MAX_SECRET_BYTES:
        raise InputError(_unreadable(name, path, "it is empty" if not secret else "it is too large"))
    return secret


def _unreadable(name: str, path: Path, why: str) -> str:
    return f"{path}: {_env(name)} can't be used: {why}"


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return "it holds no certificate in PEM"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error)


def _env(name: str) -> str:
    return f"{ENVIRONMENT}{name.upper()}"


def _unknown(name: str, said: str, known: tuple[str, ...]) -> str | None:
    if said in known:
        return None
    return f"{_env(name)}={said} is none of {', '.join(known)}{_near(said, known)}"


def _near(said: str, known: tuple[str, ...]) -> str:
    found = difflib.get_close_matches(said, known, 1, 0.5)
    return f"; did you mean {found[0]}?" if found else ""


_NAMES = tuple(each.name for each in fields(Connection))
