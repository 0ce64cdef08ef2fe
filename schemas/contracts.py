"""Contracts: JSON Schemas of what travels on the topics, made from the types that read and write it.

Titles and descriptions are the types' own docstrings, so that there is one place to say what a
field means.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from schemas.decision import DecisionEvent
from schemas.erasure import ErasureEvent
from schemas.example import ExampleEvent
from schemas.playbook import Playbook
from schemas.profile_record import ProfileRecord
from schemas.service_context import ServiceRecordEvent
from schemas.stage import StageEvent
from schemas.touchpoint import TouchpointEvent
from schemas.trigger import TriggerEvent

DIALECT = "https://json-schema.org/draft/2020-12/schema"

CONTRACTS: dict[str, type[msgspec.Struct]] = {
    "touchpoint": TouchpointEvent,
    "trigger": TriggerEvent,
    "decision": DecisionEvent,
    "stage": StageEvent,
    "service-context": ServiceRecordEvent,
    "erasure": ErasureEvent,
    "example": ExampleEvent,
    "profile": ProfileRecord,
    "playbook": Playbook,
}
"""The types that are described, by the name of their schema."""

DEAD_LETTER_HEADERS = {
    "kafka_dlt-original-topic": ("string", "Where the record was read."),
    "kafka_dlt-original-partition": ("integer", "Its partition there; on Kafka 4 bytes, big-endian."),
    "kafka_dlt-original-offset": ("integer", "Its offset there; on Kafka 8 bytes, big-endian."),
    "kafka_dlt-original-timestamp": ("integer", "Its Kafka timestamp in ms; on Kafka 8 bytes, big-endian."),
    "kafka_dlt-original-consumer-group": ("string", "The consumer group that gave it up."),
    "kafka_dlt-exception-message": ("string", "One line that says what is wrong, without personal data."),
    "cx-error-code": ("string", "Stable reason, such as `json-invalid`."),
    "cx-error-stage": ("string", "How far it came: `decode` or `step`."),
}
"""What the headers of a dead letter hold beside those that the record came with."""

_TIMES = ("time", "expirytime")
_ATTRIBUTES = re.compile(r"\n*^Attributes:\n((?:    .+\n?)+)", re.MULTILINE)
_ATTRIBUTE = re.compile(r"^    (\w+): (.+(?:\n     .+)*)", re.MULTILINE)


def json_schemas() -> dict[str, dict[str, Any]]:
    """A JSON Schema for each contract, by its name.

    >>> list(json_schemas())[:5]
    ['touchpoint', 'trigger', 'decision', 'stage', 'service-context']
    >>> json_schemas()["trigger"]["properties"]["causationid"]["description"]
    'id of the touchpoint that caused it, or of the timer that ran out.'
    """
    return {name: _schema(name, type_) for name, type_ in CONTRACTS.items()} | {"dead-letter": _dead_letter()}


def encode(schema: dict[str, Any]) -> bytes:
    """The schema as it stands in its file: indented, with a line end."""
    return msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n"


def _schema(name: str, type_: type[msgspec.Struct]) -> dict[str, Any]:
    (root,), components = msgspec.json.schema_components([type_], ref_template="#/$defs/{name}")
    own = components.pop(root["$ref"].rpartition("/")[2])
    _describe(own, _inherited(type_))
    types = {each.__name__: each for each in _structs(msgspec.inspect.type_info(type_))}
    for name_, component in components.items():
        _describe(component, _inherited(types[name_]) if name_ in types else {})
    head = {"$schema": DIALECT, "$id": f"{name}.schema.json", **own}
    return {**head, "$defs": components} if components else head


def _inherited(type_: type) -> dict[str, str]:
    """What a type and those that it derives from say of its fields."""
    return {
        field: text for parent in reversed(type_.__mro__) for field, text in _said(parent.__doc__)[1].items()
    }


def _structs(info: Any) -> Iterator[type]:
    """The types that are part of one, however deep."""
    if isinstance(info, msgspec.inspect.StructType):
        yield info.cls
    if isinstance(info, msgspec.Struct):
        for name in info.__struct_fields__:
            yield from _structs(getattr(info, name))
    elif isinstance(info, tuple):
        for each in info:
            yield from _structs(each)


def _describe(schema: dict[str, Any], inherited: dict[str, str]) -> None:
    """Put what the docstring says of each field beside that field."""
    summary, attributes = _said(schema.get("description"))
    if summary:
        schema["description"] = summary
    for field, about in schema.get("properties", {}).items():
        if field in _TIMES:
            # msgspec names no format, as the type also takes times that Python calls naive.
            for choice in about.get("anyOf", [about]):
                if choice.get("type") == "string":
                    choice["format"] = "date-time"
        if text := attributes.get(field, inherited.get(field)):
            about["description"] = text


def _said(docstring: str | None) -> tuple[str, dict[str, str]]:
    """What a docstring says of the whole, and of each attribute."""
    text = inspect.cleandoc(docstring or "")
    found = _ATTRIBUTES.search(text)
    attributes = {
        field: " ".join(about.split()) for field, about in _ATTRIBUTE.findall(found[1] if found else "")
    }
    paragraphs = (text[: found.start()] if found else text).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs), attributes


def _dead_letter() -> dict[str, Any]:
    text = {"type": ["string", "null"]}
    return {
        "$schema": DIALECT,
        "$id": "dead-letter.schema.json",
        "title": "DeadLetter",
        "description": (
            "A touchpoint that could not be processed, as `dangol tail --dead-letters --json` prints it. "
            "On the topic key, value and headers are the original ones, followed by the headers named here."
        ),
        "type": "object",
        "properties": {
            "key": {**text, "description": "The record's key."},
            "value": {**text, "description": "The record's value; bytes that are not UTF-8 are escaped."},
            "timestamp": {"type": "integer", "description": "When it was put aside, in ms."},
            "headers": {
                "type": "object",
                "properties": {
                    name: {"type": type_, "description": about}
                    for name, (type_, about) in DEAD_LETTER_HEADERS.items()
                },
                "required": list(DEAD_LETTER_HEADERS),
            },
        },
        "required": ["key", "value", "timestamp", "headers"],
    }
