"""Handshake: why a broker and we don't come together, in one line that says what to do.

aiokafka tells whoever uses it only that it could not connect. So when that happened the same is tried once
more here, step by step: reach the address, speak TLS, log in, ask for the brokers.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from typing import Any

from aiokafka import errors
from aiokafka.conn import collect_hosts, create_conn
from aiokafka.protocol.metadata import MetadataRequest

from agents.connection import Connection
from schemas.errors import AccessError, BrokerError, DangolError, InputError

ASK_MS = 10_000
"""How long one question may take, in ms."""

STEP_SECONDS = 5.0
"""How long a step may take: a broker that is well takes milliseconds, a login a tenth of a second."""

HANG_UPS = 3
HANG_UP_SECONDS = 0.5
"""How often a broker has to hang up on us until that means something, and the pause in between."""

_NO_NAME = {62: "name", 64: "address"}
"""Codes of OpenSSL: the certificate is in order, but for another host."""

_UNTRUSTED = {2, 7, 18, 19, 20, 21}
"""Codes of OpenSSL: nobody whom we trust has signed the certificate; 7 is one of the same name."""

_EXPIRED, _NOT_YET = 10, 9
"""Codes of OpenSSL: the certificate's time is over, or is still to come."""

DENIED = (
    errors.TopicAuthorizationFailedError,
    errors.GroupAuthorizationFailedError,
    errors.ClusterAuthorizationFailedError,
    errors.TransactionalIdAuthorizationFailed,
)
"""What aiokafka raises when an access control list says no."""


async def trouble(connection: Connection) -> DangolError | None:
    """Why the broker can't be spoken to; None if it can.

    Raises:
        InputError: an address is none, or a file of the connection can't be used.

    Returns:
        An `AccessError` where the broker is there and refuses us, else a `BrokerError`.
    """
    try:
        hosts = collect_hosts(connection.addresses)
    except ValueError:
        wanted = "write host:port, as 127.0.0.1:9092"
        raise InputError(f"{connection.bootstrap!r} is no broker address; {wanted}") from None
    options = connection.options()
    del options["bootstrap_servers"]
    found: DangolError | None = None
    for host, port, _ in hosts:
        try:
            await asyncio.wait_for(_greet(host, port, options), STEP_SECONDS)
        except (errors.KafkaError, OSError, EOFError, TimeoutError, ValueError) as error:
            reason = await _reason(connection, host, port, error)
            # A refusal says more than an address where nobody answers.
            if found is None or isinstance(reason, AccessError):
                found = reason
        else:
            return None
    return found


def denial(connection: Connection, error: BaseException, what: str) -> AccessError | None:
    """An access control list said no, in one line; None if the error is another one.

    Args:
        connection: whose rights were too few.
        error: what aiokafka raised.
        what: what was asked for, such as `read topic cx.profiles.v1`.
    """
    if not isinstance(error, DENIED):
        return None
    return AccessError(
        f"the broker at {connection.bootstrap} does not let us {what}; we are {connection.who}; "
        "have it allowed by kafka-acls --add, or see what is missing with: dangol doctor"
    )


@contextlib.asynccontextmanager
async def opened(connection: Connection, host: str = "", port: int = 0) -> AsyncIterator[Any]:
    """A bare connection to a broker, for questions that aiokafka's clients don't ask.

    Args:
        connection: how to reach the broker.
        host: which one; empty for the first of the addresses that answers.
        port: its port.

    Raises:
        InputError: a file of the connection can't be used.
        KafkaError: none can be reached.
        OSError: none can be reached.
    """
    options = connection.options()
    hosts = collect_hosts(options.pop("bootstrap_servers"))
    bare = None
    for each, number, *_ in [(host, port)] if host else hosts:
        try:
            bare = await create_conn(
                each, number, client_id="dangol-ask", request_timeout_ms=ASK_MS, **options
            )
            break
        except (errors.KafkaError, OSError, TimeoutError) as error:
            failure: BaseException = error
    if bare is None:
        raise failure
    try:
        yield bare
    finally:
        bare.close()


async def certificate_of(connection: Connection) -> dict[str, Any]:
    """What the broker's certificate says, in the words of Python's `ssl`; of the first address that answers.

    Raises:
        OSError: nobody speaks TLS that we trust at any address.
        TimeoutError: nobody does in time.
    """
    failure: BaseException = ConnectionError("there is no address")
    for host, port, _ in collect_hosts(connection.addresses):
        try:
            opening = asyncio.open_connection(host, port, ssl=connection.tls())
            _, writer = await asyncio.wait_for(opening, STEP_SECONDS)
        except (OSError, TimeoutError) as error:
            failure = error
            continue
        told: dict[str, Any] = writer.get_extra_info("peercert")
        writer.close()
        return told
    raise failure


async def _greet(host: str, port: int, options: dict[str, Any]) -> None:
    """Connect, log in, and ask something: without a login where one is wanted, only the question fails."""
    connected = await create_conn(
        host, port, client_id="dangol-hello", request_timeout_ms=int(STEP_SECONDS * 1000), **options
    )
    try:
        told: Any = await connected.send(MetadataRequest([]))
        # How Apache Kafka answers after a token that it does not take: aiokafka passes over that it said so.
        if not told.brokers and options["security_protocol"].startswith("SASL_"):
            raise errors.AuthenticationFailedError("it tells no brokers")
    finally:
        connected.close()


async def _reason(connection: Connection, host: str, port: int, error: BaseException) -> DangolError:
    """The error behind a failed greeting, told to someone who can do something about it."""
    if isinstance(error, OSError) and error.filename:
        return InputError(f"{error.filename}: DANGOL_SASL_TOKEN_FILE can't be used: {error.strerror}")
    at = f"{host}:{port}"
    tls = _tls_error(error)
    if isinstance(tls, ssl.SSLCertVerificationError):
        said: str | None = _of_certificate(connection, host, at, tls)
    elif isinstance(error, ConnectionRefusedError | socket.gaierror):
        said = None
    else:
        said = _of_login(connection, at, error) or await _of_language(connection, host, port)
        if said is None and tls is not None:
            said = _of_tls(connection, at, tls)
        elif said is None and not connection.logs_in and not isinstance(error, TimeoutError):
            said = await _of_silence(connection, host, port)
    return _nobody(connection) if said is None else AccessError(said)


def _tls_error(error: BaseException | None) -> ssl.SSLError | None:
    """The error of TLS behind an error, if there is one."""
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__
    return error


def _nobody(connection: Connection) -> BrokerError:
    todo = "start one with `dangol broker` or name another by --bootstrap"
    return BrokerError(f"no Kafka broker answers at {connection.bootstrap}; {todo}")


def _of_certificate(connection: Connection, host: str, at: str, error: ssl.SSLCertVerificationError) -> str:
    whose = f"the certificate of the broker at {at}"
    if error.verify_code in _NO_NAME:
        todo = f"connect by the name that it is for, or have it issued for {host} as well"
        return f"{whose} is not for the {_NO_NAME[error.verify_code]} {host}; {todo}"
    if error.verify_code in _UNTRUSTED:
        if connection.tls_ca_file is None:
            by, todo = (
                "by an authority of this system",
                "name the file of its own by DANGOL_TLS_CA_FILE",
            )
        else:
            by, todo = f"by an authority in {connection.tls_ca_file}", "put there the one that signed it"
        return f"{whose} is not signed {by}; {todo}"
    if error.verify_code == _EXPIRED:
        return f"{whose} has expired; have it renewed"
    if error.verify_code == _NOT_YET:
        return f"{whose} is not valid yet; look at the clocks of both sides"
    return f"{whose} can't be trusted: {error.verify_message}"


def _of_login(connection: Connection, at: str, error: BaseException) -> str | None:
    mechanism = connection.sasl_mechanism
    if isinstance(error, errors.SaslAuthenticationFailed | errors.AuthenticationFailedError):
        if mechanism == "OAUTHBEARER":
            todo = f"look at what {connection.sasl_token_file} holds: who issued it, for whom, until when"
            return f"the broker at {at} does not accept the token; {todo}"
        source = "DANGOL_SASL_PASSWORD" + ("_FILE" if connection.sasl_password_file else "")
        todo = f"look at DANGOL_SASL_USERNAME and {source}, and whether the user is one for {mechanism}"
        return f"the broker at {at} does not know {connection.who} with this password; {todo}"
    if isinstance(error, errors.UnsupportedSaslMechanismError):
        return f"the broker at {at} has no {mechanism}; set DANGOL_SASL_MECHANISM to one that it has"
    if isinstance(error, errors.IllegalSaslStateError):
        how = "SSL" if connection.encrypted else "PLAINTEXT"
        todo = f"use the port that does, or leave the login out and set DANGOL_SECURITY_PROTOCOL={how}"
        return f"the broker at {at} knows no login there; {todo}"
    return None


def _of_tls(connection: Connection, at: str, error: ssl.SSLError) -> str:
    reason = (error.reason or str(error)).replace("_", " ").lower()
    ours = connection.tls_cert_file
    about_us = "alert" in reason and any(
        word in reason for word in ("certificate", "unknown ca", "handshake")
    )
    if about_us and ours is None:
        todo = "set DANGOL_TLS_CERT_FILE and DANGOL_TLS_KEY_FILE"
        return f"the broker at {at} wants a certificate of ours; {todo}"
    if about_us:
        todo = "have it issued by an authority that the broker trusts, and look at whether it has expired"
        return f"the broker at {at} does not accept our certificate {ours} ({reason}); {todo}"
    if "protocol" in reason or "version" in reason:
        common = "and we have no version of TLS in common"
        return f"the broker at {at} {common} ({reason}); have it speak TLS 1.2 or 1.3"
    return f"the broker at {at} breaks TLS off ({reason}); look at its log"


async def _of_language(connection: Connection, host: str, port: int) -> str | None:
    """Whether one side speaks TLS and the other does not."""
    protocol = connection.security_protocol
    tls = await _speaks_tls(host, port)
    if tls and not connection.encrypted:
        other = protocol.replace("PLAINTEXT", "SSL")
        more = "" if connection.logs_in else ", or SASL_SSL with a login"
        todo = f"set DANGOL_SECURITY_PROTOCOL={other}{more}"
        return f"the broker at {host}:{port} speaks TLS and we do not; {todo}"
    if connection.encrypted and not tls and await _answers(host, port, Connection()):
        todo = (
            f"use the port that does, or set DANGOL_SECURITY_PROTOCOL={protocol.replace('SSL', 'PLAINTEXT')}"
        )
        return f"the broker at {host}:{port} speaks no TLS there; {todo}"
    return None


async def _of_silence(connection: Connection, host: str, port: int) -> str | None:
    """Whether it hangs up on us because we have not said who we are.

    A broker that is just starting or stopping hangs up too, but not again and again while it answers.
    """
    options = connection.options()
    del options["bootstrap_servers"]
    for _ in range(HANG_UPS):
        if not await _answers(host, port, connection):
            return None
        try:
            await asyncio.wait_for(_greet(host, port, options), STEP_SECONDS)
        except (errors.KafkaError, OSError, EOFError, TimeoutError, ValueError):
            await asyncio.sleep(HANG_UP_SECONDS)
        else:
            return None
    how = f"DANGOL_SECURITY_PROTOCOL=SASL_{connection.security_protocol}"
    return f"the broker at {host}:{port} wants a login; set {how}, DANGOL_SASL_MECHANISM and who we are"


async def _speaks_tls(host: str, port: int) -> bool:
    """Whether there is TLS at all; nothing is said to whoever it is, so nothing has to be checked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, port, ssl=context), STEP_SECONDS)
    except (OSError, EOFError, TimeoutError):
        return False
    writer.close()
    return True


async def _answers(host: str, port: int, connection: Connection) -> bool:
    """Whether a broker tells its versions there, which it does before anyone has logged in."""
    options: dict[str, Any] = {"security_protocol": "SSL" if connection.encrypted else "PLAINTEXT"}
    if connection.encrypted:
        options["ssl_context"] = connection.tls()
    try:
        connected = await asyncio.wait_for(
            create_conn(host, port, request_timeout_ms=int(STEP_SECONDS * 1000), **options), STEP_SECONDS
        )
    except (errors.KafkaError, OSError, EOFError, TimeoutError):
        return False
    connected.close()
    return True
