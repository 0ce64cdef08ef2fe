"""Conditions: what is taken, what is refused and where, and that answers are those of CEL's own library."""

from __future__ import annotations

from typing import Any

import cel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.conditions.checking import Scope, check
from schemas.conditions.evaluation import ConditionError, Reference, ready
from schemas.conditions.meaning import conjuncts, meaning, names_event, references_in
from schemas.conditions.syntax import MAX_LENGTH, MAX_NESTING, ConditionMistake, parse
from schemas.errors import InputError
from schemas.playbook import load
from tests.hotel import HOTEL_YAML, PROPERTY_TEST

SCOPE = Scope(
    types=("order.placed", "page.viewed", "cart.added"),
    entering=("order.placed", "cart.added"),
    segments=("vip",),
    plays=("make-it-right",),
    properties=("seoul", "busan"),
)


def refusal(text: str) -> tuple[int, str]:
    """Where a condition is refused, and why."""
    with pytest.raises(ConditionMistake) as caught:
        meaning(text, SCOPE)
    return caught.value.at, str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "profile.spent > 1000",
        'count("page.viewed") >= 3 && !in_segment("vip")',
        'event.type == "cart.added" || event.amount > 50.5',
        'has(event.coupon) && event.coupon.startsWith("SUMMER-")',
        'event["room-type"] in ["suite", "junior suite"]',
        'now - event.time < duration("5m")',
        'now < timestamp("2026-12-24T00:00:00+09:00")',
        'bad_moments("30d", 0.4) == 0 && good_moments("90d") > 2',
        'booking.days_to_arrival <= 2 && booking.property == "seoul"',
        'hour("seoul") >= 22 || weekday() == 7',
        "has(booking) ? booking.nights > 3 : profile.active_days > 5",
        "size(event.items) > 2 && event.items.size() < 9",
        '"vegan" in event.tags',
        "event.price * 2 + 1 >= -event.limit / 4",
        "// for those who stay\nprofile.risk < 0.3",
        'fired("make-it-right") && !fired("make-it-right", "7d")',
        'agreed("news") == true',
        "has(event.amount)",
        "has(event.amount) && event.amount > 50",
        "has(booking.nights) || has(account.plan)",
        "has(account.seats) && account.seats >= 500",
        'has(account.days_to_renewal) && account.plan in ["business", "team"]',
    ],
)
def test_conditions_that_are_taken(text: str) -> None:
    """What a playbook may ask is taken as it is written."""
    assert meaning(text, SCOPE).kind == "truth"


@pytest.mark.parametrize(
    ("text", "at", "message"),
    [
        ("", 0, "the condition is empty, so it would hold for everyone"),
        (" \n ", 0, "the condition is empty, so it would hold for everyone"),
        ("profile.spend > 1", 0, "`profile` has no field `spend` (did you mean `spent`?)"),
        ("spent > 1", 0, "`spent` is not known (did you mean `profile.spent`?)"),
        ("profil.spent > 1", 0, "`profil` is not known (did you mean `profile`?)"),
        ("1 < profile", 4, "`profile` alone is nothing: name a field of it, such as `profile.stage`"),
        (
            'count("page.view") > 1',
            6,
            "`page.view` is not in the catalogue (did you mean `page.viewed`?)",
        ),
        ('counts("page.viewed") > 1', 0, "there is no function `counts` (did you mean `count`?)"),
        ("count() > 1", 0, "`count` is given type, not 0 values"),
        ("count(event.x) > 1", 6, "the type has to be written out, as it is checked now"),
        ('in_segment("vips")', 11, "`vips` is no segment (did you mean `vip`?)"),
        ('fired("make-it-rite")', 6, "`make-it-rite` is no play (did you mean `make-it-right`?)"),
        ('hour("soul") > 3', 5, "`soul` is none of the properties (did you mean `seoul`?)"),
        (
            'bad_moments("30 days") > 1',
            12,
            "`30 days` is no length of time: write it as `30m`, `12h` or `7d`",
        ),
        ('bad_moments("30d", 2) > 1', 19, "the severity is a number above 0, to 1"),
        (
            'now > timestamp("2026-12-24")',
            16,
            "`2026-12-24` is no moment: write it as `2026-12-24T00:00:00+09:00`",
        ),
        ('profile.spent > "1000"', 14, "`>` holds a number against a text"),
        ('event.amount == "1000"', 13, "`==` holds a number against a text"),
        ("profile.stage && profile.has_device", 0, "`&&` needs true or false, and this is a text"),
        ("profile.spent", 0, "a condition needs true or false, and this is a number"),
        ("profile.stage == 'actt'", 17, "`profile.stage` is never `actt` (did you mean `act`?)"),
        ("event.type == 'page.viewed'", 14, "`event.type` is never `page.viewed`"),
        (
            "booking.status in ['confirm']",
            18,
            "`booking.status` is never `confirm` (did you mean `confirmed`?)",
        ),
        ("has(profile.spent)", 0, "`profile.spent` is always there: `has` says nothing"),
        ("profile.spent > 1 and true", 18, "`and` does not belong here (did you mean `&&`?)"),
        ("profile.spent = 1", 14, "`=` is no part of a condition (did you mean `==`?)"),
        ('profile.stage == "act', 17, "the text that begins here does not end"),
        ("(profile.spent > 1", 18, "the condition ends in the middle, where `)` is missing"),
        ("event.x == null", 11, "`null` is no value here: ask `has(…)` whether something is known"),
        ("event.x % 2 == 1", 8, "`%` is not there: numbers are not whole ones here"),
        ("event.x == 99999999999999999999", 11, "`99999999999999999999` is beyond what 64 bits hold"),
        ("event.a.b.c.d.e == 1", 0, "`event` is named more than 4 fields deep"),
        ("event.type.x == 1", 0, "`event.type` has no fields"),
        ("event.data == 1", 0, "`event.data` alone is nothing: name a field of it"),
        ("true", 0, "`true` is always the same, so it decides nothing"),
        ("profile.spent > 1 || true", 21, "`true` is always the same, so it decides nothing"),
        ("1 < 2", 0, "this is always true, whatever the data"),
        ('count("page.viewed") >= 0', 0, "this is always true, whatever the data"),
        ("profile.spent > 1 && profile.risk > 1", 21, "this is never true, whatever the data"),
        ("profile.spent > 5 && profile.spent < 3", 0, "this is never true, whatever the data"),
        ("open_issues() > 0 && open_issues() < 1", 0, "this is never true, whatever the data"),
        ("event.x == 1 || event.x != 1", 0, "this is always true, whatever the data"),
        ("event.x == 1 && event.x == 'a'", 0, "this is never true, whatever the data"),
        ("!has(event.x) && event.x > 3", 0, "this is never true, whatever the data"),
        ("in_segment('vip') || !in_segment('vip')", 0, "this is always true, whatever the data"),
        ("event.type in ['order.placed', 'cart.added']", 0, "this is always true, whatever the data"),
    ],
)
def test_conditions_that_are_refused(text: str, at: int, message: str) -> None:
    """Each mistake is told with the character at which it stands, and the nearest valid word."""
    assert refusal(text) == (at, message)


def test_limits() -> None:
    """A condition is neither longer nor deeper than what is stated, and is told so before it does harm."""
    long = "profile.spent > 1 || " * 200
    deep = "(" * 5000 + "profile.spent > 1" + ")" * 5000

    assert refusal(long)[1] == (
        f"the condition has {len(long)} characters, the limit is {MAX_LENGTH}: split it into segments"
    )
    assert refusal(deep[4500:-4500])[1] == f"the condition is nested more than {MAX_NESTING} deep"
    assert (
        refusal("profile.spent" + " + 1" * 40 + " > 1")[1] == "more than 32 operators `+` one after another"
    )
    assert refusal("!" * 40 + "profile.has_device")[1] == f"`{'!' * 40}` is more than one sign"


def test_the_long_way_to_the_data() -> None:
    """A field of the data is the same by either way; one whose name is taken is found by the long one."""
    assert list(references_in(meaning("event.data.x == 1", SCOPE))) == [
        Reference("event", ("x",), "number", 0)
    ]
    assert list(references_in(meaning("event.data.type == 'a'", SCOPE))) == [
        Reference("event", ("type",), "text", 0)
    ]


def test_there_is_no_event_in_a_segment() -> None:
    """A segment is about the customer, so that it is the same whatever happens next."""
    scope = Scope(**{name: getattr(SCOPE, name) for name in Scope.__slots__} | {"is_segment": True})

    with pytest.raises(ConditionMistake, match="there is no `event` in it"):
        meaning("event.amount > 1", scope)


def test_parts_about_the_event() -> None:
    """A condition falls into what has to hold together, and each part names the touchpoint or not."""
    parts = conjuncts(
        meaning("profile.spent > 1 && (event.x > 1 && has(event.y)) && open_issues() == 0", SCOPE)
    )

    assert [names_event(part) for part in parts] == [False, True, True, False]


PLAYBOOK = HOTEL_YAML.replace(
    "  - play: make-it-right\n    family: recovery-offer\n",
    "  - play: make-it-right\n    family: recovery-offer\n    segment: SEGMENT\n    when: WHEN\n",
)


@pytest.mark.parametrize(
    ("when", "column"),
    [
        ("profile.spend > 1", 11),
        ("'!in_segment(\"vip\") && profile.spend > 1'", 34),
        ("|\n      profile.risk > 0.5\n      && profile.spend > 1", 10),
        ('"profile.stage == \\"act\\" && profile.spend > 1"', 11),
    ],
)
def test_place_in_the_file(when: str, column: int) -> None:
    """The line and column are those of the mistake itself; within escapes, those of the condition."""
    text = f"segments:\n  vip: profile.spent > 1000\n{PLAYBOOK}".replace("SEGMENT", "vip").replace(
        "WHEN", when
    )
    line = next(n for n, each in enumerate(text.splitlines(), 1) if "spend" in each)

    with pytest.raises(InputError) as caught:
        load(text, "my.yaml")

    assert str(caught.value) == (
        f"my.yaml:{line}:{column}: play `make-it-right`: "
        "`profile` has no field `spend` (did you mean `spent`?)"
    )


@pytest.mark.parametrize(
    ("segments", "error"),
    [
        ("{vip: ''}", "1:18: segment `vip`: the condition is empty, so it would hold for everyone"),
        (
            "{vip: profile.spent}",
            "1:17: segment `vip`: a condition needs true or false, and this is a number",
        ),
        ("{vip: in_segment('vip')}", "1:12: segment `vip` is made of itself: vip → vip"),
        (
            "{vip: in_segment('a'), a: '!in_segment(\"b\")', b: in_segment('vip')}",
            "1:12: segment `vip` is made of itself: vip → a → b → vip",
        ),
        ("{vips: profile.spent > 1}", "there is no segment `vip` (did you mean `vips`?)"),
    ],
)
def test_segments_that_are_refused(segments: str, error: str) -> None:
    """Segments are conditions too; none is made of itself, and none is missing."""
    text = f"segments: {segments}\n{PLAYBOOK}".replace("SEGMENT", "vip").replace("WHEN", "profile.risk > 0.5")

    with pytest.raises(InputError) as caught:
        load(text, "my.yaml")

    assert error in str(caught.value)


NUMBERS = (
    "profile.spent",
    "profile.risk",
    "event.a",
    "event.b",
    "event.gone",
    'count("page.viewed")',
    "1.5",
    "2.0",
)
TEXTS = ("event.t", "event.u", "profile.stage", '"act"', '"ac"', "'x\\'y'")
TRUTHS = ("event.yes", "event.no", "event.gone", "profile.has_device")
DATA = {
    "event": {"a": 1.5, "b": -2.25, "t": "act", "u": "", "yes": True, "no": False},
    "profile": {"spent": 120.0, "risk": 0.25, "stage": "act", "has_device": True},
}


def numbers(depth: int) -> st.SearchStrategy[str]:
    """Expressions that are numbers."""
    leaf = st.sampled_from(NUMBERS)
    if depth == 0:
        return leaf
    inner = numbers(depth - 1)
    return leaf | st.one_of(
        st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda p: f"({p[0]} {p[1]} {p[2]})"),
        inner.map(lambda n: f"({n} / 4.0)"),
        inner.map(lambda n: f"(-{n})"),
        st.tuples(truths(depth - 1), inner, inner).map(lambda p: f"({p[0]} ? {p[1]} : {p[2]})"),
    )


def truths(depth: int) -> st.SearchStrategy[str]:
    """Expressions that are true or false."""
    leaf = st.sampled_from(TRUTHS)
    if depth == 0:
        return leaf
    number, text, inner = numbers(depth - 1), st.sampled_from(TEXTS), truths(depth - 1)
    compare = st.sampled_from(("<", "<=", ">", ">=", "==", "!="))
    return leaf | st.one_of(
        st.tuples(number, compare, number).map(" ".join).map("({})".format),
        st.tuples(text, compare, text).map(" ".join).map("({})".format),
        st.tuples(text, st.sampled_from(("contains", "startsWith", "endsWith")), text).map(
            "{0[0]}.{0[1]}({0[2]})".format
        ),
        st.tuples(number, number).map("({0[0]} in [1.5, 120.0])".format),
        st.sampled_from(("has(event.a)", "has(event.gone)", 'event.t in ["act", "x"]', "size(event.t) == 3")),
        st.tuples(inner, st.sampled_from(("&&", "||")), inner).map(" ".join).map("({})".format),
        inner.map("!{}".format),
    )


def read(reference: Reference) -> Any:
    """What reads a reference from `DATA`."""
    path = ["event", *reference.arguments] if reference.name == "event" else reference.name.split(".")

    def value(_: object) -> Any:
        if reference.name == "count":
            return 3.0
        if path[1] not in DATA[path[0]]:
            raise ConditionError("missing")
        return DATA[path[0]][path[1]]

    return value


@PROPERTY_TEST
@given(truths(4))
def test_answers_are_those_of_cel(text: str) -> None:
    """Whatever is asked, the answer is that of CEL's own library, and where that has none, there is none."""
    try:
        part = check(parse(text), SCOPE)
    except ConditionMistake:
        # The library finds only when it is asked that two things can't be held against each other.
        return
    context = cel.Context(DATA, functions={"count": lambda _: 3.0})
    try:
        expected: object = cel.compile(text).execute(context)
    except (RuntimeError, TypeError, ValueError, KeyError):
        expected = "no answer"
    try:
        answer: object = ready(part, read)(None)
    except ConditionError:
        answer = "no answer"

    assert answer == expected


def test_a_missing_part_decides_only_where_it_must() -> None:
    """As in CEL, what the other part decides alone is decided; else there is no answer."""
    present = ready(check(parse("event.gone > 1 || event.yes"), SCOPE), read)
    absent = ready(check(parse("event.gone > 1 || event.no"), SCOPE), read)

    assert present(None) is True
    with pytest.raises(ConditionError):
        absent(None)
