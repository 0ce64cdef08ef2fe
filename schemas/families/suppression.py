"""Suppression: promotions are held back on every channel, and let through again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from schemas.duration import Duration
from schemas.families.play import Mistake, PlayBase

if TYPE_CHECKING:
    from schemas.playbook import Playbook


class Fatigue(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """When a customer has had enough.

    Attributes:
        at_most: how many triggers may be ignored or declined within the time; at that number it starts.
        within: the time.
        lasts: how long promotions are then held back.
    """

    at_most: Annotated[int, msgspec.Meta(ge=1, le=16)]
    within: Duration
    lasts: Duration


class SuppressionPlay(PlayBase, frozen=True, kw_only=True, tag="suppression"):
    """Hold promotions back on every channel while an issue is open, when declined, and when tired of them.

    Attributes:
        valid_for: how long the order to hold back lasts if nobody closes the issue.
        declined_for: how long a category is held back that a customer has declined.
        fatigue: when a customer has had enough of all of them; None for never.
    """

    valid_for: Duration
    declined_for: Duration = "90d"
    fatigue: Fatigue | None = None

    def mistakes(self, playbook: Playbook) -> Iterator[Mistake]:
        """What could never fire."""
        effects = {entry.effect for entry in playbook.catalogue.values()}
        if "issue.opened" not in effects:
            yield ["family"], "nothing in the catalogue has effect `issue.opened`, so it could never fire"
        if self.fatigue is not None and effects.isdisjoint(("trigger.declined", "trigger.ignored")):
            message = "nothing in the catalogue has effect `trigger.declined` or `trigger.ignored`"
            yield ["fatigue"], f"{message}, so nobody could ever have had enough"


class Suppression(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="family", tag="suppression"):
    """Hold promotions back on all channels, or let them through again.

    Attributes:
        action: `start` or `end`.
        because: why: `open-issue`, `declined` (a category) or `fatigue`.
        issue: the issue's id, where it is because of one.
        open_issues: how many are open now.
        category: the category that is held back; None where all of them are.
    """

    action: Literal["start", "end"]
    because: Literal["open-issue", "declined", "fatigue"]
    issue: str | None
    open_issues: int
    category: str | None = None
