"""The trigger families: of each, the play as CX people write it and the content that subscribers get."""

from __future__ import annotations

from schemas.families.recovery_offer import RecoveryOffer, RecoveryOfferPlay
from schemas.families.retention_offer import RetentionOffer, RetentionOfferPlay
from schemas.families.room_key import RoomKey, RoomKeyPlay
from schemas.families.service_context import ServiceContext, ServiceContextPlay
from schemas.families.suppression import Suppression, SuppressionPlay

FAMILIES = ("room-key", "recovery-offer", "suppression", "retention-offer", "service-context")
"""The trigger families; each has a topic of its own that services subscribe to."""

Play = RoomKeyPlay | RecoveryOfferPlay | SuppressionPlay | RetentionOfferPlay | ServiceContextPlay

Content = RoomKey | RecoveryOffer | Suppression | RetentionOffer | ServiceContext
