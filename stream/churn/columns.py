"""Columns: what many profiles hold of how customers behave, side by side, and their signals at a time.

The signals of customers who do nothing change with time alone, and by the same arithmetic for all: so it is
done on whole columns. What a customer may have several of, moments and kinds of touchpoint, stands in columns
of its own, each entry with the place of the customer that it is of.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import numpy as np

from schemas.profile import Profile
from schemas.timestamp import DAY
from stream.churn.season import season_of
from stream.churn.signals import BAD_HALF_LIFE, LATENESS_LIMIT, Z_LIMIT
from stream.recency import HALF_LIVES, KIND_HALF_LIFE, MONEY_HALF_LIFE

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Table = dict[str, Floats]

_DAY = float(DAY)
_WEEK, _MONTH, _QUARTER = map(float, HALF_LIVES)

_NUMBERS = (
    "first_seen",
    "last_seen",
    "last_active",
    "touchpoints",
    "active_days",
    "spent",
    "last_amount",
    "gap_mean",
    "gap_m2",
    "gap_last",
    "spent_decayed",
    "week",
    "month",
    "quarter",
    "touched_week",
    "touched_month",
    "touched_quarter",
    "issues",
)
"""One of each customer; times are in ms, and exact as floats."""

_MOMENTS = ("of", "time", "weight")
_KINDS = ("of", "kind", "count", "last", "decayed")


class Columns:
    """The profiles of many customers, by column.

    Args:
        profiles: whose; they are not kept.

    Attributes:
        customers: their ids, in order.
        kinds: the kinds of touchpoint that any of them met.
        numbers: by name, what there is one of for each customer.
        moments: by name, what there is of good and bad moments, in the order of `customers`.
        met: by name, what there is of kinds of touchpoint met, in the same order.
    """

    def __init__(self, profiles: Iterable[Profile]) -> None:
        self.customers: list[str] = []
        kinds: dict[str, int] = {}
        numbers, moments, met = [], [], []
        for place, profile in enumerate(profiles):
            self.customers.append(profile.customer)
            numbers.append(_numbers_of(profile))
            moments += [(place, moment.time, moment.weight) for moment in profile.moments]
            met += [
                (place, kinds.setdefault(name, len(kinds)), kind.count, kind.last, kind.decayed)
                for name, kind in profile.kinds.items()
            ]
        self.kinds = tuple(kinds)
        self.numbers = _columns(_NUMBERS, numbers)
        self.moments = _columns(_MOMENTS, moments)
        self.met = _columns(_KINDS, met)

    def signals(self, part: slice, now: int, kinds: Collection[str]) -> Table:
        """What `signals_of` says of each customer of a part as at `now` (ms), by signal.

        Args:
            part: from which place to which.
            now: the time.
            kinds: the kinds of touchpoint that are wanted.
        """
        numbers = {name: column[part] for name, column in self.numbers.items()}
        table = _activity(numbers, now)
        table |= _touches(numbers, now)
        table |= self._experience(part, now)
        table["open_issues"] = numbers["issues"]
        table |= {name: np.full(part.stop - part.start, value) for name, value in season_of(now).items()}
        self._add_kinds(table, part, now, kinds)
        return table

    def _experience(self, part: slice, now: int) -> Table:
        which = _within(self.moments["of"], part)
        weights, places = (
            self.moments["weight"][which],
            self.moments["of"][which].astype(np.intp) - part.start,
        )
        age = now - self.moments["time"][which]
        fades = np.where(age > 0.0, np.exp2(-np.maximum(age, 0.0) / BAD_HALF_LIFE), 1.0)
        count = part.stop - part.start
        score: Floats = np.bincount(places, weights * fades, count).astype(np.float64)
        bad: Floats = np.bincount(places, np.where(weights < 0.0, fades, 0.0), count).astype(np.float64)
        return {"experience": score, "bad_moments": bad}

    def _add_kinds(self, table: Table, part: slice, now: int, wanted: Collection[str]) -> None:
        which = _within(self.met["of"], part)
        met = {name: column[which] for name, column in self.met.items()}
        places = met["of"].astype(np.intp) - part.start
        days_since = _days_since(met["last"], now)
        tenure = _days_since(self.numbers["first_seen"][part], now)
        told = {
            "count": np.log1p(met["count"]),
            "decayed": np.log1p(met["decayed"] * np.exp2(-days_since * _DAY / KIND_HALF_LIFE)),
            "closeness": np.log((tenure[places] + 1.0) / (days_since + 1.0)),
        }
        for number, kind in enumerate(self.kinds):
            if kind not in wanted:
                continue
            entries = np.flatnonzero(met["kind"] == number)
            for end, values in told.items():
                column = table[f"{kind}:{end}"] = np.zeros(part.stop - part.start)
                column[places[entries]] = values[entries]


def _numbers_of(profile: Profile) -> tuple[float, ...]:
    days = profile.days
    gap_last = 0
    if len(days) > 2:
        gap_last = int.from_bytes(days[-2:]) - int.from_bytes(days[-4:-2])
    return (
        profile.first_seen,
        profile.last_seen,
        profile.last_active,
        profile.touchpoints,
        profile.active_days,
        profile.spent,
        profile.last_amount,
        profile.gap_mean,
        profile.gap_m2,
        gap_last,
        profile.spent_decayed,
        *profile.active_decayed,
        *profile.decayed,
        len(profile.issues),
    )


def _columns(names: tuple[str, ...], rows: Sequence[tuple[float, ...]]) -> Table:
    whole = np.array(rows, dtype=np.float64).reshape(-1, len(names))
    return {name: np.ascontiguousarray(whole[:, place]) for place, name in enumerate(names)}


def _within(of: Floats, part: slice) -> slice:
    """Where the entries of a part's customers stand."""
    first, last = np.searchsorted(of, (part.start, part.stop))
    return slice(int(first), int(last))


def _activity(numbers: Table, now: int) -> Table:
    """The signals that purchases make."""
    active_days, gap_mean = numbers["active_days"], numbers["gap_mean"]
    ever, again = active_days > 0.0, active_days > 1.0
    tenure = _days_since(numbers["first_seen"], now)
    recency = np.where(ever, _days_since(numbers["last_active"], now), tenure)
    variance = np.where(again, numbers["gap_m2"] / np.maximum(active_days - 1.0, 1.0), 0.0)
    gap_std = np.sqrt(variance)
    overdue = np.where(again, np.log((recency + 1.0) / (gap_mean + 1.0)), 0.0)
    overdue_z = np.where(again, (recency - gap_mean) / (gap_std + 1.0), 0.0)
    gaps = np.maximum(active_days - 2.0, 0.0)
    spread = (numbers["gap_m2"] / (gaps + 1.0) * gaps + gap_mean * gap_mean) / (gaps + 1.0)
    lateness = overdue / np.sqrt(spread / (gap_mean + 1.0) ** 2 + 0.01)
    lateness = np.minimum(np.maximum(lateness, -LATENESS_LIMIT), LATENESS_LIMIT)
    idle = recency * _DAY
    week, month, quarter = (
        np.where(ever, numbers[name] * np.exp2(-idle / half_life), 0.0)
        for name, half_life in (("week", _WEEK), ("month", _MONTH), ("quarter", _QUARTER))
    )
    trend_short = np.log((week / 7.0 + 0.01) / (month / 28.0 + 0.01))
    trend_long = np.log((month / 28.0 + 0.01) / (quarter / 90.0 + 0.01))
    mean_amount = np.where(ever, numbers["spent"] / np.maximum(active_days, 1.0), 0.0)
    decayed_amount = np.where(ever, numbers["spent_decayed"] * np.exp2(-idle / MONEY_HALF_LIFE), 0.0)
    return {
        "recency": np.log1p(recency),
        "frequency": np.log1p(active_days),
        "tenure": np.log1p(tenure),
        "mean_amount": _log(mean_amount),
        "rate": np.log1p(30.0 * active_days / (tenure + 30.0)),
        "gap_mean": np.log1p(gap_mean),
        "gap_last": np.log1p(np.where(again, numbers["gap_last"], 0.0)),
        "gap_std": np.log1p(gap_std),
        "overdue": overdue,
        "overdue_z": np.minimum(np.maximum(overdue_z, -Z_LIMIT), Z_LIMIT),
        "lateness": lateness,
        "late": np.where(again, np.tanh(overdue / 0.1), 0.0),
        "very_late": np.where(again, np.tanh((overdue - 0.3) / 0.15), 0.0),
        "out_of_rhythm": np.tanh(2.0 * lateness),
        "active_7": np.log1p(week),
        "active_28": np.log1p(month),
        "active_90": np.log1p(quarter),
        "trend_7_28": np.where(ever, trend_short, 0.0),
        "trend_28_90": np.where(ever, trend_long, 0.0),
        "last_amount": _log(numbers["last_amount"]),
        "decayed_amount": _log(decayed_amount),
    }


def _touches(numbers: Table, now: int) -> Table:
    """The signals that touchpoints of any kind make."""
    idle = np.maximum(now - numbers["last_seen"], 0.0)
    halved = {
        f"touched_{name}": np.log1p(numbers[f"touched_{column}"] * np.exp2(-idle / half_life))
        for name, column, half_life in (
            (7, "week", _WEEK),
            (28, "month", _MONTH),
            (90, "quarter", _QUARTER),
        )
    }
    return {"touchpoints": np.log1p(numbers["touchpoints"]), "silence": np.log1p(idle / _DAY)} | halved


def _days_since(times: Floats, now: int) -> Floats:
    days: Floats = np.maximum(now - times, 0.0) / _DAY
    return days


def _log(amounts: Floats) -> Floats:
    """Logs of amounts, that may be ones that were given back."""
    logs: Floats = np.copysign(np.log1p(np.abs(amounts)), amounts)
    return logs
