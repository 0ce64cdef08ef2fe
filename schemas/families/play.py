"""Play: what every play has, whatever its family."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from schemas.quantities import Name, Priority, Share

if TYPE_CHECKING:
    from schemas.playbook import Playbook

Level = Literal["pain", "wow", "participation"]
"""What a play is for: to remove a pain, to make a wow moment, to invite to take part."""

Reentry = Annotated[str, msgspec.Meta(pattern=r"^(?:always|once|per-key|[1-9][0-9]{0,5}(?:s|m|h|d))$")]
"""How often a customer may enter a play: `always`, `once`, once for each key, once within a time (`7d`)."""

Mistake = tuple[list[str | int], str]
"""Where in a play something is wrong, as keys and places in lists, and what."""


class PlayBase(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True, tag_field="family"):
    """What every play has.

    Attributes:
        play: the play's name.
        when: a condition in CEL that has to hold as well.
        segment: a segment of the playbook that the customer has to be in.
        reentry: how often the customer may enter it.
        channel: how the trigger reaches the customer, such as `push`; None where it reaches staff or a door.
        purpose: the purpose that the customer must have agreed to, for the channel or, without one, for all.
        category: what kind of message it is, for caps and for what a customer has declined.
        priority: of plays that want the same customer, channel and slot the greatest wins.
        slot: what only one play may have at a time on a channel; None competes with no one.
        quiet_hours: the calendar within whose hours it waits.
        holdout: share of customers to whom nothing is done, so that the effect can be measured.
        budget: the budget that the offer's amount is taken from.
        level: what it is for.
        template: the text that may be said to the customer, filled with what the trigger says.
    """

    play: Name
    when: str | None = None
    segment: Name | None = None
    reentry: Reentry = "always"
    channel: Name | None = None
    purpose: str | None = None
    category: Name | None = None
    priority: Priority = 0
    slot: Name | None = None
    quiet_hours: Name | None = None
    holdout: Share = 0.0
    budget: Name | None = None
    level: Level | None = None
    template: Name | None = None

    @property
    def family(self) -> str:
        """The play's family."""
        # Asked for several times by each proposal: str() of what is text costs as much as the rest.
        return self.__struct_config__.tag  # type: ignore[return-value]

    def mistakes(self, playbook: Playbook) -> Iterator[Mistake]:
        """What is wrong with this play within a playbook that types can't say."""
        yield from ()
