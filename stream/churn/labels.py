"""Labels: what was seen of a customer waits in the profile until it is known what came of it.

A customer is looked at on each day on which one comes back, and every so often besides, also while nothing
happens, until one has been silent for `SILENCE`. What is seen matures at the end of the horizon, for both
classes, by a timer of the profile: at *t* + horizon a return still counts, a millisecond later it does not.
Only a cancellation is a label at once. All of it follows from the profile and the time of the step, so that
whatever is repeated comes to the same.

- What is told after the end of the horizon changes no label, and what is told over an hour late is no look.
- Where the horizon is changed, what waits is judged by the new one; what would have matured before anyone
  looked by it is dropped, whichever class it is of.
- Where there is no room, there is no look; that depends on what was before, and not on what came.
- In an outage of ingestion nobody is looked at, and for horizons time stands still: labels mature later by
  as long, and a return counts until then (stream/churn/outages.py). A worker that is down is none: meanwhile
  touchpoints go on coming in, and what was due is made up for as of its time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain

from schemas.churn import Churn
from schemas.cloudevents import deterministic_id
from schemas.duration import millis_of
from schemas.example import Because, Example, ExampleData
from schemas.ingestion import Outage
from schemas.kinds import OTHER_KIND
from schemas.profile import MAX_PENDING, Profile
from schemas.timer import Timer
from schemas.timestamp import DAY, to_datetime
from schemas.touchpoint import Touchpoint
from stream import timers
from stream.churn.membership import Membership
from stream.churn.outages import end_of, passed, untold
from stream.churn.snapshot import Snapshot, moved, packed, time_of, unpacked
from stream.recency import days_of

TIMER = timers.CHURN
"""Name of the timer; a profile has one of them, for whatever is due next."""

SILENCE = 182 * DAY
"""Half a year, in ms: who has been silent for longer is lost already, and looks would only teach that."""


class Labels:
    """Takes snapshots of customers, and tells what came of them.

    Args:
        churn: the playbook's section.
        model: version of the model that says the risks.
        score: the risk of a profile at a time in ms.
        membership: what notes in which segments a customer is.
        segments_of: those that a customer of a profile is in at a time in ms.
    """

    def __init__(
        self,
        churn: Churn,
        model: str,
        score: Callable[[Profile, int], float],
        membership: Membership,
        segments_of: Callable[[Profile, int], Iterable[str]],
    ) -> None:
        self._horizon = millis_of(churn.horizon)
        self._every = millis_of(churn.every)
        self._activity = churn.activity
        self._cancellation = churn.cancellation
        self._by_silence = bool(churn.activity) or not churn.cancellation
        self._model = model
        self._score = score
        self._membership = membership
        self._segments_of = segments_of

    def note(
        self,
        profile: Profile,
        touchpoint: Touchpoint,
        now: int,
        outages: Sequence[Outage] = (),
        *,
        late: bool,
    ) -> tuple[Example, ...]:
        """Take a look after a touchpoint, if there is to be one; what is known by it.

        Args:
            profile: the customer's profile, with the touchpoint and the risk, which may be changed.
            touchpoint: what happened.
            now: time of the step, in ms.
            outages: of ingestion, in order.
            late: whether it was told too late to be a moment of its own.
        """
        if touchpoint.type in self._cancellation:
            return self._cancelled(profile, touchpoint.id, touchpoint.time, now)
        if late:
            return ()
        latest = self._latest(profile)
        if (
            latest >= 0
            and not self._is_gone(profile, latest)
            and (latest // DAY > profile.looked_day or now - profile.looked >= self._every)
        ):
            self._look(profile, now, latest, outages)
        return ()

    def fire(self, profile: Profile, due: int, outages: Sequence[Outage] = ()) -> tuple[Example, ...]:
        """Do what is due at a time, in ms: what has matured, and a look at one who does nothing.

        Args:
            profile: the customer's profile, which is changed.
            due: the time.
            outages: of ingestion, in order.
        """
        latest = self._latest(profile)
        blind = untold(outages)
        kinds = list(profile.kinds)
        matured, waiting = [], []
        for snapshot in profile.pending:
            end = self._end(snapshot, outages)
            if end >= due:
                waiting.append(snapshot)
            # What ended before that was to end later when it was taken, and so was not looked at in time.
            elif end == due - 1 and latest <= end and (seen := unpacked(snapshot, kinds)) is not None:
                label = self._label(seen, self._latest_by(profile, end_of(seen.time, self._horizon, blind)))
                matured.append(self._example(profile, seen, label, end, f"timer/{TIMER}/@{due}"))
        profile.pending = tuple(waiting)
        if latest >= 0 and not self._is_gone(profile, latest):
            if (
                due - profile.looked >= self._every
                and due - latest <= SILENCE
                and passed(due, 1, outages) == due
            ):
                profile.risk = self._score(profile, due)
                self._look(profile, due, latest, outages)
            else:
                self._set(profile, latest, outages)
        return tuple(matured)

    def _label(self, seen: Snapshot, latest: int) -> tuple[Because, bool]:
        """Whether the customer was lost by the end of the horizon, and how that is known."""
        if not self._by_silence:
            return "stayed", False
        # A second purchase on the same day is no return.
        if latest > seen.time and latest // DAY > seen.day:
            return "returned", False
        return "silent", True

    def _cancelled(self, profile: Profile, id_: str, time: int, now: int) -> tuple[Example, ...]:
        """Who cancels is lost, whenever looked at since; what was seen after it says nothing."""
        kinds = list(profile.kinds)
        seen = [unpacked(each, kinds) for each in profile.pending if time_of(each) < time]
        profile.pending = ()
        timers.cancel(profile, TIMER, "")
        return tuple(
            self._example(profile, each, ("cancelled", True), now, id_) for each in seen if each is not None
        )

    def _example(
        self, profile: Profile, seen: Snapshot, label: tuple[Because, bool], known: int, touchpoint: str
    ) -> Example:
        because, churned = label
        repeats = float(max(profile.active_days - 1, 0))
        spanned = profile.gap_mean * repeats
        silent = max(known - profile.last_active, 0) / DAY if profile.active_days else 0.0
        data = ExampleData(
            to_datetime(seen.time),
            self._horizon / 1000,
            churned,
            because,
            min(max(round(seen.risk, 6), 0.0), 1.0),
            seen.model,
            seen.features,
            (repeats, spanned, spanned + silent),
            seen.stage,
            self._membership.unpacked(seen.segments),
        )
        id_ = deterministic_id(profile.customer, TIMER, str(seen.time))
        return Example(id_, profile.customer, known, touchpoint, data)

    def _latest(self, profile: Profile) -> int:
        """When the customer came back last, in ms; −1 for never."""
        if not self._activity:
            return profile.last_active if profile.active_days else -1
        return self._last(profile, self._activity)

    def _latest_by(self, profile: Profile, end: int) -> int:
        """When the customer came back last by a time, in ms; if later ones are known, to the day.

        Where the playbook says what counts as coming back, only the very last time is known.
        """
        latest = self._latest(profile)
        if latest <= end or self._activity:
            return latest
        return max(((day + 1) * DAY - 1 for day in days_of(profile) if day <= end // DAY), default=-1)

    def _is_gone(self, profile: Profile, latest: int) -> bool:
        """Whether the customer has cancelled, and not come back since."""
        return bool(self._cancellation) and self._last(profile, self._cancellation) >= latest

    @staticmethod
    def _last(profile: Profile, types: tuple[str, ...]) -> int:
        kinds = profile.kinds
        return max((kind.last for type_ in types if (kind := kinds.get(type_)) is not None), default=-1)

    def _look(self, profile: Profile, now: int, latest: int, outages: Sequence[Outage]) -> None:
        profile.looked, profile.looked_day = now, max(profile.looked_day, latest // DAY)
        pending = profile.pending
        if pending and self._end(pending[0], outages) < now:
            pending = tuple(each for each in pending if self._end(each, outages) >= now)
        if len(pending) < MAX_PENDING:
            segments = self._membership.packed(self._segments_of(profile, now))
            pending = (*pending, packed(profile, now, latest // DAY, self._model, segments))
            if len(pending) > 1 and pending[-1] < pending[-2]:
                # They begin with their time.
                pending = tuple(sorted(pending))
        profile.pending = pending
        self._set(profile, latest, outages)

    def _set(self, profile: Profile, latest: int, outages: Sequence[Outage]) -> None:
        """Set the timer to what is due next."""
        due = [self._end(profile.pending[0], outages) + 1] if profile.pending else []
        if (look := passed(profile.looked + self._every, self._every, outages)) - latest <= SILENCE:
            due.append(look)
        if due:
            timers.put(profile, Timer(min(due), TIMER, "", ""))

    def _end(self, snapshot: bytes, outages: Sequence[Outage]) -> int:
        """When the horizon of a snapshot is over, in ms."""
        return end_of(time_of(snapshot), self._horizon, outages)


def forget(profile: Profile) -> None:
    """Drop what waits: nothing is learned any more."""
    profile.pending = ()


def merge(profile: Profile, other: Profile) -> None:
    """Take over what was seen of the other profile; of too many, what matures last is left out.

    The kinds of both have to be one already: those that the other one had stand elsewhere now.
    """
    places = {name: place for place, name in enumerate(profile.kinds)}
    elsewhere = [places.get(name, places.get(OTHER_KIND, 0)) for name in other.kinds]
    theirs = (moved(each, elsewhere) for each in other.pending)
    profile.pending = tuple(sorted(chain(profile.pending, theirs))[:MAX_PENDING])
    profile.looked = max(profile.looked, other.looked)
    profile.looked_day = max(profile.looked_day, other.looked_day)
