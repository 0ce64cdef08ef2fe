"""A play to test entries with: it proposes the same whenever it is asked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_type_hints

import msgspec

from schemas.conditions.meaning import meaning
from schemas.duration import millis_of
from schemas.families.entry import EntryPlay
from schemas.families.play import PlayBase
from schemas.families.suppression import Suppression
from schemas.playbook import Playbook
from schemas.profile import Profile
from schemas.touchpoint import Touchpoint
from stream.engine import Engine
from stream.outcome import Outcome
from stream.plays import index
from stream.plays.context import Context
from tests.hotel import HOTEL, GivenRisk


class ProbePlay(EntryPlay, frozen=True, kw_only=True, tag="probe"):
    """A play that fires whenever it is entered."""


class ProbeRule:
    """Proposes the same each time."""

    def __init__(self, play: ProbePlay, playbook: Playbook) -> None:
        self.play = play
        self.types = play.touchpoints
        self._valid_for = millis_of(play.valid_for)

    def decide(self, context: Context) -> None:
        """Propose."""
        context.propose(self.play, Suppression("start", "open-issue", "probe", 0), self._valid_for, None)


index._RULES[ProbePlay] = ProbeRule


def probe(name: str = "probe", **fields: Any) -> ProbePlay:
    """The play as a playbook would have it, its mistakes refused."""
    play = msgspec.convert({"family": "probe", "play": name, "valid_for": "1h", **fields}, ProbePlay)
    mistakes = list(play.mistakes(HOTEL))
    assert mistakes == []
    if play.when is not None:
        meaning(play.when, HOTEL.scope)
    return play


def engine_of(*plays: PlayBase, segments: dict[str, str] | None = None, **sections: Any) -> Engine:
    """The engine of the hotel with these plays alone, and with sections as a playbook would have them."""
    typed = {
        name: msgspec.convert(content, get_type_hints(Playbook)[name]) for name, content in sections.items()
    }
    playbook = msgspec.structs.replace(HOTEL, plays=plays, segments=segments or {}, **typed)
    return Engine(playbook, GivenRisk(0.25), "given")


def life(
    engine: Engine,
    touchpoints: Iterable[Touchpoint],
    until: int | None = None,
    profile: Profile | None = None,
) -> list[Outcome]:
    """The outcomes of touchpoints, each decided on at its own time, and of the timers due until a time."""
    outcomes = []
    for touchpoint in touchpoints:
        outcomes.append(engine.step(profile, touchpoint, touchpoint.time))
        profile = outcomes[-1].profile
    if until is not None:
        assert profile is not None
        outcomes.append(engine.fire(profile, until))
    return outcomes


def said(outcomes: Iterable[Outcome]) -> list[tuple[int, str]]:
    """When something was decided on, and what became of it."""
    return [
        (decision.time, candidate.reason)
        for outcome in outcomes
        for decision in outcome.decisions
        for candidate in decision.data.candidates
    ]
