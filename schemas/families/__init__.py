"""The trigger families: of each, the play as CX people write it and the content that subscribers get."""

from __future__ import annotations

from typing import get_args

from schemas.families.continuation import Continue, ContinuePlay
from schemas.families.participation import Participation, ParticipationPlay
from schemas.families.recommendation import Recommendation, RecommendationPlay
from schemas.families.recovery_offer import RecoveryOffer, RecoveryOfferPlay
from schemas.families.retention_offer import RetentionOffer, RetentionOfferPlay
from schemas.families.room_key import RoomKey, RoomKeyPlay
from schemas.families.service_context import ServiceContext, ServiceContextPlay
from schemas.families.suppression import Suppression, SuppressionPlay
from schemas.families.wow import Wow, WowPlay

FAMILIES = (
    "room-key",
    "recovery-offer",
    "suppression",
    "retention-offer",
    "service-context",
    "wow",
    "participation",
    "continue",
    "recommendation",
)
"""The trigger families; each has a topic of its own that services subscribe to."""

Play = (
    RoomKeyPlay
    | RecoveryOfferPlay
    | SuppressionPlay
    | RetentionOfferPlay
    | ServiceContextPlay
    | WowPlay
    | ParticipationPlay
    | ContinuePlay
    | RecommendationPlay
)

Content = (
    RoomKey
    | RecoveryOffer
    | Suppression
    | RetentionOffer
    | ServiceContext
    | Wow
    | Participation
    | Continue
    | Recommendation
)

CONTENT = {str(content.__struct_config__.tag): content for content in get_args(Content)}
"""What triggers say, by family."""
