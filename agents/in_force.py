"""In force: the playbook and the model that workers decide by, for commands with an engine of their own."""

from __future__ import annotations

from collections.abc import Callable

from agents.connection import Connection
from agents.models import learned
from agents.shelf import decides, fetch
from schemas.duration import millis_of
from schemas.errors import InputError
from schemas.topics import Topics
from stream.churn import models
from stream.engine import Engine


async def engine_in_force(
    connection: Connection,
    topics: Topics,
    given: Engine,
    *,
    is_playbook_given: bool,
    is_model_given: bool,
    warn: Callable[[str], None],
) -> Engine:
    """An engine with the playbook and the model in force, but for those that were given.

    As on a worker, a learned model counts where the playbook has the churn risk learned, by the same horizon.

    Args:
        connection: how to reach the broker.
        topics: the topics of the deployment.
        given: the engine with the playbook and the model that were given, or ship.
        is_playbook_given: whether its playbook is to stay.
        is_model_given: whether its model is to stay.
        warn: told where the model on the topic can't be used, so that the one that ships is.

    Raises:
        InputError: the broker's address or a file of the connection can't be used.
        BrokerError: the broker can't be reached, or refuses us (`AccessError`).
        TopicError: a topic is missing, or not compacted.
    """
    engine = given
    if not is_playbook_given:
        playbook = decides(await fetch(connection, topics), topics.playbooks)
        if playbook is not None:
            engine = Engine(playbook, models.load(given.model), given.model)
    churn = engine.playbook.churn
    if is_model_given or churn is None:
        return engine
    shelf = await fetch(connection, topics, topics.models)
    if shelf.current is None:
        return engine
    try:
        model = learned(shelf, shelf.current, topics.models)
    except InputError as error:
        warn(f"{error}; risks are those of {engine.model}")
        return engine
    if model.horizon_s * 1000 != millis_of(churn.horizon):
        return engine
    return engine.scored_by(model.scorer, model.version)
