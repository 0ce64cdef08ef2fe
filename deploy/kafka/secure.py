"""An Apache Kafka with TLS, logins and access control lists: what security is tested on."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

from aiokafka.conn import create_conn
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest

from deploy.broker import HOST, PAUSE_SECONDS, free_port
from deploy.kafka.certificates import Authority
from deploy.kafka.server import KafkaServer
from schemas.errors import BrokerError
from schemas.rights import OPERATIONS, Kind, Right

USER = "dangol"
"""A user with a password, and with the rights that `allow` gives."""

PASSWORD = "seoul-4711"  # noqa: S105 - a password for tests
"""The password of both users; they live as long as the test."""

STRANGER = "stranger"
"""A user with a password and without rights."""

_SETTLE_SECONDS = 10.0
"""How long a broker may take to know what its controller has written; seen: milliseconds."""

_NUMBERS = {name: number for number, name in OPERATIONS.items()}
_KINDS = {"topic": 2, "group": 3, "transactional-id": 5}
_PATTERNS = {"literal": 3, "prefixed": 4}
_ANY, _ALLOW = 1, 3


class SecureKafkaServer(KafkaServer):
    """Apache Kafka whose access control lists allow nothing to anybody, but for what `allow` adds.

    `bootstrap` is a listener without TLS or login on which everyone may do everything: for setting up, and
    for trying what a client with TLS makes of it. The other listeners are `login` (TLS, and PLAIN,
    SCRAM-SHA-256, SCRAM-SHA-512 or an unsigned token of OAUTHBEARER), `login_open` (the same without TLS)
    and `mutual` (TLS with certificates on both sides).

    Args:
        data: the folder for its data, its certificates and its log.
        hosts: what the broker's certificate is for.
        lasts: for how long from now; below zero it has expired.

    Attributes:
        authority: who signed the broker's certificate, and signs those of clients.
    """

    def __init__(
        self,
        data: Path,
        hosts: Iterable[str] = (HOST, "localhost"),
        lasts: dt.timedelta = dt.timedelta(days=1),
    ) -> None:
        super().__init__(None, data)
        self.authority = Authority(data / "certificates")
        self._certificate = self.authority.issue("broker", *hosts, lasts=lasts)
        self._ports = {"LOGIN": 0, "LOGINOPEN": 0, "MUTUAL": 0}

    @property
    def login(self) -> str:
        """The address for TLS with a login."""
        return f"{HOST}:{self._ports['LOGIN']}"

    @property
    def login_open(self) -> str:
        """The address for a login without TLS."""
        return f"{HOST}:{self._ports['LOGINOPEN']}"

    @property
    def mutual(self) -> str:
        """The address for TLS with certificates on both sides."""
        return f"{HOST}:{self._ports['MUTUAL']}"

    @property
    def format_options(self) -> list[str]:
        """The users with their passwords, for both kinds of SCRAM."""
        return [
            f"--add-scram={mechanism}=[name={name},password={PASSWORD}]"
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
            for name in (USER, STRANGER)
        ]

    def own_settings(self, data: Path) -> dict[str, str]:
        """Listeners, certificates, logins and access control."""
        own = super().own_settings(data)
        self._ports = {name: port or free_port() for name, port in self._ports.items()}
        certificate, key = (file.read_text().replace("\n", "\\n") for file in self._certificate)
        trusted = self.authority.certificate.read_text().replace("\n", "\\n")
        protocols = {"LOGIN": "SASL_SSL", "LOGINOPEN": "SASL_PLAINTEXT", "MUTUAL": "SSL"}
        more = "".join(f",{name}://{HOST}:{port}" for name, port in self._ports.items())
        security = "org.apache.kafka.common.security"
        own |= {
            "listeners": own["listeners"] + more,
            "advertised.listeners": own["advertised.listeners"] + more,
            "listener.security.protocol.map": own["listener.security.protocol.map"]
            + "".join(f",{name}:{protocol}" for name, protocol in protocols.items()),
            "inter.broker.listener.name": "PLAINTEXT",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.certificate.chain": certificate,
            "ssl.keystore.key": key,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.certificates": trusted,
            "listener.name.mutual.ssl.client.auth": "required",
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            # Broker and controller are one process without a login, and so is whoever sets up.
            "super.users": "User:ANONYMOUS",
        }
        for listener in ("login", "loginopen"):
            jaas = f"listener.name.{listener}.%s.sasl.jaas.config"
            own[jaas % "plain"] = (
                f"{security}.plain.PlainLoginModule required "
                f'user_{USER}="{PASSWORD}" user_{STRANGER}="{PASSWORD}";'
            )
            for mechanism in ("scram-sha-256", "scram-sha-512"):
                own[jaas % mechanism] = f"{security}.scram.ScramLoginModule required;"
            own[jaas % "oauthbearer"] = f"{security}.oauthbearer.OAuthBearerLoginModule required;"
        return own

    def allow(self, user: str, rights: Collection[Right]) -> None:
        """Add to what a user may do.

        Args:
            user: the name, or of a certificate `CN=name`.
            rights: what is to be allowed.

        Raises:
            BrokerError: the broker refuses.
        """
        requests = [
            CreateAclsRequest(
                _KINDS[right.kind],
                right.name,
                _PATTERNS[right.pattern],
                f"User:{user}",
                "*",
                _NUMBERS[operation],
                _ALLOW,
            )
            for right in rights
            for operation in right.operations
        ]
        for answer in asyncio.run(self._send(requests)):
            for code, reason in answer.creation_responses:
                if code:
                    raise BrokerError(f"{self.title} does not take an access control entry: {reason}")
        wanted = {
            (_KINDS[right.kind], right.name, _NUMBERS[op]) for right in rights for op in right.operations
        }
        self._await(lambda: wanted <= self._entries(user))

    def take_back(self, user: str, kind: Kind | None = None) -> None:
        """Take back what a user may do.

        Args:
            user: as for `allow`.
            kind: only what is about this kind of thing; None: all.
        """
        what = _ANY if kind is None else _KINDS[kind]
        asyncio.run(self._send([DeleteAclsRequest(what, None, _ANY, f"User:{user}", None, _ANY, _ANY)]))
        self._await(lambda: not any(what in {each, _ANY} for each, _, _ in self._entries(user)))

    def _entries(self, user: str) -> set[tuple[int, str, int]]:
        """What a user may do, as the broker has it: kind, name and operation."""
        question = DescribeAclsRequest(_ANY, None, _ANY, f"User:{user}", None, _ANY, _ANY)
        (answer,) = asyncio.run(self._send([question]))
        return {(kind, name, entry[2]) for kind, name, _, entries in answer.resources for entry in entries}

    def _await(self, holds: Callable[[], bool]) -> None:
        """Wait until the broker knows what its controller has written: a moment later, as a rule."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        while not holds():
            if time.monotonic() > deadline:
                raise BrokerError(f"{self.title} does not take over access control entries")
            time.sleep(PAUSE_SECONDS)

    async def _send(self, requests: Iterable[Any]) -> list[Any]:
        connected = await create_conn(HOST, self.port)
        try:
            return [await connected.send(request) for request in requests]
        finally:
            await connected.close()
