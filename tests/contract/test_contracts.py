"""Contracts: what the codecs write is what the JSON Schemas describe, and old bytes stay readable."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from agents.cli import main
from agents.cli.model.training import DEFAULT_VERSION
from agents.display import header_values
from schemas import (
    deadletter,
    decision,
    erasure,
    example,
    ingestion,
    mark,
    pin,
    profile,
    profile_record,
    stage,
    trigger,
)
from schemas.account import Account
from schemas.begun import Begun
from schemas.consent import Consent
from schemas.contracts import json_schemas
from schemas.errors import StateError
from schemas.example import Example, ExampleData
from schemas.families.retention_offer import RetentionOffer
from schemas.holding import Held
from schemas.ingestion import Ingestion, Outage
from schemas.issue import Issue
from schemas.item import Item
from schemas.kinds import Kind, kinds_of
from schemas.ledger import Claim, Ledger, Reservation, Totals
from schemas.lifecycle import Issued
from schemas.link import Link
from schemas.moment import Moment
from schemas.pin import Pin
from schemas.preference import Preference
from schemas.presence import Presence
from schemas.profile import Profile
from schemas.recovery import Recovery
from schemas.sequence import Run
from schemas.stay import Booking, Key, Words
from schemas.suppression import Suppressed
from schemas.timer import Timer
from schemas.timestamp import to_datetime
from schemas.touchpoint import Touchpoint, TouchpointEvent, decode
from stream.churn import models
from stream.engine import SHIPPED, load_engine

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden"

MARCH = 1_773_480_600_000
"""14 March 2026, 09:30 UTC, in ms."""

PROFILE = Profile(
    version=2,
    customer="mina",
    first_seen=MARCH - 86_400_000,
    last_seen=MARCH,
    touchpoints=3,
    kinds=kinds_of({"order.placed": Kind(2, MARCH - 1), "complaint.opened": Kind(1, MARCH)}),
    decayed=(2.5, 2.75, 2.875),
    active_days=2,
    last_active=MARCH - 1,
    spent=120.5,
    last_amount=20.5,
    gap_mean=1.0,
    gap_m2=0.25,
    stage="act",
    stage_since=MARCH - 86_400_000,
    moments=(Moment(MARCH, -0.8, "complaint.opened", "e-3"),),
    issues=(Issue("i-1", MARCH, "complaint.opened"),),
    bookings=(
        Booking(
            "b-1",
            "seoul",
            date(2026, 3, 14),
            date(2026, 3, 16),
            "in-house",
            "101",
            Key("k-1", "phone-1"),
            MARCH - 2,
        ),
    ),
    device="phone-1",
    device_bound=MARCH - 4,
    consents=(Consent(MARCH - 5, True, "marketing"), Consent(MARCH - 3, False, "location")),
    fired={"make-it-right": MARCH},
    risk=0.625,
    at_risk=True,
    seen=bytes(range(12)),
    applied={0: 17, 3: 2},
)
"""A profile with something in every field of the first release."""

FULL = msgspec.structs.replace(
    PROFILE,
    aliases=("a-1", "a-2"),
    ahead=MARCH + 7,
    erased=MARCH - 86_400_001,
    moved_to="mina2",
    timers=(Timer(MARCH + 1_800_000, "recovery-offer:make-it-right", "i-1", "e-3"),),
    linked_to="mina2",
    links={"a-1": Link(MARCH, unlinked=False, first=3, last=7)},
    heard={"a-1": 5},
    sent=7,
    days=bytes(4),
    turns=(2 * MARCH, 2 * MARCH + 3),
    reached=("act", MARCH),
    evidence=(MARCH - 2, 0, MARCH),
    closed={"i-0": MARCH},
    reopened={"i-1": (MARCH + 1,)},
    zone="Asia/Seoul",
    zone_said=MARCH,
    account=Account("business", MARCH, 600, MARCH + 1, date(2026, 7, 1), MARCH + 2),
    held=(
        Held(
            *("h-1", "stay-with-us", "retention-offer", b"\x80", "e-3", "page.viewed", "/app", "b-1"),
            *(MARCH, MARCH + 2, "quiet-hours", MARCH + 1),
        ),
    ),
    issued=(
        Issued(
            *("t-1", "make-it-right", "recovery-offer", "push", "service", "inbox"),
            *(MARCH, MARCH + 2, "accepted", MARCH + 1),
            delivered=True,
            correlation="b-1",
        ),
    ),
    forgotten=MARCH - 1,
    suppressed=(Suppressed(MARCH + 9, "declined", "service", MARCH),),
    attention=1.5,
    attention_at=MARCH,
    entered={"make-it-right": MARCH},
    entered_keys={"stay-with-us:b-1": MARCH},
    progress={"hold-promotions:": (Run(MARCH, MARCH + 1), Run(-1, -1))},
    ended={"stay-with-us:b-1": MARCH},
    surprises={"fruit": MARCH},
    asked={"review": MARCH},
    begun={"cart:c-1": Begun(MARCH, MARCH - 1, "web", "cart.added", offered=True)},
    items={"robe": Item(MARCH - 1, MARCH)},
    recoveries=(Recovery(MARCH, "t-1", "make-it-right", "wait.long", "accepted", MARCH + 1),),
    language="pt-BR",
    language_said=MARCH,
    referred_by="ann",
    referral_bought=True,
    referred_at=MARCH,
    told={"b-1": Words(MARCH, MARCH, MARCH, MARCH, MARCH, MARCH, "in-house", "101", MARCH, "101")},
    preferences=(Preference(True, MARCH, "pillow", "feather", "/front-desk"),),
    presences=(Presence(MARCH, "seoul", "phone-1", inside=True, arrived=MARCH, failed=("room",)),),
    active_decayed=(1.5, 1.75, 1.875),
    spent_decayed=120.25,
    ledgers={
        "guest": Ledger(
            {"0" * 16: Reservation(60_000, 20_526, MARCH)}, {20_526: Totals(1, 60_000, 1, 1)}, b"", 7
        )
    },
    claims={"0" * 16: Claim(60_000, MARCH, MARCH, ("guest",), ("dangol/budget/hotel/seoul",))},
    pending=(bytes(148),),
    looked=MARCH,
    looked_day=20_526,
)
"""A profile with something in every field."""


def validator(name: str) -> Draft202012Validator:
    """A validator of the schema file of this name, formats checked."""
    schema = json.loads((ROOT / "schemas" / "json" / f"{name}.schema.json").read_bytes())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


def errors(name: str, instance: Any) -> list[str]:
    """What the schema of this name finds wrong."""
    return [error.message for error in validator(name).iter_errors(instance)]


def day_at_the_hotel() -> tuple[list[bytes], list[bytes]]:
    """Triggers of every family and action, and the decisions, of two guests."""
    hotel = next(iter(load_engine().playbook.properties))
    booking = {"booking": "b-1", "property": hotel, "arrival": "2026-03-14", "departure": "2026-03-16"}
    engine = load_engine()
    state: dict[str, Profile | None] = {}
    triggers, decisions = [], []
    happened: list[tuple[str, dict[str, Any]]] = [
        ("booking.confirmed", booking),
        ("device.bound", {"device": "phone-1"}),
        ("consent.granted", {"purpose": "location"}),
        ("guest.arrived", {**booking, "device": "phone-1", "accuracy_m": 5}),
        ("complaint.opened", {"issue": "i-1"}),
        ("service.failed", {}),
        ("complaint.closed", {"issue": "i-1"}),
        ("stay.checked-out", {"booking": "b-1"}),
    ]
    for number, (type_, said) in enumerate(happened):
        touchpoint = Touchpoint(f"e-{number}", "/hotel", type_, "mina", MARCH + number, said)
        outcome = engine.step(state.get("mina"), touchpoint, touchpoint.time)
        state["mina"] = outcome.profile
        triggers += [trigger.encode(fired) for fired in outcome.triggers]
        if outcome.decision is not None:
            decisions.append(decision.encode(outcome.decision))
    content = RetentionOffer(0.75, 40.0, "voucher", 15.0, "EUR")
    data = trigger.TriggerData("stay-with-us", content, "act", 0.8, "m", "p")
    triggers.append(
        trigger.encode(trigger.Trigger("t", "retention-offer", "ann", MARCH, "e", MARCH + 1, data))
    )
    return triggers, decisions


def test_triggers_and_decisions_are_as_described() -> None:
    """Everything that a day at the hotel publishes holds to its schema: all families, issue and revoke."""
    triggers, decisions = day_at_the_hotel()

    contents = [json.loads(one)["data"]["content"] for one in triggers]
    assert {(content["family"], content.get("action")) for content in contents} == {
        ("room-key", "issue"),
        ("room-key", "revoke"),
        ("recovery-offer", "offer"),
        ("recovery-offer", "escalate"),
        ("suppression", "start"),
        ("suppression", "end"),
        ("retention-offer", None),
    }
    assert [errors("trigger", json.loads(one)) for one in triggers] == [[]] * len(triggers)
    assert [errors("decision", json.loads(one)) for one in decisions] == [[]] * len(decisions)


def test_schemas_refuse_what_subscribers_could_not_read() -> None:
    """A trigger without an id, of an unknown family or with a time that is none, is found."""
    good = json.loads(day_at_the_hotel()[0][0])

    assert errors("trigger", {name: value for name, value in good.items() if name != "id"}) == [
        "'id' is a required property"
    ]
    assert errors("trigger", {**good, "data": {**good["data"], "content": {"family": "spa"}}}) != []
    assert errors("trigger", {**good, "subject": 17}) == ["17 is not of type 'string'"]


def test_a_touchpoint_is_as_described() -> None:
    """What `dangol data` and CSV files are made into is read as a touchpoint and holds to its schema."""
    event = msgspec.json.encode(
        TouchpointEvent(specversion="1.0", id="1", source="/s", type="t", subject="ann", data={"amount": 1.5})
    )

    assert decode(event, timestamp=MARCH).amount == 1.5
    assert errors("touchpoint", json.loads(event)) == []
    assert errors("touchpoint", {"specversion": "1.0"}) != []


def test_a_profile_is_as_described() -> None:
    """A profile with something in every field, and one with nothing, hold to the schema."""
    full = json.loads(profile_record.encode(FULL))

    assert sorted(full) == sorted(Profile.__struct_fields__)
    assert errors("profile", full) == []
    assert errors("profile", json.loads(profile_record.encode(profile.new_profile("ann")))) == []


def test_an_erasure_is_as_described() -> None:
    """The proof of one of whom much was known, and that of one who was not known, hold to the schema."""
    request = Touchpoint("e-1", "/privacy", "privacy.erase", "mina", MARCH)

    for known in (FULL, None):
        proof = load_engine().step(known, request, MARCH).erasure
        assert proof is not None
        assert errors("erasure", json.loads(erasure.encode(proof))) == []


def test_a_stage_change_is_as_described() -> None:
    """Of one who is new, of one who came further and of one who fell back: all hold to the schema."""
    engine = load_engine()
    known: Profile | None = None
    for number, type_ in enumerate(("page.viewed", "product.shared", "service.failed")):
        outcome = engine.step(
            known, Touchpoint(str(number), "/app", type_, "ann", MARCH + number), MARCH + number
        )
        known = outcome.profile
        assert outcome.stage is not None
        assert errors("stage", json.loads(stage.encode(outcome.stage))) == []


def test_an_example_is_as_described() -> None:
    """With segments, in none, and where they were not noted; more than can be told apart are no example."""
    seen = ExampleData(
        to_datetime(MARCH), 86_400.0, True, "silent", 0.25, "m1", {"recency": 0.5}, (0.0, 0.0, 1.0), "act"
    )
    for segments in (("vip", "new-guest"), (), None):
        data = msgspec.structs.replace(seen, segments=segments)
        written = example.encode(Example("e-1", "ann", MARCH, "timer/churn/@1", data))
        assert errors("example", json.loads(written)) == []
        assert example.decode(written).data.segments == segments
    many = msgspec.structs.replace(seen, segments=("vip",) * 17)
    written = example.encode(Example("e-1", "ann", MARCH, "timer/churn/@1", many))
    assert len(errors("example", json.loads(written))) == 1


def test_a_mark_is_written_and_read_as_ever() -> None:
    """The bytes by which state knows who was erased, for as long as there is any state."""
    blank = Profile(version=profile.VERSION, customer="mina", erased=MARCH, applied={0: 17})
    stored = bytes.fromhex("83a776657273696f6e01a6657261736564cf0000019cebae61c0a76170706c696564810011")

    assert mark.encode(blank) == stored
    assert mark.profile_of(mark.decode(stored), "mina") == blank
    assert mark.key_of("mina") == b"\xff" + erasure.digest_of("mina").encode()
    with pytest.raises(StateError, match="version 2"):
        mark.decode(msgspec.msgpack.encode({"version": 2, "erased": 1}))


def test_pins_are_written_and_read_as_ever() -> None:
    """The bytes by which state knows what decides from which record on."""
    pins = (Pin(7, MARCH, "hotel@3f9c2a1b", "cdnow-2026.11"),)
    stored = (
        b"\x82\xa7version\x01\xa4pins\x91\x84\xa6offset\x07\xa2at\xcf"
        + MARCH.to_bytes(8, "big")
        + b"\xa8playbook\xaehotel@3f9c2a1b\xa5model\xadcdnow-2026.11"
    )

    assert pin.encode(pins) == stored
    assert pin.decode(stored) == pins
    assert pin.KEY == b"\xfdpins"
    with pytest.raises(StateError, match="version 2"):
        pin.decode(msgspec.msgpack.encode({"version": 2, "pins": []}))


def test_ingestion_is_written_and_read_as_ever() -> None:
    """The bytes by which state knows when a partition's touchpoints came, and when none did."""
    known = Ingestion(latest=7, longest=8, hours=9, outages=(Outage(1, 6, 2, (1, 0)),), out_until=6)
    stored = (
        b"\x85\xa6latest\x07\xa7longest\x08\xa5hours\x09"
        b"\xa7outages\x91\x94\x01\x06\x02\x92\x01\x00\xa9out_until\x06"
    )

    assert ingestion.encode(known) == stored
    assert ingestion.decode(stored) == known
    assert ingestion.KEY == b"\xfcingestion"
    with pytest.raises(StateError, match="version 2"):
        ingestion.decode(msgspec.msgpack.encode({"version": 2}))


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_playbook_is_as_described(name: str) -> None:
    """It holds to the schema that editors complete from; a misspelt field does not."""
    playbook = msgspec.yaml.decode(SHIPPED[name].read_bytes())

    assert errors("playbook", playbook) == []
    assert errors("playbook", {**playbook, "pleys": []}) == [
        "Additional properties are not allowed ('pleys' was unexpected)"
    ]


def test_a_dead_letter_is_as_described() -> None:
    """The headers that the worker sets are those that the schema names."""
    origin = deadletter.Origin("cx.touchpoints.v1", 3, 17, MARCH, "dangol")
    headers = header_values(
        deadletter.headers_of([("app", b"x")], origin, "json-invalid", "no JSON", "decode")
    )

    assert headers["kafka_dlt-original-offset"] == 17
    assert errors("dead-letter", {"key": None, "value": "{", "timestamp": MARCH, "headers": headers}) == []
    del headers["app"]
    assert sorted(headers) == sorted(json_schemas()["dead-letter"]["properties"]["headers"]["required"])


def test_schemas_say_what_fields_mean() -> None:
    """Every field of a published record has a description, taken from the type's docstring."""
    for name in ("trigger", "decision", "stage", "erasure", "profile"):
        fields = json_schemas()[name]["properties"]
        assert [field for field, about in fields.items() if not about.get("description")] == []


def test_drift_is_named(tmp_path: Path) -> None:
    """`dangol contracts --check` passes on what it wrote, and names the file that is not so any more."""

    def contracts(*args: str) -> tuple[int, str]:
        result = CliRunner().invoke(main, ["contracts", "--folder", str(tmp_path), *args])
        return result.exit_code, result.stderr

    written = contracts()
    same = contracts("--check")
    drifted = tmp_path / "trigger.schema.json"
    drifted.write_bytes(drifted.read_bytes().replace(b'"string"', b'"integer"', 1))

    assert (written, same) == ((0, ""), (0, ""))
    assert contracts("--check") == (
        1,
        f"dangol: {drifted} is not what the types say; run `dangol contracts` and look at the change\n",
    )


def test_shipped_schemas_are_what_the_types_say() -> None:
    """Nobody changed a type without its schema."""
    assert CliRunner().invoke(main, ["contracts", "--check"]).exit_code == 0


@pytest.mark.parametrize(("name", "expected"), [("profile-v1", PROFILE), ("profile-v1-full", FULL)])
def test_profile_v1_is_read_as_ever(name: str, expected: Profile) -> None:
    """The bytes of version 1 decode as on the day of its release, and as on the last day before version 2."""
    assert profile.decode((GOLDEN / f"{name}.msgpack").read_bytes()) == expected


def test_profile_v2_is_written_and_read_as_ever() -> None:
    """The bytes of version 2, with a kind of touchpoint that has no place among the names."""
    kinds = FULL.kinds.put("spa.visited", Kind(3, MARCH - 7, 1.25))
    golden = (GOLDEN / "profile-v2.msgpack").read_bytes()

    assert profile.decode(golden) == msgspec.structs.replace(FULL, kinds=kinds)
    assert profile.encode(profile.decode(golden)) == golden


@pytest.mark.parametrize(
    "name", ["touchpoint", "trigger", "decision", "stage", "erasure", "profile", "playbook", "dead-letter"]
)
def test_each_contract_has_a_file(name: str) -> None:
    """The schemas ship with the program."""
    schema = json.loads((ROOT / "schemas" / "json" / f"{name}.schema.json").read_bytes())

    assert schema["$id"] == f"{name}.schema.json"


def test_the_model_of_the_command_line_is_the_default() -> None:
    """`dangol model train` makes the version that the engine scores with."""
    assert models.DEFAULT == DEFAULT_VERSION
