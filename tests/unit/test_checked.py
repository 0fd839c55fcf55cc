"""What the checks come to: counts that add up, whatever is missing, and one line for people."""

from dataclasses import replace
from typing import Any

import pytest

from tests.doubles import stored
from tryon.checks.evidence import DAMAGED, NO_COPY, NOT_ENDED, gather
from tryon.checks.records import Evidence, Finding, Verdict
from tryon.checks.verdict_file import Head, Verdicts
from tryon.checks.vocabulary import Check, FaceState, State
from tryon.pictures.signature import Signature
from tryon.reporting.checked import CheckTally
from tryon.state.entry import Entry, Status
from tryon.state.looks import Look
from tryon.state.run import CheckReason, Checks

SIGNATURE = Signature(600, 900, bytes(24 * 36 * 3), 40.0, 0.125, 0.0, 0.0, 10.0, 2.0)


def entry(n: int, *keys: str, **different: Any) -> Entry:
    results = tuple(stored(key, candidate=place) for place, key in enumerate(keys, start=1))
    made = Entry(n, f"anna__{n}", "anna", f"{n:02d}-shirt", "a", ("shirt",), status=Status.SUCCEEDED, results=results)
    return replace(made, **different)


def verdict(n: int, candidate: int, *checks: Check, **different: Any) -> Verdict:
    findings = tuple(Finding(check, 2.0, flagged=True) for check in checks)
    state = State.FLAGGED if checks else State.CLEAR
    return replace(Verdict(n, candidate, state, findings, of=4), **different)


def tally(verdicts: Verdicts | None, *found: tuple[Entry, list[Verdict]], uncompared: str = "") -> Checks:
    made = CheckTally(verdicts, uncompared)
    for one, of_one in found:
        made.add(one, of_one)
    return made.checks


def test_every_picture_is_counted_once() -> None:
    unchecked = verdict(2, 1, state=State.UNCHECKED, unchecked="no vision layer", face=FaceState.NONE_IN_RESULT)
    found = tally(
        Verdicts((Head(run_id="r", learned=5.0),)),
        (entry(1, "a", "b"), [verdict(1, 1, Check.BLANK), verdict(1, 2)]),
        (entry(2, "c", "d"), [unchecked]),
        (entry(3), []),
    )
    assert (found.results, found.checked, found.flagged, found.unchecked, found.learned) == (4, 2, 1, 2, 5.0)
    assert found.reasons == (CheckReason("blank", "The picture is blank", 1),)
    assert {one.says for one in found.unchecked_reasons} == {"no vision layer", "the results were not compared"}
    assert found.faceless == {"anna": 1}


def test_without_a_comparison_everything_is_unchecked_and_the_error_named() -> None:
    found = tally(None, (entry(1, "a"), []), uncompared="Sandbox.Timedout")
    assert (found.checked, found.flagged, found.unchecked) == (0, 0, 1)
    assert "Sandbox.Timedout" in found.line


@pytest.mark.parametrize(
    ("checks", "line"),
    [
        (Checks(18, 18, 0, 0), "nothing stands out in 18 of 18"),
        (
            Checks(1000, 1000, 12, 0, reasons=(CheckReason("blank", "The picture is blank", 12),)),
            "12 of 1,000 deserve a look: 12 × the picture is blank",
        ),
        (
            Checks(20, 20, 5, 0, reasons=tuple(CheckReason("", word, 1) for word in "ABCDE")),
            "5 of 20 deserve a look: 1 × a, 1 × b, 1 × c and 2 more reasons",
        ),
        (
            Checks(3, 0, 0, 3, unchecked_reasons=(CheckReason("", "no vision layer", 3),)),
            "none of 3 was checked; unchecked: 3 (no vision layer)",
        ),
        (
            Checks(3, 2, 0, 1, unchecked_reasons=(CheckReason("", "no vision layer", 1),)),
            "nothing stands out in 2 of 3; unchecked: 1 (no vision layer)",
        ),
        (Checks(0, 0, 0, 0), ""),
    ],
)
def test_the_line_says_how_many_deserve_a_look(checks: Checks, line: str) -> None:
    assert checks.line == line


def gathered(*entries: Entry, looks: list[Look] | None = None) -> list[Evidence]:
    return [one for _, one in gather(entries, iter(looks or []), {"shirt": "upper"})]


def test_each_result_is_found_with_what_was_seen_of_it() -> None:
    looks = [Look(1, 2, SIGNATURE.dumps(), unchecked="no vision layer"), Look(9, 1, SIGNATURE.dumps())]
    found = gathered(entry(1, "a", "b"), entry(3), entry(9, "c"), entry(10, "d", garments=("x", "y")), looks=looks)
    assert [(one.n, one.candidate, one.kind, one.unchecked) for one in found] == [
        (1, 1, "upper", NOT_ENDED),
        (1, 2, "upper", "no vision layer"),
        (9, 1, "upper", NOT_ENDED),
        (10, 1, "outfit", NOT_ENDED),
    ]
    assert [one.signature is not None for one in found] == [False, True, True, False]


def test_what_has_no_copy_and_what_is_damaged_is_unchecked_and_says_so() -> None:
    large = entry(1, "a", results=(stored("a", candidate=1, width=9000, height=9000),))
    found = gathered(large, entry(2, "b"), looks=[Look(2, 1, b"damaged")])
    assert [one.unchecked for one in found] == [NO_COPY, DAMAGED]
