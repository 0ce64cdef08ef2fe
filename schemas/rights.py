"""Rights: what a broker with access control lists has to allow to whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from schemas.topics import Topics

OPERATIONS = {3: "Read", 4: "Write", 5: "Create", 8: "Describe", 10: "DescribeConfigs"}
"""Operations that dangol needs, by Kafka's number for each; it is also its bit in an answer."""

Role = Literal[
    "worker",
    "trainer",
    "model",
    "topics create",
    "publish",
    "tail",
    "playbook",
    "risks",
    "causes",
    "explain",
    "dlq",
]
Kind = Literal["topic", "group", "transactional-id"]
Pattern = Literal["literal", "prefixed"]


@dataclass(frozen=True, slots=True)
class Right:
    """Something that has to be allowed, in the words of kafka-acls.

    Attributes:
        kind: what it is about.
        name: its name, or what its name begins with.
        pattern: `prefixed` if it holds for all names that begin so.
        operations: what has to be allowed; each of them includes Describe.
    """

    kind: Kind
    name: str
    pattern: Pattern
    operations: tuple[str, ...]


def rights(topics: Topics, group: str) -> dict[Role, list[Right]]:
    """What each command has to be allowed, by its name.

    Args:
        topics: the topics of the deployment.
        group: the consumer group of its workers.

    >>> rights(Topics(), "dangol")["worker"][1]
    Right(kind='group', name='dangol', pattern='literal', operations=('Read',))
    """
    ours = f"{topics.prefix}."
    return {
        "worker": [
            Right("topic", ours, "prefixed", ("Read", "Write", "DescribeConfigs")),
            Right("group", group, "literal", ("Read",)),
            Right("transactional-id", f"{group}-", "prefixed", ("Write",)),
        ],
        "trainer": [
            Right("topic", topics.examples, "literal", ("Read",)),
            Right("topic", topics.models, "literal", ("Read", "Write")),
        ],
        "model": [Right("topic", topics.models, "literal", ("Read", "Write", "DescribeConfigs"))],
        "topics create": [Right("topic", ours, "prefixed", ("Create", "DescribeConfigs"))],
        "publish": [Right("topic", topics.touchpoints, "literal", ("Write",))],
        "tail": [Right("topic", ours, "prefixed", ("Read",))],
        "playbook": [Right("topic", topics.playbooks, "literal", ("Read", "Write", "DescribeConfigs"))],
        "risks": [Right("topic", ours, "prefixed", ("Read",))],
        "causes": [Right("topic", ours, "prefixed", ("Read",))],
        "explain": [Right("topic", ours, "prefixed", ("Read",))],
        "dlq": [
            Right("topic", topics.dead_letters, "literal", ("Read",)),
            Right("topic", topics.touchpoints, "literal", ("Write",)),
        ],
    }
