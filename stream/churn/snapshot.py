"""Snapshot: what was seen of a customer at one moment, in the bytes that wait for what comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from struct import Struct, calcsize, error, pack, unpack_from
from typing import get_args
from zlib import crc32

import msgspec

from schemas.catalogue import Stage
from schemas.profile import Profile
from stream.churn.membership import SIZE
from stream.churn.signals import NAMES, signals_of

MAX_BYTES = 148
"""Bytes of a snapshot at most: with what MessagePack adds, 150."""

MAX_MODEL = 24
"""Bytes of a model's version that are kept: as long as those that the trainer gives."""

_HEAD = Struct(">qHHeB")
"""When, day of the latest activity, which signals there are, the risk, stage and length of the version."""

_LENGTH = 0b0001_1111
"""The bits that hold the length of the model's version, `MAX_MODEL` at most; the others hold the stage."""

_STAGES = (None, *get_args(Stage))
"""Stages by what is written of them; 0 is what snapshots have that were taken when none was noted."""

_STAGE = {stage: place << 5 for place, stage in enumerate(_STAGES)}

_LAYOUT = crc32(" ".join(NAMES).encode()) & 0xFFFF
"""Tells apart which signals a snapshot holds: one of a program with others can't be read by this one."""

_SIGNALS = f">{len(NAMES)}e"
_values = itemgetter(*NAMES)
_KIND = 4
"""Bytes of a kind of touchpoint: its place in the profile, and three signals."""

_STEPS = 24.0
"""Steps of a kind's signals within 1: a log is kept to 2 %, and reaches to 10.6, which is forty thousand."""

_HUGE = 6e4
"""What a number of two bytes reaches to."""

_OF_KIND = (":count", ":decayed", ":closeness")


class Snapshot(msgspec.Struct, frozen=True, gc=False):
    """What was seen of a customer at one moment.

    Attributes:
        time: when, in ms.
        day: of the latest activity by then, counted from 1970.
        risk: what was said then.
        model: version of the model that said so.
        features: the signals; what is 0 is left out.
        stage: where the customer stood on the journey; None where it was not noted.
        segments: in which segments the customer was (stream/churn/membership.py); empty where that was not
            noted.
    """

    time: int
    day: int
    risk: float
    model: str
    features: dict[str, float]
    stage: Stage | None
    segments: bytes = b""


def packed(profile: Profile, now: int, day: int, model: str, segments: bytes = b"") -> bytes:
    """What is seen of a customer now, in `MAX_BYTES` at most.

    Signals keep three digits. Of kinds of touchpoint there are those that were met last, as many as fit.
    """
    signals = signals_of(profile, now)
    version = model.encode()[:MAX_MODEL]
    values = _values(signals)
    try:
        seen = pack(_SIGNALS, *values)
    except OverflowError:
        seen = pack(_SIGNALS, *(min(max(value, -_HUGE), _HUGE) for value in values))
    last = len(version) | _STAGE.get(profile.stage, 0)
    head = _HEAD.pack(now, min(max(day, 0), 0xFFFF), _LAYOUT, profile.risk, last) + version + seen
    room = (MAX_BYTES - len(head) - len(segments)) // _KIND
    kinds = list(enumerate(profile.kinds.items()))
    if len(kinds) > room:
        kinds.sort(key=lambda each: (-each[1][1].last, each[0]))
    packed_kinds = bytearray()
    get = signals.get
    for place, (name, _) in kinds[:room]:
        packed_kinds.append(place)
        for end in _OF_KIND:
            steps = int(get(name + end, 0.0) * _STEPS + 0.5)
            packed_kinds.append(0 if steps < 0 else min(steps, 0xFF))
    # They are told by what is left beyond whole kinds: programs from before there were any pass over them.
    return head + packed_kinds + segments


def time_of(snapshot: bytes) -> int:
    """When a snapshot was taken, in ms."""
    return int.from_bytes(snapshot[:8], signed=True)


def unpacked(snapshot: bytes, kinds: Sequence[str]) -> Snapshot | None:
    """A snapshot; None where it is of a program that had other signals.

    Args:
        snapshot: its bytes.
        kinds: the kinds of touchpoint of the profile that it is in, in order.
    """
    try:
        time, day, layout, risk, last = _HEAD.unpack_from(snapshot)
        start = _HEAD.size + (last & _LENGTH)
        if layout != _LAYOUT:
            return None
        values = unpack_from(_SIGNALS, snapshot, start)
    except error:
        return None
    model = snapshot[_HEAD.size : start].decode("utf-8", "ignore")
    features = {name: value for name, value in zip(NAMES, values, strict=True) if value}
    for at in range(start + calcsize(_SIGNALS), len(snapshot) - _KIND + 1, _KIND):
        if snapshot[at] < len(kinds):
            name = kinds[snapshot[at]]
            for end, steps in zip(_OF_KIND, snapshot[at + 1 : at + _KIND], strict=True):
                if steps:
                    features[name + end] = steps / _STEPS
    stage = _STAGES[last >> 5] if last >> 5 < len(_STAGES) else None
    left = (len(snapshot) - start - calcsize(_SIGNALS)) % _KIND
    return Snapshot(time, day, risk, model, features, stage, snapshot[-SIZE:] if left == SIZE else b"")


def moved(snapshot: bytes, places: Sequence[int]) -> bytes:
    """A snapshot whose kinds stand at other places of the profile."""
    start = _HEAD.size + (snapshot[_HEAD.size - 1] & _LENGTH) + calcsize(_SIGNALS)
    changed = bytearray(snapshot)
    for at in range(start, len(snapshot) - _KIND + 1, _KIND):
        changed[at] = places[snapshot[at]] if snapshot[at] < len(places) else snapshot[at]
    return bytes(changed)
