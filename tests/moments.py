"""Good moments to test with: a playbook of surprises, invitations, things begun and things recommended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from schemas.playbook import Playbook, load
from schemas.profile import Profile
from schemas.touchpoint import Touchpoint
from schemas.trigger import Trigger
from stream.engine import Engine
from stream.outcome import Outcome
from tests.hotel import GivenRisk, happened

MOMENTS_YAML = """\
playbook: moments
currency: EUR
properties: {}
catalogue:
  stay.checked-in: {weight: 0.2}
  service.delivered: {weight: 0.4}
  service.failed: {weight: -0.6}
  review.posted: {rating: {field: rating, worst: 1, best: 5}}
  page.viewed: {stage: appeal}
  screen.viewed: {stage: appeal}
  product.searched: {stage: ask}
  cart.added: {stage: ask}
  cart.emptied: {}
  order.placed: {stage: act, effect: activity}
  recommendation.declined: {}
  consent.granted: {effect: consent.granted}
  consent.withdrawn: {effect: consent.withdrawn}
  profile.stated: {effect: profile.stated}
  referral.followed: {effect: referral.followed}
  referral.succeeded: {weight: 0.5}
  referral.bought: {weight: 0.5}
offers:
  fruit: {amount: 12}
  tea: {amount: 10}
  spa: {amount: 40, min_spent: 200}
language: en
templates:
  surprise:
    en: "For you: {offer}, worth {amount} {currency}."
    ko: "선물: {offer}."
  ask:
    en: "Would you? You get {benefit}."
popularity:
  everyone: {robe: 50, soap: 30, tea-set: 20}
plays:
  - play: treat
    family: wow
    level: wow
    touchpoints: [stay.checked-in]
    odds: 1.0
    offers: [fruit, tea, spa]
    rest: 30d
    template: surprise
    valid_for: 1d
  - play: review
    family: participation
    level: participation
    ask: review
    touchpoints: [service.delivered, review.posted]
    min_weight: 0.4
    min_score: 0.3
    again_after: 90d
    template: ask
    valid_for: 3d
  - play: newsletter
    family: participation
    ask: consent
    consent: marketing
    over: push
    touchpoints: [page.viewed]
    benefit: prices before others see them
    again_after: 180d
    template: ask
    valid_for: 3d
  - play: go-on
    family: continue
    thing: cart
    by: cart
    begun_by: [cart.added]
    ended_by: [order.placed, cart.emptied]
    touchpoints: [screen.viewed, page.viewed]
    within: 3d
    valid_for: 1h
  - play: liked
    family: recommendation
    touchpoints: [product.searched]
    items: 2
    item: product
    bought_by: [order.placed]
    declined_by: [recommendation.declined]
    rest: 60d
    valid_for: 1h
"""
MOMENTS: Playbook = load(MOMENTS_YAML, "moments.yaml")


def playing(play: str, **changes: Any) -> Playbook:
    """The playbook with one play alone, and that one changed."""
    plays = [each for each in MOMENTS.plays if each.play == play]
    return msgspec.structs.replace(MOMENTS, plays=(msgspec.structs.replace(plays[0], **changes),))


def moments(playbook: Playbook = MOMENTS) -> Engine:
    """The engine with this playbook."""
    return Engine(playbook, GivenRisk(0.25), "given")


def met(
    type_: str,
    at: int,
    data: Mapping[str, Any] | None = None,
    *,
    channel: str | None = None,
    customer: str = "ann",
    amount: float | None = None,
) -> Touchpoint:
    """A touchpoint on a channel."""
    return msgspec.structs.replace(
        happened(type_, at, data, amount=amount), channel=channel, customer=customer
    )


def of_family(outcomes: Iterable[Outcome], family: str) -> list[Trigger]:
    """All triggers of a family."""
    return [trigger for outcome in outcomes for trigger in outcome.triggers if trigger.family == family]


def known(outcomes: list[Outcome]) -> Profile:
    """The profile in the end."""
    return outcomes[-1].profile
