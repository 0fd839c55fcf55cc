"""What is approved: picks, stars, rejects with their reasons, and reviewers who differ."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from tryon_cli.comparison import compare
from tryon_cli.review import (
    COLUMNS,
    MORE_COLUMNS,
    ExportError,
    Picture,
    Review,
    Verdict,
    json_schema,
    opinions,
    read_export,
)

PLACE = {"model": "anna", "worn": "01-shirt", "type": "upper", "variant": "a"}
SHIRT = Picture("anna", "01-shirt", "a")


def review(who: str = "Lin", **lists: list[dict[str, Any]]) -> Review:
    at = {"blind": False, "at": "2026-11-23T09:00:00.000Z"}
    filled = {name: [{**PLACE, **at, **one} for one in each] for name, each in lists.items()}
    whole = {"format": "tryon-review", "version": 2, "run_id": "run-1", "review": f"r{who}", "reviewer": who, **filled}
    Draft202012Validator(json_schema()).validate(whole)
    return read_export(json.dumps(whole).encode(), f"{who}.json")


def verdict(*reviews: Review) -> Verdict | None:
    found = opinions(reviews).get(SHIRT)
    return found.verdict if found else None


def test_a_pick_approves_and_so_do_four_stars() -> None:
    assert verdict(review(marks=[{"mark": "pick"}])) is Verdict.APPROVED
    assert verdict(review(ratings=[{"stars": 4}])) is Verdict.APPROVED
    assert verdict(review(ratings=[{"stars": 3}])) is None, "few stars alone say nothing"


def test_a_reject_stands_against_its_own_stars_and_for_its_reason_alone() -> None:
    found = opinions([review(ratings=[{"stars": 5}], marks=[{"mark": "reject", "reason": "hands", "note": "six"}])])
    assert found[SHIRT].verdict is Verdict.REJECTED
    assert found[SHIRT].reasons == {"hands"}
    assert found[SHIRT].notes == ("six",)
    assert opinions([review(marks=[{"mark": "reject"}])])[SHIRT].reasons == frozenset()


def test_a_version_without_marks_is_read_and_its_stars_are_of_the_first_candidate() -> None:
    old = {"format": "tryon-review", "version": 1, "run_id": "run-1", "review": "r", "ratings": [{**PLACE, "stars": 5}]}
    assert verdict(read_export(json.dumps(old).encode(), "old.json")) is Verdict.APPROVED


def test_each_candidate_of_each_take_is_judged_by_itself() -> None:
    found = opinions(
        [review(marks=[{"mark": "reject"}, {"mark": "pick", "candidate": 3}, {"mark": "pick", "take": 2}])]
    )
    assert {(one.take, one.candidate): found[one].verdict for one in found} == {
        (1, 1): Verdict.REJECTED,
        (1, 3): Verdict.APPROVED,
        (2, 1): Verdict.APPROVED,
    }


def test_most_reviewers_decide_and_as_many_on_both_sides_dispute() -> None:
    picked, rejected = review("Lin", marks=[{"mark": "pick"}]), review("Mo", marks=[{"mark": "reject"}])
    third = review("Ada", ratings=[{"stars": 5}])
    assert verdict(picked, rejected) is Verdict.DISPUTED
    assert verdict(picked, rejected, third) is Verdict.APPROVED
    assert opinions([picked, rejected, third])[SHIRT].approved == 2


def test_of_one_person_the_newest_word_counts_whatever_the_machine() -> None:
    first = review("Lin", marks=[{"mark": "pick"}])
    later = review(" lin ", marks=[{"mark": "reject", "at": "2026-11-24T09:00:00.000Z"}])
    assert verdict(later, first) is verdict(first, later) is Verdict.REJECTED


def test_a_reason_that_nobody_knows_is_refused() -> None:
    whole = {"format": "tryon-review", "version": 2, "run_id": "r", "review": "r"}
    whole["marks"] = [{**PLACE, "mark": "reject", "reason": "ugly"}]
    with pytest.raises(ExportError, match=r"marks\[0\].reason"):
        read_export(json.dumps(whole).encode(), "x.json")


def test_a_table_says_the_same_as_json() -> None:
    head = ",".join((*COLUMNS, *MORE_COLUMNS))
    at = "'2026-11-23T09:00:00.000Z"
    rows = [
        f"'run-1,rLin,Lin,anna,01-shirt,upper,,,a,,false,{at},1,2,reject,colour,too green,",
        f"'run-1,rLin,Lin,anna,01-shirt,upper,,,a,5,false,{at},1,1,,,,",
        f"'run-1,rLin,Lin,anna,01-shirt,upper,!,b a,,,true,{at},,,,,,false",
        f"'run-1,rLin,Lin,anna,01-shirt,upper,a,a b,,,true,{at},,,,,,true",
    ]
    from_table = read_export("\r\n".join([head, *rows]).encode(), "x.csv")
    pair = {"model": "anna", "worn": "01-shirt", "type": "upper", "blind": True, "at": at[1:]}
    same = review(
        marks=[{"candidate": 2, "mark": "reject", "reason": "colour", "note": "too green"}], ratings=[{"stars": 5}]
    ).model_dump()
    same["preferences"] = [
        {**pair, "shown": ["b", "a"], "preferred": None, "both_bad": True},
        {**pair, "shown": ["a", "b"], "preferred": "a", "repeat": True},
    ]
    assert from_table == Review.model_validate(same)


def test_both_bad_is_a_tie_that_is_counted_and_a_repeat_is_no_vote() -> None:
    pair = {"model": "anna", "worn": "01-shirt", "type": "upper", "shown": ["a", "b"], "preferred": None}
    other = pair | {"worn": "02-coat", "preferred": "a"}
    again = [pair | {"repeat": True, "both_bad": True}, other | {"repeat": True, "preferred": "b"}]
    whole = {"format": "tryon-review", "version": 2, "run_id": "run-1", "review": "r", "reviewer": "Lin"}
    whole["preferences"] = [pair | {"both_bad": True}, other, *again]
    found = compare([read_export(json.dumps(whole).encode(), "x.json")])
    assert (found.judgements, found.both_bad, found.steady) == (2, 1, (1, 2))
    assert (found.duels[0].tally.wins, found.duels[0].tally.ties) == (1, 1)
