"""Season: where in the year a moment lies, as signals, and from when on a model may go by them."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, sin, tau

from schemas.timestamp import DAY

YEAR_DAYS = 365.2425
"""Days of a year of the Gregorian calendar."""

ANGLES = ("year_sin", "year_cos", "half_year_sin", "half_year_cos")
"""The signals that a weight is learned for: sine and cosine of the angle at which the year stands, from the
beginning of 1970 (UTC), and of twice that angle. Weights of them draw a smooth line over the year, of one
peak or two."""

MOMENT = "day"
"""The signal that tells how far labels reach: days since the beginning of 1970 (UTC). It has no weight."""

SEASON = (*ANGLES, MOMENT)
"""The signals of the season, which are the time's alone."""

SPAN_DAYS = 28
"""Days within which one label tells of the time as well as many."""

ENOUGH_SPANS = 18
"""Spans with labels before a season is gone by: with labels in each, they reach over 15 months at least (449
to 476 days, as the first may be met at its end), so that a quarter of the year is met twice. With less, what
has changed for good is taken for the season."""

FAR = 1e7
"""Days that no calendar reaches, some 27,000 years: what lies beyond is no time."""

_TURN = tau / (YEAR_DAYS * DAY)


def season_of(now: int) -> dict[str, float]:
    """The signals of the season at a time in ms.

    >>> [round(value, 3) for value in season_of(0).values()]
    [0.0, 1.0, 0.0, 1.0, 0.0]
    >>> [round(value, 3) for value in season_of(round(YEAR_DAYS * DAY / 4)).values()]
    [1.0, 0.0, 0.0, -1.0, 91.311]
    """
    turn = now * _TURN
    sine, cosine = sin(turn), cos(turn)
    return {
        "year_sin": sine,
        "year_cos": cosine,
        "half_year_sin": 2.0 * sine * cosine,
        "half_year_cos": 1.0 - 2.0 * sine * sine,
        "day": now / DAY,
    }


class Seasons:
    """In how many spans of time there were labels, in whatever order they become known.

    >>> seasons = Seasons()
    >>> for day in (0, 100, 40, 5, 200):
    ...     seasons.see(day)
    >>> seasons.spans, seasons.enough
    (4, False)
    """

    def __init__(self) -> None:
        self._met: set[int] = set()

    @property
    def spans(self) -> int:
        """How many there were, `ENOUGH_SPANS` at most: no more are counted."""
        return len(self._met)

    @property
    def enough(self) -> bool:
        """Whether a season may be gone by."""
        return len(self._met) >= ENOUGH_SPANS

    def see(self, day: float) -> None:
        """Take note of the moment of a label, in days since the beginning of 1970."""
        span = day // SPAN_DAYS
        if span not in self._met and not self.enough and -FAR < day < FAR:
            self._met.add(int(span))

    def snapshot(self) -> list[int]:
        """The spans met, by their number since the beginning of 1970."""
        return sorted(self._met)

    def restore(self, snapshot: Sequence[int]) -> None:
        """Take on a snapshot.

        Raises:
            ValueError: it is none.
        """
        try:
            met = {int(span) for span in snapshot}
        except (TypeError, ValueError) as error:
            raise ValueError(f"the snapshot's season is not shaped as one: {error}") from None
        if len(met) > ENOUGH_SPANS:
            raise ValueError("the snapshot's season has more spans than are ever counted")
        self._met = met
