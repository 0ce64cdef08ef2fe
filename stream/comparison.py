"""Comparison: two playbooks on the same past, and which decisions would have been others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import NamedTuple

import msgspec

from schemas.families import Content
from schemas.touchpoint import Touchpoint
from stream import identity, services
from stream.engine import Engine
from stream.outcome import Outcome
from stream.plays.context import FIRED
from stream.replay import Replay

NOT_A_CANDIDATE = "no candidate"
"""What became of a play that was none: its touchpoint or condition did not fit, or there is no such play."""


class Verdict(NamedTuple):
    """What became of a candidate.

    Attributes:
        reason: `fired`, or the code of what held it back.
        failed: the gates that did not hold.
        content: what was to be done, if it fired.
        valid_for: how long, in ms; 0 if it did not fire.
        correlation: what it belongs to.
    """

    reason: str
    failed: tuple[str, ...] = ()
    content: Content | None = None
    valid_for: int = 0
    correlation: str | None = None


class Change(NamedTuple):
    """A decision that would have been another.

    Attributes:
        customer: whose.
        time: when, in ms.
        touchpoint: id of the touchpoint or timer.
        type: type of the touchpoint; `timer.due` for a timer.
        play: the play's name.
        family: its trigger family.
        before: what became of it; None where it was no candidate.
        after: what would have.
    """

    customer: str
    time: int
    touchpoint: str
    type: str
    play: str
    family: str
    before: Verdict | None
    after: Verdict | None


class PlayTally(msgspec.Struct):
    """The decisions on a play.

    Attributes:
        family: its trigger family.
        before: how many candidates came to what, by reason.
        after: the same with the other playbook.
        changed: decisions that would have been others.
        examples: the first of them.
    """

    family: str
    before: Counter[str]
    after: Counter[str]
    changed: int = 0
    examples: list[Change] = []


class _Key(NamedTuple):
    """What makes two candidates the same: whose, on what, of which play, and the how-manieth."""

    customer: str
    touchpoint: str
    play: str
    number: int


class _Seen(NamedTuple):
    time: int
    type: str
    family: str
    verdict: Verdict


class Comparison:
    """Runs the same touchpoints through two engines.

    Each engine goes on from what it did itself: an offer that one would have made earlier cools down for it
    alone.

    Args:
        before: the engine with the one playbook.
        after: the engine with the other.
        examples: how many changes are kept of each play.

    Attributes:
        before: the replay with the one.
        after: the replay with the other.
        plays: what became of each play, by name.
        gone: plays that only the one has, with their families.
        new: plays that only the other has.
        lost: services that only the one has, with their plays.
    """

    def __init__(self, before: Engine, after: Engine, examples: int) -> None:
        old, other = ({play.play: play.family for play in each.playbook.plays} for each in (before, after))
        self.gone = {name: family for name, family in old.items() if name not in other}
        self.new = {name: family for name, family in other.items() if name not in old}
        self.lost = services.lost(before.playbook, after.playbook)
        self.before = Replay(before)
        self.after = Replay(after)
        self.plays: dict[str, PlayTally] = {}
        self._examples = examples

    @property
    def changed(self) -> int:
        """How many decisions would have been others."""
        return sum(tally.changed for tally in self.plays.values())

    def take(self, touchpoint: Touchpoint) -> None:
        """Take a touchpoint with both.

        Raises:
            msgspec.ValidationError: its data lacks what its type needs, for one of them.
            RejectedError: it links ids in a way that is not allowed.
        """
        # Both before any is noted, so that a touchpoint that one rejects is counted for none.
        self._note(self.before.take(touchpoint), self.after.take(touchpoint))

    def finish(self) -> None:
        """Fire the timers of those who stayed silent."""
        self._note(self.before.finish(), self.after.finish())

    def examples(self, limit: int) -> list[Change]:
        """Some of the changes, of each play in turn; in order of time."""
        turns: Iterable[tuple[Change | None, ...]] = zip_longest(
            *(tally.examples for tally in self.plays.values())
        )
        found = [change for turn in turns for change in turn if change is not None]
        return sorted(found[:limit], key=lambda change: (change.time, change.customer, change.play))

    def _note(self, before: list[Outcome], after: list[Outcome]) -> None:
        seen, other = dict(_candidates(before)), dict(_candidates(after))
        for key in [*seen, *(key for key in other if key not in seen)]:
            was, would = seen.get(key), other.get(key)
            about = was or would
            assert about is not None
            tally = self.plays.get(key.play)
            if tally is None:
                tally = self.plays[key.play] = PlayTally(about.family, Counter(), Counter())
            tally.before[NOT_A_CANDIDATE if was is None else was.verdict.reason] += 1
            tally.after[NOT_A_CANDIDATE if would is None else would.verdict.reason] += 1
            one, two = was and was.verdict, would and would.verdict
            if one == two:
                continue
            tally.changed += 1
            if len(tally.examples) < self._examples:
                customer, touchpoint, play, _ = key
                change = Change(customer, about.time, touchpoint, about.type, play, about.family, one, two)
                tally.examples.append(change)


def _candidates(outcomes: Iterable[Outcome]) -> Iterator[tuple[_Key, _Seen]]:
    """Every candidate of some outcomes, and what became of it."""
    for outcome in outcomes:
        triggers = {trigger.id: trigger for trigger in outcome.triggers}
        for decision in outcome.decisions:
            numbers: Counter[str] = Counter()
            for candidate in decision.data.candidates:
                # Two ids that were joined are no play.
                if candidate.family == identity.FAMILY:
                    continue
                verdict = Verdict(candidate.reason, candidate.failed)
                if candidate.reason == FIRED and (trigger := triggers.get(candidate.trigger or "")):
                    verdict = Verdict(
                        FIRED,
                        content=trigger.data.content,
                        valid_for=trigger.expires - trigger.time,
                        correlation=trigger.correlation,
                    )
                key = _Key(decision.customer, decision.touchpoint, candidate.play, numbers[candidate.play])
                numbers[candidate.play] += 1
                yield key, _Seen(decision.time, decision.data.touchpoint_type, candidate.family, verdict)
