"""Scenarios: recorded touchpoints, what is decided about them, and what each is there to show.

Those of `cx` are numbered by the ideas that dangol is made of; the others try the playbooks that ship.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stream.engine import SHIPPED

GOLDEN = Path(__file__).parent / "golden"

SHOWS = {
    "retail": {
        "go-on-with-the-cart: fired",
        "cart-left-behind: fired",
        "make-it-right: fired",
        "know-the-shopper: fired",
        "hold-promotions: fired",
        "tell-the-others: fired",
        "surprise-a-regular: fired",
    },
    "subscription": {
        "know-the-member: fired",
        "trial-without-success: fired",
        "go-on-where-you-were: fired",
        "bring-a-friend: fired",
        "make-it-right: fired",
        "hold-promotions: fired",
    },
    "b2b": {
        "identity: linked",
        "know-the-account: fired",
        "manager-makes-it-right: fired",
        "pause-campaigns: fired",
        "gone-quiet: fired",
        "quote-without-answer: fired",
        "before-the-renewal: fired",
        "ask-for-a-reference: fired",
    },
    "cx/01-every-channel": {"make-it-right: fired", "know-the-guest: fired"},
    "cx/02-the-customer-is-a-company": {
        "identity: linked",
        "know-the-account: fired",
        "manager-makes-it-right: fired",
        "pause-campaigns: fired",
    },
    "cx/03-a-map-of-the-journey": {"make-it-right: fired", "None > ask", "ask > act"},
    "cx/04-one-profile": {"identity: linked", "appeal > None", "make-it-right: fired"},
    "cx/05-five-stages": {
        *("None > aware", "aware > appeal", "appeal > ask", "ask > act"),
        *("act > advocate", "advocate > act"),
    },
    "cx/06-the-key-at-the-door": {
        "key-at-the-door: fired",
        "key-at-the-door: live-key",
        "key-at-the-door: booking",
        "key-at-the-door: property",
    },
    "cx/07-two-bad-experiences": {"make-it-right: fired", "hold-promotions: fired"},
    "cx/08-recovery": {
        "make-it-right: fired",
        "make-it-right: accepted",
        "make-it-right: declined",
        "make-it-right: ignored",
    },
    "cx/09-what-may-be-spent": {
        "make-it-right: fired",
        "make-it-right: budget",
        "make-it-right: budget-asked",
        "know-the-guest: fired",
    },
    "cx/10-no-promotions-for-the-angry": {
        "hold-promotions: fired",
        "hold-promotions: already-suppressed",
        "hold-promotions: other-issue-open",
        "treat-of-the-house: suppressed",
        "ask-for-a-review: fired",
    },
    "cx/11-who-is-calling": {"know-the-guest: fired"},
    "cx/13-what-this-one-may-like": {
        "what-others-like: fired",
        "what-others-like: reentry",
        "what-others-like: suppressed",
    },
    "cx/14-no-average-customer": {
        "for-the-loyal: fired",
        "for-tea-drinkers: fired",
        "tea-for-them: fired",
        "for-the-new: fired",
        "what-others-like: fired",
    },
    "cx/15-minus-plus-multiply": {
        "make-it-right: fired",
        "thank-the-advocate: fired",
        "ask-for-a-review: fired",
    },
    "cx/16-time-saved-time-spent": {
        "sorry-for-the-wait: fired",
        "no-more-lines: fired",
        "how-was-it: fired",
    },
    "cx/17-experiences-are-shared": {"bring-a-friend: fired", "thank-the-advocate: fired", "act > advocate"},
    "cx/18-voluntary-data": {
        "may-we-know-where-you-are: fired",
        "may-we-know-where-you-are: already-asked",
        "key-at-the-door: fired",
        "key-at-the-door: consent",
    },
    "cx/19-seamless": {"go-on-with-your-cart: fired", "go-on-with-your-cart: already-asked"},
    "cx/20-attention-is-scarce": {
        "ask-for-a-review: quiet-hours",
        "ask-for-a-review: fired",
        "ask-for-more-about-you: cap",
        "join-the-club: outranked",
        "bring-another-one: fired",
    },
    "cx/21-now": {
        "key-at-the-door: fired",
        "key-at-the-door: room",
        "make-it-right: fired",
        "hold-promotions: fired",
        "know-the-guest: fired",
    },
    "cx/22-no-more-than-is-known": {"key-at-the-door: device", "key-at-the-door: consent"},
    "cx/23-keeping-is-cheaper": {
        "stay-with-us: fired",
        "stay-with-us: holdout",
        "stay-with-us: suppressed",
    },
}
"""What has to be among a scenario's decisions, as `play: reason`, and changes of stage, as `from > to`."""

PLAYBOOKS = {"cx/02-the-customer-is-a-company": "b2b", "cx/03-a-map-of-the-journey": "retail"}
"""Playbooks of scenarios that neither bring one nor bear the name of one; else the hotel's."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario.

    Attributes:
        name: its folder below tests/golden.
    """

    name: str

    def __str__(self) -> str:
        return self.name

    @property
    def touchpoints(self) -> Path:
        """What happened, as JSON lines."""
        return GOLDEN / self.name / "touchpoints.jsonl"

    @property
    def expected(self) -> Path:
        """What comes of it, as JSON lines."""
        return GOLDEN / self.name / "expected.jsonl"

    @property
    def causes(self) -> Path:
        """What `dangol causes` says of it, as JSON; few scenarios have one."""
        return GOLDEN / self.name / "causes.json"

    @property
    def playbook(self) -> Path:
        """The playbook that decides."""
        own = GOLDEN / self.name / "playbook.yaml"
        return (
            own
            if own.exists()
            else SHIPPED[PLAYBOOKS.get(self.name, self.name if self.name in SHIPPED else "hotel")]
        )

    @property
    def shows(self) -> set[str]:
        """What has to be among what comes of it."""
        return SHOWS.get(self.name, set())


SCENARIOS = sorted(
    (Scenario(path.parent.relative_to(GOLDEN).as_posix()) for path in GOLDEN.rglob("touchpoints.jsonl")),
    key=str,
)
