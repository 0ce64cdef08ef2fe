"""Catalogue: the touchpoints of the journey, what each is evidence of and what it does to the profile."""

from __future__ import annotations

from typing import Literal

import msgspec

from schemas.quantities import Answer, Weight

Stage = Literal["aware", "appeal", "ask", "act", "advocate"]
"""Kotler's five A's, in order (Kotler, Kartajaya, Setiawan: Marketing 4.0, 2017)."""

Effect = Literal[
    "activity",
    "booking.confirmed",
    "booking.cancelled",
    "stay.checked-in",
    "stay.checked-out",
    "room.ready",
    "preference.stated",
    "preference.learned",
    "issue.opened",
    "issue.closed",
    "device.bound",
    "consent.granted",
    "consent.withdrawn",
    "profile.stated",
    "account.stated",
    "trigger.delivered",
    "trigger.accepted",
    "trigger.declined",
    "trigger.ignored",
    "referral.followed",
]
"""What a touchpoint does to the profile, beyond being counted."""


class Rating(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How an answer on a scale becomes a weight.

    Attributes:
        field: the field of the touchpoint's data that holds the answer.
        worst: the answer that weighs −1.
        best: the answer that weighs 1.
    """

    field: str
    worst: Answer
    best: Answer


class TouchpointType(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """An entry of the touchpoint catalogue.

    Attributes:
        stage: the 5A stage that it is evidence of.
        weight: how good (to 1) or bad (to −1) a moment it is; 0 is neither.
        rating: where the weight comes from an answer instead.
        effect: what it does to the profile beyond being counted.
        saved: of a service, the field of the data that holds the seconds that it took: less is better.
        spent: of an experience, the field that holds the seconds that were spent with it: more is better.
    """

    stage: Stage | None = None
    weight: Weight = 0.0
    rating: Rating | None = None
    effect: Effect | None = None
    saved: str | None = None
    spent: str | None = None
