"""Room key: on the guest's phone upon arrival, taken away when the stay ends."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING, Literal

import msgspec

from schemas.duration import Duration
from schemas.families.play import Mistake, PlayBase
from schemas.nearest import nearest
from schemas.quantities import Metres

if TYPE_CHECKING:
    from schemas.playbook import Playbook


class RoomKeyPlay(PlayBase, frozen=True, kw_only=True, tag="room-key"):
    """The room key is on the phone when the guest arrives; revoked when the stay ends.

    It is revoked as well when another device is bound, the consent is withdrawn, or the booking is changed
    so that the key is wrong.

    Attributes:
        touchpoints: what says by itself that a guest has arrived.
        locations: what says where a phone is; an arrival is what enters a property's fence.
        revoked_by: touchpoints that end the booking; the end of the day of departure does too.
        accuracy_m: largest error of the location that is trusted, in metres.
        max_age: how old a location may be to be an arrival.
        cooldown: how long after an arrival that a location told of there is no further one there.
        room_within: how long a guest who came before the room was ready is remembered.
        purpose: the purpose that the guest must have agreed to.
        valid_for: how long the key may be put on the phone; it may be taken away for at least a day
            after the day of departure.
    """

    touchpoints: tuple[str, ...]
    revoked_by: tuple[str, ...]
    accuracy_m: Metres
    purpose: str
    valid_for: Duration
    locations: tuple[str, ...] = ()
    max_age: Duration = "2m"
    cooldown: Duration = "30m"
    room_within: Duration = "12h"

    def mistakes(self, playbook: Playbook) -> Iterator[Mistake]:
        """What could never fire, or leave a key that outlives its stay."""
        catalogue = playbook.catalogue
        for field in ("touchpoints", "locations", "revoked_by"):
            for place, type_ in enumerate(getattr(self, field)):
                if type_ not in catalogue:
                    yield [field, place], f"`{type_}` is not in the catalogue{nearest(type_, catalogue)}"
        if not self.touchpoints and not self.locations:
            yield ["touchpoints"], "`touchpoints` is empty, so it could never fire"
        for place, type_ in enumerate(self.locations):
            if type_ in self.touchpoints:
                yield ["locations", place], f"`{type_}` is an arrival already, wherever the phone is"
        if self.locations and all(each.fence is None for each in playbook.properties.values()):
            yield ["locations"], "no property has a `fence`, so a location could never be an arrival"
        if not self.revoked_by:
            yield ["revoked_by"], "`revoked_by` is empty, so a key would outlive its stay"
        if any(each.awaits_room for each in playbook.properties.values()) and all(
            entry.effect != "room.ready" for entry in catalogue.values()
        ):
            yield (
                ["family"],
                "a property has `awaits_room`, but nothing in the catalogue has effect `room.ready`",
            )


class RoomKey(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="family", tag="room-key"):
    """Put the room key on the guest's phone, or take it away again.

    Attributes:
        action: `issue` or `revoke`.
        booking: the booking's id.
        property: which hotel.
        device: the device that gets the key, or has it.
        departure: last day of the stay, in the property's calendar.
        room: the room's number, if it is assigned.
        revokes: on `revoke`, the id of the trigger that issued the key.
    """

    action: Literal["issue", "revoke"]
    booking: str
    property: str
    device: str | None
    departure: date
    room: str | None = None
    revokes: str | None = None
