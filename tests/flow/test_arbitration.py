"""Arbitration over random lives: consent, caps, quiet hours and slots hold, whatever happens when."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import profile as profiles
from schemas.families.suppression import Fatigue, SuppressionPlay
from schemas.holding import MAX_HELD
from schemas.lifecycle import MAX_ISSUED
from schemas.profile import Profile
from schemas.suppression import MAX_SUPPRESSED
from schemas.timestamp import DAY, HOUR, MINUTE, to_datetime
from schemas.touchpoint import Touchpoint
from schemas.trigger import Trigger
from stream.arbitration.lifecycle import OUTCOMES
from stream.engine import Engine
from stream.outcome import Outcome
from stream.plays.context import FIRED
from stream.replay import Replay
from tests.hotel import NOON, PROPERTY_TEST, happened
from tests.probes import engine_of, probe

CAPS: list[dict[str, Any]] = [
    {"channel": "email", "at_most": 2, "within": "1d"},
    {"category": "news", "at_most": 3, "within": "3d"},
    {"at_most": 5, "within": "2d"},
]
CALENDARS = {"night": {"from": "22:00", "to": "08:00", "spread": "45m"}}

HOLD = SuppressionPlay(
    play="hold", valid_for="14d", declined_for="5d", fatigue=Fatigue(at_most=3, within="7d", lasts="2d")
)


def play(name: str, channel: str | None, category: str, **fields: Any) -> Any:
    """A play that is entered by a page, by mail or push, only where agreed to, and not at night."""
    told = {"touchpoints": ["page.viewed"], "valid_for": "20h", "purpose": "offers", "quiet_hours": "night"}
    return probe(name, channel=channel, category=category, **{**told, **fields})


PLAYS = (
    play("mail-offer", "email", "offers", slot="top"),
    play("mail-news", "email", "news", slot="top", priority=2),
    play("push-offer", "push", "offers", slot="top", valid_for="4h"),
    play("push-news", "push", "news", quiet_hours=None),
    play("push-more", "push", "offers", slot="top", quiet_hours=None, priority=1, valid_for="6h"),
    play("mail-held-out", "email", "offers", holdout=0.5),
)
ENGINE = engine_of(*PLAYS, HOLD, caps=CAPS, calendars=CALENDARS, zone="Europe/Lisbon")
ANYWHERE = play("by-any-channel", None, "offers")
WITH_ANYWHERE = engine_of(*PLAYS, ANYWHERE, HOLD, caps=CAPS, calendars=CALENDARS, zone="Europe/Lisbon")
BY_NAME = {each.play: each for each in (*PLAYS, ANYWHERE)}


TYPES = [
    *["page.viewed"] * 10,
    *("consent.granted", "consent.granted", "consent.withdrawn", "profile.stated"),
    *("trigger.delivered", "trigger.accepted", "trigger.declined", "trigger.ignored"),
]


@st.composite
def lives(draw: st.DrawFn) -> list[tuple[Touchpoint, int]]:
    """What is told of a customer, each with the time of its record: some late, some twice."""
    now = NOON + draw(st.integers(0, 12)) * HOUR
    life: list[tuple[Touchpoint, int]] = []
    if draw(st.integers(0, 3)):
        life.append((happened("consent.granted", now, {"purpose": "offers"}, id_="first"), now))
    angry = draw(st.integers(0, 3)) == 0
    for number in range(draw(st.integers(3, 40))):
        now += draw(st.integers(0, 20 * MINUTE) | st.integers(0, 20 * MINUTE) | st.integers(0, 9 * HOUR))
        if life and draw(st.integers(0, 9)) == 0:
            life.append((draw(st.sampled_from(life))[0], now))
            continue
        late = draw(st.integers(0, 5))
        time = now - (draw(st.integers(0, 2 * HOUR) | st.integers(0, 2 * DAY)) if late == 0 else 0)
        type_ = draw(st.sampled_from([*TYPES, "complaint.opened", "complaint.closed"] if angry else TYPES))
        data: dict[str, Any] = {"purpose": "offers", "issue": draw(st.sampled_from(["i1", "i2"]))}
        if type_.startswith("consent") and (channel := draw(st.sampled_from([None, "email", "push"]))):
            data["for_channel"] = channel
        data["zone"] = draw(st.sampled_from(["Europe/Lisbon", "Asia/Seoul", "America/New_York"]))
        data["which"] = draw(st.integers(0, 5))
        life.append((happened(type_, time, data, id_=f"e{number}"), now))
    return life


def lived(
    life: list[tuple[Touchpoint, int]], *, stored: bool = False, engine: Engine = ENGINE
) -> list[Outcome]:
    """The outcomes of a life; touchpoints about triggers are about those that went out last."""
    profile: Profile | None = None
    outcomes: list[Outcome] = []
    known: dict[str, Touchpoint] = {}
    for touchpoint, now in life:
        told = touchpoint
        if touchpoint.type.startswith("trigger."):
            ids = [t.id for outcome in outcomes for t in outcome.triggers if t.family == "probe"][-6:]
            which = ids[touchpoint.data["which"] % len(ids)] if ids else "none"
            told = known.setdefault(
                touchpoint.id, msgspec.structs.replace(touchpoint, data={"trigger": which})
            )
        outcome = engine.step(profile, told, now)
        profile = outcome.profile
        if stored:
            profile = profiles.decode(profiles.encode(profile))
        outcomes.append(outcome)
    assert profile is not None
    outcomes.append(engine.fire(profile, life[-1][1] + 3 * DAY))
    return outcomes


def messages(outcomes: list[Outcome]) -> list[Trigger]:
    """Everything that went out to the customer."""
    return [t for outcome in outcomes for t in outcome.triggers if t.family == "probe"]


def agreed(life: list[tuple[Touchpoint, int]], until: int, channel: str | None) -> bool:
    """Whether the customer agrees to offers by a channel, or by any, by all told in the first records."""
    if channel is None:
        return all(agreed(life, until, each) for each in ("email", "push", "one that was never named"))
    words = [
        (min(t.time, now), t.type == "consent.withdrawn")
        for t, now in first_told(life)[:until]
        if t.type.startswith("consent.") and t.data.get("for_channel") in (None, channel)
    ]
    return bool(words) and not max(words)[1]


def first_told(life: list[tuple[Touchpoint, int]]) -> list[tuple[Touchpoint, int]]:
    """Each record with its time as of when its touchpoint was told first."""
    first: dict[str, int] = {}
    return [(t, first.setdefault(t.id, now)) for t, now in life]


LIVES = settings(PROPERTY_TEST, max_examples=60)


@LIVES
@given(lives())
def test_nothing_goes_out_against_a_withdrawal(life: list[tuple[Touchpoint, int]]) -> None:
    """No trigger uses consent that a record before it had withdrawn, be it held, released or new."""
    for number, outcome in enumerate(lived(life, engine=WITH_ANYWHERE)):
        for decision in outcome.decisions:
            # What a timer decided comes before what the record itself says.
            heard = number if decision.data.touchpoint_type == "timer.due" else number + 1
            for candidate in decision.data.candidates:
                if candidate.reason == FIRED and candidate.family == "probe":
                    assert agreed(life, heard, BY_NAME[candidate.play].channel)
                assert candidate.reason != "consent-violation"


@LIVES
@given(lives())
def test_caps_are_never_exceeded(life: list[tuple[Touchpoint, int]]) -> None:
    """In no window of its length are there more than a cap lets through."""
    sent = messages(lived(life))
    for cap in CAPS:
        within = int(cap["within"][0]) * DAY
        times = sorted(
            t.time
            for t in sent
            if cap.get("channel") in (None, BY_NAME[t.data.play].channel)
            and cap.get("category") in (None, BY_NAME[t.data.play].category)
        )
        for first in range(len(times)):
            assert sum(times[first] <= at < times[first] + within for at in times) <= cap["at_most"]


@LIVES
@given(lives())
def test_it_is_quiet_at_night_and_nothing_is_lost(life: list[tuple[Touchpoint, int]]) -> None:
    """By the customer's own clock nothing goes out at night or too late, and all that was held is told of."""
    zone: tuple[int, str] = (-1, "Europe/Lisbon")
    held: set[str] = set()
    outcomes = lived(life)
    heard = [*first_told(life), None]
    for record, outcome in zip(heard, outcomes, strict=True):
        fired = {t.id: t for t in outcome.triggers}
        for decision in outcome.decisions:
            is_timed = decision.data.touchpoint_type == "timer.due"
            for candidate in decision.data.candidates:
                if candidate.reason != FIRED or candidate.family != "probe":
                    continue
                trigger = fired[str(candidate.trigger)]
                assert trigger.time < trigger.expires
                if BY_NAME[candidate.play].quiet_hours is not None:
                    said = zone
                    if not is_timed and record is not None and record[0].type == "profile.stated":
                        said = max(zone, (record[0].time, record[0].data["zone"]))
                    local = to_datetime(trigger.time).astimezone(ZoneInfo(said[1]))
                    assert 8 <= local.hour < 22
        if record is not None and record[0].type == "profile.stated":
            zone = max(zone, (min(record[0].time, record[1]), record[0].data["zone"]))
        now = {each.id for each in outcome.profile.held}
        told = [
            candidate.play
            for decision in outcome.decisions
            for candidate in decision.data.candidates
            if candidate.family == "probe" and candidate.reason not in OUTCOMES - {"expired"}
        ]
        assert len(held - now) <= len(told)
        held = now
    assert held == set()


@LIVES
@given(lives())
def test_a_slot_has_one_winner(life: list[tuple[Touchpoint, int]]) -> None:
    """While a trigger that has a slot is neither answered nor run out, no other one gets it."""
    outcomes = lived(life)
    taken: dict[str, Trigger] = {}
    for outcome in outcomes:
        ended = [
            str(candidate.trigger)
            for decision in outcome.decisions
            for candidate in decision.data.candidates
            if candidate.reason in ("accepted", "declined", "ignored", "revoked")
        ]
        for trigger in outcome.triggers:
            slot_of = BY_NAME.get(trigger.data.play)
            if slot_of is None or slot_of.slot is None:
                continue
            channel = str(slot_of.channel)
            before = taken.get(channel)
            assert before is None or before.id in ended or before.expires <= trigger.time
            taken[channel] = trigger
        taken = {channel: each for channel, each in taken.items() if each.id not in ended}


@LIVES
@given(lives())
def test_same_life_same_outcome(life: list[tuple[Touchpoint, int]]) -> None:
    """What comes of a life is the same each time, and when the profile is stored between any two steps."""
    once, stored = lived(life), lived(life, stored=True)

    assert once == stored
    last = once[-1].profile
    assert len(last.held) <= MAX_HELD
    assert len(last.issued) <= MAX_ISSUED
    assert len(last.suppressed) <= MAX_SUPPRESSED


@LIVES
@given(lives())
def test_replay_is_what_the_timers_give(life: list[tuple[Touchpoint, int]]) -> None:
    """A replay comes to what the engine does whose timers fire by themselves as soon as they are due."""
    ordered = sorted((t for t, _ in life if not t.type.startswith("trigger.")), key=lambda t: t.time)
    replay, again = Replay(ENGINE), Replay(ENGINE)
    found = [o for t in ordered for o in replay.take(t)] + replay.finish()
    assert found == [o for t in ordered for o in again.take(t)] + again.finish()

    profile: Profile | None = None
    timed: list[Outcome] = []
    for touchpoint in ordered:
        while profile is not None and profile.timers and profile.timers[0].due <= touchpoint.time:
            timed.append(ENGINE.fire(profile, profile.timers[0].due, profile.timers[0].due + 500))
            profile = timed[-1].profile
        timed.append(ENGINE.step(profile, touchpoint, touchpoint.time))
        profile = timed[-1].profile
    latest = max((t.time for t in ordered), default=0)
    if profile is not None:
        timed.append(ENGINE.fire(profile, latest))

    assert [t for o in found for t in o.triggers] == [t for o in timed for t in o.triggers]


def test_order_of_answers_does_not_matter() -> None:
    """Whatever order the words on a trigger arrive in, the same becomes of it."""
    engine = engine_of(probe("mail", touchpoints=["page.viewed"], channel="email", valid_for="1d"))
    sent = engine.step(None, happened("page.viewed"), NOON)
    id_ = sent.triggers[0].id
    words = [
        happened(f"trigger.{status}", NOON + at, {"trigger": id_})
        for at, status in ((1, "delivered"), (2, "ignored"), (3, "accepted"), (3, "declined"))
    ]
    found = set()
    for order in (words, words[::-1], [words[2], words[0], words[3], words[1]]):
        profile = sent.profile
        for each in [*order, *order]:
            profile = engine.step(profile, each, NOON + HOUR).profile
        found.add(profile.issued)

    assert len(found) == 1
    assert [(each.status, each.said, each.delivered) for each in found.pop()] == [
        ("declined", NOON + 3, True)
    ]


def test_hours_of_a_turned_clock() -> None:
    """Where the clock is turned it is quiet from the first that may be meant to the last."""
    engine = engine_of(
        probe("mail", touchpoints=["page.viewed"], channel="email", valid_for="1d", quiet_hours="dawn"),
        calendars={"dawn": {"from": "01:30", "to": "02:30"}},
        zone="Europe/Berlin",
    )
    berlin = ZoneInfo("Europe/Berlin")
    for day in (datetime(2026, 3, 29, tzinfo=berlin), datetime(2026, 10, 25, tzinfo=berlin)):
        start = int(day.timestamp() * 1000)
        quiet = []
        for minute in range(0, 300, 5):
            at = start + minute * MINUTE
            outcome = engine.step(None, happened("page.viewed", at), at)
            quiet.append(not outcome.triggers)
            local = to_datetime(at).astimezone(berlin)
            if (1, 30) <= (local.hour, local.minute) < (2, 30):
                assert quiet[-1]
        assert [one for one, two in pairwise(quiet) if one != two] == [False, True]
