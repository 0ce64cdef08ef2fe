"""The simulation: the same day for the same seed, and a true word about what must become of it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from agents.simulation.happening import DAY_START, SOURCES
from agents.simulation.record import Record
from agents.simulation.simulation import Expected, Simulation
from schemas import touchpoint
from schemas.errors import RejectedError
from schemas.timestamp import DAY
from schemas.touchpoint import Touchpoint

ROOT = Path(__file__).parents[2]

BROKER_CLOCK = DAY_START + DAY
"""Kafka timestamp of all records in these tests, in ms."""


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    """Two hundred customers: enough for every kind of flaw to occur."""
    return Simulation(seed=1, customers=200)


@pytest.fixture(scope="module")
def decoded(simulation: Simulation) -> list[tuple[Record, Touchpoint]]:
    """The records that can be read, each with its touchpoint."""
    pairs = []
    for record in simulation:
        try:
            pairs.append((record, touchpoint.decode(record.value, record.headers, BROKER_CLOCK)))
        except RejectedError:
            continue
    return pairs


def digest(simulation: Simulation) -> str:
    """One word for all bytes of all records, in their order."""
    whole = hashlib.sha256()
    for record in simulation:
        whole.update(repr((record.key, record.value, record.headers)).encode())
    return whole.hexdigest()


def test_same_seed_gives_the_same_bytes_in_another_process() -> None:
    """Nothing hangs on the process: not its hash seed, not its clock, not its time zone."""
    script = (
        "import hashlib\n"
        "from agents.simulation.simulation import Simulation\n"
        "whole = hashlib.sha256()\n"
        "for record in Simulation(seed=7, customers=50):\n"
        "    whole.update(repr((record.key, record.value, record.headers)).encode())\n"
        "print(whole.hexdigest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "12345", "TZ": "Asia/Seoul"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert done.stdout.strip() == digest(Simulation(seed=7, customers=50))


def test_other_seed_gives_another_day() -> None:
    """The seed decides."""
    assert digest(Simulation(seed=1, customers=20)) != digest(Simulation(seed=2, customers=20))


def test_a_customer_does_not_hang_on_the_others() -> None:
    """With more customers, the first ones do what they did: each has a stream of chance of their own."""
    few, more = Simulation(seed=1, customers=5), Simulation(seed=1, customers=50)
    ids = {f"g-{number:04d}".encode() for number in range(5)}

    assert few.history == [record for record in more.history if record.key in ids]


def test_expected_totals(simulation: Simulation) -> None:
    """What must become of the records, for the seed that the demo starts with."""
    assert simulation.expected == Expected(
        records=3526,
        applied=3515,
        rejected={"amount-invalid": 2, "customer-missing": 1, "json-invalid": 1},
        duplicates=7,
        rekeyed=6,
    )


def test_rejects_are_rejected_as_stated(simulation: Simulation) -> None:
    """The decoder refuses exactly the records that the simulation says it must, for the stated reasons."""
    large = Simulation(seed=1, customers=1000)
    codes: Counter[str] = Counter()
    for record in large:
        try:
            touchpoint.decode(record.value, record.headers, BROKER_CLOCK)
        except RejectedError as error:
            codes[error.code] += 1

    by_decoder = {code: n for code, n in large.expected.rejected.items() if code != "data-invalid"}
    assert codes == by_decoder
    assert set(by_decoder) == {"amount-invalid", "customer-missing", "json-invalid", "time-future"}


def test_duplicates_are_the_same_bytes_again(
    simulation: Simulation, decoded: list[tuple[Record, Touchpoint]]
) -> None:
    """A source and id that come twice come with the same key and value, and as often as stated."""
    seen: dict[tuple[str, str], tuple[bytes | None, bytes]] = {}
    again = 0
    for record, event in decoded:
        sent = (record.key, record.value)
        again += seen.setdefault((event.source, event.id), sent) == sent
    again -= len(seen)

    assert again == simulation.expected.duplicates == len(decoded) - len(seen)


def test_miskeyed_are_as_stated(simulation: Simulation, decoded: list[tuple[Record, Touchpoint]]) -> None:
    """As many records as stated are keyed by nothing, or by something that is not their customer."""
    miskeyed = [record.key for record, event in decoded if record.key != event.customer.encode()]

    assert len(miskeyed) == simulation.expected.rekeyed


def test_records_come_in_order_of_time(simulation: Simulation) -> None:
    """History ends where the day begins, and each goes forward in time across all customers."""
    times = [record.at for record in simulation]

    assert times == sorted(times)
    assert simulation.history[-1].at < DAY_START <= simulation.day[0].at


def test_every_channel_is_used(decoded: list[tuple[Record, Touchpoint]]) -> None:
    """No channel is special: each of them has touchpoints on the day; words on consent say none."""
    channels = {event.channel for record, event in decoded if record.at >= DAY_START}
    assert channels - {None} == set(SOURCES)


def test_all_three_forms_are_used(simulation: Simulation) -> None:
    """Most records are structured CloudEvents, some in binary mode, some Segment calls."""
    forms = Counter(
        "binary" if "ce_id" in dict(record.headers) else "structured" if record.headers else "segment"
        for record in simulation
    )

    assert forms.most_common(1)[0][0] == "structured"
    assert set(forms) == {"structured", "binary", "segment"}
