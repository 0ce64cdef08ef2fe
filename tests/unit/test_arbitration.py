"""Arbitration: each step holds back what it should, and says so by its reason code."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from schemas.families.suppression import Fatigue, SuppressionPlay
from schemas.holding import MAX_HELD
from schemas.lifecycle import Issued
from schemas.profile import Profile, new_profile
from schemas.suppression import Suppressed
from schemas.timer import MAX_TIMERS, Timer
from schemas.timestamp import DAY, HOUR, MINUTE
from schemas.touchpoint import Touchpoint
from stream import timers
from stream.arbitration import consent
from stream.arbitration.arbiter import Arbiter
from stream.arbitration.holdout import share_of
from stream.merger import merge
from stream.outcome import Outcome
from tests.hotel import NOON, happened, run
from tests.probes import ProbePlay, engine_of, life, probe

NIGHT = {"night": {"from": "22:00", "to": "08:00", "spread": "30m"}}

EVENING = NOON + 11 * HOUR
"""23:00 UTC."""

MORNING = NOON + 20 * HOUR
"""08:00 UTC on the next day."""


def mail(name: str = "mail", **fields: Any) -> ProbePlay:
    """A play that sends a mail for each page that is viewed."""
    told = {"touchpoints": ["page.viewed"], "channel": "email", "category": "offers", "valid_for": "1d"}
    return probe(name, **{**told, **fields})


def viewed(at: int = NOON) -> Touchpoint:
    """A page is viewed."""
    return happened("page.viewed", at)


def viewed_by(customer: str, at: int = NOON) -> Touchpoint:
    """A page is viewed by someone else than Ann."""
    return msgspec.structs.replace(viewed(at), customer=customer)


def told(outcome: Outcome) -> list[tuple[str, str, tuple[str, ...]]]:
    """Play, reason and details of each candidate."""
    return [
        (candidate.play, candidate.reason, candidate.failed)
        for decision in outcome.decisions
        for candidate in decision.data.candidates
    ]


def why(outcomes: list[Outcome]) -> list[str]:
    """The reason of each candidate, one after another."""
    return [reason for outcome in outcomes for _, reason, _ in told(outcome)]


def word(kind: str, at: int, channel: str | None = None) -> Touchpoint:
    """A word on the purpose `offers`."""
    data = {"purpose": "offers"} | ({} if channel is None else {"for_channel": channel})
    return happened(f"consent.{kind}", at, data)


@pytest.mark.parametrize(
    ("words", "email", "push", "none"),
    [
        ([], "consent", "consent", "consent"),
        ([("granted", None)], "fired", "fired", "fired"),
        ([("granted", "all")], "fired", "fired", "fired"),
        ([("granted", "email")], "fired", "consent", "consent"),
        ([("granted", None), ("withdrawn", "email")], "consent", "fired", "consent"),
        ([("granted", None), ("withdrawn", "sms")], "fired", "fired", "consent"),
        ([("withdrawn", "email"), ("granted", None)], "fired", "fired", "fired"),
        ([("granted", None), ("withdrawn", "email"), ("granted", "email")], "fired", "fired", "fired"),
        ([("granted", "email"), ("withdrawn", None)], "consent", "consent", "consent"),
        ([("withdrawn", None), ("granted", "push")], "consent", "fired", "consent"),
        ([("granted", "email"), ("granted", "push"), ("withdrawn", "push")], "fired", "consent", "consent"),
    ],
)
def test_consent_by_channel(words: list[tuple[str, str | None]], email: str, push: str, none: str) -> None:
    """Of the words on all channels and on the play's own the latest holds; a play without one needs all."""
    touchpoints = [word(kind, NOON + number, channel) for number, (kind, channel) in enumerate(words)]
    channels = ("email", "push", None)
    plays = [mail(str(channel).lower(), channel=channel, purpose="offers") for channel in channels]

    outcomes = run([*touchpoints, viewed(NOON + 10)], engine=engine_of(*plays))

    assert why(outcomes[-1:]) == [email, push, none]


def test_withdrawal_holds_on_the_very_next_touchpoint() -> None:
    """Whatever was told before: after the withdrawal nothing goes out."""
    engine = engine_of(mail(purpose="offers"))

    words = [word("granted", NOON), word("withdrawn", NOON + 2)]

    outcomes = run([words[0], viewed(NOON + 1), words[1], viewed(NOON + 3)], engine=engine)

    assert why(outcomes) == ["fired", "consent"]


def test_last_check_of_consent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Should a step ever be missing, nothing goes out without consent all the same, and it is counted."""
    build = Arbiter.__init__

    def without(self: Arbiter, *args: Any) -> None:
        build(self, *args)
        self._steps = tuple(step for step in self._steps if step is not consent.check)

    monkeypatch.setattr(Arbiter, "__init__", without)
    (outcome,) = run([viewed()], engine=engine_of(mail(purpose="offers")))

    assert (why([outcome]), outcome.triggers) == (["consent-violation"], [])


def test_suppressed_while_an_issue_is_open() -> None:
    """No promotion from the complaint to its end."""
    issue = {"issue": "i1"}
    touchpoints = [
        viewed(),
        happened("complaint.opened", NOON + 1, issue),
        viewed(NOON + 2),
        happened("complaint.closed", NOON + 3, issue),
        viewed(NOON + 4),
    ]

    outcomes = run(touchpoints, engine=engine_of(mail()))

    assert [told(outcome) for outcome in outcomes if outcome.decisions] == [
        [("mail", "fired", ())],
        [("mail", "suppressed", ("open-issue",))],
        [("mail", "fired", ())],
    ]


@pytest.mark.parametrize(
    ("because", "about", "until", "expected"),
    [
        ("declined", "offers", NOON + 1, [("mail", "suppressed", ("declined",))]),
        ("declined", "offers", NOON, [("mail", "fired", ())]),
        ("declined", "news", NOON + 1, [("mail", "fired", ())]),
        ("fatigue", "", NOON + 1, [("mail", "suppressed", ("fatigue",))]),
        ("fatigue", "", NOON, [("mail", "fired", ())]),
    ],
)
def test_suppressed_until(
    because: str, about: str, until: int, expected: list[tuple[str, str, tuple[str, ...]]]
) -> None:
    """A declined category, and all of them when tired, are held back up to their time and not beyond."""
    profile = new_profile("ann")
    profile.suppressed = (Suppressed(until, because, about, NOON - 1),)

    (outcome,) = run([viewed()], profile, engine_of(mail()))

    assert told(outcome) == expected


def test_holdout_of_a_play() -> None:
    """The share that is held out is as large as said, and always the same customers."""
    engine = engine_of(mail(holdout=0.25))
    customers = [f"c{number}" for number in range(400)]
    first, again = (
        [why([engine.step(None, viewed_by(customer, at), at)]) for customer in customers]
        for at in (NOON, NOON + HOUR)
    )

    assert first == again
    assert (first.count(["holdout"]), first.count(["fired"])) == (114, 286)


def test_holdout_of_everything() -> None:
    """The playbook's share is held out from all plays alike; a play's own is drawn anew for each."""
    customers = [f"c{number}" for number in range(400)]
    out = [customer for customer in customers if share_of(customer, "holdout=all") < 0.1]
    engine = engine_of(mail("one", category="a"), mail("two", category="b"), holdout=0.1)
    found = [
        customer
        for customer in customers
        if told(engine.step(None, viewed_by(customer), NOON))
        == [("one", "holdout", ("everything",)), ("two", "holdout", ("everything",))]
    ]

    assert found == out
    assert len(out) == 28


def test_caps_roll() -> None:
    """Two a day are two within any twenty-four hours, not two a calendar day."""
    engine = engine_of(mail(), caps=[{"at_most": 2, "within": "1d"}])
    times = [0, 23 * HOUR, DAY - 1, DAY, DAY + 22 * HOUR, DAY + 23 * HOUR]

    outcomes = run([viewed(NOON + at) for at in times], engine=engine)

    assert [reason for reason in why(outcomes) if reason != "expired"] == [
        *("fired", "fired", "cap", "fired", "cap", "fired")
    ]


def test_caps_by_channel_and_category() -> None:
    """A cap counts what it is about; each of them must hold; the order of plays decides who is first."""
    plays = [
        mail("a", category="offers"),
        mail("b", category="news"),
        mail("c", channel="push", category="offers"),
        mail("d", channel="push", category="news"),
    ]
    caps = [
        {"channel": "email", "at_most": 1, "within": "1d"},
        {"category": "news", "at_most": 1, "within": "1d"},
    ]

    (first, second) = run([viewed(), viewed(NOON + 1)], engine=engine_of(*plays, caps=caps))

    assert why([first]) == ["fired", "cap", "fired", "fired"]
    assert why([second]) == ["cap", "cap", "fired", "cap"]


def test_caps_count_what_is_forgotten_as_too_many() -> None:
    """Where more went out than is remembered, a cap counts as reached until its window has passed it."""
    engine = engine_of(mail(), caps=[{"at_most": 2, "within": "1d"}])
    profile = new_profile("ann")
    profile.forgotten = NOON - DAY + 1

    outcomes = run([viewed(), viewed(NOON + 1)], profile, engine)

    assert why(outcomes) == ["cap", "fired"]


def test_caps_when_time_goes_back() -> None:
    """What is decided on as of before still counts what went out after it, as far ahead as behind."""
    engine = engine_of(mail(), caps=[{"at_most": 1, "within": "1d"}])
    times = [0, -HOUR, -DAY + 1, -DAY, -DAY - 1, 1 - 2 * DAY, -2 * DAY]

    outcomes = run([viewed(NOON + at) for at in times], engine=engine)

    assert why(outcomes) == ["fired", "cap", "cap", "fired", "cap", "cap", "fired"]


@pytest.mark.parametrize(
    ("forgotten", "reason"),
    [(-DAY, "fired"), (1 - DAY, "cap"), (0, "cap"), (HOUR, "cap"), (DAY - 1, "cap"), (DAY, "fired")],
)
def test_caps_when_time_goes_back_behind_what_is_forgotten(forgotten: int, reason: str) -> None:
    """What is not remembered any more counts as too many, as far ahead of a decision as behind it."""
    profile = new_profile("ann")
    profile.forgotten = NOON + forgotten

    outcomes = run([viewed()], profile, engine_of(mail(), caps=[{"at_most": 2, "within": "1d"}]))

    assert why(outcomes) == [reason]


def test_quiet_hours_hold_until_morning() -> None:
    """What comes at night waits in the profile and goes out in the morning, with what caused it."""
    engine = engine_of(mail(quiet_hours="night"), calendars=NIGHT)
    outcomes = life(engine, [viewed(EVENING)], MORNING + 30 * MINUTE)
    night, morning = outcomes
    (held,) = night.profile.held
    spread = int(share_of("ann", "spread=night") * 30 * MINUTE)
    (trigger,) = morning.triggers

    assert told(night) == [("mail", "quiet-hours", ())]
    assert (held.play, held.family, held.touchpoint, held.type) == (
        "mail",
        "probe",
        "page.viewed@39600000",
        "page.viewed",
    )
    assert (held.proposed, held.expires, held.due) == (EVENING, EVENING + DAY, MORNING + spread)
    assert told(morning) == [("mail", "fired", ())]
    assert (trigger.id, trigger.touchpoint, trigger.time, trigger.expires) == (
        held.id,
        "page.viewed@39600000",
        MORNING + spread,
        EVENING + DAY,
    )
    assert (morning.profile.held, [t.name for t in morning.profile.timers]) == ((), ["live"])


def test_quiet_hours_of_what_runs_out_before() -> None:
    """What could not be acted on in the morning any more is not held at all."""
    engine = engine_of(mail(quiet_hours="night", valid_for="9h"), calendars=NIGHT)

    (outcome,) = run([viewed(EVENING)], engine=engine)

    assert (told(outcome), outcome.profile.held) == ([("mail", "expired", ("quiet-hours",))], ())


@pytest.mark.parametrize(
    ("meanwhile", "reason", "details"),
    [
        ([], "fired", ()),
        ([word("withdrawn", EVENING + 1)], "consent", ()),
        ([happened("complaint.opened", EVENING + 1)], "suppressed", ("open-issue",)),
    ],
)
def test_what_is_held_is_decided_on_once_more(
    meanwhile: list[Touchpoint], reason: str, details: tuple[str, ...]
) -> None:
    """In the morning every step looks at the customer as of then."""
    engine = engine_of(mail(quiet_hours="night", purpose="offers"), calendars=NIGHT)

    outcomes = life(engine, [word("granted", NOON), viewed(EVENING), *meanwhile], MORNING + HOUR)

    assert told(outcomes[-1]) == [("mail", reason, details)]
    assert outcomes[-1].profile.held == ()


def test_what_is_held_counts_for_caps_when_it_goes_out() -> None:
    """Two are held, one may go."""
    plays = [mail("a", quiet_hours="night"), mail("b", quiet_hours="night")]
    engine = engine_of(*plays, calendars=NIGHT, caps=[{"at_most": 1, "within": "1d"}])

    night, morning = life(engine, [viewed(EVENING)], MORNING + HOUR)

    assert why([night]) == ["quiet-hours", "quiet-hours"]
    assert told(morning) == [("a", "fired", ()), ("b", "cap", ())]


def test_newer_takes_the_place_of_what_is_held() -> None:
    """Of one play about one thing only the latest waits."""
    engine = engine_of(mail(quiet_hours="night"), calendars=NIGHT)

    _, second = run([viewed(EVENING), viewed(EVENING + 1)], engine=engine)

    assert told(second) == [("mail", "quiet-hours", ()), ("mail", "replaced", ())]
    assert [held.touchpoint for held in second.profile.held] == ["page.viewed@39600001"]


def test_held_are_bounded() -> None:
    """Beyond the limit nothing is held any more, and it is said."""
    plays = [mail(f"m{number}", quiet_hours="night") for number in range(MAX_HELD + 1)]

    (outcome,) = run([viewed(EVENING)], engine=engine_of(*plays, calendars=NIGHT))

    assert {held.play for held in outcome.profile.held} == {play.play for play in plays[:-1]}
    assert told(outcome)[-1] == ("m8", "crowded", ("quiet-hours",))


def test_held_by_a_play_that_is_no_more() -> None:
    """What was held by a play that the playbook has lost is dropped, and it is said."""
    (night,) = run([viewed(EVENING)], engine=engine_of(mail(quiet_hours="night"), calendars=NIGHT))

    morning = engine_of(mail("other")).fire(night.profile, MORNING + HOUR)

    assert (told(morning), morning.profile.held) == ([("mail", "play-gone", ())], ())


def test_held_too_long() -> None:
    """Where nobody was there to let it go in time it is told as expired, and never goes out."""
    (night,) = run([viewed(EVENING)], engine=engine_of(mail(quiet_hours="night"), calendars=NIGHT))

    late = engine_of(mail(quiet_hours="night"), calendars=NIGHT).fire(
        night.profile, EVENING + 2 * DAY, EVENING + 2 * DAY
    )

    assert (told(late), late.triggers) == ([("mail", "stale", ())], [])


def test_worker_that_was_away_respects_the_next_night() -> None:
    """What was due in the morning and finds a worker only at night waits for the next morning."""
    engine = engine_of(mail(quiet_hours="night", valid_for="3d"), calendars=NIGHT)
    (night,) = run([viewed(EVENING)], engine=engine)

    away = engine.fire(night.profile, EVENING + DAY, EVENING + DAY)

    assert told(away) == [("mail", "quiet-hours", ())]
    assert away.profile.held[0].due // HOUR == (MORNING + DAY) // HOUR


def test_slots_have_one_winner() -> None:
    """Of plays that want the same slot the greatest priority wins, then the playbook's order."""
    plays = [
        mail("low", slot="top"),
        mail("high", slot="top", priority=5),
        mail("also-high", slot="top", priority=5),
        mail("elsewhere", slot="top", channel="push"),
        mail("free"),
    ]

    (outcome,) = run([viewed()], engine=engine_of(*plays))

    assert why([outcome]) == ["outranked", "fired", "outranked", "fired", "fired"]
    assert [trigger.data.play for trigger in outcome.triggers] == ["high", "elsewhere", "free"]


def test_slot_is_taken_while_its_trigger_is_live() -> None:
    """It is free again when the trigger is answered, and when it has run out."""
    engine = engine_of(mail(slot="top", valid_for="2h"))
    first, second = run([viewed(), viewed(NOON + HOUR)], engine=engine)
    answer = happened("trigger.accepted", NOON + HOUR, {"trigger": first.triggers[0].id})

    assert why([first, second]) == ["fired", "outranked"]
    assert why(run([answer, viewed(NOON + HOUR + 1)], second.profile, engine)) == ["accepted", "fired"]
    assert why(run([viewed(NOON + 2 * HOUR - 1)], second.profile, engine)) == ["outranked"]
    assert why(run([viewed(NOON + 2 * HOUR)], second.profile, engine)) == ["expired", "fired"]


SUPPRESSION = SuppressionPlay(
    play="hold", valid_for="14d", declined_for="30d", fatigue=Fatigue(at_most=2, within="7d", lasts="3d")
)


def test_service_is_exempt_from_all_but_consent() -> None:
    """An order to hold back passes caps, quiet hours, holdout and suppression."""
    exempt = msgspec.structs.replace(
        SUPPRESSION, quiet_hours="night", channel="email", category="offers", holdout=1.0, slot="top"
    )
    engine = engine_of(
        mail(slot="top"), exempt, calendars=NIGHT, holdout=1.0, caps=[{"at_most": 1, "within": "1d"}]
    )
    issues = [happened("complaint.opened", EVENING + n, {"issue": f"i{n}"}, id_=f"o{n}") for n in (1,)]
    closed = [happened("complaint.closed", EVENING + 5, {"issue": "i1"})]

    outcomes = run([viewed(EVENING), *issues, *closed], engine=engine)

    assert why(outcomes) == ["holdout", "fired", "fired"]


def test_zone_of_the_customer() -> None:
    """It is quiet by the clock of the hotel where one stays, else as stated, else booked, else by default."""
    engine = engine_of(
        mail(quiet_hours="night"), calendars={"night": {"from": "22:00", "to": "08:00"}}, zone="Asia/Seoul"
    )
    # 13:00 in London, 22:00 in Seoul, 09:00 in New York
    at = NOON + HOUR
    stay = {"booking": "b", "property": "lisbon", "arrival": "2026-03-14", "departure": "2026-03-16"}
    booked = happened("booking.confirmed", NOON, stay)
    stated = happened("profile.stated", NOON + 1, {"zone": "Asia/Tokyo"})
    arrived = happened("stay.checked-in", NOON + 2, {"booking": "b"})

    assert why(run([viewed(at)], engine=engine)) == ["quiet-hours"]
    assert why(run([booked, viewed(at)], engine=engine)) == ["fired"]
    assert why(run([booked, stated, viewed(at)], engine=engine)) == ["quiet-hours"]
    assert why(run([booked, stated, arrived, viewed(at)], engine=engine)) == ["fired"]


def test_latest_word_on_the_zone() -> None:
    """What was stated later holds, in whichever order it is told; what is no zone is refused."""
    words = [
        happened("profile.stated", NOON, {"zone": "Europe/Lisbon"}),
        happened("profile.stated", NOON + 1, {"zone": "Asia/Seoul"}),
        happened("profile.stated", NOON + 2),
    ]
    for order in (words, words[::-1]):
        profile = run(order)[-1].profile
        assert (profile.zone, profile.zone_said) == ("Asia/Seoul", NOON + 1)
    with pytest.raises(msgspec.ValidationError, match="no IANA time zone"):
        run([happened("profile.stated", data={"zone": "Mars/Olympus"})])


def test_merge_of_what_waits_and_what_is_out() -> None:
    """Two ids that become one have what both had, each once, and the earlier of the timers."""
    engine = engine_of(mail(quiet_hours="night"), mail("day", category="news"), calendars=NIGHT)
    (one,) = run([viewed(EVENING)], engine=engine)
    (other,) = run([viewed(EVENING - DAY)], engine=engine)
    profile, alias = one.profile, other.profile
    held, issued = sorted(h.id for h in (*profile.held, *alias.held)), [*alias.issued, *profile.issued]

    merge(profile, alias)
    merge(profile, alias)

    assert sorted(h.id for h in profile.held) == held
    assert list(profile.issued) == issued
    assert [(t.name, t.due) for t in profile.timers] == [
        ("held", min(h.due for h in alias.held)),
        ("live", EVENING),
    ]


def outcome_of(status: str, at: int, trigger: str) -> Touchpoint:
    """A service tells what became of a trigger."""
    return happened(f"trigger.{status}", at, {"trigger": trigger}, id_=f"{status}-{trigger}-{at}")


def issued_of(profile: Profile) -> list[tuple[str, int, bool]]:
    """Status, time and delivery of what went out."""
    return [(each.status, each.said, each.delivered) for each in profile.issued]


def test_life_of_a_trigger() -> None:
    """It is issued, delivered and accepted; a repetition says nothing new."""
    engine = engine_of(mail())
    (sent,) = run([viewed()], engine=engine)
    (trigger,) = sent.triggers
    steps = [outcome_of("delivered", NOON + 1, trigger.id), outcome_of("accepted", NOON + 2, trigger.id)]
    again = [outcome_of("accepted", NOON + 3, trigger.id)]

    outcomes = run([*steps, *again], sent.profile, engine)

    assert sent.profile.issued == (
        Issued(trigger.id, "mail", "probe", "email", "offers", None, NOON, NOON + DAY),
    )
    assert why(outcomes) == ["delivered", "accepted"]
    assert issued_of(outcomes[1].profile) == [("accepted", NOON + 2, True)]
    assert (sent.profile.timers[0].name, outcomes[1].profile.timers) == ("live", ())
    decision = outcomes[0].decision
    assert decision is not None
    assert decision.data.candidates[0].trigger == trigger.id


def test_expiry_is_a_decision_and_no_trigger() -> None:
    """What nobody has answered by its end is told as expired by a timer; an answer after it still counts."""
    engine = engine_of(mail())
    (sent,) = run([viewed()], engine=engine)
    (trigger,) = sent.triggers
    before = engine.fire(sent.profile, NOON + DAY - 1)
    ended = engine.fire(sent.profile, NOON + DAY)
    (late,) = run([outcome_of("accepted", NOON + DAY + 5, trigger.id)], ended.profile, engine)

    assert (before.decisions, ended.triggers) == ([], [])
    assert (why([ended]), ended.decisions[0].data.touchpoint_type) == (["expired"], "timer.due")
    assert issued_of(ended.profile) == [("expired", NOON + DAY, False)]
    assert issued_of(late.profile) == [("accepted", NOON + DAY + 5, True)]
    assert ended.profile.timers == ()


def test_outcome_of_an_unknown_trigger() -> None:
    """It is on record, and changes nothing."""
    engine = engine_of(mail())

    (outcome,) = run([outcome_of("declined", NOON, "t-9")], engine=engine)

    assert told(outcome) == [("unknown", "trigger-unknown", ("declined",))]
    assert outcome.decisions[0].data.candidates[0].trigger == "t-9"
    assert (outcome.profile.issued, outcome.profile.suppressed) == ((), ())


def test_outcome_that_names_no_trigger() -> None:
    """It goes to the dead letters."""
    with pytest.raises(msgspec.ValidationError, match="trigger"):
        run([happened("trigger.accepted")])


def test_declined_category_is_held_back_for_its_time() -> None:
    """It is published on all channels, ends by a timer, and other categories go on."""
    engine = engine_of(mail(), mail("news", category="news"), SUPPRESSION)
    (sent,) = run([viewed()], engine=engine)
    declined, viewed_again = run(
        [outcome_of("declined", NOON + 1, sent.triggers[0].id), viewed(NOON + 2)], sent.profile, engine
    )
    ended = engine.fire(viewed_again.profile, NOON + 1 + 30 * DAY)
    (start,) = declined.triggers
    ends = [t for t in ended.triggers if t.family == "suppression"]

    assert why([declined, viewed_again]) == ["declined", "fired", "suppressed", "fired"]
    assert msgspec.to_builtins(start.data.content) == {
        "family": "suppression",
        "action": "start",
        "because": "declined",
        "issue": None,
        "open_issues": 0,
        "category": "offers",
    }
    assert start.expires == NOON + 1 + 30 * DAY
    assert [(t.time, t.data.content.action, t.data.content.category) for t in ends] == [  # type: ignore[union-attr]
        (NOON + 1 + 30 * DAY, "end", "offers")
    ]
    assert ended.profile.suppressed == ()


def test_accepting_ends_what_declining_began() -> None:
    """The latest word on a category holds, in whichever order it is told."""
    engine = engine_of(mail(), SUPPRESSION)
    sent = run([viewed(), viewed(NOON + 1)], engine=engine)
    one, two = (outcome.triggers[0].id for outcome in sent)
    words = [outcome_of("declined", NOON + 10, one), outcome_of("accepted", NOON + 20, two)]

    told_in_order = run(words, sent[-1].profile, engine)
    told_late = run(words[::-1], sent[-1].profile, engine)

    assert why(told_in_order) == ["declined", "fired", "accepted", "fired"]
    assert why(told_late) == ["accepted", "declined"]
    assert told_in_order[-1].profile.suppressed == told_late[-1].profile.suppressed == ()


def test_fatigue() -> None:
    """Two that were not wanted within a week hold everything back for three days."""
    engine = engine_of(mail(), mail("news", category="news"), SUPPRESSION)
    sent = run([viewed(), viewed(NOON + 1)], engine=engine)
    first, second = sent[0].triggers[0].id, sent[1].triggers[1].id
    touchpoints = [
        outcome_of("ignored", NOON + 10, first),
        outcome_of("ignored", NOON + 20, second),
        viewed(NOON + 30),
    ]
    outcomes = run(touchpoints, sent[-1].profile, engine)
    ended = engine.fire(outcomes[-1].profile, NOON + 20 + 3 * DAY)

    assert [told(outcome) for outcome in outcomes] == [
        [("mail", "ignored", ())],
        [("news", "ignored", ()), ("hold", "fired", ())],
        [("mail", "suppressed", ("fatigue",)), ("news", "suppressed", ("fatigue",))],
    ]
    assert [(t.time, t.data.content.action, t.data.content.because) for t in ended.triggers] == [  # type: ignore[union-attr]
        (NOON + 20 + 3 * DAY, "end", "fatigue")
    ]


def test_delivered_and_run_out_is_not_wanted() -> None:
    """What was delivered and never answered counts for fatigue; what was never delivered does not."""
    engine = engine_of(mail(valid_for="1h"), SUPPRESSION)
    sent = run([viewed(), viewed(NOON + 1)], engine=engine)
    ids = [outcome.triggers[0].id for outcome in sent]
    words = [outcome_of("delivered", NOON + 2 + number, id_) for number, id_ in enumerate(ids)]
    delivered = run(words, sent[-1].profile, engine)

    assert why([engine.fire(delivered[-1].profile, NOON + 2 * HOUR)]) == ["expired", "expired", "fired"]
    assert why([engine.fire(delivered[0].profile, NOON + 2 * HOUR)]) == ["expired", "expired"]


def test_leaving_a_play_revokes_what_is_out_and_drops_what_waits() -> None:
    """An exit event makes void what is live and calls off what is held."""
    engine = engine_of(mail(quiet_hours="night", cancelled_by=["cart.added"]), calendars=NIGHT)
    outcomes = life(
        engine,
        [viewed(), happened("cart.added", NOON + 1), viewed(EVENING), happened("cart.added", EVENING + 1)],
        MORNING + HOUR,
    )

    assert why(outcomes) == ["fired", "revoked", "quiet-hours", "cancelled"]
    assert outcomes[-1].profile.held == ()


def test_many_waits_cost_no_morning() -> None:
    """However many timers there are, the ones that stand for what is held and what is out stay."""
    (night,) = run([viewed(EVENING)], engine=engine_of(mail(quiet_hours="night"), calendars=NIGHT))
    profile = night.profile

    for number in range(2 * MAX_TIMERS):
        timers.put(profile, Timer(EVENING + 40 * DAY + number, f"zz:{number}", "", "e"))

    assert len(profile.timers) == MAX_TIMERS
    assert profile.timers[0].name == "held"


def test_attention_spent() -> None:
    """Each message takes some of it; after a week half is forgotten."""
    engine = engine_of(mail())

    outcomes = run([viewed(), viewed(NOON + 1), viewed(NOON + 1 + 7 * DAY)], engine=engine)

    assert round(outcomes[1].profile.attention, 6) == 2.0
    assert round(outcomes[2].profile.attention, 6) == 2.0
