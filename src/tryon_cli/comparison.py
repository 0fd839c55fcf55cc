"""What reviewers found: their exports counted."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import sqrt
from statistics import fmean

from tryon_cli.review import ExportError, Preference, Rating, Review, newest

SIGNIFICANT = 0.05
"""The probability, under equal variants, below which a lead counts as won."""

_Z95 = 1.959964


@dataclass(frozen=True)
class Tally:
    """How often the one was better, the other, and neither."""

    wins: int = 0
    losses: int = 0
    ties: int = 0

    @property
    def decided(self) -> int:
        return self.wins + self.losses

    @property
    def rate(self) -> float | None:
        """Wins of what was decided, None when nothing was."""
        return self.wins / self.decided if self.decided else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The rate's 95 % confidence interval: Wilson's score interval, J. Am. Stat. Assoc. 22 (1927)."""
        if self.rate is None:
            return None
        n, z = self.decided, _Z95
        middle = (self.rate + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * sqrt(self.rate * (1 - self.rate) / n + z * z / (4 * n * n))
        return max(0.0, middle - half), min(1.0, middle + half)

    @property
    def p_value(self) -> float:
        """How likely a lead at least as large is when neither is better: the exact two-sided sign test."""
        n = self.decided
        term = below = 1
        for i in range(min(self.wins, self.losses)):
            term = term * (n - i) // (i + 1)
            below += term
        return min(1.0, 2 * below / (1 << n))


@dataclass(frozen=True)
class Duel:
    """Two variants against each other: `first`'s wins, in combinations.

    `votes` counts single judgements. `p_value` is the sign test's, adjusted after Holm when there are more duels.
    """

    first: str
    second: str
    tally: Tally
    votes: Tally
    by_type: Mapping[str, Tally]
    p_value: float

    @property
    def leader(self) -> str | None:
        """The variant with more wins, None when they have as many."""
        if self.tally.wins == self.tally.losses:
            return None
        return self.first if self.tally.wins > self.tally.losses else self.second

    @property
    def winner(self) -> str | None:
        """The leader, if its lead is more than chance."""
        return self.leader if self.p_value < SIGNIFICANT else None


@dataclass(frozen=True)
class Stars:
    """A variant's ratings: how many, and their mean."""

    count: int
    mean: float


@dataclass(frozen=True)
class Comparison:
    """What all reviews say together.

    `superseded` judgements were replaced by a later one of the same person. `agreement` is the share of pairs of
    reviewers who judged one combination alike, None when none was judged twice. `first_shown` counts, in blind
    judgements of two, those for the left picture: far from even, it shows a habit and not the pictures. `both_bad`
    counts judgements that none can be used, which are ties between the variants. `steady` is how often a pair that was
    shown a second time was judged as before, of how often.
    """

    runs: tuple[str, ...]
    reviewers: int
    judgements: int
    superseded: int
    blind: int
    combinations: int
    variants: tuple[str, ...]
    duels: tuple[Duel, ...]
    ratings: Mapping[str, Stars]
    agreement: float | None
    first_shown: Tally
    both_bad: int = 0
    steady: tuple[int, int] = (0, 0)

    @property
    def winner(self) -> str | None:
        """The variant that beats every other one by more than chance."""
        for variant in self.variants:
            own = [duel for duel in self.duels if variant in (duel.first, duel.second)]
            if own and len(own) == len(self.variants) - 1 and all(duel.winner == variant for duel in own):
                return variant
        return None

    @property
    def verdict(self) -> str:
        """One sentence for a reader."""
        if not self.duels:
            return "Nothing was compared: the reviews hold no preference between two variants."
        if self.winner is not None:
            own = (duel for duel in self.duels if self.winner in (duel.first, duel.second))
            return "; ".join(_said(duel, self.winner) for duel in own) + "."
        if len(self.duels) == 1:
            (duel,) = self.duels
            if duel.leader is None:
                return f"No winner: {duel.first} and {duel.second} were preferred equally often."
            return f"No winner yet: {_said(duel, duel.leader)}, which may be chance."
        return "No variant beats every other by more than chance."


def _said(duel: Duel, variant: str) -> str:
    tally = duel.tally if variant == duel.first else Tally(duel.tally.losses, duel.tally.wins, duel.tally.ties)
    low, high = tally.interval or (0.0, 1.0)
    other = duel.second if variant == duel.first else duel.first
    verb = "beats" if duel.winner == variant else "leads"
    return (
        f"{variant} {verb} {other} in {tally.wins} of {tally.decided} combinations "
        f"({100 * (tally.rate or 0):.0f} %, 95 % interval {100 * low:.0f}–{100 * high:.0f} %, p = {duel.p_value:.2g})"
    )


_Key = tuple[str, str, str]


def compare(exports: Iterable[Review]) -> Comparison:
    """Count what reviewers preferred.

    A combination is won by the variant that most of its reviewers preferred: several votes on one pair of pictures
    are one piece of evidence, and only different combinations count as further ones. Each person has one vote a
    combination, the latest. Raises `ExportError` for an id that a spreadsheet may have changed and that no other file
    of the run knows.
    """
    reviews = list(exports)
    _check_doubts(reviews)
    votes: dict[tuple[_Key, str], Preference] = {}
    stars: dict[tuple[_Key, str, str], Rating] = {}
    given = 0
    for review in reviews:
        for preference in review.preferences:
            if preference.repeat:
                continue
            given += 1
            newest(votes, ((review.run_id, preference.model, preference.worn), review.who), preference)
        for rating in review.ratings:
            given += 1
            newest(stars, ((review.run_id, rating.model, rating.worn), rating.variant, review.who), rating)
    by_combination: dict[_Key, list[Preference]] = defaultdict(list)
    for (key, _), preference in votes.items():
        by_combination[key].append(preference)
    shown = {variant for preference in votes.values() for variant in preference.shown}
    rated = {rating.variant for rating in stars.values()}
    judged: list[Preference | Rating] = [*votes.values(), *stars.values()]
    return Comparison(
        runs=tuple(sorted({review.run_id for review in reviews})),
        reviewers=len({review.who for review in reviews if review.preferences or review.ratings}),
        judgements=len(judged),
        superseded=given - len(judged),
        blind=sum(judgement.blind for judgement in judged),
        combinations=len(by_combination),
        variants=tuple(sorted(shown)),
        duels=_adjusted(list(_duels(sorted(shown), list(by_combination.values())))),
        ratings={variant: _stars(variant, stars.values()) for variant in sorted(rated)},
        agreement=_agreement(by_combination.values()),
        first_shown=_first_shown(votes.values()),
        both_bad=sum(preference.both_bad for preference in votes.values()),
        steady=_steady(reviews, votes),
    )


def _steady(reviews: Sequence[Review], votes: Mapping[tuple[_Key, str], Preference]) -> tuple[int, int]:
    """How many repeated pairs were judged as the first time, and how many were repeated."""
    alike = []
    for review in reviews:
        for again in (preference for preference in review.preferences if preference.repeat):
            first = votes.get(((review.run_id, again.model, again.worn), review.who))
            if first is not None:
                alike.append((first.preferred, first.both_bad) == (again.preferred, again.both_bad))
    return sum(alike), len(alike)


def _check_doubts(reviews: Sequence[Review]) -> None:
    """Hold each doubtful cell against what the other files of its run name there."""
    for review in reviews:
        others = [other for other in reviews if other is not review and other.run_id == review.run_id]
        for doubt in review.doubts if others else ():
            known = sorted({name for other in others for name in _named(other, doubt.column)})
            if doubt.text not in known:
                like = [name for name in known if _digits(name) == _digits(doubt.text)]
                raise ExportError(
                    f"{doubt.file}: line {doubt.line}, column {doubt.column!r}: {doubt.text!r} is in no other file of "
                    f"run {review.run_id}, and a spreadsheet may have changed it"
                    + (f"; was it {like[0]!r}?" if like else "")
                    + " (compare the JSON export, which nothing changes)"
                )


def _named(review: Review, column: str) -> Iterator[str]:
    """What a review names in a column."""
    for judgement in review.judged:
        if column == "variant" and isinstance(judgement, Preference):
            yield from judgement.shown
        else:
            yield getattr(judgement, column)


def _digits(text: str) -> list[int]:
    """The numbers in a text, which stay when a spreadsheet takes zeros away."""
    return [int(number) for number in re.findall(r"[0-9]{1,18}", text)]


def _duels(variants: Sequence[str], judged: Sequence[Sequence[Preference]]) -> Iterator[Duel]:
    for first, second in combinations(variants, 2):
        verdicts: Counter[tuple[str, int]] = Counter()
        votes: Counter[int] = Counter()
        for preferences in judged:
            own = [_vote(preference, first, second) for preference in preferences]
            counted = [vote for vote in own if vote is not None]
            if counted:
                votes.update(counted)
                balance = sum(counted)
                verdicts[preferences[0].type, (balance > 0) - (balance < 0)] += 1
        if verdicts:
            types = sorted({type_ for type_, _ in verdicts})
            tally = _tally({side: sum(verdicts[type_, side] for type_ in types) for side in (1, -1, 0)})
            by_type = {type_: _tally({side: verdicts[type_, side] for side in (1, -1, 0)}) for type_ in types}
            yield Duel(first, second, tally, _tally(votes), by_type, tally.p_value)


def _vote(preference: Preference, first: str, second: str) -> int | None:
    """1 for the first, -1 for the second, 0 for neither; None where a third one won or one was not shown."""
    if first not in preference.shown or second not in preference.shown:
        return None
    return {first: 1, second: -1, None: 0}.get(preference.preferred)


def _tally(counts: Mapping[int, int]) -> Tally:
    return Tally(counts.get(1, 0), counts.get(-1, 0), counts.get(0, 0))


def _adjusted(duels: Sequence[Duel]) -> tuple[Duel, ...]:
    """Holm's correction (Scand. J. Stat. 6, 1979): of many duels one looks decided by chance alone."""
    order = sorted(range(len(duels)), key=lambda i: duels[i].p_value)
    least, adjusted = 0.0, dict.fromkeys(order, 1.0)
    for rank, i in enumerate(order):
        least = max(least, min(1.0, (len(duels) - rank) * duels[i].p_value))
        adjusted[i] = least
    return tuple(
        Duel(duel.first, duel.second, duel.tally, duel.votes, duel.by_type, adjusted[i]) for i, duel in enumerate(duels)
    )


def _stars(variant: str, ratings: Iterable[Rating]) -> Stars:
    own = [rating.stars for rating in ratings if rating.variant == variant]
    return Stars(len(own), fmean(own))


def _agreement(judged: Iterable[Sequence[Preference]]) -> float | None:
    alike = [a.preferred == b.preferred for preferences in judged for a, b in combinations(preferences, 2)]
    return fmean(alike) if alike else None


def _first_shown(preferences: Iterable[Preference]) -> Tally:
    counts: Counter[int] = Counter()
    for preference in preferences:
        if preference.blind and len(preference.shown) == 2:
            counts[_vote(preference, *preference.shown) or 0] += 1
    return _tally(counts)
