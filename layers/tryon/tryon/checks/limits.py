"""From a score to a flag: how odd a score is among right results, and from where on that is said aloud.

Scores become *surprise*: -log10 of the share of right results that score higher, with an exponential tail above the
tenth that scores highest. Before reviewers have judged anything, surprise only orders results, and fixed limits flag
the certain kinds. Learned limits flag by one limit on the largest surprise of a result (its smallest p-value),
so that the share asked for is the share of right *results* that any check flags. It is conformal: the limit is the
ceil((n + 1)(1 - share))-th of the n approved results' own values (Vovk, Gammerman and Shafer, "Algorithmic Learning in
a Random World", 2005), each by tails that were learned without it. Only the standard library is needed.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from pydantic import BaseModel, ConfigDict, Field

from tryon.checks.vocabulary import Check

Scores = Mapping[Check, float]
"""What the checks say of one result; those that could not look are missing."""

_TAIL = 0.1
"""Share of right results in a tail, and its surprise is 1."""

_MOST_SURPRISE = 12.0


class TooFewApprovedError(Exception):
    """There are fewer approved results than the share asked for needs."""

    def __init__(self, needed: int, have: int, share: float) -> None:
        super().__init__(f"{have} approved results; to flag at most {share:.3g} of the right ones, {needed} are needed")
        self.needed = needed
        self.have = have


class Tail(BaseModel):
    """Right results' scores in one check: a tenth is above `start`, by `mean` on average."""

    model_config = ConfigDict(frozen=True)

    start: float
    mean: float = Field(gt=0)

    def surprise(self, score: float) -> float:
        """-log10 of the share of right results above a score, 0 to 12."""
        return min(_MOST_SURPRISE, max(0.0, 1 + (score - self.start) / (self.mean * math.log(10))))


class Interval(BaseModel):
    """A share of `of` cases, with Wilson's 95 % interval."""

    model_config = ConfigDict(frozen=True)

    hits: int
    of: int
    low: float
    high: float


class Limits(BaseModel):
    """From where on results are flagged, and by what they are ordered.

    `fixed` are scores above which a check flags by itself; `most_surprise` is the one limit that was learned, None
    before. Checks in `off` neither flag nor order. The rest says what they were learned from: the share of right
    results that was asked for, how many were approved and rejected, which checks found how many of the rejected.
    """

    model_config = ConfigDict(frozen=True)

    name: str = "default"
    tails: dict[Check, Tail]
    fixed: dict[Check, float]
    most_surprise: float | None = None
    off: list[Check] = []
    created: float | None = None
    runs: list[str] = []
    share: float | None = None
    approved: int = 0
    rejected: int = 0
    recall: Interval | None = None
    by_check: dict[Check, Interval] = {}

    @property
    def key(self) -> str:
        """Where they are in the stack's bucket."""
        return key(self.name)

    def surprise(self, check: Check, score: float) -> float:
        """How odd a score is; 0 for a check that is off or of which nothing is known."""
        tail = self.tails.get(check)
        return 0.0 if tail is None or check in self.off else tail.surprise(score)

    def flags(self, check: Check, score: float) -> bool:
        """Whether a score is beyond its limit."""
        if check in self.off:
            return False
        fixed = self.fixed.get(check)
        if fixed is not None and score > fixed:
            return True
        return self.most_surprise is not None and self.surprise(check, score) > self.most_surprise


PREFIX = "checks/"
"""Where learned limits are in the stack's bucket."""


def key(name: str) -> str:
    """The key under which limits of a name are stored."""
    return f"{PREFIX}{name}.json"


def needed(share: float) -> int:
    """How many approved results a share needs at least: ceil(1 / share) - 1."""
    return math.ceil(1 / share - 1e-9) - 1


def wilson(hits: int, of: int, *, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of a share (J. Am. Stat. Assoc. 22, 1927)."""
    if of == 0:
        return Interval(hits=0, of=0, low=0.0, high=1.0)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share, scale = hits / of, 1 + z * z / of
    middle = (share + z * z / (2 * of)) / scale
    reach = z / scale * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return Interval(hits=hits, of=of, low=max(0.0, middle - reach), high=min(1.0, middle + reach))


_MOSTLY_WRONG = 1 / 3
_LEAST_FLAGS = 5


@dataclass(frozen=True)
class _Learned:
    tails: dict[Check, Tail]
    limit: float


def learn(
    approved: Sequence[Scores],
    rejected: Sequence[Scores],
    *,
    share: float,
    name: str,
    created: float,
    runs: Sequence[str] = (),
) -> Limits:
    """Limits under which at most `share` of right results are flagged by any check, if they are like the approved.

    A check whose flags among the judged results were mostly wrong (precision's upper bound under a third, of five flags
    at least) is switched off, and the limit is learned again without it. Raises `TooFewApprovedError`.
    """
    if len(approved) < needed(share):
        raise TooFewApprovedError(needed(share), len(approved), share)
    off: list[Check] = []
    found = _learn(approved, share, off)
    wrong = _mostly_wrong(approved, rejected, found)
    if wrong:
        off = sorted(wrong)
        found = _learn(approved, share, off)
    limits = Limits(
        name=name,
        tails=found.tails,
        fixed=dict.fromkeys((Check.SAME_FILE,), 0.0),
        most_surprise=found.limit,
        off=off,
        created=created,
        runs=list(runs),
        share=share,
        approved=len(approved),
        rejected=len(rejected),
    )
    caught = [{check for check, score in scores.items() if limits.flags(check, score)} for scores in rejected]
    return limits.model_copy(
        update={
            "recall": wilson(sum(bool(checks) for checks in caught), len(rejected)),
            "by_check": {
                check: wilson(sum(check in checks for checks in caught), len(rejected))
                for check in sorted({check for checks in caught for check in checks})
            },
        }
    )


def _learn(approved: Sequence[Scores], share: float, off: Sequence[Check]) -> _Learned:
    checks = sorted({check for scores in approved for check in scores} - set(off))
    values = {check: sorted(scores[check] for scores in approved if check in scores) for check in checks}
    tails = {check: tail(values[check]) for check in checks}
    # Each result by tails that do not know it: its own score would else make it look ordinary.
    largest = sorted(
        max(
            (tail_without(values[check], scores[check]).surprise(scores[check]) for check in checks if check in scores),
            default=0.0,
        )
        for scores in approved
    )
    place = math.ceil((len(approved) + 1) * (1 - share) - 1e-9)
    return _Learned(tails, largest[min(place, len(largest)) - 1])


def tail(ordered: Sequence[float]) -> Tail:
    """The upper tail of scores in ascending order."""
    start = ordered[min(len(ordered) - 1, int((1 - _TAIL) * len(ordered)))]
    above = [value - start for value in ordered if value > start]
    spread = ordered[-1] - ordered[0]
    return Tail(start=start, mean=max(sum(above) / len(above) if above else 0.0, 0.02 * spread, 1e-6))


def tail_without(ordered: Sequence[float], score: float) -> Tail:
    """The tail of all but one of the scores."""
    rest = list(ordered)
    rest.remove(score)
    return tail(rest) if rest else Tail(start=score, mean=1.0)


def _mostly_wrong(approved: Sequence[Scores], rejected: Sequence[Scores], found: _Learned) -> set[Check]:
    def flags(many: Sequence[Scores], check: Check) -> int:
        return sum(check in scores and found.tails[check].surprise(scores[check]) > found.limit for scores in many)

    wrong = set()
    for check in found.tails:
        right = flags(rejected, check)
        of = right + flags(approved, check)
        if of >= _LEAST_FLAGS and wilson(right, of).high < _MOSTLY_WRONG:
            wrong.add(check)
    return wrong


DEFAULT: Limits = Limits(tails=dict.fromkeys(Check, Tail(start=0.5, mean=0.1)), fixed={Check.SAME_FILE: 0.0})
"""Before anything was learned: tails of synthetic right results (docs/checks.md), and limits for the certain kinds."""
