"""Exports read, votes counted; numbers are checked against published ones."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tryon_cli.comparison import Tally, compare
from tryon_cli.review import COLUMNS, ExportError, Review, read_export


def preference(
    n: int, preferred: str | None, shown: Sequence[str] = ("a", "b"), type_: str = "upper", **more: Any
) -> dict[str, Any]:
    return {
        "model": "anna", "worn": f"{n:02d}-garment", "type": type_, "shown": list(shown), "preferred": preferred,
        "blind": True, "at": f"2026-11-23T09:{n % 60:02d}:00.000Z",
    } | more  # fmt: skip


def export(
    preferences: Sequence[dict[str, Any]] = (), ratings: Sequence[dict[str, Any]] = (), **more: Any
) -> dict[str, Any]:
    return {
        "format": "tryon-review", "version": 1, "run_id": "run-1", "review": "r1", "reviewer": "", "exported_at": "",
        "variants": ["a", "b"], "preferences": list(preferences), "ratings": list(ratings),
    } | more  # fmt: skip


def read(content: dict[str, Any] | str, name: str = "lin.json") -> Review:
    return read_export((content if isinstance(content, str) else json.dumps(content)).encode(), name)


def votes(wins: int, losses: int, ties: int = 0, **more: Any) -> list[dict[str, Any]]:
    outcomes = ["a"] * wins + ["b"] * losses + [None] * ties
    return [preference(n, outcome, **more) for n, outcome in enumerate(outcomes)]


# --- reading ---


def test_a_csv_export_says_what_the_json_export_says() -> None:
    rating = {"model": "anna", "worn": "01-x", "type": "full", "variant": "b", "stars": 4, "blind": False, "at": "t"}
    from_json = read(export([preference(1, "b", ("b", "a")), preference(2, None)], [rating], reviewer="=Lin, B"))
    lines = [
        ",".join(COLUMNS),
        '"run-1","r1","\'=Lin, B","anna","01-garment","upper","b","b a","","","true","2026-11-23T09:01:00.000Z"',
        '"run-1","r1","\'=Lin, B","anna","02-garment","upper","=","a b","","","true","2026-11-23T09:02:00.000Z"',
        '"run-1","r1","\'=Lin, B","anna","01-x","full","","","b","4","false","t"',
    ]
    for delimiter, end in ((",", "\r\n"), (";", "\n")):
        text = "\ufeff" + end.join(line.replace('","', f'"{delimiter}"') for line in lines).replace(
            ",".join(COLUMNS), delimiter.join(COLUMNS)
        )
        assert read(text, "lin.csv") == from_json


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "lin.json: is empty"),
        ("{", "is not JSON"),
        ("[]", 'is no review of the gallery: "format" is not "tryon-review"'),
        ('{"format": "tryon-review", "version": 3}', "another version of the gallery (3)"),
        ("some,table\n1,2\n", "has no column 'run_id'"),
        (",".join(COLUMNS) + "\n", "holds no judgement"),
        (
            ",".join(COLUMNS) + "\nr,a,,m,01-w,,a,a b,,,true,\nr,b,,m,01-w,,a,a b,,,true,\n",
            "line 3 is of another review",
        ),
        (
            ",".join(COLUMNS) + "\nr,a,,m,01-w,,,,a,9,true,\n",
            "ratings[0].stars: Input should be less than or equal to 5",
        ),
        (json.dumps(export([preference(1, "c")])), "preferences[0]: prefers 'c', which was not shown"),
        (json.dumps(export([preference(1, "a", ("a", "a"))])), "preferences[0]: shows one variant twice"),
        (json.dumps(export([preference(1, "a", ("a",))])), "preferences[0].shown"),
        (json.dumps(export([{"model": "anna"}])), "preferences[0].worn: Field required (and 2 more)"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_a_file_that_is_no_export_is_refused_with_its_name_and_the_place(content: str, message: str) -> None:
    with pytest.raises(ExportError) as caught:
        read(content)
    assert str(caught.value).startswith("lin.json: ")
    assert message in str(caught.value)


@example(b'"')
@given(st.binary(max_size=400))
def test_no_bytes_bring_the_reader_down(data: bytes) -> None:
    with pytest.raises(ExportError):
        read_export(data, "x")


# --- counting ---


def test_wins_losses_and_ties_are_counted_by_combination_and_by_type() -> None:
    first = [preference(n, "a") for n in range(3)] + [preference(3, None)]
    second = [preference(n, "b", type_="full") for n in range(4, 6)]
    found = compare([read(export(first + second))])
    (duel,) = found.duels
    assert (duel.first, duel.second, duel.tally) == ("a", "b", Tally(3, 2, 1))
    assert duel.by_type == {"upper": Tally(3, 0, 1), "full": Tally(0, 2, 0)}
    assert (found.judgements, found.combinations, found.blind, found.reviewers) == (6, 6, 6, 1)


@pytest.mark.parametrize(
    ("wins", "losses", "low", "high"),
    [(81, 182, 0.2553, 0.3662), (15, 133, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 28, 0.0061, 0.1718)],
)
def test_the_interval_is_wilson_s(wins: int, losses: int, low: float, high: float) -> None:
    """The four examples of Newcombe, Stat. Med. 17 (1998), table I, method 3."""
    interval = Tally(wins, losses).interval
    assert interval == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("wins", "losses", "p"), [(0, 0, 1.0), (5, 5, 1.0), (9, 1, 0.021484375), (1, 9, 0.021484375), (6, 0, 0.03125)]
)
def test_the_p_value_is_the_exact_sign_test_s(wins: int, losses: int, p: float) -> None:
    assert Tally(wins, losses, 7).p_value == pytest.approx(p)


def test_ten_thousand_votes_have_a_p_value_too() -> None:
    assert 0 < Tally(5_100, 4_900).p_value < 0.05
    assert Tally(9_000, 1_000).p_value < 1e-300


def test_a_clear_lead_wins_and_a_small_one_does_not() -> None:
    clear = compare([read(export(votes(16, 4)))])
    assert clear.winner == "a"
    assert clear.verdict == "a beats b in 16 of 20 combinations (80 %, 95 % interval 58–92 %, p = 0.012)."
    small = compare([read(export(votes(4, 6)))])
    assert small.winner is None
    assert small.verdict.startswith("No winner yet: b leads a in 6 of 10 combinations (60 %")
    assert compare([read(export(votes(3, 3, 2)))]).verdict == "No winner: a and b were preferred equally often."
    assert compare([]).verdict.startswith("Nothing was compared")


def test_many_votes_on_one_combination_are_one_piece_of_evidence() -> None:
    crowd = [read(export([preference(1, "a"), preference(2, "b")], review=f"r{n}")) for n in range(20)]
    crowd.append(read(export([preference(1, "b")], review="r-last")))
    (duel,) = compare(crowd).duels
    assert duel.tally == Tally(1, 1, 0)
    assert duel.votes == Tally(20, 21, 0)
    assert duel.winner is None


def test_reviewers_who_split_evenly_make_a_tie() -> None:
    found = compare([read(export([preference(1, "a")])), read(export([preference(1, "b")], review="r2"))])
    assert found.duels[0].tally == Tally(0, 0, 1)
    assert found.agreement == 0.0
    assert compare([read(export([preference(1, "a")]))]).agreement is None


def test_the_same_export_twice_counts_once_and_a_later_one_replaces_an_earlier() -> None:
    early = read(export(votes(3, 0)))
    late = read(export([preference(0, "b", at="2026-11-24T00:00:00.000Z")]))
    assert compare([early, early]).duels[0].tally == Tally(3, 0, 0)
    for order in ([early, late], [late, early]):
        found = compare(order)
        assert found.duels[0].tally == Tally(2, 1, 0)
        assert found.superseded == 1


def test_one_name_is_one_person_on_two_machines_and_no_name_is_not() -> None:
    def two(name: str) -> int:
        return compare([read(export(votes(2, 0), review=r, reviewer=name)) for r in ("r1", "r2")]).duels[0].votes.wins

    assert two("Lin") == 2
    assert two("") == 4


def test_runs_are_different_combinations_even_of_the_same_names() -> None:
    found = compare([read(export(votes(2, 0))), read(export(votes(2, 0), run_id="run-2"))])
    assert (found.combinations, found.runs) == (4, ("run-1", "run-2"))


def test_of_three_variants_each_pair_is_a_duel_and_chance_is_held_down() -> None:
    judged = [preference(n, "c" if n < 9 else "a", ("a", "b", "c")) for n in range(10)]
    found = compare([read(export(judged))])
    duels = {(duel.first, duel.second): duel for duel in found.duels}
    assert set(duels) == {("a", "b"), ("a", "c"), ("b", "c")}
    assert duels["b", "c"].tally == Tally(0, 9, 0), "where a won, nothing is known of b against c"
    assert duels["a", "c"].tally == Tally(1, 9, 0)
    assert duels["b", "c"].p_value == pytest.approx(3 * 2 / 2**9)
    assert duels["a", "c"].p_value == pytest.approx(2 * 22 / 2**10)
    assert found.winner == "c"


def test_a_habit_for_the_left_picture_shows_in_blind_reviews_only() -> None:
    shuffled = [preference(n, "a" if n % 2 else "b", ("a", "b") if n % 2 else ("b", "a")) for n in range(10)]
    found = compare([read(export([*shuffled, preference(20, "a", blind=False), preference(21, None)]))])
    assert found.first_shown == Tally(10, 0, 1)
    assert found.duels[0].tally == Tally(6, 5, 1)


def test_ratings_are_averaged_by_variant() -> None:
    def rating(n: int, variant: str, stars: int) -> dict[str, Any]:
        return {"model": "anna", "worn": f"{n}-x", "variant": variant, "stars": stars}

    found = compare([read(export(ratings=[rating(1, "a", 2), rating(2, "a", 5), rating(1, "b", 4)]))])
    assert {name: (s.count, s.mean) for name, s in found.ratings.items()} == {"a": (2, 3.5), "b": (1, 4.0)}
    assert found.reviewers == 1
