"""From a score to a flag: how odd a score is among right results, and from where on that is said aloud.

Scores become *surprise*: -log10 of the share of right results that score higher, with an exponential tail above the
tenth that scores highest. Before reviewers have judged anything, surprise only orders results, and fixed limits flag
the certain kinds. Learned limits flag by one limit on the largest surprise of a result (its smallest p-value),
so that the share asked for is the share of right *results* that any check flags. It is conformal: the limit is the
ceil((n + 1)(1 - share))-th of the n approved results' own values (Vovk, Gammerman and Shafer, "Algorithmic Learning in
a Random World", 2005), each by tails that were learned without it. Only the standard library is needed.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict, Field

from tryon.checks.vocabulary import CHECKS_OF_REASON, Check

Scores = Mapping[Check, float]
"""What the checks say of one result; those that could not look are missing."""


@dataclass(frozen=True)
class Rejected:
    """A result that reviewers rejected: what the checks say of it, and for which reasons, by name."""

    scores: Scores
    reasons: frozenset[str] = frozenset()

    @property
    def checks(self) -> frozenset[Check]:
        """The checks that look for those reasons: the rejection speaks for or against these alone."""
        return frozenset(check for reason in self.reasons for check in CHECKS_OF_REASON.get(reason, ()))


_TAIL = 0.1
"""Share of right results in a tail, and its surprise is 1."""

_MOST_SURPRISE = 12.0

_SURPRISING = 3.0
"""Before limits are learned: what one of a thousand right results has."""


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
    results that was asked for, how many were approved and rejected, and how many of those that were rejected for what a
    check looks for are flagged by one that does (`recall`, and `by_reason`).
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
    by_reason: dict[str, Interval] = {}

    @property
    def key(self) -> str:
        """Where they are in the stack's bucket."""
        return key(self.name)

    def surprise(self, check: Check, score: float) -> float:
        """How odd a score is; 0 for a check that is off or of which nothing is known."""
        tail = self.tails.get(check)
        return 0.0 if tail is None or check in self.off else tail.surprise(score)

    def relative(self, check: Check, score: float) -> float:
        """How odd a score is in units of what is flagged once limits are learned."""
        return self.surprise(check, score) / (self.most_surprise or _SURPRISING)

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
    return Interval(
        hits=hits,
        of=of,
        low=0.0 if hits == 0 else max(0.0, middle - reach),
        high=1.0 if hits == of else min(1.0, middle + reach),
    )


_MOSTLY_WRONG = 1 / 3
_LEAST_FLAGS = 5


@dataclass(frozen=True)
class _Learned:
    tails: dict[Check, Tail]
    limit: float

    def flags(self, check: Check, score: float) -> bool:
        return check in self.tails and self.tails[check].surprise(score) > self.limit


def learn(
    approved: Sequence[Scores],
    rejected: Sequence[Rejected],
    *,
    share: float,
    name: str,
    created: float,
    runs: Sequence[str] = (),
    current: Limits | None = None,
) -> Limits:
    """Limits under which at most `share` of right results are flagged by any check, if they are like the approved.

    A check whose flags among the judged results are mostly wrong (precision's upper bound under a third, of five flags
    at least), by the limits in force until now (`current`) or by the new ones, is switched off, and the limit is
    learned again without it. A rejected result counts for the checks of its reasons alone.

    Raises `TooFewApprovedError`.
    """
    if len(approved) < needed(share):
        raise TooFewApprovedError(needed(share), len(approved), share)
    off: list[Check] = []
    found = _learn(approved, share, off)
    wrong = _mostly_wrong(approved, rejected, found.flags) | _mostly_wrong(
        approved, rejected, (current or DEFAULT).flags
    )
    if wrong:
        off = sorted(wrong)
        found = _learn(approved, share, off)
    limits = Limits(
        name=name,
        tails=found.tails,
        fixed=dict.fromkeys((Check.SAME_FILE, Check.JUDGED), 0.0),
        most_surprise=found.limit,
        off=off,
        created=created,
        runs=list(runs),
        share=share,
        approved=len(approved),
        rejected=len(rejected),
    )
    return limits.model_copy(
        update={
            "recall": _recall(limits, rejected, frozenset(CHECKS_OF_REASON)),
            "by_reason": {
                reason: _recall(limits, rejected, frozenset((reason,)))
                for reason in CHECKS_OF_REASON
                if any(reason in one.reasons for one in rejected)
            },
        }
    )


def _recall(limits: Limits, rejected: Sequence[Rejected], reasons: frozenset[str]) -> Interval:
    """How many of those that were rejected for these reasons are flagged by a check that looks for them."""
    meant = [Rejected(one.scores, one.reasons & reasons) for one in rejected]
    looked_for = [one for one in meant if one.checks]
    caught = (
        any(limits.flags(check, one.scores[check]) for check in one.checks & one.scores.keys()) for one in looked_for
    )
    return wilson(sum(caught), len(looked_for))


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


def _mostly_wrong(
    approved: Sequence[Scores], rejected: Sequence[Rejected], flags: Callable[[Check, float], bool]
) -> set[Check]:
    def count(many: Iterable[Scores], check: Check) -> int:
        return sum(check in scores and flags(check, scores[check]) for scores in many)

    wrong = set()
    for check in {check for scores in approved for check in scores}:
        right = count((one.scores for one in rejected if check in one.checks), check)
        of = right + count(approved, check)
        if of >= _LEAST_FLAGS and wilson(right, of).high < _MOSTLY_WRONG:
            wrong.add(check)
    return wrong


# Of synthetic right results, `python -m benchmarks.checks EVIDENCE --tails`: where their highest tenth begins, and its
# mean excess; wider where those results differ by next to nothing.
_TAILS: Mapping[Check, tuple[float, float]] = MappingProxyType(
    {
        Check.SAME_FILE: (0.5, 0.1),
        Check.BLANK: (-0.45, 0.02),
        Check.CUT_OFF: (0.01, 0.01),
        Check.BLURRED: (0.31, 0.06),
        Check.BANDED: (0.04, 0.04),
        Check.CROPPED: (0.03, 0.01),
        Check.STRETCHED: (0.035, 0.01),
        Check.ZOOMED: (0.01, 0.006),
        Check.SHIFTED: (0.005, 0.005),
        Check.NOTHING_APPLIED: (-1.95, 0.31),
        Check.CHANGED_BESIDE: (0.3, 0.8),
        Check.WRONG_PART: (0.28, 0.26),
        Check.OTHER_GARMENT: (0.15, 0.53),
        Check.OTHER_COLOURS: (5.5, 1.2),
        Check.UNLIKE_PHOTOGRAPH: (2.1, 1.3),
        Check.TEXTURE_LOST: (12.0, 6.1),
        Check.FACE_DIFFERS: (0.005, 0.004),
        Check.FACE_COLOURS: (0.6, 0.34),
        Check.FACE_SMOOTHED: (0.07, 0.025),
        Check.ANOTHER_PERSON: (0.06, 0.02),
        Check.JUDGED: (0.5, 0.1),
    }
)

# Above these no right result of the benchmark was, neither photographs nor drawn samples.
_FIXED: Mapping[Check, float] = MappingProxyType(
    {
        Check.SAME_FILE: 0.0,
        Check.BLANK: 0.3,
        Check.CUT_OFF: 0.1,
        Check.BLURRED: 0.9,
        Check.BANDED: 0.5,
        Check.CROPPED: 0.08,
        Check.STRETCHED: 0.07,
        Check.ZOOMED: 0.05,
        Check.SHIFTED: 0.035,
        Check.NOTHING_APPLIED: -1.1,
        Check.CHANGED_BESIDE: 4.0,
        Check.WRONG_PART: 0.9,
        Check.OTHER_GARMENT: 2.2,
        Check.OTHER_COLOURS: 10.0,
        Check.TEXTURE_LOST: 40.0,
        Check.FACE_DIFFERS: 0.04,
        Check.FACE_COLOURS: 3.0,
        Check.FACE_SMOOTHED: 0.3,
        Check.ANOTHER_PERSON: 0.35,
        Check.JUDGED: 0.0,
    }
)

DEFAULT: Limits = Limits(
    tails={check: Tail(start=start, mean=mean) for check, (start, mean) in _TAILS.items()}, fixed=dict(_FIXED)
)
"""Before anything was learned: order by the tails of synthetic right results, and flags for the certain kinds."""
