"""Workload: the touchpoints of a round, seeded, with what goes wrong on the way to the topic."""

from __future__ import annotations

from collections import Counter
from random import Random

import msgspec

from agents.simulation.happening import DAY_START
from agents.simulation.simulation import Simulation
from schemas.timestamp import DAY, to_rfc3339
from tests.chaos import mutations
from tests.cluster import Sent

A_CUSTOMER = 40
"""Touchpoints of a customer, about: so that each is touched again and again while things break."""

SPOILT = {"corrupt": 0.01, "duplicate": 0.01}
"""Share of records, on top: those that can't be read, and those that were sent before."""

SHUFFLED = 40
"""Records in a row whose order is lost at a time."""

_OFTEN: tuple[tuple[str, str], ...] = (
    ("page.viewed", "{}"),
    ("product.viewed", '{"product":"robe"}'),
    ("order.placed", '{"order":"o-%d","amount":42.5,"items":2}'),
    ("order.delayed", '{"order":"o-%d"}'),
    ("complaint.opened", '{"issue":"i-%d"}'),
    ("complaint.closed", '{"issue":"i-%d"}'),
    ("service.failed", '{"service":"spa"}'),
    ("chat.rated", '{"rating":1}'),
    ("survey.answered", '{"score":9}'),
)
"""What happens on top of the simulated day, with most of it leading to a decision."""


class Workload:
    """What is published in a round.

    Args:
        seed: the same seed gives the same records.
        count: how many touchpoints, before anything is spoilt.

    Attributes:
        records: in the order of publication; each is whole, broken, repeated or out of its place.
        faults: what was done to them, by kind.
    """

    def __init__(self, seed: int, count: int) -> None:
        random = Random(f"{seed}/workload")
        customers = max(count // A_CUSTOMER, 10)
        simulated = list(Simulation(seed, customers))[:count]
        timed: list[tuple[int, Sent]] = [(r.at, (r.key, r.value, list(r.headers))) for r in simulated]
        timed += [_extra(random, number, customers) for number in range(count - len(timed))]
        timed.sort(key=_time)
        self.faults: Counter[str] = Counter()
        self.records = self._spoilt([record for _, record in timed], random)

    def _spoilt(self, records: list[Sent], random: Random) -> list[Sent]:
        spoilt: list[Sent] = []
        for record in records:
            spoilt.append(record)
            chance = random.random()
            if chance < SPOILT["corrupt"]:
                spoilt.append(mutations.change(record, random, timeless=True))
                self.faults["corrupt input"] += 1
            elif chance < SPOILT["corrupt"] + SPOILT["duplicate"]:
                spoilt.append(random.choice(spoilt[-1000:]))
                self.faults["repeated input"] += 1
        # In the second half alone: there it is a matter of minutes, in the imported history of weeks.
        for start in range(len(spoilt) // 2, len(spoilt), 5 * SHUFFLED):
            part = spoilt[start : start + SHUFFLED]
            random.shuffle(part)
            spoilt[start : start + SHUFFLED] = part
            self.faults["input out of order"] += 1
        return spoilt


def _time(timed: tuple[int, Sent]) -> int:
    return timed[0]


def _extra(random: Random, number: int, customers: int) -> tuple[int, Sent]:
    customer = f"g-{random.randrange(customers):04d}"
    type_, data = random.choice(_OFTEN)
    at = DAY_START + random.randrange(DAY)
    event = {
        "specversion": "1.0",
        "id": f"x-{number}",
        "source": "/chaos",
        "type": type_,
        "subject": customer,
        "time": to_rfc3339(at),
        "data": msgspec.Raw((data % random.randrange(40) if "%" in data else data).encode()),
    }
    return at, (customer.encode(), msgspec.json.encode(event), [])
