"""Vocabulary: the names and functions that a condition may use, of what kind each is, and what it can be.

What is written here is held against by `checking`, answered by the engine, and shown in the README; tests
keep the three the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from schemas.issue import MAX_ISSUES
from schemas.moment import MAX_MOMENTS
from schemas.stay import MAX_BOOKINGS

Kind = Literal["number", "text", "truth", "time", "length", "list", "any"]
"""What a value is: `length` is a length of time, `any` what only the data can tell."""

KINDS: dict[Kind, str] = {
    "number": "a number",
    "text": "a text",
    "truth": "true or false",
    "time": "a time",
    "length": "a length of time",
    "list": "a list",
    "any": "anything",
}
"""How each kind is called to whoever writes conditions."""

Words = Literal["type", "stage", "status", "property"]
"""Which words a text can be, where only some are possible."""

Parameter = Literal[
    "type",
    "segment",
    "play",
    "property",
    "purpose",
    "channel",
    "name",
    "value",
    "duration",
    "severity",
    "time",
]
"""What a function is given: always written out, never reckoned."""

STAGES = ("aware", "appeal", "ask", "act", "advocate")
STATUSES = ("confirmed", "in-house", "cancelled", "checked-out")

WEEKDAYS = 7


@dataclass(frozen=True, slots=True)
class Variable:
    """A field that conditions can name.

    Attributes:
        kind: of what kind it is.
        meaning: what it says, in the unit that it says it in.
        low: the least that a number can be.
        high: the greatest.
        whole: whether a number is always a whole one.
        words: which words a text can be.
        optional: whether it may be missing; without `has(…)` that is a `condition-error`.
    """

    kind: Kind
    meaning: str
    low: float = float("-inf")
    high: float = float("inf")
    whole: bool = False
    words: Words | None = None
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Function:
    """A function that conditions can call.

    Attributes:
        parameters: what it is given.
        kind: of what kind its answer is.
        meaning: what it says, in the unit that it says it in.
        required: how many of its parameters must be given.
        low: the least that a number can be.
        high: the greatest.
        whole: whether a number is always a whole one.
    """

    parameters: tuple[Parameter, ...]
    kind: Kind
    meaning: str
    required: int
    low: float = float("-inf")
    high: float = float("inf")
    whole: bool = False


EVENT: dict[str, Variable] = {
    "type": Variable("text", "the touchpoint's type, one of the catalogue", words="type"),
    "time": Variable("time", "when it happened"),
    "source": Variable("text", "who published it"),
    "channel": Variable("text", "where it happened, such as `web`", optional=True),
    "amount": Variable("number", "money that it is about", optional=True),
    "correlation": Variable("text", "what it belongs to", optional=True),
    "weight": Variable("number", "how bad (−1) to good (1) a moment it was, by the catalogue", -1.0, 1.0),
}
"""Fields of `event` besides those of the touchpoint's own data, which are found under `event` as well."""

PROFILE: dict[str, Variable] = {
    "stage": Variable("text", "5A stage, `aware` to `advocate`", words="stage"),
    "stage_days": Variable("number", "days since that stage was entered", 0.0),
    "risk": Variable("number", "churn risk, 0 to 1", 0.0, 1.0),
    "spent": Variable("number", "money spent"),
    "last_amount": Variable("number", "money of the latest purchase"),
    "active_days": Variable("number", "days with a purchase", 0, whole=True),
    "gap_days": Variable("number", "mean days between days with a purchase; 0 before the second", 0.0),
    "touchpoints": Variable("number", "touchpoints so far", 0, whole=True),
    "days": Variable("number", "days since the first touchpoint", 0.0),
    "experience": Variable("number", "good against bad moments, each halved every 30 days; below 0 is bad"),
    "attention": Variable("number", "messages that went out, each halved every seven days", 0.0),
    "ids": Variable("number", "ids that are this customer, linked ones too", 1, whole=True),
    "has_device": Variable("truth", "whether a device is bound"),
}

BOOKING: dict[str, Variable] = {
    "id": Variable("text", "the booking's id", optional=True),
    "property": Variable("text", "which hotel", words="property", optional=True),
    "status": Variable(
        "text", "`confirmed`, `in-house`, `cancelled` or `checked-out`", words="status", optional=True
    ),
    "room": Variable("text", "the room's number", optional=True),
    "nights": Variable("number", "nights of the stay", 0, whole=True, optional=True),
    "days_to_arrival": Variable(
        "number", "days from today, at the hotel, to the first day", whole=True, optional=True
    ),
    "days_to_departure": Variable(
        "number", "days from today, at the hotel, to the last day", whole=True, optional=True
    ),
    "has_key": Variable("truth", "whether a room key is live", optional=True),
}
"""Fields of the booking that the touchpoint names, else of the stay that is on, else of the next one."""

ACCOUNT: dict[str, Variable] = {
    "plan": Variable("text", "what a business customer has agreed on, by name", optional=True),
    "seats": Variable("number", "how many may use it", 0, whole=True, optional=True),
    "days_to_renewal": Variable(
        "number",
        "days from today, by the customer's clock, to the day on which the contract is renewed or ends",
        whole=True,
        optional=True,
    ),
}
"""What `account.stated` has said of a business customer, who is the account."""

VARIABLES: dict[str, dict[str, Variable]] = {
    "event": EVENT,
    "profile": PROFILE,
    "booking": BOOKING,
    "account": ACCOUNT,
}

NOW = Variable("time", "time of the decision")

FUNCTIONS: dict[str, Function] = {
    "count": Function(("type",), "number", "touchpoints of a type so far", 1, 0, whole=True),
    "days_since": Function(
        ("type",),
        "number",
        "days since the latest touchpoint of a type; without one, more than any number",
        1,
        0.0,
    ),
    "bad_moments": Function(
        ("duration", "severity"),
        "number",
        "bad moments within a time before now, of at least a severity (0 to 1) if one is given",
        1,
        0,
        MAX_MOMENTS,
        whole=True,
    ),
    "good_moments": Function(
        ("duration", "severity"), "number", "good moments, likewise", 1, 0, MAX_MOMENTS, whole=True
    ),
    "open_issues": Function((), "number", "issues that are not settled", 0, 0, MAX_ISSUES, whole=True),
    "issue_days": Function(
        (), "number", "days since the oldest open issue was opened; 0 without one", 0, 0.0
    ),
    "bookings": Function(
        (), "number", "bookings that are neither cancelled nor over", 0, 0, MAX_BOOKINGS, whole=True
    ),
    "agreed": Function(
        ("purpose", "channel"),
        "truth",
        "whether the customer agrees to a purpose, by a channel or, if none is given, by all",
        1,
    ),
    "prefers": Function(
        ("name", "value"),
        "truth",
        'whether the customer likes something so, as in `prefers("pillow", "soft")`',
        2,
    ),
    "in_segment": Function(("segment",), "truth", "whether the customer is in a segment", 1),
    "fired": Function(
        ("play", "duration"), "truth", "whether a play fired for the customer, within a time before now", 1
    ),
    "hour": Function(
        ("property",),
        "number",
        "hour of the day of `now`, 0 to 23, at a hotel; in UTC if none is given",
        0,
        0,
        23,
        whole=True,
    ),
    "weekday": Function(
        ("property",),
        "number",
        "day of the week of `now`, likewise: 1 is Monday, 7 Sunday",
        0,
        1,
        WEEKDAYS,
        whole=True,
    ),
    "duration": Function(("duration",), "length", "a length of time, such as `30m`, `12h` or `7d`", 1),
    "timestamp": Function(("time",), "time", "a moment, such as `2026-12-24T00:00:00+09:00`", 1),
}

METHODS: dict[str, str] = {
    "contains": "whether a text has another in it",
    "startsWith": "whether a text begins with another",
    "endsWith": "whether a text ends with another",
    "size": "length of a text or a list",
}
"""What is called behind a value, as CEL has it: `event.room.startsWith("3")`, `event.items.size()`."""
