"""Touchpoint: three forms are read; whatever else comes has a reason, and no other exception."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import RejectedError
from schemas.touchpoint import MAX_AHEAD, MAX_BYTES, MAX_ID, MAX_TIME, Touchpoint, decode
from tests.hotel import NOON, PROPERTY_TEST

EVENT = {
    "specversion": "1.0",
    "id": "t1",
    "source": "/shop/web",
    "type": "order.placed",
    "subject": "ann",
    "time": "2026-03-14T12:00:00Z",
}
CALL = {"type": "track", "event": "Order Completed", "messageId": "m1", "userId": "ann"}
BINARY = [(f"ce_{name}", value.encode()) for name, value in EVENT.items()]


def event(**changes: Any) -> bytes:
    """A CloudEvent with some attributes changed; None leaves one out."""
    return json.dumps({k: v for k, v in {**EVENT, **changes}.items() if v is not None}).encode()


def call(**changes: Any) -> bytes:
    """A Segment call with some fields changed; None leaves one out."""
    return json.dumps({k: v for k, v in {**CALL, **changes}.items() if v is not None}).encode()


def with_data(raw: str) -> bytes:
    """A CloudEvent whose data is written as given."""
    return event(data="%").replace(b'"%"', raw.encode("utf-8", "surrogatepass"))


def code_of(
    value: bytes | None, headers: Sequence[tuple[str, bytes]] = (), timestamp: int | None = NOON
) -> str:
    """The reason code with which a record is refused."""
    with pytest.raises(RejectedError) as refused:
        decode(value, headers, timestamp)
    return refused.value.code


def test_structured_cloudevent() -> None:
    """Every attribute of a CloudEvent arrives where the engine looks for it."""
    value = event(data={"amount": 12.5, "channel": "web", "items": [1]}, correlationid="o-7")

    assert decode(value) == Touchpoint(
        id="t1",
        source="/shop/web",
        type="order.placed",
        customer="ann",
        time=NOON,
        data={"amount": 12.5, "channel": "web", "items": [1]},
        channel="web",
        amount=12.5,
        correlation="o-7",
    )


def test_binary_cloudevent() -> None:
    """Attributes in `ce_` headers and data in the value are the same touchpoint."""
    headers = [*BINARY, ("ce_correlationid", b"o-7"), ("content-type", b"application/json")]

    structured = decode(event(data={"amount": 12.5}, correlationid="o-7"))

    assert decode(b'{"amount": 12.5}', headers) == structured


def test_segment_call() -> None:
    """A Segment call is read with its e-commerce name and its revenue."""
    value = call(timestamp="2026-03-14T12:00:00Z", properties={"revenue": 12, "channel": "app"})

    assert decode(value) == Touchpoint(
        id="m1",
        source="/segment",
        type="order.placed",
        customer="ann",
        time=NOON,
        data={"revenue": 12, "channel": "app"},
        channel="app",
        amount=12.0,
    )


def test_segment_call_of_someone_unknown() -> None:
    """Who has no user id yet goes by the anonymous one."""
    assert decode(call(userId=None, anonymousId="cookie-1"), (), NOON).customer == "cookie-1"


def test_segment_traits_are_data() -> None:
    """An `identify` call has traits in place of properties."""
    touchpoint = decode(call(type="identify", event=None, traits={"name": "Ann"}), (), NOON)

    assert (touchpoint.type, touchpoint.data) == ("identity.stated", {"name": "Ann"})


def test_binary_without_data() -> None:
    """An empty value in binary mode is a touchpoint without data."""
    assert decode(b"", BINARY).data == {}


def test_extension_named_like_a_field_of_segment() -> None:
    """Extensions in `ce_` headers that dangol doesn't read are left alone, whatever they are called."""
    extensions = [("ce_timestamp", b"x"), ("ce_data", b"x"), ("ce_properties", b"x"), ("ce_traits", b"x")]

    assert decode(b"{}", [*BINARY, *extensions]) == decode(event())


def test_other_headers_are_no_binary_mode() -> None:
    """Headers without a `ce_specversion` leave the value to speak for itself."""
    assert decode(event(), [("traceparent", b"00-1"), ("ce_id", b"t9")]).id == "t1"


@pytest.mark.parametrize("value", [event(time=None), call()])
def test_missing_time_is_the_records(value: bytes) -> None:
    """The Kafka timestamp stands in for a time that the app left out."""
    assert decode(value, (), NOON + 7).time == NOON + 7


def test_unknown_type_is_welcome() -> None:
    """A type that no playbook knows is read like any other."""
    assert decode(event(type="spa.robot-massage")).type == "spa.robot-massage"


def test_unknown_attributes_are_skipped() -> None:
    """Extensions that dangol doesn't read are no reason to refuse."""
    assert decode(event(traceparent="00-1", dataschema="/x")) == decode(event())


@pytest.mark.parametrize("time", ["2026-03-14T21:00:00+09:00", "2026-03-14T12:00:00.0004Z"])
def test_time_in_any_offset(time: str) -> None:
    """A time with its offset is the same moment wherever it was written, in whole milliseconds."""
    assert decode(event(time=time)).time == NOON


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "value-null"),
        (b"", "json-invalid"),
        (b" ", "json-invalid"),
        (b"\x00", "json-invalid"),
        (b"\xff\xfe", "json-invalid"),
        (b"order placed", "json-invalid"),
        (event()[:-1], "json-invalid"),
        (event() + b"x", "json-invalid"),
        (b"null", "shape-invalid"),
        (b"[]", "shape-invalid"),
        (b'"text"', "shape-invalid"),
        (b"1", "shape-invalid"),
        (b"{}", "shape-invalid"),
        (b'{"order": 7}', "shape-invalid"),
        (event(specversion=None), "shape-invalid"),
        (event(specversion=1), "shape-invalid"),
        (event(source=5), "shape-invalid"),
        (event(data=[]), "shape-invalid"),
        (event(data="text"), "shape-invalid"),
        (event(correlationid=7), "shape-invalid"),
        (event(id=None), "id-missing"),
        (event(id=""), "id-missing"),
        (event(id=7), "id-missing"),
        (call(messageId=None), "id-missing"),
        (call(messageId=""), "id-missing"),
        (call(messageId=7), "id-missing"),
        (event(type=None), "type-missing"),
        (event(type=""), "type-missing"),
        (event(type=7), "type-missing"),
        (call(type=None), "type-missing"),
        (event(subject=None), "customer-missing"),
        (event(subject=""), "customer-missing"),
        (event(subject=7), "customer-missing"),
        (call(userId=None), "customer-missing"),
        (call(userId="", anonymousId=""), "customer-missing"),
        (call(userId=7), "customer-missing"),
    ],
)
def test_bad_envelope_has_its_reason(value: bytes | None, code: str) -> None:
    """What is not there, or is of the wrong kind, is named by a stable code."""
    assert code_of(value) == code


@pytest.mark.parametrize(
    ("time", "code"),
    [
        ("yesterday", "time-invalid"),
        ("", "time-invalid"),
        ("2026-03-14", "time-invalid"),
        ("2026-02-30T12:00:00Z", "time-invalid"),
        ("2026-03-14T12:00:00", "time-invalid"),
        (NOON, "time-invalid"),
        (1e999, "time-invalid"),
        (True, "time-invalid"),
        ({}, "time-invalid"),
        ("0000-01-01T00:00:00Z", "time-invalid"),
        ("0001-01-01T00:00:00+14:00", "time-invalid"),
        ("1969-12-31T23:59:59.999Z", "time-invalid"),
        ("2100-01-01T00:00:00Z", "time-invalid"),
        ("9999-12-31T23:59:59-14:00", "time-invalid"),
        ("99999-01-01T00:00:00Z", "time-invalid"),
        ("2026-03-15T12:00:00.001Z", "time-future"),
        ("2099-12-31T23:59:59Z", "time-future"),
    ],
)
def test_bad_time_has_its_reason(time: Any, code: str) -> None:
    """A time must be a moment with an offset, of this age, and not a day ahead of the record."""
    assert code_of(event(time=time).replace(b"Infinity", b'"1e999"')) == code
    assert code_of(call(timestamp=time).replace(b"Infinity", b'"1e999"')) == code


def test_time_a_day_ahead_is_just_right() -> None:
    """Clocks of devices may be wrong by the width of the time zones, and no more."""
    assert decode(event(), (), NOON - MAX_AHEAD).time == NOON
    assert code_of(event(), (), NOON - MAX_AHEAD - 1) == "time-future"


def test_without_record_there_is_no_future() -> None:
    """A file has no Kafka timestamp: any time of this age goes, but it must say one."""
    assert decode(event(time="2099-12-31T23:59:59.999Z")).time == MAX_TIME - 1
    assert code_of(event(time=None), (), None) == "time-missing"


@pytest.mark.parametrize("timestamp", [-1, -(2**63), MAX_TIME, 2**63 - 1])
def test_record_with_an_absurd_timestamp(timestamp: int) -> None:
    """Producers set the Kafka timestamp, so it is checked like everything else they say."""
    assert code_of(event(), (), timestamp) == "time-invalid"


@pytest.mark.parametrize(
    "amount",
    [
        "true",
        "false",
        '"12.50"',
        '""',
        "[]",
        "{}",
        "1e999",
        "-1e999",
        "1e308",
        "1.0001e12",
        "9" * 400,
        "9" * 5000,
    ],
)
@pytest.mark.parametrize("form", ["structured", "binary", "segment"])
def test_bad_amount_has_its_reason(amount: str, form: str) -> None:
    """Money is a finite number of a size that sums can bear, in all three forms."""
    data = f'{{"amount": {amount}}}'
    segment = call(properties="%").replace(b'"%"', data.encode())
    refused = {
        "structured": lambda: code_of(with_data(data)),
        "binary": lambda: code_of(data.encode(), BINARY),
        "segment": lambda: code_of(segment),
    }

    assert refused[form]() == "amount-invalid"


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-Infinity", "nan", "01", "1.", "+1"])
def test_number_that_json_does_not_have(amount: str) -> None:
    """What only looks like a number is no JSON at all."""
    assert code_of(with_data(f'{{"amount": {amount}}}')) == "json-invalid"


@pytest.mark.parametrize(
    ("amount", "read"),
    [("0", 0.0), ("-12.5", -12.5), ("1e12", 1e12), ("1000000000000", 1e12), ("1e-400", 0.0), ("null", None)],
)
def test_amount_at_its_limits(amount: str, read: float | None) -> None:
    """Refunds, a trillion, next to nothing and null are amounts."""
    assert decode(with_data(f'{{"amount": {amount}}}')).amount == read


@pytest.mark.parametrize(
    "data",
    [
        '{"note": "\\ud800"}',
        '{"note": "\\udc00"}',
        '{"note": "\\udc00\\ud800"}',
        '{"note": "\\uD83Dx"}',
        '{"\\ud800": 1}',
        '{"note": "\ud800"}',
        '{"\udfff": 1}',
    ],
)
def test_lone_surrogates(data: str) -> None:
    """Half a character, escaped or raw, could not be written out again."""
    assert code_of(with_data(data)) == "text-invalid"


def test_surrogate_pair_is_a_character() -> None:
    """An emoji written as two escapes is fine, and no excuse for JSON that ends too early."""
    assert decode(with_data('{"note": "\\ud83d\\ude00"}')).data == {"note": "😀"}
    assert code_of(with_data('{"note": "\\ud83d\\ude00"}')[:-1]) == "json-invalid"


@pytest.mark.parametrize("name", ["id", "subject", "type", "source"])
def test_bad_text_in_a_header(name: str) -> None:
    """Headers are UTF-8 too."""
    assert code_of(b"{}", [*BINARY, (f"ce_{name}", b"\xff")]) == "text-invalid"


@pytest.mark.parametrize("opening", ['{"a":', "["])
@pytest.mark.parametrize("closed", [True, False])
def test_deep_nesting(opening: str, closed: bool) -> None:
    """Ten thousand levels end in a reason, not in a crash, in read and in skipped fields alike."""
    closing = ("}" if opening == '{"a":' else "]") * 10_000 if closed else ""
    deep = opening * 10_000 + "1" + closing

    assert code_of(with_data(f'{{"deep": {deep}}}')) == "nesting-too-deep"
    assert code_of(event(skipped="%").replace(b'"%"', deep.encode())) == "nesting-too-deep"


def test_payload_at_its_limit() -> None:
    """A record of exactly the limit is read, one byte more is not."""
    padding = MAX_BYTES - len(event(data={"pad": ""}))

    assert len(decode(event(data={"pad": "x" * padding})).data["pad"]) == padding
    assert code_of(event(data={"pad": "x" * (padding + 1)})) == "payload-too-large"
    assert code_of(b"x" * (MAX_BYTES + 1), BINARY) == "payload-too-large"


@pytest.mark.parametrize("name", ["id", "source", "type", "subject", "correlationid"])
def test_huge_names(name: str) -> None:
    """Whatever stands in state and on every record has a limit."""
    assert decode(event(**{name: "x" * MAX_ID})).time == NOON
    assert code_of(event(**{name: "x" * (MAX_ID + 1)})) == "shape-invalid"
    assert code_of(b"{}", [*BINARY, (f"ce_{name}", b"x" * (MAX_ID + 1))]) == "shape-invalid"


@pytest.mark.parametrize("name", ["messageId", "userId", "event"])
def test_huge_names_of_segment(name: str) -> None:
    """The limit holds for Segment's names too."""
    assert code_of(call(**{name: "x" * (MAX_ID + 1)})) == "shape-invalid"


def test_message_names_the_field_and_no_content() -> None:
    """A message says what is wrong and where, and repeats nothing that a customer wrote."""
    with pytest.raises(RejectedError) as refused:
        decode(event(subject=["Ann Smith"]))

    assert str(refused.value) == "Expected `str | null`, got `array`, at $.subject"


def outcome_of(value: bytes, headers: Sequence[tuple[str, bytes]] = ()) -> str:
    """`read`, or the reason; any other exception goes through and fails the test."""
    try:
        decode(value, headers, NOON)
    except RejectedError as refused:
        return refused.code if len(str(refused).splitlines()) == 1 else "message-of-many-lines"
    return "read"


CODES = {
    "read",
    "json-invalid",
    "text-invalid",
    "nesting-too-deep",
    "shape-invalid",
    "id-missing",
    "type-missing",
    "customer-missing",
    "time-invalid",
    "time-future",
    "amount-invalid",
}


@settings(PROPERTY_TEST, max_examples=500)
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes(value: bytes, binary: bool) -> None:
    """Any bytes are a touchpoint or have a reason."""
    assert outcome_of(value, BINARY if binary else ()) in CODES


@settings(PROPERTY_TEST, max_examples=500)
@given(
    st.sampled_from(
        [
            event(data={"amount": 12.5, "note": "a\ud83d\ude00", "deep": [{"x": None}]}),
            call(properties={"total": 3}, timestamp="2026-03-14T12:00:00+09:00"),
        ]
    ),
    st.lists(
        st.tuples(
            st.integers(0, 400),
            st.integers(0, 3),
            st.binary(max_size=4)
            | st.sampled_from(
                [
                    b'"',
                    b"\\",
                    b"\\ud8",
                    b"\xed\xa0\x80",
                    b"{",
                    b"}",
                    b"[",
                    b"null",
                    b"1e999",
                    b"9" * 30,
                    b":",
                    b"-",
                ]
            ),
        ),
        min_size=1,
        max_size=4,
    ),
)
def test_mutated_json(value: bytes, mutations: list[tuple[int, int, bytes]]) -> None:
    """Valid JSON with bytes cut out and put in is a touchpoint or has a reason."""
    for at, cut, put in mutations:
        value = value[:at] + put + value[at + cut :]

    assert outcome_of(value) in CODES


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(PROPERTY_TEST, max_examples=100)
@given(
    st.sampled_from([EVENT, CALL]),
    st.dictionaries(
        st.sampled_from(
            [*EVENT, *CALL, "data", "properties", "traits", "anonymousId", "timestamp", "correlationid"]
        ),
        JSON | st.dictionaries(st.sampled_from(["amount", "channel", "revenue", "value"]), JSON),
        max_size=4,
    ),
)
def test_any_json_in_any_field(valid: dict[str, Any], changes: dict[str, Any]) -> None:
    """Whatever JSON stands in whichever field, the record is read or has a reason."""
    assert outcome_of(json.dumps({**valid, **changes}).encode()) in CODES


@PROPERTY_TEST
@given(
    st.dictionaries(st.sampled_from([name for name, _ in BINARY]), st.binary(max_size=12)),
    st.binary(max_size=20),
)
def test_any_bytes_in_headers(changes: dict[str, bytes], value: bytes) -> None:
    """Whatever bytes stand in the headers, the record is read or has a reason."""
    assert outcome_of(value, list({**dict(BINARY), **changes}.items())) in CODES


@pytest.mark.parametrize(
    "value",
    [event(time=None), call()],
)
def test_published_again_it_happened_when_it_was_published_first(value: bytes) -> None:
    """A touchpoint without a time of its own has that of its first record, where that is told."""
    first = ("cx-first-timestamp", (NOON - MAX_AHEAD).to_bytes(8, "big"))

    assert decode(value, [first], NOON).time == NOON - MAX_AHEAD
    assert decode(event(time="2026-03-14T12:00:00Z"), [first], NOON).time == NOON
    for wrong in (b"", b"yesterday", (-1).to_bytes(8, "big", signed=True), MAX_TIME.to_bytes(8, "big")):
        assert decode(value, [("cx-first-timestamp", wrong)], NOON).time == NOON
