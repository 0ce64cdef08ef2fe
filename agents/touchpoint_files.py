"""Touchpoint files: JSON lines or CSV, read line by line, the same for replay and for publishing.

JSON lines hold touchpoints in any form that is accepted, and their bytes pass as they are. Each row
of a CSV file becomes a CloudEvent whose id is made from the row: the same file read twice, or
replayed here and published there, gives the same touchpoints.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple, Self

import msgspec

from schemas.cloudevents import deterministic_id
from schemas.errors import InputError, RejectedError
from schemas.timestamp import to_millis, to_rfc3339
from schemas.touchpoint import Touchpoint, decode

STDIN = "-"
STDIN_NAME = "standard input"

MAX_LINE = 1_000_000
"""Longest line read, in bytes: what a Kafka broker takes by default, and it bounds the memory that
a file without line ends costs."""

REQUIRED = ("customer_id", "time", "type")
"""Columns that a CSV file must have."""

ATTRIBUTES = ("id", "source", "correlationid")
"""Columns that, where a CSV file has them, are attributes of the touchpoint; all others are its data."""

NAMES = ("booking", "channel", "device", "issue", "property", "purpose", "room")
"""Columns that name something, as do those that end in `_id`: room 101 is text, not a number."""

SEPARATORS = {";": "semicolons", "\t": "tabs"}
"""What spreadsheets put between cells in place of commas."""

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_BOM = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"


class Line(NamedTuple):
    """A line of a file, or a row of a CSV file.

    Attributes:
        number: the line's number, from 1; of a row over several lines, its last.
        value: the record's bytes.
        touchpoint: what they say; None where they can't be read.
        reject: why they can't be read.
    """

    number: int
    value: bytes
    touchpoint: Touchpoint | None
    reject: RejectedError | None

    @property
    def whole(self) -> bool:
        """Whether `value` is all of the line, and not the start of one over `MAX_LINE`."""
        return len(self.value) < MAX_LINE


class TouchpointFile:
    """A file of touchpoints, open for one reading.

    Args:
        path: the file; `-` is standard input.
        clock: gives the time in ms that stands in for a missing one and that no touchpoint may be more
            than a day ahead of, as a record's Kafka timestamp is; None where there is no such time.

    Attributes:
        size: bytes in the file; None where that can't be told.
        position: bytes read so far.

    Raises:
        InputError: the file can't be read, is gzip or not UTF-8 text, or lacks a column. Also while reading.
    """

    def __init__(self, path: str, clock: Callable[[], int] | None = None) -> None:
        self.name = STDIN_NAME if path == STDIN else path
        self.position = 0
        self._clock = clock
        self._line_number = 0
        self._is_csv = path.lower().endswith(".csv")
        try:
            self._file = _stdin() if path == STDIN else Path(path).open("rb")  # noqa: SIM115 - closed on exit
            self.size = Path(path).stat().st_size or None if path != STDIN else None
        except OSError as error:
            raise InputError(f"can't read {self.name}: {error.strerror or error}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.name != STDIN_NAME:
            self._file.close()

    def __iter__(self) -> Iterator[Line]:
        raw_lines = self._lines()
        first = next(raw_lines, b"")
        if self._is_csv or _is_header(first):
            yield from self._rows(first, raw_lines)
            return
        yield from self._json_line(first)
        for raw in raw_lines:
            yield from self._json_line(raw)

    def _lines(self) -> Iterator[bytes]:
        """Lines without their ends. Of one that is too long only its start, which no decoder takes."""
        try:
            while raw := self._file.readline(MAX_LINE):
                self._line_number += 1
                rest = raw
                while not rest.endswith(b"\n") and (rest := self._file.readline(MAX_LINE)):
                    self.position += len(rest)
                self.position += len(raw)
                if self._line_number == 1:
                    if raw.startswith(_GZIP):
                        raise InputError(
                            f"{self.name} is packed by gzip: unpack it first, or pipe `zcat` to -"
                        )
                    raw = raw.removeprefix(_BOM)
                yield raw.removesuffix(b"\n").removesuffix(b"\r")
        except OSError as error:
            raise InputError(
                f"can't read {self.name} after line {self._line_number}: {error.strerror or error}"
            ) from None

    def _json_line(self, raw: bytes) -> Iterator[Line]:
        if raw and not raw.isspace():
            yield self._line(raw)

    def _line(self, value: bytes) -> Line:
        try:
            touchpoint = decode(value, timestamp=self._clock() if self._clock else None)
        except RejectedError as reject:
            return Line(self._line_number, value, None, reject)
        return Line(self._line_number, value, touchpoint, None)

    def _rows(self, first: bytes, raw_lines: Iterator[bytes]) -> Iterator[Line]:
        rows = csv.reader(self._text(first, raw_lines), strict=True)
        try:
            header = [name.strip() for name in next(rows, [])]
            self._check(header)
            for number, row in enumerate(filter(None, rows), start=1):
                if len(row) > len(header):
                    reject = RejectedError(
                        "shape-invalid", f"{len(row)} cells, and the header names {len(header)} columns"
                    )
                    yield Line(self._line_number, _event_of(header, row, number), None, reject)
                else:
                    yield self._line(_event_of(header, row, number))
        except csv.Error as error:
            raise InputError(f"{self.name}, line {self._line_number}: not CSV: {error}") from None

    def _check(self, header: list[str]) -> None:
        if missing := [name for name in REQUIRED if name not in header]:
            if len(header) == 1 and (other := [sign for sign in SEPARATORS if sign in header[0]]):
                found = SEPARATORS[other[0]]
                raise InputError(f"{self.name}, line 1: cells are separated by {found}; save it with commas")
            raise InputError(
                f"{self.name}, line 1: no column {', '.join(missing)}; "
                f"a CSV file starts with the names of its columns, such as {','.join(REQUIRED)},amount"
            )
        if twice := [name for name in header if header.count(name) > 1]:
            raise InputError(f"{self.name}, line 1: two columns are called {twice[0] or 'nothing'}")

    def _text(self, first: bytes, raw_lines: Iterator[bytes]) -> Iterator[str]:
        """Lines of a CSV file as text with an end that the reader of quoted line breaks needs."""
        try:
            yield first.decode() + "\n"
            for raw in raw_lines:
                yield raw.decode() + "\n"
        except UnicodeDecodeError as error:
            raise InputError(
                f"{self.name}, line {self._line_number}: not UTF-8 at byte {error.start + 1} of the line; "
                "save the file as UTF-8"
            ) from None


def _stdin() -> BinaryIO:
    # Not `sys.stdin` itself: a thread that waits in it would make the interpreter abort on its way out.
    try:
        return open(sys.stdin.fileno(), "rb", closefd=False)
    except io.UnsupportedOperation:
        return sys.stdin.buffer


def _is_header(line: bytes) -> bool:
    return not line.lstrip().startswith(b"{") and any(
        cell.strip(b' "') == REQUIRED[0].encode() for cell in line.split(b",")
    )


def _event_of(header: list[str], row: list[str], number: int) -> bytes:
    """The CloudEvent of a row: its id from the row's place and cells, unless the row has one."""
    cells = {name: cell for name, cell in zip(header, row, strict=False) if cell}
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": cells.get("id") or deterministic_id("csv", str(number), *row),
        "source": cells.get("source") or "/csv",
        "type": cells.get("type"),
        "subject": cells.get("customer_id"),
        "time": _time_of(cells["time"]) if "time" in cells else None,
        "correlationid": cells.get("correlationid"),
        "data": {
            name: _value_of(name, cell)
            for name, cell in cells.items()
            if name not in REQUIRED and name not in ATTRIBUTES
        },
    }
    return msgspec.json.encode({name: value for name, value in event.items() if value is not None})


def _time_of(cell: str) -> str:
    """RFC 3339 of what people write: a day is its midnight, and a time without an offset is UTC.

    What can't be read stays as it is, for the decoder to refuse with its reason.

    >>> _time_of("2026-03-14"), _time_of("2026-03-14 10:30:00+01:00"), _time_of("soon")
    ('2026-03-14T00:00:00.000Z', '2026-03-14T09:30:00.000Z', 'soon')
    """
    try:
        moment = datetime.fromisoformat(cell.strip())
        return to_rfc3339(to_millis(moment if moment.tzinfo else moment.replace(tzinfo=UTC)))
    except (ValueError, OverflowError):
        return cell


def _value_of(name: str, cell: str) -> str | msgspec.Raw:
    """A number where the cell is one and the column doesn't name something; else text."""
    if name in NAMES or name.endswith("_id") or not _NUMBER.fullmatch(cell):
        return cell
    return msgspec.Raw(cell.encode())
