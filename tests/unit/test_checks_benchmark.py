"""Sixty results of photographs, committed as signatures and measurements: wrong ones are flagged, right ones not."""

from dataclasses import replace
from functools import cache

import pytest

from benchmarks import checks
from benchmarks.checks import CASES, Case, Cases
from tryon.checks.compare import compare
from tryon.checks.vocabulary import Check, State

EXPECTED: dict[str, set[Check]] = {
    "blank": {Check.BLANK},
    "cut off": {Check.CUT_OFF},
    "blurred": {Check.BLURRED},
    "cropped": {Check.CROPPED},
    "stretched": {Check.STRETCHED},
    "zoomed": {Check.CROPPED},
    "shifted": {Check.SHIFTED},
    "nothing applied": {Check.NOTHING_APPLIED},
    "head swapped": {Check.FACE_DIFFERS},
    "face swapped": {Check.FACE_DIFFERS},
    "face drifted by half": {Check.FACE_DIFFERS},
    "face recoloured": {Check.FACE_COLOURS},
    "face smoothed": {Check.FACE_SMOOTHED, Check.FACE_DIFFERS},
    "background replaced": {Check.CHANGED_BESIDE},
    "object added": {Check.CHANGED_BESIDE},
    "another garment": {Check.OTHER_GARMENT},
}
"""By what is wrong: a check that must be among the reasons."""


@cache
def cases() -> Cases:
    return checks.read(CASES)


WRONG = [case for case in cases().cases if case.fault]


def test_about_sixty_results_are_committed_of_eight_photographs() -> None:
    assert len(cases().cases) == 60
    assert len(cases().models) == 8
    assert {case.fault for case in WRONG} == set(EXPECTED)


def test_no_right_result_is_flagged() -> None:
    right = [case.evidence for case in cases().right("regen")]
    found = list(compare(right, models=cases().models))
    assert [(one.n, one.reasons) for one in found if one.state is State.FLAGGED] == []


@pytest.mark.parametrize("case", WRONG, ids=lambda case: f"{case.fault} {case.evidence.n}")
def test_a_wrong_result_is_flagged_among_right_ones(case: Case) -> None:
    found = checks.verdict(cases(), case, 15, 8)
    assert case.fault
    assert found.state is State.FLAGGED
    assert set(found.reasons) & EXPECTED[case.fault]


def test_a_grid_has_the_case_once_and_no_more_than_was_asked_for() -> None:
    run = checks.grid(cases(), WRONG[0], 3, 2)
    assert len(run) == 6
    assert [one.n for one in run].count(WRONG[0].evidence.n) == 1


def test_the_area_is_one_for_wrong_results_above_all_right_ones_and_a_half_for_none() -> None:
    assert checks.area([3.0, 4.0], [1.0, 2.0]) == 1
    assert checks.area([1.0], [1.0]) == 0.5


def test_the_garment_that_a_case_shows_is_in_its_grid() -> None:
    case = next(case for case in WRONG if case.evidence.worn != "shirt2")
    run = checks.grid(cases(), replace(case, shows="shirt2"), 2, 1)
    assert [one.worn for one in run] == [case.evidence.worn, "shirt2"]
