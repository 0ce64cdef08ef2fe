"""Entry: when a play is entered whose family has no cause of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from schemas.duration import Duration, millis_of
from schemas.families.play import Mistake, PlayBase
from schemas.nearest import nearest
from schemas.timestamp import DAY

if TYPE_CHECKING:
    from schemas.playbook import Playbook

MAX_STEPS = 8
"""Most steps of a sequence: more is a journey, and belongs into several plays."""

MAX_WAIT = 366 * DAY
"""Longest wait and window of an entry, in ms: what is due in more than a year is better a campaign."""

LATEST_MINUTE = 24 * 60 - 1

TimeOfDay = (
    Annotated[str, msgspec.Meta(pattern=r"^(?:[01][0-9]|2[0-3]):[0-5][0-9]$")]
    | Annotated[int, msgspec.Meta(ge=600, le=LATEST_MINUTE)]
)
"""A time of day such as `22:00`; without quotes YAML makes minutes of one from 10:00 on, here 1320."""


class Absence(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Something that should have happened by a time, and has not.

    The wait begins with one touchpoint and ends with another. If it has not ended by the time, the play is
    entered. A wait that begins anew before is due anew.

    Attributes:
        after: types with which the wait begins.
        unless: types that end it.
        within: how long the wait is; or else
        at: the time of day, at the booking's hotel, by which it is over, on its
        day: day of arrival or of departure; with `at` alone.
    """

    after: tuple[str, ...]
    unless: tuple[str, ...]
    within: Duration | None = None
    at: TimeOfDay | None = None
    day: Literal["arrival", "departure"] | None = None


class Steps(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Touchpoints that have to happen in this order; others may happen in between.

    Attributes:
        steps: their types, in order; the play is entered with the last one.
        within: how much time may lie between the first and the last.
    """

    steps: tuple[str, ...]
    within: Duration


class EntryPlay(PlayBase, frozen=True, kw_only=True):
    """A play that is entered by what happened, or by what did not: by one of three ways.

    Attributes:
        touchpoints: the types that enter it; or
        absence: what should have happened and has not; or
        sequence: touchpoints in an order.
        by: the field of the touchpoints' data that says what they are about, such as `booking` or `cart`:
            waits and sequences are told apart by it, and `reentry: per-key` goes by it.
        cancelled_by: types by which the customer leaves: they call off a wait, a sequence and what is held,
            and make void what is out and not answered yet.
        valid_for: how long the trigger may be acted on.
    """

    touchpoints: tuple[str, ...] = ()
    absence: Absence | None = None
    sequence: Steps | None = None
    by: str | None = None
    cancelled_by: tuple[str, ...] = ()
    valid_for: Duration

    @property
    def entering(self) -> tuple[str, ...]:
        """The types that `event` can be in the play's condition."""
        if self.absence is not None:
            return self.absence.after
        return self.touchpoints if self.sequence is None else self.sequence.steps[-1:]

    def mistakes(self, playbook: Playbook) -> Iterator[Mistake]:
        """Types that there are not, and entries that could never be or are no single one."""
        for field, types in self._types():
            for place, type_ in enumerate(types):
                if type_ not in playbook.catalogue:
                    yield (
                        [*field, place],
                        f"`{type_}` is not in the catalogue{nearest(type_, playbook.catalogue)}",
                    )
        ways = [name for name in ("touchpoints", "absence", "sequence") if getattr(self, name)]
        if not ways:
            yield ["play"], "it needs `touchpoints`, `absence` or `sequence`, or it could never fire"
        elif len(ways) > 1:
            yield [ways[1]], f"`{ways[0]}` and `{ways[1]}` are two ways to enter it: make two plays"
        if self.absence is not None:
            yield from _mistakes_of_absence(self.absence, self.by)
        if self.sequence is not None:
            if not 2 <= len(self.sequence.steps) <= MAX_STEPS:
                yield ["sequence", "steps"], f"a sequence has 2 to {MAX_STEPS} steps"
            yield from _too_long(["sequence", "within"], self.sequence.within)
        if self.reentry == "per-key" and self.by is None:
            yield ["reentry"], "`per-key` needs `by`, the field of the data that tells them apart"
        for place, type_ in enumerate(self.cancelled_by):
            if any(type_ in types for field, types in self._types() if field != ["cancelled_by"]):
                yield ["cancelled_by", place], f"`{type_}` would call off what it begins or ends"

    def _types(self) -> Iterator[tuple[list[str | int], Sequence[str]]]:
        yield ["touchpoints"], self.touchpoints
        yield ["cancelled_by"], self.cancelled_by
        if self.absence is not None:
            yield ["absence", "after"], self.absence.after
            yield ["absence", "unless"], self.absence.unless
        if self.sequence is not None:
            yield ["sequence", "steps"], self.sequence.steps


def _mistakes_of_absence(absence: Absence, by: str | None) -> Iterator[Mistake]:
    for field in ("after", "unless"):
        if not getattr(absence, field):
            yield (
                ["absence", field],
                f"`{field}` is empty, so it could never {'begin' if field == 'after' else 'end'}",
            )
    both = sorted(set(absence.after) & set(absence.unless))
    if both:
        yield ["absence", "unless"], f"`{both[0]}` would begin the wait and end it"
    if (absence.within is None) == (absence.at is None):
        yield ["absence"], "it needs either `within` or `at`, or it would never be over"
    if (absence.at is None) != (absence.day is None):
        yield (
            ["absence"],
            "`at` and `day` belong together: the time of day, and the booking's day that is meant",
        )
    if absence.at is not None and by != "booking":
        yield ["absence", "at"], "`at` is a time at a booking's hotel: it needs `by: booking`"
    if absence.within is not None:
        yield from _too_long(["absence", "within"], absence.within)


def _too_long(field: list[str | int], duration: Duration) -> Iterator[Mistake]:
    if millis_of(duration) > MAX_WAIT:
        yield field, f"`{duration}` is longer than {MAX_WAIT // DAY} days"
