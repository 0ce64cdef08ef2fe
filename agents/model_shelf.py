"""Model shelf: the learned models that stand on their topic, and which of them people put in force."""

from __future__ import annotations

from dataclasses import dataclass

from aiokafka.errors import KafkaError

from agents import models
from agents.connection import Broker, connection_to
from agents.producer import start_producer
from agents.shelf import ANSWER_SECONDS, Shelf, failure, fetch
from schemas.edition import CURRENT, PARTITION
from schemas.errors import InputError
from schemas.model import CHALLENGER, Model
from schemas.topics import Topics


@dataclass(frozen=True, slots=True)
class Chosen:
    """What was put in force.

    Attributes:
        version: what is in force now.
        kind: of its scorer.
        before: what was before.
    """

    version: str
    kind: str
    before: str


async def promote(broker: Broker, names: Topics) -> Chosen:
    """Put the challenger in force; what was in force goes on in its shadow.

    Raises:
        InputError: there is no challenger, or it can't be used.
        BrokerError: the broker can't be reached, or refuses us (`AccessError`).
        TopicError: the topic is missing.
    """
    shelf = await fetch(broker, names, names.models)
    if shelf.challenger is None or shelf.challenger == shelf.current:
        raise InputError(
            f"nothing on {names.models} is a challenger: start the trainer with --challenger, and wait until "
            "it has published one"
        )
    chosen = _chosen(shelf, shelf.challenger, names.models)
    await _write(broker, names, {CURRENT: chosen.version, CHALLENGER: chosen.before})
    return chosen


async def rollback(broker: Broker, names: Topics, version: str) -> Chosen:
    """Put an earlier model in force.

    Raises:
        InputError: it is not on the topic, in force already, or can't be used.
        BrokerError: the broker can't be reached, or refuses us (`AccessError`).
        TopicError: the topic is missing.
    """
    shelf = await fetch(broker, names, names.models)
    if version == shelf.current:
        raise InputError(f"{version} is in force already")
    chosen = _chosen(shelf, version, names.models)
    await _write(broker, names, {CURRENT: version})
    return chosen


def in_force(shelf: Shelf, topic: str) -> Model:
    """The model in force.

    Raises:
        InputError: there is none, or it can't be read.
    """
    if shelf.current is None:
        raise InputError(
            f"no model is on {topic}: workers score by the one that ships; start `dangol trainer`"
        )
    return models.read(shelf, shelf.current, topic)


def _chosen(shelf: Shelf, version: str, topic: str) -> Chosen:
    """What is to be put in force, if workers can use it.

    Raises:
        InputError: they can't, it is not there, or none is in force.
    """
    before = in_force(shelf, topic)
    shelf.named(version, topic)
    model = models.read(shelf, version, topic)
    models.learned(shelf, version, topic)
    if model.horizon_s != before.horizon_s:
        days, wanted = model.horizon_s / 86_400, before.horizon_s / 86_400
        raise InputError(f"{version} was learned for {days:g} days, and what is in force for {wanted:g}")
    return Chosen(version, model.kind, before.version)


async def _write(broker: Broker, names: Topics, pointers: dict[bytes, str]) -> None:
    connection = connection_to(broker)
    try:
        producer = await start_producer(
            connection, "dangol-model", request_timeout_ms=int(ANSWER_SECONDS * 1000)
        )
        try:
            # In one batch, so that nobody sees one without the other.
            batch = producer.create_batch()
            for key, version in pointers.items():
                batch.append(key=key, value=version.encode(), timestamp=None)
            await (await producer.send_batch(batch, names.models, partition=PARTITION))
        finally:
            await producer.stop()
    except (KafkaError, OSError, TimeoutError) as error:
        raise failure(connection, error, f"write to {names.models}") from None
