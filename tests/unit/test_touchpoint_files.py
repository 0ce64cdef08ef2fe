"""Touchpoint files: what is read from JSON lines and CSV, and what is said of what can't be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agents.touchpoint_files import MAX_LINE, TouchpointFile
from schemas.errors import InputError

ORDER = (
    b'{"specversion":"1.0","id":"1","source":"/shop","type":"order.placed","subject":"ann",'
    b'"time":"2026-03-14T09:30:00Z","data":{"amount":12.5}}'
)


def read(folder: Path, content: bytes, name: str = "in.jsonl") -> list[tuple[int, str]]:
    """Line number, and customer or reason code, of every line."""
    path = folder / name
    path.write_bytes(content)
    with TouchpointFile(str(path)) as file:
        return [
            (
                line.number,
                line.touchpoint.customer if line.touchpoint else line.reject.code if line.reject else "",
            )
            for line in file
        ]


def event_of(folder: Path, row: str, header: str = "customer_id,time,type,amount") -> dict[str, Any]:
    """The CloudEvent of one CSV row."""
    path = folder / "in.csv"
    path.write_text(f"{header}\n{row}\n")
    with TouchpointFile(str(path)) as file:
        (line,) = file
        event: dict[str, Any] = json.loads(line.value)
        return event


def test_json_lines_pass_as_they_are(tmp_path: Path) -> None:
    """The bytes of a line are the record's bytes, blanks within included; its end is not."""
    spaced = ORDER.replace(b'"id":"1"', b'"id" : "2"')
    path = tmp_path / "in.jsonl"
    path.write_bytes(ORDER + b"\r\n" + spaced + b"\n")

    with TouchpointFile(str(path)) as file:
        values = [line.value for line in file]
        assert (file.size, file.position) == (path.stat().st_size, path.stat().st_size)

    assert values == [ORDER, spaced]


def test_lines_keep_their_numbers(tmp_path: Path) -> None:
    """Empty lines count and give nothing; a bad line has its number and reason, and the rest is read."""
    content = b"\n" + ORDER + b"\n  \nnot json\n" + ORDER.replace(b"ann", b"bob")

    assert read(tmp_path, content) == [(2, "ann"), (4, "json-invalid"), (5, "bob")]


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    """Files saved by a spreadsheet start with three bytes that are not part of the first line."""
    assert read(tmp_path, b"\xef\xbb\xbf" + ORDER) == [(1, "ann")]
    row = b"\xef\xbb\xbfcustomer_id,time,type\nann,2026-03-14,order.placed\n"
    assert read(tmp_path, row, "in.csv") == [(2, "ann")]


def test_a_line_without_end_is_refused_and_passed_over(tmp_path: Path) -> None:
    """A line over the limit costs no more memory than the limit, is not whole, and the next one is read."""
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"x" * (3 * MAX_LINE + 1) + b"\n" + ORDER)

    with TouchpointFile(str(path)) as file:
        first, second = file

    assert first.reject is not None
    assert (first.number, first.reject.code, first.whole, len(first.value)) == (
        1,
        "payload-too-large",
        False,
        MAX_LINE,
    )
    assert (second.number, second.whole, second.value) == (2, True, ORDER)


def test_a_clock_stands_in_for_a_missing_time(tmp_path: Path) -> None:
    """With a clock a line without a time takes the clock's, and one from two days later is refused."""
    path = tmp_path / "in.jsonl"
    timeless = b'{"specversion":"1.0","id":"1","source":"/s","type":"t","subject":"ann"}'
    path.write_bytes(timeless + b"\n" + ORDER)

    with TouchpointFile(str(path), lambda: 1_000) as file:
        first, second = file
    with TouchpointFile(str(path)) as file:
        third, _ = file

    assert first.touchpoint is not None
    assert second.reject is not None
    assert third.reject is not None
    assert (first.touchpoint.time, second.reject.code, third.reject.code) == (
        1_000,
        "time-future",
        "time-missing",
    )


def test_a_row_becomes_a_cloudevent(tmp_path: Path) -> None:
    """Known columns become attributes, numbers become numbers, what names something stays text."""
    event = event_of(
        tmp_path,
        'ann,2026-03-14 10:30:00+01:00,stay.checked-in,12.5,"a, b",101,,00123,7,b-1,x',
        "customer_id,time,type,amount,note,room,empty,zip,score,correlationid,sku_id",
    )

    id_ = event.pop("id")
    assert event == {
        "specversion": "1.0",
        "source": "/csv",
        "type": "stay.checked-in",
        "subject": "ann",
        "time": "2026-03-14T09:30:00.000Z",
        "correlationid": "b-1",
        "data": {"amount": 12.5, "note": "a, b", "room": "101", "zip": "00123", "score": 7, "sku_id": "x"},
    }
    assert len(id_) == 32


def test_ids_of_rows_are_made_from_their_place_and_cells(tmp_path: Path) -> None:
    """The same file gives the same ids; equal rows of one file differ; an id column is taken as it is."""
    row = "ann,2026-03-14,order.placed,12.5"

    first = event_of(tmp_path, row)["id"]
    again = event_of(tmp_path, row)["id"]
    path = tmp_path / "in.csv"
    path.write_text(f"customer_id,time,type,amount\n{row}\n{row}\n")
    with TouchpointFile(str(path)) as file:
        both = [json.loads(line.value)["id"] for line in file]
    given = event_of(tmp_path, f"{row},o-17", "customer_id,time,type,amount,id")["id"]

    assert first == again == both[0] == "c8ce1819bb68fc587862245c9a94a69f"
    assert both[0] != both[1]
    assert given == "o-17"


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("ann,soon,order.placed,1", "time-invalid"),
        ("ann,,order.placed,1", "time-missing"),
        (",2026-03-14,order.placed,1", "customer-missing"),
        ("ann,2026-03-14,,1", "type-missing"),
        ("ann,2026-03-14,order.placed,lots", "amount-invalid"),
        ("ann,2026-03-14,order.placed,nan", "amount-invalid"),
        ("ann,2026-03-14,order.placed,1e999", "amount-invalid"),
        ("ann,2026-03-14,order.placed,1,2", "shape-invalid"),
        ("ann,2026-03-14", "type-missing"),
    ],
)
def test_a_bad_row_is_refused_with_its_reason(tmp_path: Path, row: str, code: str) -> None:
    """A row that is no touchpoint is told by line and code, and the next one is read."""
    content = f"customer_id,time,type,amount\n{row}\nbob,2026-03-14,order.placed,2\n".encode()

    assert read(tmp_path, content, "in.csv") == [(2, code), (3, "bob")]


def test_csv_is_known_by_its_header(tmp_path: Path) -> None:
    """A file that isn't called .csv is CSV if its first line names a column customer_id."""
    assert read(tmp_path, b'type,"customer_id",time\nt,ann,2026-03-14\n', "in.txt") == [(2, "ann")]


def test_a_quoted_line_break_stays_one_row(tmp_path: Path) -> None:
    """A cell may hold a line break; the row is numbered by its last line."""
    content = b'customer_id,time,type,note\nann,2026-03-14,t,"two\nlines"\nbob,2026-03-14,t,\n'

    assert read(tmp_path, content, "in.csv") == [(3, "ann"), (4, "bob")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"",
            "{path}, line 1: no column customer_id, time, type; a CSV file starts with the names of ",
        ),
        (b"customer_id;time;type\n", "{path}, line 1: cells are separated by semicolons; save it with "),
        (b"customer_id\ttime\ttype\n", "{path}, line 1: cells are separated by tabs; save it with "),
        (b"\x1f\x8b\x08\x00", "{path} is packed by gzip: unpack it first"),
        (b"customer_id,when\n", "{path}, line 1: no column time, type; "),
        (b"customer_id,time,type,type\n", "{path}, line 1: two columns are called type"),
        (
            b"customer_id,time,type\nann,2026-03-14,caf\xe9\n",
            "{path}, line 2: not UTF-8 at byte 19 of the line; ",
        ),
        (b'customer_id,time,type\nann,"2026\n', "{path}, line 2: not CSV: unexpected end of data"),
    ],
)
def test_a_file_that_is_no_table_is_named_with_its_line(tmp_path: Path, content: bytes, message: str) -> None:
    """What makes a whole CSV file unusable is one error that says where it is and what to do."""
    with pytest.raises(InputError) as error:
        read(tmp_path, content, "in.csv")

    assert str(error.value).startswith(message.format(path=tmp_path / "in.csv"))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A missing file, or a folder, is one error with its name."""
    with pytest.raises(InputError) as missing:
        TouchpointFile(str(tmp_path / "nowhere.jsonl"))
    with pytest.raises(InputError) as folder:
        TouchpointFile(str(tmp_path))

    assert str(missing.value) == f"can't read {tmp_path}/nowhere.jsonl: No such file or directory"
    assert str(folder.value) == f"can't read {tmp_path}: Is a directory"
