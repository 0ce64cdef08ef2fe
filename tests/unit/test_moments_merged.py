"""Two profiles of one customer: what was begun, bought, given and asked is known of both, in either order."""

from __future__ import annotations

from copy import copy

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.begun import Begun
from schemas.item import Item
from schemas.profile import MAX_ASKED, MAX_SURPRISES, Profile
from stream import begun, items, languages, merger
from stream.plays import participation, wow
from tests.hotel import NOON, PROPERTY_TEST
from tests.moments import met, moments

ENGINE = moments()


def both_ways(one: Profile, other: Profile) -> Profile:
    """What comes of taking the other in, which has to be the same the other way round."""
    ours, theirs = copy(one), copy(other)
    merger.merge(ours, other)
    merger.merge(theirs, one)

    for field in ("begun", "items", "surprises", "asked", "language", "language_said", "recoveries"):
        assert getattr(ours, field) == getattr(theirs, field), field
    return ours


def test_what_each_of_them_knows() -> None:
    """The later word holds, an offer that was made on either side was made, and so on."""
    merged = both_ways(
        Profile(
            1,
            "ann",
            begun={"cart:c": Begun(5, 1, "web", "cart.added", offered=True)},
            items={"robe": Item(7, -1)},
            surprises={"tea": 1},
            asked={"review": 9},
            language="ko",
            language_said=2,
        ),
        Profile(
            1,
            "ann",
            begun={"cart:c": Begun(3, 8, "app", "checkout.started")},
            items={"robe": Item(-1, 4), "soap": Item(-1, 5)},
            surprises={"tea": 4, "fruit": 2},
            asked={"review": 3},
            language="pt",
            language_said=1,
        ),
    )

    assert merged.begun == {"cart:c": Begun(5, 8, "web", "cart.added", offered=True)}
    assert merged.items == {"soap": Item(-1, 5), "robe": Item(7, 4)}
    assert (merged.surprises, merged.asked) == ({"fruit": 2, "tea": 4}, {"review": 9})
    assert (merged.language, merged.language_said) == ("ko", 2)


@pytest.mark.parametrize(
    ("field", "most", "merge"),
    [("surprises", MAX_SURPRISES, wow.merge), ("asked", MAX_ASKED, participation.merge)],
)
def test_bounded(field: str, most: int, merge: object) -> None:
    """Two full profiles make one that is full, of the latest."""
    one, other = (
        Profile(1, "ann", **{field: {f"{side}-{n}": n for n in range(most)}})  # type: ignore[arg-type]
        for side in "ab"
    )
    assert callable(merge)
    merge(one, other)

    assert len(getattr(one, field)) == most
    assert min(getattr(one, field).values()) == most // 2


TYPES = ["cart.added", "order.placed", "cart.emptied", "recommendation.declined", "profile.stated"]

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["cart.added", "order.placed", "cart.emptied", "recommendation.declined", "profile.stated"]
        ),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["web", "app"]),
        st.integers(0, 40),
        st.booleans(),
    ),
    max_size=12,
)


@PROPERTY_TEST
@given(STEPS, st.randoms(use_true_random=False))
def test_it_is_as_if_all_had_happened_to_one(
    steps: list[tuple[str, str, str, int, bool]], random: st.DataObject
) -> None:
    """However a life is dealt out to two ids and in whatever order it is told: what is known is the same."""
    life = [
        met(
            type_,
            NOON + at,
            {"cart": name, "product": name, "n": number, "language": "ko" if name == "a" else "pt"},
            channel=channel,
        )
        for number, (type_, name, channel, at, _) in enumerate(steps)
    ]
    life = [msgspec.structs.replace(each, id=f"e-{n}") for n, each in enumerate(life)]
    whole, parts = Profile(1, "ann"), [Profile(1, "ann"), Profile(1, "ann")]
    for each in life:
        whole = ENGINE.step(whole, each, NOON + 100).profile
    shuffled = list(zip(life, steps, strict=True))
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    for each, step in shuffled:
        parts[step[4]] = ENGINE.step(parts[step[4]], each, NOON + 100).profile
    merged = both_ways(parts[0], parts[1])

    for field in ("begun", "items", "language", "language_said"):
        assert getattr(merged, field) == getattr(whole, field), field


def test_nothing_is_taken_from_nobody() -> None:
    """A profile of which nothing is known changes nothing."""
    for merge in (begun.merge, items.merge, languages.merge, wow.merge, participation.merge):
        profile = Profile(1, "ann")
        merge(profile, Profile(1, "bob"))
        assert profile == Profile(1, "ann")
