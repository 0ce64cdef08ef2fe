"""Suppression: promotions are held back on every channel, and let through again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import msgspec

from schemas.duration import Duration
from schemas.families.play import Mistake, PlayBase

if TYPE_CHECKING:
    from schemas.playbook import Playbook


class SuppressionPlay(PlayBase, frozen=True, kw_only=True, tag="suppression"):
    """Hold promotions back on every channel while an issue is open.

    Attributes:
        valid_for: how long the order to hold back lasts if nobody closes the issue.
    """

    valid_for: Duration

    def mistakes(self, playbook: Playbook) -> Iterator[Mistake]:
        """What could never fire."""
        if all(entry.effect != "issue.opened" for entry in playbook.catalogue.values()):
            yield ["family"], "nothing in the catalogue has effect `issue.opened`, so it could never fire"


class Suppression(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="family", tag="suppression"):
    """Hold promotions back on all channels, or let them through again.

    Attributes:
        action: `start` or `end`.
        because: why; `open-issue`.
        issue: the issue's id.
        open_issues: how many are open now.
    """

    action: Literal["start", "end"]
    because: Literal["open-issue"]
    issue: str
    open_issues: int
