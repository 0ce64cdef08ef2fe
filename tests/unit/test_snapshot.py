"""Snapshots: what was seen of a customer, in few bytes, whatever program they are of."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.kinds import MAX_KINDS, Kind, kinds_of
from schemas.profile import Profile
from schemas.timestamp import DAY, HOUR
from stream.churn.snapshot import MAX_BYTES, packed, unpacked
from tests.hotel import NOON, PROPERTY_TEST, happened
from tests.unit.test_labels import BOUGHT, learning, lived


def test_a_snapshot_has_150_bytes_at_most_and_the_latest_kinds() -> None:
    """However many kinds there are, and however long the model's version is."""
    profile = Profile(1, "ann")
    engine = learning()
    for number in range(MAX_KINDS + 3):
        viewed = happened("page.viewed", NOON + number * HOUR)
        viewed = msgspec.structs.replace(viewed, type=f"kind.{number:02}", id=str(number))
        profile = engine.step(profile, viewed, viewed.time).profile
    look = packed(profile, NOON + 40 * HOUR, 20_526, "m" * 300, b"\xd7\x32\x5d")
    seen = unpacked(look, list(profile.kinds))

    assert len(msgspec.msgpack.encode(look)) <= 150
    assert seen is not None
    assert seen.segments == b"\xd7\x32\x5d"
    counted = {name for name in seen.features if name.endswith(":count")}
    assert {"*:count", "kind.31:count", "kind.30:count"} <= counted
    assert len(counted) >= 8


def test_snapshots_of_a_program_with_other_signals_are_no_examples() -> None:
    """They can't be read any more, and are dropped when they mature."""
    profile, _ = lived(learning(), BOUGHT)
    (look,) = profile.pending
    other = look[:10] + bytes([look[10] ^ 1]) + look[11:]
    old = msgspec.structs.replace(profile, pending=(other,))

    assert unpacked(other, list(profile.kinds)) is None
    assert lived(learning(), profile=old, until=NOON + 31 * DAY)[1] == []


def test_the_stage_that_was_stood_at_goes_with_the_example() -> None:
    """It is that of the look, whatever came after; of all five, and a version of full length beside it."""
    profile, known = lived(learning(), BOUGHT, happened("review.posted", NOON + DAY), until=NOON + 31 * DAY)
    stages = ("aware", "appeal", "ask", "act", "advocate")
    looks = [
        packed(msgspec.structs.replace(profile, stage=stage), NOON, 20_526, "m" * 24) for stage in stages
    ]
    seen = [unpacked(each, list(profile.kinds)) for each in looks]

    assert known[0].data.stage == "act"
    assert [each and each.stage for each in seen] == list(stages)
    assert {each and each.model for each in seen} == {"m" * 24}


OLDER = (
    "0000019cec37b600502ee90e3400026d310000398c000040cc398c000000000000000000000000000000000000398c398c"
    "398c3cd43a2e40cc40cc398c398c398c398c000000000000000000111100"
)
"""A look at one who had bought once, as it was packed before stages were."""

STAGED = OLDER.replace("3400026d31", "3400826d31")
"""The same with its stage, as it was packed before segments were, and is where the playbook has none."""

SEGMENTED = f"{STAGED}d7325b"
"""The same as it is where the playbook has three segments, and the customer was in the first two."""


def test_a_look_from_before_there_were_stages_matures_without_one() -> None:
    """It is read as it was, and its example says no stage."""
    profile, _ = lived(learning(), BOUGHT)
    older = msgspec.structs.replace(profile, pending=(bytes.fromhex(OLDER),))
    _, known = lived(learning(), profile=older, until=NOON + 30 * DAY + 1)

    assert [(each.data.model, each.data.risk, each.data.stage) for each in known] == [("m1", 0.25, None)]
    assert known[0].data.features == lived(learning(), BOUGHT, until=NOON + 30 * DAY + 1)[1][0].data.features


def test_a_look_is_packed_and_read_as_ever() -> None:
    """The bytes that wait in profiles, with and without segments; all but those is the same in both."""
    profile, _ = lived(learning(), BOUGHT)
    kinds = list(profile.kinds)
    plain, noted = unpacked(bytes.fromhex(STAGED), kinds), unpacked(bytes.fromhex(SEGMENTED), kinds)

    assert [packed(profile, NOON, 20_526, "m1", each).hex() for each in (b"", b"\xd7\x32\x5b")] == [
        STAGED,
        SEGMENTED,
    ]
    assert plain is not None
    assert noted is not None
    assert (plain.stage, plain.segments, noted.segments) == ("act", b"", b"\xd7\x32\x5b")
    assert msgspec.structs.replace(noted, segments=b"") == plain


@settings(PROPERTY_TEST, max_examples=60)
@given(st.integers(0, MAX_KINDS), st.integers(0, 30), st.binary(min_size=3, max_size=3))
def test_segments_are_told_from_kinds(kinds: int, model: int, segments: bytes) -> None:
    """However many kinds there are and however long the version is: what is read is what was noted."""
    met = kinds_of({f"kind.{number:02}": Kind(number + 1, NOON) for number in range(kinds)})
    profile = msgspec.structs.replace(lived(learning(), BOUGHT)[0], kinds=met)
    look = packed(profile, NOON + HOUR, 20_526, "m" * model, segments)
    seen = unpacked(look, list(profile.kinds))
    bare = unpacked(packed(profile, NOON + HOUR, 20_526, "m" * model), list(profile.kinds))

    assert len(look) <= MAX_BYTES
    assert seen is not None
    assert bare is not None
    assert (seen.segments, bare.segments) == (segments, b"")
    assert seen.features.items() <= bare.features.items()
    assert len(bare.features) - len(seen.features) <= 3
