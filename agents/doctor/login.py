"""Login: whether what is said to the broker is kept secret, and what it lets us do."""

from __future__ import annotations

import ipaddress
import ssl
import stat
import time
from collections.abc import Iterator

from aiokafka.errors import KafkaError

from agents import access
from agents.connection import Connection
from agents.doctor.check import Check, Patient, untold
from agents.handshake import certificate_of
from agents.topic_view import TopicView
from schemas.errors import AccessError

CERTIFICATE_DAYS = 14
"""Below so many days a broker's certificate is about to expire; renewing takes days in many places."""


def check_secrecy(connection: Connection) -> Iterator[Check]:
    """Whether what is said, and what it is said with, stays between us and the broker."""
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


async def check_certificate(connection: Connection) -> list[Check]:
    """For how long the broker's certificate is valid; nothing where it shows none."""
    if not connection.encrypted:
        return []
    try:
        told = await certificate_of(connection)
    except (OSError, EOFError, TimeoutError) as error:
        return [untold("certificate", "until when the broker's certificate is valid", error)]
    days = (ssl.cert_time_to_seconds(told["notAfter"]) - time.time()) / 86_400
    message = f"the broker's certificate is valid for {days:.0f} more days"
    if days < CERTIFICATE_DAYS:
        return [Check("certificate", "warning", f"{message}; have it renewed")]
    return [Check("certificate", "ok", message)]


async def check_rights(patient: Patient, views: dict[str, TopicView | None]) -> list[Check]:
    """Whether a worker is allowed what it needs."""
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
            checks.append(untold("rights", what, error))
    found = [lack.message(connection) for lack in lacks if lack is not None]
    checks += [Check("rights", "problem", message, AccessError.exit_code) for message in found]
    if any(shown is not None and shown.allowed is None for shown in views.values()) or not views:
        checks.append(Check("rights", "untold", "the broker does not tell what we may do with topics"))
    return checks or [Check("rights", "ok", "a worker is allowed what it needs")]


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
