"""Participation: an invitation to take part, when the moment was good."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from schemas.duration import Duration
from schemas.families.entry import EntryPlay
from schemas.families.play import Mistake
from schemas.quantities import Name, Severity, Weight

if TYPE_CHECKING:
    from schemas.playbook import Playbook

Ask = Literal["review", "refer", "join", "consent", "data"]
"""What a guest may be asked: for a review, to refer a friend, to join, to agree to a purpose, for something
of themselves."""

Benefit = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class ParticipationPlay(EntryPlay, frozen=True, kw_only=True, tag="participation"):
    """Invite to take part, at a good moment and not by the calendar.

    The same thing is not asked again within `again_after`, whichever play asks: a thing is what is asked and,
    of consent, for which purpose and channel, of data, for which field.

    Attributes:
        ask: what is asked.
        min_weight: how good a moment the touchpoint has to be, above 0, to 1; None where it need not be one.
        min_score: how good the guest's moments have to be in sum, each halved every 30 days.
        again_after: how long the same thing is not asked again.
        benefit: what the guest gets for it, in the words that may be said to the guest.
        consent: of `ask: consent`, the purpose that the guest is asked to agree to.
        over: of `ask: consent`, the channel for which.
        data: of `ask: data`, the name of what is asked for.
    """

    ask: Ask
    min_weight: Severity | None = None
    min_score: Weight = 0.0
    again_after: Duration
    benefit: Benefit | None = None
    consent: Name | None = None
    over: Name | None = None
    data: Name | None = None

    @property
    def thing(self) -> str:
        """What is asked, in one word, such as `consent:marketing:push`."""
        about = (self.consent, self.over) if self.ask == "consent" else (self.data,)
        return ":".join((self.ask, *(word for word in about if word is not None)))

    def mistakes(self, playbook: Playbook) -> Iterator[Mistake]:
        """What asks for nothing, or gives nothing for it."""
        yield from super().mistakes(playbook)
        for field, of in (("consent", "consent"), ("over", "consent"), ("data", "data")):
            if getattr(self, field) is not None and self.ask != of:
                yield [field], f"`{field}` belongs to `ask: {of}`, and this is `ask: {self.ask}`"
        if self.ask == "consent" and self.consent is None:
            yield ["ask"], "`ask: consent` needs `consent`, the purpose that is asked for"
        if self.ask == "data" and self.data is None:
            yield ["ask"], "`ask: data` needs `data`, the name of what is asked for"
        if self.ask in {"consent", "data"} and self.benefit is None:
            yield (
                ["ask"],
                f"`ask: {self.ask}` needs `benefit`: people give when they get something for it",
            )


class Participation(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="family", tag="participation"):
    """Ask the guest to take part.

    Attributes:
        ask: what to ask.
        occasion: type of the touchpoint that was the moment.
        benefit: what the guest gets for it.
        consent: the purpose to agree to.
        over: the channel for which.
        data: what is asked for.
    """

    ask: Ask
    occasion: str
    benefit: str | None = None
    consent: str | None = None
    over: str | None = None
    data: str | None = None
