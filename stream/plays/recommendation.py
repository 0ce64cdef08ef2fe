"""Recommendation: what is popular among customers like this one, but for what this one doesn't want."""

from __future__ import annotations

from itertools import islice

from schemas.duration import millis_of
from schemas.families.recommendation import Recommendation, RecommendationPlay, Recommended
from schemas.playbook import Playbook
from schemas.profile import Profile
from schemas.touchpoint import Touchpoint
from stream import items
from stream.plays.context import LATE, Context
from stream.recommend.popularity import Popularity


class RecommendationRule:
    """Decides on the play's touchpoints; keeps what the guest bought and declined."""

    def __init__(self, play: RecommendationPlay, playbook: Playbook) -> None:
        self.play = play
        self.types = play.touchpoints
        self.noted = (*play.bought_by, *play.declined_by)
        self._bought_by = frozenset(play.bought_by)
        self._declined_by = frozenset(play.declined_by)
        self._item = play.item
        self._most = play.items
        self._rest = millis_of(play.rest)
        self._valid_for = millis_of(play.valid_for)
        self._recommender = Popularity(playbook.popularity)
        self._version = self._recommender.version
        self._segment = play.table
        self._among = self._recommender.among(play.table)

    def note(self, profile: Profile, touchpoint: Touchpoint) -> None:
        """Remember what was bought, and what was declined."""
        names = items.named(touchpoint.data.get(self._item))
        if touchpoint.type in self._bought_by:
            items.buy(profile, names, touchpoint.time)
        if touchpoint.type in self._declined_by:
            items.decline(profile, names, touchpoint.time)

    def decide(self, context: Context) -> None:
        """Recommend, unless nothing is left that the guest might want."""
        if context.late:
            context.hold(self.play, LATE)
            return
        unwanted = items.unwanted(context.profile, context.now - self._rest)
        wanted = (
            Recommended(item, score)
            for item, score in self._recommender.recommend(context.profile, self._segment)
            if item not in unwanted
        )
        best = tuple(islice(wanted, self._most))
        if not best:
            context.hold(self.play, "no-item")
            return
        content = Recommendation(best, self._recommender.because, self._among, self._version)
        context.propose(self.play, content, self._valid_for, None)
