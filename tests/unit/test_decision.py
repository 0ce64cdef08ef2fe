"""Decision: the record that says why, byte for byte."""

from __future__ import annotations

import msgspec

from schemas.decision import Candidate, Decision, DecisionData, DecisionEvent, encode
from tests.hotel import NOON

DECISION = Decision(
    "id-1",
    "ann",
    NOON,
    "t1",
    DecisionData(
        "guest.arrived",
        (
            Candidate("key", "room-key", "device", ("device", "accuracy")),
            Candidate("stay", "retention-offer", "fired", trigger="id-0"),
        ),
        "act",
        0.8,
        "m1",
        "hotel@1",
    ),
)


def test_record_is_a_cloudevent() -> None:
    """All attributes and every candidate, in order, as they stand on the topic."""
    assert encode(DECISION).decode() == (
        '{"specversion":"1.0","id":"id-1","source":"/dangol","type":"cx.decision.v1",'
        '"subject":"ann","time":"2026-03-14T12:00:00Z","datacontenttype":"application/json",'
        '"causationid":"t1","data":{"touchpoint_type":"guest.arrived","candidates":['
        '{"play":"key","family":"room-key","reason":"device","failed":["device","accuracy"]},'
        '{"play":"stay","family":"retention-offer","reason":"fired","trigger":"id-0"}],'
        '"stage":"act","risk":0.8,"model":"m1","playbook":"hotel@1"}}'
    )


def test_record_reads_back() -> None:
    """A reader with the same schema gets the same decision, its correlation included."""
    decision = msgspec.structs.replace(DECISION, correlation="b1")
    read = msgspec.json.decode(encode(decision), type=DecisionEvent)

    assert (read.data, read.correlationid) == (DECISION.data, "b1")
