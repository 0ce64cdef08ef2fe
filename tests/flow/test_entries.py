"""Entries and conditions as a playbook has them, from the YAML to the triggers."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.errors import InputError
from schemas.playbook import load
from schemas.timestamp import DAY, HOUR, MINUTE
from stream.engine import Engine
from tests.hotel import HOTEL_YAML, NOON, STAY, GivenRisk, happened
from tests.probes import life, said

WOW = """
    family: wow
    odds: 1.0
    offers: [tea, fruit, flowers]
    rest: 1s
    valid_for: 1h
"""

OFFERS = "offers:\n  tea: {amount: 1}\n  fruit: {amount: 2}\n  flowers: {amount: 3}\n"

PLAYBOOK = f"""{HOTEL_YAML.split("plays:")[0].replace("offers:", OFFERS, 1)}
segments:
  spender: profile.spent > 100
  guest: bookings() > 0 && !in_segment("spender")

plays:
  - play: come-back{WOW}
    absence: {{after: [cart.added], unless: [order.placed], within: 30m}}
    by: cart
    when: event.price > 50 && open_issues() == 0
    reentry: per-key
    cancelled_by: [app.failed]

  - play: are-you-coming{WOW}
    absence: {{after: [booking.confirmed], unless: [stay.checked-in], at: 22:00, day: arrival}}
    by: booking
    segment: guest
    cancelled_by: [booking.cancelled]

  - play: still-looking{WOW}
    sequence: {{steps: [product.viewed, product.searched], within: 1h}}
    reentry: 1d
"""


def decided(
    *touchpoints: tuple[float, str, dict[str, Any]], until: float = 48 * 60
) -> list[tuple[float, str]]:
    """Minutes after noon of what is decided on touchpoints, and what became of it."""
    engine = Engine(load(PLAYBOOK, "hotel.yaml"), GivenRisk(0.25), "given")
    happening = [
        happened(type_, NOON + round(minutes * MINUTE), data, amount=data.get("amount"))
        for minutes, type_, data in touchpoints
    ]
    return [
        ((time - NOON) / MINUTE, reason)
        for time, reason in said(life(engine, happening, NOON + round(until * MINUTE)))
    ]


def test_a_cart() -> None:
    """A dear cart that nobody buys is asked about once, after half an hour; a cheap one is not."""
    dear, cheap = {"cart": "a", "price": 60}, {"cart": "b", "price": 50}

    assert decided((0, "cart.added", dear), (1, "cart.added", cheap)) == [(30, "fired")]
    assert decided((0, "cart.added", dear), (40, "cart.added", dear)) == [(30, "fired")]
    assert decided((0, "cart.added", dear), (29, "order.placed", {"cart": "a"})) == []
    assert decided((0, "cart.added", dear), (20, "complaint.opened", {})) == []
    assert decided((0, "cart.added", dear), (20, "app.failed", {"cart": "a"})) == [(20, "cancelled")]
    assert decided((0, "cart.added", {"cart": "a"})) == [(0, "condition-error")]


def test_a_guest_who_does_not_come() -> None:
    """At ten in the evening in Seoul, an hour after noon in UTC; not for one who has spent much."""
    booked = (-60.0, "booking.confirmed", {**STAY, "amount": 90.0})
    dear = (-60.0, "booking.confirmed", {**STAY, "amount": 101.0})

    assert decided(booked) == [(60, "fired")]
    assert decided(booked, (59, "stay.checked-in", {"booking": "b1"})) == []
    assert decided(booked, (59, "booking.cancelled", {"booking": "b1"})) == [(59, "cancelled")]
    assert decided(dear) == []


def test_a_search() -> None:
    """Who views and then searches within the hour is helped, once a day."""
    view, search = "product.viewed", "product.searched"

    assert decided((0, view, {}), (60, search, {}), (70, view, {}), (80, search, {})) == [
        (60, "fired"),
        (80, "reentry"),
    ]
    assert decided((0, view, {}), (61, search, {})) == []
    again = DAY / MINUTE + 60
    assert decided(
        (0, view, {}), (60, search, {}), (again - 1, view, {}), (again, search, {}), until=again
    ) == [
        (60, "fired"),
        (again, "fired"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        (
            "event.price > 50",
            "event.price >",
            "play `come-back`: `&&` does not belong here",
        ),
        ("open_issues() == 0", "open_issue() == 0", "there is no function `open_issue`"),
        ("at: 22:00", "at: 22", "Expected `int` >= 600"),
        ("reentry: 1d", "reentry: daily", "Expected `str` such as `30d`, `once`, `always` or `per-key`"),
        ("within: 1h", "within: 1 hour", "Expected `str` such as `30d`: a whole number"),
        ("segment: guest", "segment: guests", "there is no segment `guests` (did you mean `guest`?)"),
        ("[cart.added]", "[cart.add]", "`cart.add` is not in the catalogue (did you mean `cart.added`?)"),
    ],
)
def test_mistakes_in_the_file(old: str, new: str, error: str) -> None:
    """A slip anywhere in conditions and entries is refused when the playbook is loaded, with its line."""
    text = PLAYBOOK.replace(old, new)
    line = next(n for n, each in enumerate(text.splitlines(), 1) if new in each)

    with pytest.raises(InputError) as caught:
        load(text, "mine.yaml")

    assert str(caught.value).startswith(f"mine.yaml:{line}:")
    assert error in str(caught.value)


def test_timers_are_due_on_the_hour() -> None:
    """A wait is a timer of the profile, due to the millisecond."""
    engine = Engine(load(PLAYBOOK, "hotel.yaml"), GivenRisk(0.25), "given")
    cart = happened("cart.added", NOON, {"cart": "a", "price": 60})
    booked = happened("booking.confirmed", NOON - HOUR, STAY)

    timers = life(engine, [booked, cart])[-1].profile.timers

    assert [(timer.due, timer.name, timer.key) for timer in timers] == [
        (NOON + 30 * MINUTE, "absence:come-back", "a"),
        (NOON + HOUR, "absence:are-you-coming", "b1"),
    ]
