"""Customers to score: profiles of every shape that the engine can leave behind."""

from __future__ import annotations

from hypothesis import strategies as st

from schemas.issue import Issue
from schemas.kinds import Kind, kinds_of
from schemas.moment import Moment
from schemas.profile import VERSION, Profile
from schemas.timestamp import DAY
from tests.hotel import NOON

KINDS = ("order.placed", "complaint.opened", "page.viewed", "order.returned", "*")

_days = st.floats(0.0, 900.0)
_money = st.floats(-1e4, 1e6)
_halved = st.tuples(st.floats(0.0, 8.0), st.floats(8.0, 30.0), st.floats(30.0, 90.0))


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    """A profile of who bought on no day, on one, on many, with moments and kinds of touchpoint."""
    seen = NOON - int(draw(_days) * DAY)
    first = seen - int(draw(_days) * DAY)
    active_days = draw(st.sampled_from([0, 1, 2, 3, 40, 10_000]))
    active = draw(st.integers(first, seen)) if active_days else 0
    gaps = active_days > 1
    return Profile(
        VERSION,
        "ann",
        first_seen=first,
        last_seen=seen,
        touchpoints=draw(st.integers(1, 100_000)),
        kinds=kinds_of(
            {
                name: Kind(
                    draw(st.integers(1, 5_000)), draw(st.integers(first, seen)), draw(st.floats(0.0, 50.0))
                )
                for name in draw(st.sets(st.sampled_from(KINDS)))
            }
        ),
        decayed=draw(_halved),
        active_days=active_days,
        last_active=active,
        spent=draw(_money) if active_days else 0.0,
        last_amount=draw(_money) if active_days else 0.0,
        gap_mean=draw(st.floats(1.0, 400.0)) if gaps else 0.0,
        gap_m2=draw(st.floats(0.0, 1e6)) if gaps else 0.0,
        days=b"\x50\x00\x50\x1e" if gaps else b"",
        active_decayed=draw(_halved) if active_days else (0.0, 0.0, 0.0),
        spent_decayed=draw(_money) if active_days else 0.0,
        moments=tuple(
            Moment(draw(st.integers(first, NOON + DAY)), draw(st.floats(-1.0, 1.0)), "chat.rated", "m")
            for _ in range(draw(st.integers(0, 3)))
        ),
        issues=tuple(Issue(f"i-{n}", first, "complaint.opened") for n in range(draw(st.integers(0, 2)))),
    )
