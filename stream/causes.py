"""Causes: which touchpoints cost customers and which win them, and what came of what was done about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import sqrt
from typing import Literal

import msgspec

from schemas.catalogue import Stage, TouchpointType
from schemas.decision import DecisionData
from schemas.playbook import Playbook
from schemas.profile import Profile
from schemas.timestamp import DAY, SECOND, to_rfc3339
from schemas.touchpoint import Touchpoint
from stream import experience, journey, recency
from stream.arbitration.lifecycle import ACCEPTED, DECLINED, IGNORED
from stream.plays.context import FIRED

ANSWERS = (ACCEPTED, DECLINED, IGNORED)
"""What customers say to a trigger."""

MAX_KINDS = 500
"""Kinds of touchpoint told apart, and pairs of type and channel; further ones are told together under `*`."""

OTHER = "*"

MAX_FOLLOWED = 1_000_000
"""Triggers whose answer is waited for at once, some 100 MB; of more, the answers are not told by cause."""

CONFIDENCE = 1.96
"""Standard deviations beyond which a share is called another one; once in twenty it is chance."""

LONGEST = 30 * DAY // SECOND
"""Longest time at one touchpoint that is believed, in seconds: what takes longer is a mistake in the data."""

FEWEST = 20
"""Customers below whom nothing is called a cause: Wilson's interval is too wide to say anything."""

Verdict = Literal["costs", "wins", "same", "too few"]


class MomentCount(msgspec.Struct, frozen=True):
    """Good and bad moments of a type on a channel.

    Attributes:
        type: the touchpoint's type.
        channel: where it happened; None where that was not said.
        touchpoints: how many there were.
        good: how many were good moments.
        bad: how many were bad ones.
        weight: the mean weight, −1 to 1.
    """

    type: str
    channel: str | None
    touchpoints: int
    good: int
    bad: int
    weight: float


class Return(msgspec.Struct, frozen=True):
    """Whether customers bought again after a moment of a type.

    Attributes:
        type: the touchpoint's type.
        customers: how many had such a moment long enough ago; of each the latest one counts.
        returned: how many bought on a later day within the time.
        share: the share of those.
        verdict: `costs` or `wins` where the share is surely another than that of all moments, else `same`.
    """

    type: str
    customers: int
    returned: int
    share: float
    verdict: Verdict


class TimeCount(msgspec.Struct, frozen=True):
    """Time that customers spent at a type of touchpoint.

    Attributes:
        type: the touchpoint's type.
        well: `saved` where less is better, a service; `spent` where more is, an experience.
        touchpoints: how many said how long.
        efforts: how often each customer who had any went through it, in the mean.
        mean_s: mean time, in seconds.
        longest_s: the longest, in seconds.
        total_s: all of it, in seconds.
    """

    type: str
    well: Literal["saved", "spent"]
    touchpoints: int
    efforts: float
    mean_s: float
    longest_s: float
    total_s: float


class Answer(msgspec.Struct, frozen=True):
    """What became of triggers of a play, by what had caused them.

    Attributes:
        cause: type of the touchpoint; `timer.due` where something did not happen in time.
        play: the play's name.
        family: its family.
        level: what the play is for, where the playbook says so.
        fired: how many went out.
        accepted: how many customers took.
        declined: how many they declined.
        ignored: how many they left unanswered.
    """

    cause: str
    play: str
    family: str
    level: str | None
    fired: int
    accepted: int
    declined: int
    ignored: int


class Level(msgspec.Struct, frozen=True):
    """What became of triggers by what they were for.

    Attributes:
        level: `pain`, `wow`, `participation`, or None where the playbook does not say.
        fired: how many went out.
        accepted: how many customers took.
        declined: how many they declined.
        ignored: how many they left unanswered.
    """

    level: str | None
    fired: int
    accepted: int
    declined: int
    ignored: int


class StageCount(msgspec.Struct, frozen=True):
    """Customers in a stage.

    Attributes:
        stage: the 5A stage.
        customers: how many are in it now.
        mean_days: mean days that those who were ever in it have spent there.
    """

    stage: str
    customers: int
    mean_days: float


class Report(msgspec.Struct, frozen=True):
    """What was found.

    Attributes:
        playbook: version of the playbook whose catalogue was gone by.
        as_of: up to when, in RFC 3339.
        within_days: days within which customers have to buy again.
        customers: how many there are.
        returned: share that bought again after any good or bad moment; what each type is held against.
        moments: by type and channel, the worst first.
        returns: by type, those that cost most first.
        times: by type, the longest in all first.
        answers: by cause and play, the most frequent first.
        levels: by what plays are for.
        stages: the funnel.
        not_followed: triggers whose answers could not be told by cause, as they were too many.
    """

    playbook: str
    as_of: str
    within_days: float
    customers: int
    returned: float | None
    moments: tuple[MomentCount, ...]
    returns: tuple[Return, ...]
    times: tuple[TimeCount, ...]
    answers: tuple[Answer, ...]
    levels: tuple[Level, ...]
    stages: tuple[StageCount, ...]
    not_followed: int


class _Sum(msgspec.Struct):
    count: int = 0
    total: float = 0.0
    most: float = 0.0
    good: int = 0
    bad: int = 0


class Causes:
    """Adds up touchpoints, decisions and profiles, in any number; what it keeps is bounded.

    Touchpoints tell of moments by channel and of time, decisions of what was done and answered, profiles of
    who came back and of the funnel.

    Args:
        playbook: says how good or bad each type is, and which field of its data holds a time.
        within: how soon customers have to buy again, in ms.
    """

    def __init__(self, playbook: Playbook, within: int) -> None:
        self._playbook = playbook
        self._within = within
        self._levels = {play.play: play.level for play in playbook.plays}
        self._moments: dict[tuple[str, str | None], _Sum] = {}
        self._times: dict[str, _Sum] = {}
        self._efforts = {
            type_: _Sum() for type_, entry in playbook.catalogue.items() if entry.saved or entry.spent
        }
        self._followed: dict[str, tuple[str, str, str]] = {}
        self._answers: dict[tuple[str, str, str], Counter[str]] = {}
        self._not_followed = 0
        self._stages: Counter[str] = Counter()
        self._dwell: dict[str, _Sum] = {stage: _Sum() for stage in journey.STAGES}
        self._returns: dict[str, list[int]] = {}
        self._customers = 0

    def touchpoint(self, touchpoint: Touchpoint) -> None:
        """Add a touchpoint: what moment it was, and how long it took."""
        entry = self._playbook.catalogue.get(touchpoint.type)
        if entry is None:
            return
        weight = experience.weight_of(touchpoint, entry)
        if weight:
            key: tuple[str, str | None] = (touchpoint.type, touchpoint.channel)
            if key not in self._moments and len(self._moments) >= MAX_KINDS:
                key = (OTHER, None)
            count = self._moments.setdefault(key, _Sum())
            count.count += 1
            count.total += weight
            count.good += weight > 0
            count.bad += weight < 0
        self._time(touchpoint, entry)

    def _time(self, touchpoint: Touchpoint, entry: TouchpointType) -> None:
        field = entry.saved or entry.spent
        said = None if field is None else touchpoint.data.get(field)
        if isinstance(said, bool) or not isinstance(said, int | float) or not 0 <= said <= LONGEST:
            return
        count = self._times.setdefault(touchpoint.type, _Sum())
        count.count += 1
        count.total += said
        count.most = max(count.most, float(said))

    def decision(self, data: DecisionData) -> None:
        """Add a decision: what fired because of what, and what became of triggers that went out before."""
        for candidate in data.candidates:
            id_ = candidate.trigger
            if id_ is None:
                continue
            if candidate.reason == FIRED:
                cause = (data.touchpoint_type, candidate.play, candidate.family)
                if len(self._followed) < MAX_FOLLOWED:
                    self._followed[id_] = cause
                else:
                    self._not_followed += 1
                self._answers.setdefault(cause, Counter())[FIRED] += 1
            elif candidate.reason in ANSWERS and (known := self._followed.pop(id_, None)) is not None:
                self._answers[known][candidate.reason] += 1

    def profile(self, profile: Profile, now: int) -> None:
        """Add a customer, as of a time in ms."""
        if profile.moved_to is not None or not profile.stage_since:
            return
        self._customers += 1
        self._stages[profile.stage] += 1
        for stage, lasted in journey.dwell(profile, now).items():
            if lasted:
                self._dwell[stage].count += 1
                self._dwell[stage].total += lasted / DAY
        for type_, effort in self._efforts.items():
            if (kind := profile.kinds.get(type_)) is not None:
                effort.count += 1
                effort.total += kind.count
        days = recency.days_of(profile)
        latest = {moment.type: moment for moment in profile.moments if moment.time + self._within <= now}
        for moment in latest.values():
            first, last = moment.time // DAY, (moment.time + self._within) // DAY
            returned = any(first < day <= last for day in days)
            if moment.type in self._returns or len(self._returns) < MAX_KINDS:
                counts = self._returns.setdefault(moment.type, [0, 0])
                counts[0] += 1
                counts[1] += returned

    def report(self, now: int) -> Report:
        """What was found, as of a time in ms."""
        matured = sum(customers for customers, _ in self._returns.values())
        returned = sum(back for _, back in self._returns.values())
        base = returned / matured if matured else None
        return Report(
            self._playbook.version,
            to_rfc3339(now),
            self._within / DAY,
            self._customers,
            None if base is None else round(base, 4),
            tuple(
                MomentCount(type_, channel, one.count, one.good, one.bad, round(one.total / one.count, 4))
                for (type_, channel), one in sorted(
                    self._moments.items(), key=lambda each: (each[1].total, each[0][0], each[0][1] or "")
                )
            ),
            tuple(self._returned(base)),
            tuple(self._timed()),
            tuple(self._answered()),
            tuple(_by_level(self._answered())),
            tuple(self._funnel()),
            self._not_followed,
        )

    def _returned(self, base: float | None) -> Iterable[Return]:
        found = [
            Return(type_, customers, back, round(back / customers, 4), _verdict(customers, back, base or 0.0))
            for type_, (customers, back) in self._returns.items()
        ]
        return sorted(found, key=lambda one: (one.share, one.type))

    def _timed(self) -> Iterable[TimeCount]:
        catalogue = self._playbook.catalogue
        found = [
            TimeCount(
                type_,
                "saved" if catalogue[type_].saved is not None else "spent",
                one.count,
                round(self._efforts[type_].total / max(self._efforts[type_].count, 1), 2),
                round(one.total / one.count, 3),
                one.most,
                round(one.total, 3),
            )
            for type_, one in self._times.items()
        ]
        return sorted(found, key=lambda one: (-one.total_s, one.type))

    def _answered(self) -> list[Answer]:
        found = [
            Answer(*cause, self._levels.get(cause[1]), counts[FIRED], *(counts[each] for each in ANSWERS))
            for cause, counts in self._answers.items()
        ]
        return sorted(found, key=lambda one: (-one.fired, one.cause, one.play))

    def _funnel(self) -> Iterable[StageCount]:
        stages: tuple[Stage, ...] = journey.STAGES
        for stage in stages:
            dwelt = self._dwell[stage]
            mean = dwelt.total / dwelt.count if dwelt.count else 0.0
            yield StageCount(stage, self._stages[stage], round(mean, 3))


def _by_level(answers: Iterable[Answer]) -> Iterable[Level]:
    levels: dict[str | None, list[int]] = {}
    for one in answers:
        counts = levels.setdefault(one.level, [0, 0, 0, 0])
        for place, count in enumerate((one.fired, one.accepted, one.declined, one.ignored)):
            counts[place] += count
    for level in sorted(levels, key=lambda each: each or "~"):
        yield Level(level, *levels[level])


def _verdict(customers: int, returned: int, base: float) -> Verdict:
    """Whether a share is another than the base, by Wilson's interval (1927).

    >>> _verdict(100, 20, 0.5), _verdict(100, 48, 0.5), _verdict(10, 0, 0.5)
    ('costs', 'same', 'too few')
    """
    if customers < FEWEST:
        return "too few"
    share, z = returned / customers, CONFIDENCE
    middle = share + z * z / (2 * customers)
    reach = z * sqrt(share * (1 - share) / customers + z * z / (4 * customers * customers))
    scale = 1 + z * z / customers
    if (middle + reach) / scale < base:
        return "costs"
    return "wins" if (middle - reach) / scale > base else "same"
