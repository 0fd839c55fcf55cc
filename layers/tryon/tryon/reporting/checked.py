"""What the automatic checks say of a run, as its summary, its table and its gallery show it."""

from collections import Counter
from collections.abc import Sequence

from tryon.checks.records import Verdict
from tryon.checks.verdict_file import Verdicts
from tryon.checks.vocabulary import WORDS, Check, FaceState, State, reason_of
from tryon.json_types import Json
from tryon.state.entry import Entry
from tryon.state.run import CheckReason, Checks

MOST_FACELESS = 50
"""Models that a summary names."""

_WORST = (State.FLAGGED, State.UNCHECKED, State.NOT_COMPARABLE, State.CLEAR)

_NOT_COMPARED = "the results were not compared"


class CheckTally:
    """The verdicts on a run's results, added up entry by entry; `uncompared` is the error that ended Compare."""

    def __init__(self, verdicts: Verdicts | None, uncompared: str = "") -> None:
        self._head = verdicts.heads[0] if verdicts is not None and verdicts.heads else None
        self._missing = f"{_NOT_COMPARED} ({uncompared})" if uncompared else _NOT_COMPARED
        self._states: Counter[State] = Counter()
        self._reasons: Counter[str] = Counter()
        self._unchecked: Counter[str] = Counter()
        self._faceless: Counter[str] = Counter()
        self._results = 0

    def add(self, entry: Entry, found: Sequence[Verdict]) -> None:
        """Count an entry's results; `found` are the verdicts on them."""
        self._results += len(entry.results)
        self._unchecked.update([self._missing] * (len(entry.results) - len(found)))
        for verdict in found:
            self._states[verdict.state] += 1
            self._reasons.update(check.value for check in verdict.reasons)
            if verdict.unchecked is not None:
                self._unchecked[verdict.unchecked] += 1
            if verdict.face in (FaceState.NONE_IN_MODEL, FaceState.NONE_IN_RESULT):
                self._faceless[entry.model] += 1

    @property
    def checks(self) -> Checks:
        """All of them."""
        unchecked = self._unchecked.total()
        words = {check.value: text for check, text in WORDS.items()}
        return Checks(
            results=self._results,
            checked=self._results - unchecked,
            flagged=self._states[State.FLAGGED],
            unchecked=unchecked,
            not_comparable=self._states[State.NOT_COMPARABLE],
            reasons=tuple(CheckReason(check, words[check], count) for check, count in self._reasons.most_common()),
            unchecked_reasons=tuple(CheckReason("", why, count) for why, count in self._unchecked.most_common(10)),
            faceless=dict(self._faceless.most_common(MOST_FACELESS)),
            limits=self._head.limits if self._head else "default",
            learned=self._head.learned if self._head else None,
        )


def of_entry(entry: Entry, verdicts: Verdicts | None) -> list[Verdict]:
    """The verdicts on an entry's results, candidate by candidate."""
    if verdicts is None:
        return []
    return [verdict for result in entry.results if (verdict := verdicts.of(result.key)) is not None]


def state(found: Sequence[Verdict]) -> State | None:
    """The worst state of an entry's results, None where there is no verdict."""
    return next((state for state in _WORST if any(verdict.state is state for verdict in found)), None)


def suspicion(found: Sequence[Verdict]) -> float | None:
    """The share of the run's results that are less odd than the oddest of these, None where none was compared."""
    ranked = [verdict.odder_than / verdict.of for verdict in found if verdict.of]
    return round(max(ranked), 4) if ranked else None


def cells(found: Sequence[Verdict]) -> dict[str, str | float]:
    """The columns of combinations.csv: the worst state, the share of the run's results that are less odd, the flags."""
    worst, share = state(found), suspicion(found)
    return {
        "check": worst.value if worst else "",
        "suspicion": "" if share is None else share,
        "flags": "; ".join(f"{verdict.candidate} {check.value}" for verdict in found for check in verdict.reasons),
    }


def shown(verdict: Verdict) -> dict[str, Json]:
    """A verdict as the gallery's data has it: rank 1 is the oddest of `of`, places are shares of a picture's sides."""
    told: dict[str, Json] = {
        "state": verdict.state.value,
        "rank": verdict.of - verdict.odder_than if verdict.of else None,
        "of": verdict.of or None,
        "reasons": [_reason(verdict, check) for check in verdict.reasons],
        "not_comparable": [
            {"name": one.check.value, "text": f"{WORDS[one.check]}: not comparable, {one.why}"}
            for one in verdict.not_comparable
        ],
        "unchecked": verdict.unchecked,
        "judge": _judge(verdict),
        "outline": [[list(point) for point in polygon] for polygon in verdict.outline],
        "model_box": list(verdict.model_box) if verdict.model_box else None,
        "result_box": list(verdict.result_box) if verdict.result_box else None,
    }
    return {name: value for name, value in told.items() if value not in (None, [])}


def _reason(verdict: Verdict, check: Check) -> dict[str, Json]:
    """A reason in words, and the one that a reviewer who agrees rejects the picture for."""
    finding = next(one for one in verdict.findings if one.check is check and one.flagged)
    text = f"{WORDS[check]} ({finding.note})" if finding.note else WORDS[check]
    told: dict[str, Json] = {"name": check.value, "text": text, "reject": reason_of(check)}
    return {name: value for name, value in told.items() if value is not None}


def _judge(verdict: Verdict) -> list[Json]:
    """The numbers of the owner's own judge, each with its name: a score's, or the reason of an objection."""
    if verdict.judge is None:
        return []
    named = [*verdict.judge.scores.items(), *((flag.reason, flag.score) for flag in verdict.judge.flags)]
    return [{"name": name, "score": score} for name, score in named if score is not None]
