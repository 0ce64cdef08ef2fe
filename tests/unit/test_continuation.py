"""Continue: what was left in one channel is offered in the next, once, and not when it is done."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.begun import MAX_BEGUN, Begun
from schemas.families.continuation import Continue
from schemas.timestamp import DAY, HOUR, MINUTE
from schemas.touchpoint import Touchpoint
from tests.hotel import NOON, PROPERTY_TEST, reasons, run
from tests.moments import known, met, moments, of_family, playing

ENGINE = moments(playing("go-on"))


def added(cart: str, at: int = NOON, channel: str = "web") -> Touchpoint:
    """Something is put into a cart."""
    return met("cart.added", at, {"cart": cart}, channel=channel)


def opened(at: int, channel: str | None = "app") -> Touchpoint:
    """The guest opens the app."""
    return met("screen.viewed", at, channel=channel)


def test_cart_of_the_web_is_offered_in_the_app() -> None:
    """It says what was left, which one, where and when, and where the guest is now."""
    outcomes = run([added("c-1"), opened(NOON + 5 * MINUTE)], engine=ENGINE)
    (trigger,) = outcomes[1].triggers

    assert trigger.data.content == Continue(
        "cart", "c-1", "web", datetime(2026, 3, 14, 12, tzinfo=UTC), "cart.added", "app"
    )
    assert (trigger.correlation, trigger.expires) == ("c-1", NOON + 5 * MINUTE + HOUR)
    assert known(outcomes).begun == {"cart:c-1": Begun(NOON, -1, "web", "cart.added", offered=True)}


@pytest.mark.parametrize("channel", ["web", None])
def test_nothing_to_go_on_with_where_it_was_left(channel: str | None) -> None:
    """In the same channel the cart is there anyway; in one that nobody knows, nothing can be said."""
    assert reasons(run([added("c-1"), opened(NOON + 1, channel)], engine=ENGINE)[1]) == {}


def test_where_it_was_left_is_where_it_was_last() -> None:
    """Whoever went on in the app already is offered it on the web, not in the app."""
    outcomes = run(
        [added("c-1"), added("c-1", NOON + 1, "app"), opened(NOON + 2), opened(NOON + 3, "web")],
        engine=ENGINE,
    )

    assert [len(outcome.triggers) for outcome in outcomes] == [0, 0, 0, 1]


def test_never_asked_twice() -> None:
    """The same cart is offered once, though more was put into it afterwards; another one may be."""
    outcomes = run(
        [
            added("c-1"),
            opened(NOON + 1),
            opened(NOON + 2),
            added("c-1", NOON + 3),
            opened(NOON + 4),
            added("c-2", NOON + 5),
            opened(NOON + 6),
        ],
        engine=ENGINE,
    )

    assert [reasons(outcome).get("go-on") for outcome in outcomes] == [
        None,
        "fired",
        "already-asked",
        None,
        "already-asked",
        None,
        "fired",
    ]


@pytest.mark.parametrize("data", [{"cart": "c-1"}, {}])
def test_ended_is_not_offered(data: dict[str, str]) -> None:
    """Whoever bought it is not asked to go on; an order that names no cart ends all that were begun."""
    order = met("order.placed", NOON + 1, data, channel="web")

    assert reasons(run([added("c-1"), order, opened(NOON + 2)], engine=ENGINE)[2]) == {}


def test_end_that_is_told_first() -> None:
    """When it happened decides: a cart that was bought stays bought, though its beginning comes late."""
    order = met("order.placed", NOON + 1, {"cart": "c-1"}, channel="web")
    profile = ENGINE.step(None, order, NOON + 2).profile
    profile = ENGINE.step(profile, added("c-1"), NOON + 3).profile

    assert reasons(ENGINE.step(profile, opened(NOON + 4), NOON + 4)) == {}


def test_begun_again_after_the_end() -> None:
    """A cart that was emptied and filled again is under way again."""
    emptied = met("cart.emptied", NOON + 1, {"cart": "c-1"}, channel="web")

    assert reasons(run([added("c-1"), emptied, added("c-1", NOON + 2), opened(NOON + 3)], engine=ENGINE)[3])


@pytest.mark.parametrize(("gap", "fires"), [(3 * DAY, True), (3 * DAY + 1, False)])
def test_too_old(gap: int, fires: bool) -> None:
    """What was left too long ago is not brought up again."""
    assert bool(run([added("c-1"), opened(NOON + gap)], engine=ENGINE)[1].triggers) == fires


def test_without_a_reference_nothing_is_begun() -> None:
    """A cart that has no id can't be gone on with."""
    assert known(run([met("cart.added", NOON, {"cart": ["c-1"]}, channel="web")], engine=ENGINE)).begun == {}


def test_bounded() -> None:
    """The latest things are remembered, however many there are."""
    profile = known(run([added(f"c-{n}", NOON + n) for n in range(MAX_BEGUN + 5)], engine=ENGINE))

    assert len(profile.begun) == MAX_BEGUN
    assert "cart:c-4" not in profile.begun
    assert "cart:c-5" in profile.begun


STEPS = st.tuples(
    st.sampled_from(["cart.added", "order.placed", "cart.emptied", "screen.viewed"]),
    st.sampled_from(["c-1", "c-2", "c-3", None]),
    st.sampled_from(["web", "app", None]),
    st.integers(0, 2 * DAY),
)


@PROPERTY_TEST
@given(st.lists(STEPS, max_size=30))
def test_nothing_is_ever_asked_twice(steps: list[tuple[str, str | None, str | None, int]]) -> None:
    """Whatever is begun and ended where and when: each thing is offered once, and never where it is."""
    at, touchpoints = NOON, []
    for number, (type_, cart, channel, gap) in enumerate(steps):
        at += gap
        data = {"n": number, **({"cart": cart} if cart else {})}
        touchpoint = met(type_, at, data, channel=channel)
        touchpoints.append(touchpoint)
    offered = [t.data.content for t in of_family(run(touchpoints, engine=ENGINE), "continue")]
    references = [content.reference for content in offered if isinstance(content, Continue)]

    assert len(set(references)) == len(references) == len(offered)
    assert [c for c in offered if isinstance(c, Continue) and c.here == c.left_in] == []
