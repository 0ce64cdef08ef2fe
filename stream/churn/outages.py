"""Outages: when touchpoints should have come and none did, and how labels wait for them.

Where nobody at all does anything, nobody has gone: what brings the touchpoints has failed. That shows only
in the silence of all customers together, and only afterwards. So there are two steps:

- A silence longer than a day and than any that is usual: what labels depend on waits, as it may be an outage.
  Once touchpoints come again it is made up for, as of when it was due; nothing but the delay comes of it.
- A silence longer than `OUTAGE` and `UNUSUAL` times the usual one was an outage, from where labels began to
  wait to where touchpoints came again. For horizons time stood still in it: labels mature later by as long,
  and a customer may come back until then. Where what happened in it is told afterwards, they mature as late,
  but nobody has longer to come back: it is known who did.

A silence that is real, such as a shop that is shut for a season, costs no more than labels that come late:
after `LONGEST` they come whether anything else does or not. One that comes again and again is usual.

All of it follows from the times of touchpoints, so that whatever is repeated comes to the same; each
partition has its own, as it has its own customers. Touchpoints that dangol itself made, or that tell what
became of its triggers, say nothing: they go on in an outage.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from schemas.cloudevents import SOURCE
from schemas.ingestion import VERSION, Ingestion, Outage
from schemas.timestamp import DAY, HOUR
from schemas.touchpoint import Touchpoint

NOTED = HOUR
"""How often it is noted that touchpoints come, in ms: state changes 24 times a day, and silences are told to
an hour, of which they are days."""

PATIENCE = DAY
"""A silence up to which labels never wait, in ms: nights and slow days are no reason."""

OUTAGE = 7 * DAY
"""A silence from which on it was an outage, in ms: a week has every day of the week in it, open or closed."""

UNUSUAL = 4
"""How many times as long as the usual one it has to be as well: a firm whose customers come once a week has
long silences all the time."""

USUAL_AFTER = 200
"""Hours with touchpoints after which one knows which silences are usual: a week and a day around the clock,
five weeks of opening hours."""

LONGEST = 182 * DAY
"""How long an outage can be, in ms: customers who were silent for half a year are lost, whyever they were
(stream/churn/labels.py)."""

KEPT = 8
"""Outages remembered: more than can be within a horizon, where each is four times what is usual."""


TOLD = 2
"""An outage has been told of where something is known of one in so many stretches of it that are as long as a
usual silence: an app that was offline meanwhile tells what became of its own users only."""


def after(ingestion: Ingestion, touchpoint: Touchpoint, now: int) -> Ingestion:
    """What is known once a touchpoint has come; the very same where it says nothing new.

    Args:
        ingestion: what is known by then.
        touchpoint: what has come.
        now: when, in ms.
    """
    if touchpoint.source == SOURCE or touchpoint.moved is not None or touchpoint.type.startswith("trigger."):
        return ingestion
    return _told(_heard(ingestion, now), touchpoint.time)


def _heard(ingestion: Ingestion, time: int) -> Ingestion:
    silence = time - ingestion.latest
    if silence < NOTED:
        return ingestion
    if not ingestion.hours:
        return Ingestion(latest=time, hours=1)
    outages, until = ingestion.outages, ingestion.out_until
    if ingestion.hours >= USUAL_AFTER and silence >= _unusual(ingestion):
        until = min(time, _start(ingestion) + LONGEST)
        outages = (*outages, _outage(ingestion, until))[-KEPT:]
    # One odd silence at most doubles what is usual, so that the next one is still told by it.
    usual = max(ingestion.longest, min(silence, 2 * ingestion.longest))
    return Ingestion(VERSION, time, usual, ingestion.hours + 1, outages, until)


def _told(ingestion: Ingestion, time: int) -> Ingestion:
    """What is known once something was told that happened at a time, in ms."""
    if time > ingestion.out_until:
        return ingestion
    outages = ingestion.outages
    for place, outage in enumerate(outages):
        stretch = (outage.end - time) // outage.usual
        if outage.start < time < outage.end and stretch not in outage.told:
            known = msgspec.structs.replace(outage, told=(*outage.told, stretch))
            return msgspec.structs.replace(
                ingestion, outages=(*outages[:place], known, *outages[place + 1 :])
            )
    return ingestion


def known(ingestion: Ingestion, now: int) -> tuple[int, Sequence[Outage]]:
    """Up to when it is known what was an outage, in ms, and which were, if nothing came until now."""
    start = _start(ingestion)
    if now <= start or ingestion.hours < USUAL_AFTER:
        return now, ingestion.outages
    if now < max(ingestion.latest + _unusual(ingestion), start + LONGEST):
        return start, ingestion.outages
    return now, (*ingestion.outages, _outage(ingestion, start + LONGEST))[-KEPT:]


def untold(outages: Sequence[Outage]) -> list[Outage]:
    """Outages of which nobody told afterwards what happened in them."""
    return [each for each in outages if len(each.told) * TOLD < _stretches(each)]


def end_of(time: int, horizon: int, outages: Sequence[Outage]) -> int:
    """When a horizon that begins at a time is over, both in ms: in outages time stands still.

    >>> gone = [Outage(20, 25, 1)]
    >>> end_of(10, 30, gone), end_of(22, 30, gone), end_of(10, 10, gone)
    (45, 55, 20)
    """
    end = time + horizon
    for outage in outages:
        if outage.start < end and time < outage.end:
            end += outage.end - max(outage.start, time)
    return end


def passed(time: int, every: int, outages: Sequence[Outage]) -> int:
    """The first of times that are `every` apart, from a time on, that is in no outage; all in ms.

    >>> passed(21, 3, [Outage(20, 25, 1)]), passed(26, 3, [Outage(20, 25, 1)])
    (27, 26)
    """
    for outage in outages:
        if outage.start < time <= outage.end:
            time += ((outage.end - time) // every + 1) * every
    return time


def _outage(ingestion: Ingestion, end: int) -> Outage:
    return Outage(_start(ingestion), end, _usual(ingestion))


def _stretches(outage: Outage) -> int:
    return -((outage.start - outage.end) // outage.usual)


def _start(ingestion: Ingestion) -> int:
    return ingestion.latest + _usual(ingestion)


def _usual(ingestion: Ingestion) -> int:
    return max(PATIENCE, ingestion.longest)


def _unusual(ingestion: Ingestion) -> int:
    return max(OUTAGE, UNUSUAL * ingestion.longest)
