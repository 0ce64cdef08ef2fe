"""Examination: everything that is looked at, in order."""

from __future__ import annotations

import time

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from agents import shelf
from agents import topics as admin
from agents.doctor.check import Check, Patient, problem, untold
from agents.doctor.durability import check_brokers, check_durability, check_topics
from agents.doctor.host import check_state
from agents.doctor.login import check_certificate, check_rights, check_secrecy
from agents.doctor.progress import check_group, check_progress
from agents.handshake import trouble
from agents.topic_view import view
from schemas.edition import CURRENT
from schemas.errors import DangolError, InputError, TopicError


async def examine(patient: Patient) -> list[Check]:
    """Look at everything; what can't be looked at because of a problem before it is left out.

    Raises:
        InputError: the broker's address is none, or a file of the connection can't be used.
    """
    checks = [*check_secrecy(patient.connection), *check_state(patient)]
    began = time.monotonic()
    found = await trouble(patient.connection)
    if found is not None:
        return [*checks, problem("broker", found)]
    took = time.monotonic() - began
    connection = patient.connection
    checks.append(
        Check("broker", "ok", f"{connection} answers after {took * 1000:.0f} ms; we are {connection.who}")
    )
    checks += await check_certificate(connection)
    try:
        async with admin.admin_of(connection) as client:
            checks += await _on_the_broker(patient, client)
    except DangolError as error:
        checks.append(problem("broker", error))
    except (KafkaError, OSError, TimeoutError, NotImplementedError) as error:
        checks.append(untold("broker", "the rest", error))
    return checks


async def _on_the_broker(patient: Patient, client: AIOKafkaAdminClient) -> list[Check]:
    names = [spec.name for spec in patient.topics.specs]
    try:
        views = await view(patient.connection, names)
    except NotImplementedError:
        views = {}
    checks = await check_rights(patient, {name: views[name] for name in names if name in views})
    seen = {name: views.get(name) for name in names}
    there = {name: shown for name, shown in seen.items() if shown is not None and shown.partitions}
    checks += await check_group(patient)
    # What may not be seen was told among the rights.
    checks += await check_topics(patient, rights_are_told=bool(views))
    try:
        settings = await admin.settings_of(client, list(there))
    except (KafkaError, TopicError) as error:
        settings, more = {}, [untold("durability", "the topics' settings", error)]
        checks += more
    checks += list(check_durability(there, settings, patient.topics))
    checks += await check_brokers(client)
    checks += await check_progress(patient, client, there)
    if patient.topics.playbooks in there:
        checks.append(await _playbook(patient))
    return checks


async def _playbook(patient: Patient) -> Check:
    """Whether what is in force can be used by this program."""
    topic = patient.topics.playbooks
    try:
        found = await shelf.fetch(patient.connection, patient.topics)
    except DangolError as error:
        return untold("playbook", "what is in force", error)
    if found.current is None:
        what = "none was applied: workers without --playbook decide by the hotel's"
        return Check("playbook", "ok", what)
    try:
        shelf.playbook_of(found.named(CURRENT.decode(), topic), topic)
    except InputError as error:
        what = " ".join(str(error).split())
        return Check("playbook", "warning", f"{what}; workers go on by the one before: apply another")
    return Check("playbook", "ok", f"{found.current} is in force")
