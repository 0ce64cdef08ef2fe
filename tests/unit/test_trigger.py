"""Trigger: the record that services subscribe to, byte for byte."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest

from schemas.families import Content
from schemas.families.recovery_offer import RecoveryOffer
from schemas.families.retention_offer import RetentionOffer
from schemas.families.room_key import RoomKey
from schemas.families.suppression import Suppression
from schemas.trigger import Trigger, TriggerData, TriggerEvent, encode
from tests.hotel import NOON


def trigger(content: Content, correlation: str | None = None) -> Trigger:
    """A trigger with some content."""
    data = TriggerData("play", content, "act", 0.25, "m1", "hotel@1")
    return Trigger("id-1", "room-key", "ann", NOON, "t1", NOON + 60_000, data, correlation)


def test_record_is_a_cloudevent() -> None:
    """All attributes of a trigger's CloudEvent, in order, as they stand on the topic."""
    content = RoomKey("issue", "b1", "seoul", "phone", date(2026, 3, 16))

    assert encode(trigger(content, "b1")).decode() == (
        '{"specversion":"1.0","id":"id-1","source":"/dangol","type":"cx.trigger.room-key.v1",'
        '"subject":"ann","time":"2026-03-14T12:00:00Z","datacontenttype":"application/json",'
        '"causationid":"t1","correlationid":"b1","expirytime":"2026-03-14T12:01:00Z",'
        '"data":{"play":"play","content":{"family":"room-key","action":"issue","booking":"b1",'
        '"property":"seoul","device":"phone","departure":"2026-03-16"},"stage":"act","risk":0.25,'
        '"model":"m1","playbook":"hotel@1"}}'
    )


def test_no_correlation_is_left_out() -> None:
    """An attribute without value is absent, as CloudEvents has it."""
    assert b"correlationid" not in encode(trigger(Suppression("end", "open-issue", "i1", 0)))


@pytest.mark.parametrize(
    "content",
    [
        RoomKey("revoke", "b1", "seoul", None, date(2026, 3, 16), "707", "id-0"),
        RecoveryOffer("escalate", "wait.long", 0.4, 2, "voucher", 15.0, "EUR"),
        Suppression("start", "open-issue", "i1", 1),
        RetentionOffer(0.75, 10.5, "voucher", 15.0, "EUR"),
    ],
)
def test_every_family_reads_back(content: Content) -> None:
    """A subscriber with the same schema reads what was written, told apart by the family."""
    read = msgspec.json.decode(encode(trigger(content)), type=TriggerEvent)

    assert read.data.content == content
