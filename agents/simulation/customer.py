"""Customer: who someone is, and what the shop and the hotels knew of them before the day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from math import exp, log
from random import Random
from typing import Any

from agents.simulation.happening import DAY_START, Happening
from schemas.timestamp import DAY, HOUR, MINUTE

HISTORY_DAYS = 548
"""How far back the imported history goes: 18 months."""

TODAY = date(2026, 3, 14)

HOMES = ("seoul", "busan", "lisbon")
HOME_SHARES = (45, 25, 30)
OFFSETS = {"seoul": 9 * HOUR, "busan": 9 * HOUR, "lisbon": 0}
"""What the clock at home is ahead of UTC on the day, in ms; summer time starts later in March."""

LANGUAGES = {"seoul": "ko", "busan": "ko", "lisbon": "pt"}

PRODUCTS = ("tea-set", "robe", "linen", "candle", "pillow", "coffee", "soap", "slippers", "hamper")

PLACES = {"seoul": (37.5665, 126.9780), "busan": (35.1587, 129.1604), "lisbon": (38.7139, -9.1334)}
"""Where the hotels are, latitude and longitude, as in the playbook that ships."""

METRES_A_DEGREE = 111_195
"""Of latitude."""

ROLES = ("shopper", "newcomer", "arriving", "leaving", "staying", "booked")
ROLE_SHARES = (54, 11, 19, 8, 4, 4)
"""What the day is for a customer; most have to do with the shop alone, newcomers for the first time."""

HOTEL_ROLES = frozenset(ROLES[2:])


class Customer:
    """A simulated customer: all that happens to them is drawn from a stream of chance of their own.

    Buying follows the picture behind BG/NBD: everyone has a pace, and after each purchase a chance
    to be gone for good. So some are regulars, some late, some lost, and nobody has said goodbye.

    Args:
        number: which one, from 0.
        seed: the simulation's seed.
    """

    def __init__(self, number: int, seed: int) -> None:
        self.random = random = Random(f"{seed}/{number}")
        # Of its own, so that what it decides leaves the rest of a life as it was.
        self.taste = Random(f"{seed}/{number}/taste")
        self.id = f"g-{number:04d}"
        self.happenings: list[Happening] = []
        self.home: str = random.choices(HOMES, HOME_SHARES)[0]
        self.role: str = random.choices(ROLES, ROLE_SHARES)[0]
        self.segment = random.random() < 0.4
        self.device = f"d-{random.getrandbits(32):08x}"
        self.pace = exp(random.gauss(log(50), 0.7))  # days between purchases: most from 25 to 100
        self.fickle = 0.02 + 0.25 * random.random() ** 2  # chance to be gone after a purchase
        self.purse = exp(random.gauss(log(46), 0.5))  # usual order, in euros
        self.booking = f"b-{random.getrandbits(40):010x}"
        self.room = f"{random.randint(2, 19)}{random.randint(1, 24):02d}"
        self.arrival = TODAY - timedelta(days=self._nights_ago())
        self.departure = max(
            self.arrival + timedelta(days=random.randint(1, 5)),
            TODAY + timedelta(days=1 if self.role == "staying" else 0),
        )
        if self.role == "leaving":
            self.departure = TODAY
        self.more = Random(f"{seed}/{number}/more")  # For what locations, rooms and tastes say.
        self.has_app = random.random() < (0.92 if self.role in HOTEL_ROLES else 0.5)
        self.lost = False

    def meets(
        self, time: float, type_: str, channel: str, correlation: str | None = None, **data: Any
    ) -> Happening:
        """Let something happen at a time (ms)."""
        return self._note(f"{self.random.getrandbits(64):016x}", time, type_, channel, correlation, data)

    def also_meets(self, time: float, type_: str, channel: str, **data: Any) -> Happening:
        """Let something happen at a time (ms) that is a matter of taste."""
        return self._note(f"{self.taste.getrandbits(64):016x}", time, type_, channel, None, data)

    def _note(
        self, id_: str, time: float, type_: str, channel: str, correlation: str | None, data: dict[str, Any]
    ) -> Happening:
        happening = Happening(
            int(time), self.id, type_, channel, id_, data, correlation, self.segment and channel == "web"
        )
        self.happenings.append(happening)
        return happening

    def tells(
        self, time: float, type_: str, channel: str, correlation: str | None = None, **data: Any
    ) -> None:
        """Let something happen that leaves all else that was drawn as it was."""
        id_ = f"{self.more.getrandbits(64):016x}"
        self.happenings.append(Happening(int(time), self.id, type_, channel, id_, data, correlation))

    def live_history(self) -> None:
        """Everything from the first purchase to the night before the day."""
        if self.role == "newcomer":
            return
        random = self.random
        time = DAY_START - random.uniform(20, HISTORY_DAYS) * DAY
        first = time
        while time < DAY_START - DAY:
            self.order(time, random.choices(("web", "app", "store"), (55, 25, 20))[0])
            if random.random() < self.fickle:
                self.lost = True
                break
            time += max(random.expovariate(1 / self.pace), 0.3) * DAY
        if self.has_app:
            self.meets(first + 10 * MINUTE, "device.bound", "app", device=self.device)
            if self.taste.random() < 0.7:
                self.also_meets(first + 12 * MINUTE, "profile.stated", "app", language=LANGUAGES[self.home])
        if random.random() < 0.6:
            self.meets(first + 5 * MINUTE, "consent.granted", "web", purpose="marketing")
        if random.random() < 0.06:
            praised = first + random.uniform(5, 19) * DAY
            self.meets(praised, "review.posted", "web", rating=random.randint(4, 5))
        if self.role in HOTEL_ROLES:
            for _ in range(random.choice((0, 1, 1, 2))):
                self._past_stay(DAY_START - random.uniform(30, 400) * DAY)
            self._present_stay()

    def order(self, time: float, channel: str, **other: Any) -> None:
        """Buy something; what is not carried home is delivered days later. `other` is said as well."""
        random = self.random
        order = f"o-{random.getrandbits(40):010x}"
        amount = round(self.purse * exp(random.gauss(0, 0.4)), 2)
        items = random.randint(1, 4)
        bought = self.taste.sample(PRODUCTS, items)
        self.meets(
            time,
            "order.placed",
            channel,
            order,
            order=order,
            amount=amount,
            items=items,
            product=bought,
            **other,
        )
        if channel != "store":
            arrives = time + random.uniform(1.5, 4) * DAY
            if random.random() < 0.6:
                self.meets(arrives, "order.delivered", "email", order, order=order)
            if random.random() < 0.04:
                self.meets(arrives + 2 * DAY, "order.returned", "store", order, order=order)

    def local(self, hour: float) -> float:
        """The moment of the day (ms) at which clocks at home show this hour."""
        return DAY_START + (hour * HOUR - OFFSETS[self.home]) % DAY

    def book(self, time: float, channel: str, *, change: bool = False) -> None:
        """Confirm the stay that the day is about; a change of it costs nothing."""
        price = 0.0 if change else self.random.uniform(95, 260)
        self.meets(
            time,
            "booking.confirmed",
            channel,
            self.booking,
            booking=self.booking,
            property=self.home,
            arrival=self.arrival.isoformat(),
            departure=self.departure.isoformat(),
            room=self.room,
            amount=round((self.departure - self.arrival).days * price, 2),
        )

    def agree(self, time: float) -> None:
        """Agree to the use of the location."""
        self.meets(time, "consent.granted", "app", purpose="location")

    def arrive(self, time: float, **other: Any) -> None:
        """Walk into the hotel with the app on the phone; `other` replaces what it would say."""
        data = {
            "property": self.home,
            "device": self.device,
            "accuracy_m": round(self.random.uniform(4, 60), 1),
        }
        self.meets(time, "guest.arrived", "device", self.booking, **{**data, **other})

    def walk_in(self, time: float) -> None:
        """Walk up to the hotel and in, with a phone that tells where it is; the key comes at the door."""
        more = self.more
        latitude, longitude = PLACES[self.home]
        for minutes, metres in ((-6, 700), (-3, 330), (-1, 160), (0, 15), (1, 30)):
            self.tells(
                time + minutes * MINUTE,
                "location.reported",
                "device",
                latitude=round(latitude + (metres + more.uniform(-9, 9)) / METRES_A_DEGREE, 6),
                longitude=round(longitude + more.uniform(-9, 9) / METRES_A_DEGREE, 6),
                accuracy_m=round(more.uniform(5, 30), 1),
                device=self.device,
            )

    def room_is_ready(self, time: float) -> None:
        """Let the housekeepers say that the room is done."""
        self.tells(time, "room.ready", "front-desk", self.booking, booking=self.booking, room=self.room)

    def check_in(self, time: float) -> None:
        """Be a guest from now on."""
        self.meets(time, "stay.checked-in", "front-desk", self.booking, booking=self.booking, room=self.room)

    def _nights_ago(self) -> int:
        match self.role:
            case "leaving" | "staying":
                return self.random.randint(1, 4)
            case "booked":
                return -self.random.randint(1, 20)
            case _:
                return 0

    def _past_stay(self, time: float) -> None:
        booking = f"b-{self.random.getrandbits(40):010x}"
        arrival = datetime.fromtimestamp(time // 1000, UTC).date()
        departure = arrival + timedelta(days=self.random.randint(1, 4))
        self.meets(
            time - self.random.uniform(3, 25) * DAY,
            "booking.confirmed",
            "web",
            booking,
            booking=booking,
            property=self.random.choice(HOMES),
            arrival=arrival.isoformat(),
            departure=departure.isoformat(),
            amount=round((departure - arrival).days * self.random.uniform(95, 260), 2),
        )
        self.meets(time, "stay.checked-in", "front-desk", booking, booking=booking)
        left = time + (departure - arrival).days * DAY
        self.meets(left, "stay.checked-out", "front-desk", booking, booking=booking)

    def _present_stay(self) -> None:
        """The stay of the day, as far as it was known, or had begun, the night before."""
        random = self.random
        if self.role == "arriving" and random.random() < 0.12:
            return  # Books on the day itself.
        self.book(DAY_START - random.uniform(5, 28) * DAY, random.choice(("web", "app", "call-centre")))
        if self.role in {"leaving", "staying"}:
            came = self.local(random.uniform(14, 22)) - (TODAY - self.arrival).days * DAY
            if self.has_app:
                self.agree(came - HOUR)
                self.arrive(came)
            self.check_in(came + 9 * MINUTE)
