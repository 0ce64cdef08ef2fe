"""Day: what happens to a customer on the simulated day, on all channels."""

from __future__ import annotations

from datetime import timedelta

from agents.simulation.customer import PRODUCTS, Customer
from schemas.timestamp import HOUR, MINUTE, SECOND

FATES = ("fine", "no-consent", "withdrawn", "inaccurate", "other-device", "wrong-day", "wrong-hotel")
FATE_SHARES = (80, 4, 1, 6, 4, 3, 2)
"""How an arrival goes: most guests get the key, and each gate has someone whom it stops."""

AWAITS_ROOM = "lisbon"
"""The hotel where housekeeping says that rooms are ready, as in the playbook that ships."""

BY_LOCATION = 0.3
"""Share of phones that only tell where they are; the others know themselves that they have arrived."""

TASTES = (
    ("pillow", ("feather", "foam", "buckwheat")),
    ("water", ("still", "sparkling")),
    ("newspaper", ("none", "local")),
    ("room", ("high floor", "away from the lift")),
)
STAFF = ("j.kim", "m.silva", "h.park")

PAGES = ("/", "/shop", "/rooms", "/spa")
SCREENS = ("home", "shop", "offers")

DESK_CHANNELS = ("call-centre", "chat", "front-desk")

UNKNOWN = ("spa.visited", "pool.entered", "minibar.opened")
"""Types that no catalogue names: they are welcome all the same."""

# Hours at which people shop, at home: little by night, most in the evening.
_HOURS = range(24)
_BUSY = (1, 1, 0, 0, 0, 1, 2, 4, 6, 7, 8, 8, 9, 8, 7, 7, 8, 9, 10, 12, 13, 11, 7, 3)


def live_day(customer: Customer) -> None:
    """Let the day happen to a customer."""
    match customer.role:
        case "arriving":
            _arrive(customer)
        case "leaving":
            _leave(customer)
        case "staying":
            _stay(customer)
        case "booked":
            _wait_for_stay(customer)
    _read_mail(customer)
    _shop(customer)
    _receive(customer)
    _talk(customer)


def _hour(customer: Customer) -> float:
    return customer.random.choices(_HOURS, _BUSY)[0] + customer.random.random()


def _arrive(customer: Customer) -> None:
    random = customer.random
    time = customer.local(random.uniform(13, 22.5))
    fate = random.choices(FATES, FATE_SHARES)[0]
    if not any(happening.data.get("booking") == customer.booking for happening in customer.happenings):
        customer.book(time - random.uniform(2, 4) * HOUR, "app")
    if fate == "wrong-day":
        # The stay begins tomorrow; the guest stands in the hall today.
        customer.arrival += timedelta(days=1)
        customer.departure += timedelta(days=1)
        customer.book(time - HOUR, "call-centre", change=True)
    ready = 0.0
    if customer.home == AWAITS_ROOM and fate != "wrong-day":
        ready = customer.local(customer.more.uniform(11, 16))
        customer.room_is_ready(ready)
    if customer.has_app:
        _prepare(customer, time, fate)
        _walk_in(customer, time, fate)
    if fate in {"wrong-day", "wrong-hotel"}:
        customer.meets(time + 5 * MINUTE, "call.started", "call-centre", topic="booking")
        return
    smooth = customer.has_app and fate == "fine"
    queue = random.uniform(2, 8) if smooth else random.uniform(6, 45)
    # Who comes before the room is ready drinks a coffee, and goes up when the phone says so.
    seen = max(time, ready) + queue * MINUTE
    if queue > 30:
        customer.meets(seen, "wait.long", "front-desk", customer.booking, minutes=round(queue))
        _complain(customer, seen, 0.25)
    customer.check_in(seen + 20 * SECOND)
    if customer.more.random() < 0.2:
        name, tastes = customer.more.choice(TASTES)
        customer.tells(
            seen + MINUTE,
            "preference.stated",
            "front-desk",
            customer.booking,
            name=name,
            value=customer.more.choice(tastes),
            by=customer.more.choice(STAFF),
        )
    if customer.has_app and random.random() < 0.12:  # Out for dinner and back: the key is there already.
        customer.arrive(time + random.uniform(1.5, 3) * HOUR)
    _be_served(customer, time + random.uniform(0.5, 4) * HOUR, 0.09)


def _prepare(customer: Customer, time: float, fate: str) -> None:
    """What the app asks on the way to the hotel."""
    random = customer.random
    if random.random() < 0.15:  # A new phone since the last visit.
        customer.device = f"d-{random.getrandbits(32):08x}"
        customer.meets(time - 90 * MINUTE, "device.bound", "app", device=customer.device)
    customer.meets(time - 50 * MINUTE, "screen.viewed", "app", screen="my-stay")
    if fate != "no-consent":
        customer.agree(time - 49 * MINUTE)
    if fate == "withdrawn":
        customer.meets(time - 30 * MINUTE, "consent.withdrawn", "app", purpose="location")


def _walk_in(customer: Customer, time: float, fate: str) -> None:
    random = customer.random
    match fate:
        case "inaccurate":
            customer.arrive(time, accuracy_m=round(random.uniform(120, 900), 1))
            if random.random() < 0.5:  # By the lift the phone knows better.
                customer.arrive(time + 2 * MINUTE)
        case "other-device":
            customer.arrive(time, device=f"d-{random.getrandbits(32):08x}")
        case "wrong-hotel":
            others = {"seoul": "busan", "busan": "seoul", "lisbon": "seoul"}
            customer.arrive(time, property=others[customer.home])
        case _ if customer.more.random() < BY_LOCATION:
            customer.walk_in(time)
        case _:
            customer.arrive(time)


def _leave(customer: Customer) -> None:
    random = customer.random
    time = customer.local(random.uniform(9.1, 12))
    if random.random() < 0.08:
        customer.meets(time - 9 * MINUTE, "wait.long", "front-desk", customer.booking, minutes=25)
    customer.meets(time, "stay.checked-out", "front-desk", customer.booking, booking=customer.booking)
    if random.random() < 0.35:
        score = random.choices(range(11), (1, 1, 1, 2, 2, 3, 5, 12, 24, 26, 23))[0]
        customer.meets(time + random.uniform(1, 6) * HOUR, "survey.answered", "email", score=score)
    if random.random() < 0.15:
        rating = random.choices(range(1, 6), (4, 4, 10, 32, 50))[0]
        customer.meets(time + random.uniform(2, 9) * HOUR, "review.posted", "web", rating=rating)
        if rating == 5 and random.random() < 0.5:
            customer.meets(
                time + 9.2 * HOUR, "friend.referred", "app", code=f"r-{random.getrandbits(24):06x}"
            )


def _stay(customer: Customer) -> None:
    random = customer.random
    _be_served(customer, customer.local(random.uniform(9.5, 20)), 0.15)
    if random.random() < 0.3:
        customer.arrive(customer.local(random.uniform(16, 23)))


def _wait_for_stay(customer: Customer) -> None:
    random = customer.random
    time = customer.local(random.uniform(10, 21))
    customer.meets(time, "screen.viewed", "app", screen="my-stay")
    if random.random() < 0.2:
        customer.meets(
            time + 4 * MINUTE, "booking.cancelled", "app", customer.booking, booking=customer.booking
        )
    elif customer.has_app and random.random() < 0.25:
        # Passes the hotel days before the stay: no key.
        customer.agree(time + 5 * MINUTE)
        customer.arrive(time + HOUR)


def _be_served(customer: Customer, time: float, failing: float) -> None:
    random = customer.random
    if random.random() < 0.45:
        service = random.choice(("breakfast", "room-service", "housekeeping", "spa", "taxi"))
        if random.random() < failing / 0.45:
            customer.meets(time, "service.failed", "front-desk", customer.booking, service=service)
            _complain(customer, time, 0.5)
        else:
            customer.meets(time, "service.delivered", "front-desk", customer.booking, service=service)
    if random.random() < 0.15:
        customer.meets(time + HOUR, random.choice(UNKNOWN), "device", customer.booking)


def _complain(customer: Customer, time: float, likely: float) -> None:
    """A bad moment leads to a complaint, or it doesn't; some complaints are settled the same day."""
    random = customer.random
    if random.random() >= likely:
        return
    issue = f"i-{random.getrandbits(32):08x}"
    channel = random.choice(DESK_CHANNELS)
    opened = time + random.uniform(4, 50) * MINUTE
    customer.meets(opened, "complaint.opened", channel, issue, issue=issue)
    closed = opened + random.uniform(0.3, 5) * HOUR
    if random.random() < 0.65:
        customer.meets(closed, "complaint.closed", channel, issue, issue=issue)


def _read_mail(customer: Customer) -> None:
    """The letter goes out at nine; it reaches those who are long gone as well."""
    random = customer.random
    if random.random() >= (0.3 if customer.lost else 0.35):
        return
    time = customer.local(9 + random.expovariate(1 / 2.5) % 14)
    customer.meets(time, "email.opened", "email", campaign="spring")
    if random.random() < (0.15 if customer.lost else 0.3):
        customer.meets(time + 20 * SECOND, "email.clicked", "email", campaign="spring")
        customer.meets(time + 25 * SECOND, "page.viewed", "web", page="/spring")


def _shop(customer: Customer) -> None:
    random = customer.random
    if random.random() >= (0.15 if customer.lost else 0.62):
        return
    for _ in range(random.choice((1, 1, 2, 3))):
        _browse(customer, customer.local(_hour(customer)))


def _browse(customer: Customer, time: float) -> None:
    random = customer.random
    channel = "app" if customer.has_app and random.random() < 0.4 else "web"

    def later() -> float:
        nonlocal time
        time += random.uniform(5, 90) * SECOND
        return time

    if random.random() < 0.05:
        customer.meets(later(), "ad.seen", "web", campaign="search")
    for _ in range(random.randint(1, 4)):
        if channel == "app":
            customer.meets(later(), "screen.viewed", "app", screen=random.choice(SCREENS))
        else:
            customer.meets(later(), "page.viewed", "web", page=random.choice(PAGES))
    if random.random() < 0.25:
        customer.meets(later(), "product.searched", channel, query=random.choice(PRODUCTS))
        _decline(customer, time + 4 * SECOND, channel)
    for _ in range(random.randint(0, 5)):
        customer.meets(later(), "product.viewed", channel, product=random.choice(PRODUCTS))
    if random.random() < 0.1:
        customer.meets(later(), "review.read", channel, product=random.choice(PRODUCTS))
    if channel == "app" and random.random() < 0.03:
        customer.meets(later(), "app.failed", "app", screen="shop")
        return
    if random.random() < 0.28:
        cart = f"c-{customer.taste.getrandbits(40):010x}"
        customer.meets(later(), "cart.added", channel, product=random.choice(PRODUCTS), cart=cart)
        if random.random() < 0.6:
            _check_out(customer, later(), channel, cart)
    if random.random() < 0.02:
        customer.meets(later(), "product.shared", "app", product=random.choice(PRODUCTS))


def _decline(customer: Customer, time: float, channel: str) -> None:
    """Say no to something that was shown, now and then."""
    if customer.taste.random() < 0.06:
        customer.also_meets(time, "recommendation.declined", channel, product=customer.taste.choice(PRODUCTS))


def _check_out(customer: Customer, time: float, channel: str, cart: str) -> None:
    random = customer.random
    customer.meets(time, "checkout.started", channel, cart=cart)
    if random.random() < 0.08:
        customer.meets(time + 40 * SECOND, "payment.failed", channel)
        _complain(customer, time, 0.1)
    if random.random() < 0.75:
        customer.order(time + 80 * SECOND, channel, cart=cart)


def _receive(customer: Customer) -> None:
    """Parcels that were on their way."""
    random = customer.random
    if customer.lost or random.random() >= 0.12:
        return
    time = customer.local(random.uniform(9.5, 18))
    order = f"o-{random.getrandbits(40):010x}"
    match random.choices(("order.delivered", "order.delayed", "order.damaged"), (70, 22, 8))[0]:
        case "order.delivered":
            customer.meets(time, "order.delivered", "email", order, order=order)
        case bad:
            customer.meets(time, bad, "email", order, order=order)
            _complain(customer, time, 0.5)


def _talk(customer: Customer) -> None:
    random = customer.random
    if random.random() < 0.04:
        time = customer.local(_hour(customer))
        customer.meets(time, "chat.started", "chat", topic=random.choice(("order", "booking", "invoice")))
        if random.random() < 0.6:
            rating = random.choices(range(1, 6), (8, 7, 10, 30, 45))[0]
            customer.meets(time + random.uniform(4, 20) * MINUTE, "chat.rated", "chat", rating=rating)
    if random.random() < 0.03:
        time = customer.local(_hour(customer))
        customer.meets(time, "call.started", "call-centre", topic=random.choice(("order", "booking")))
        if random.random() < 0.15:
            customer.meets(time + 14 * MINUTE, "wait.long", "call-centre", minutes=14)
