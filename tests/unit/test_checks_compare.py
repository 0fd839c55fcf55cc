"""Results held against their row and their column: what is found, what is not comparable, and how far memory goes."""

import builtins
import random
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tryon.checks import compare, outlines, rows
from tryon.checks.records import (
    BAND_COLUMNS,
    BAND_ROWS,
    BANDS,
    CELLS,
    MAX_BYTES,
    Evidence,
    FaceMeasures,
    Judged,
    Measurements,
    MeasurementsError,
    Objection,
    Verdict,
)
from tryon.checks.vocabulary import NO_LAYER, Check, FaceState, State
from tryon.pictures.signature import COLUMNS, ROWS, Signature

MINIATURE = bytes(range(256)) * 10 + bytes(COLUMNS * ROWS * 3 - 2560)
MODEL = Signature(900, 1350, bytes(COLUMNS * ROWS * 3), 60.0, 0.05, 0.0, 0.0, 12.0, 1.0)
GARMENTS: Mapping[str, tuple[int, int, int]] = {"red": (120, 190, 170), "blue": (100, 120, 80), "green": (150, 80, 160)}
"""Garments by name: their Lab as stored."""

LAYER = {"PYTHONPATH": str(Path(__file__).resolve().parents[2] / "layers" / "tryon")}

TORSO = (slice(8, 20), slice(8, 16))


def signature(**changes: Any) -> Signature:
    return replace(replace(MODEL, miniature=MINIATURE), **changes)


def measured(garment: str, **changes: Any) -> Measurements:
    """A right result: the torso changed, and has the garment's colours."""
    dice = np.random.default_rng(random.Random(f"{garment}{changes}").randrange(2**32))
    change = dice.uniform(0, 4, (ROWS, COLUMNS))
    change[TORSO] = 100 + dice.uniform(0, 20, (12, 8))
    colours = np.full((ROWS, COLUMNS, 3), (220, 128, 128), float) + dice.normal(0, 2, (ROWS, COLUMNS, 3))
    colours[TORSO] = np.array(GARMENTS[garment]) + dice.normal(0, 3, (12, 8, 3))
    found = Measurements(
        place=(1.0, 1.0, 0.0, 0.0),
        found=0.9,
        aspect=0.0,
        change=change.astype(np.uint8).tobytes(),
        colours=colours.clip(0, 255).astype(np.uint8).tobytes(),
        detail=bytes([90]) * (BANDS * BAND_ROWS * BAND_COLUMNS),
        palette=bytes(288),
        face=FaceMeasures(FaceState.COMPARED, 0.99, 0.8, 0.0, None, (0.4, 0.05, 0.6, 0.2)),
    )
    return replace(found, **changes)


def grid(models: int = 3, variants: int = 2, garments: Sequence[str] = tuple(GARMENTS)) -> list[Evidence]:
    """A run in the plan's order, all of it right."""
    found: list[Evidence] = []
    for model in range(models):
        for garment in garments:
            for _ in range(variants):
                n = len(found) + 1
                found.append(
                    Evidence(
                        n,
                        1,
                        f"m{model}",
                        garment,
                        "upper",
                        f"{n:064x}",
                        "",
                        signature(),
                        measured(garment, found=0.9 - n / 1e4),
                    )
                )
    return found


def verdicts(evidence: Sequence[Evidence]) -> list[Verdict]:
    return list(compare.compare(evidence, models={one.model: MODEL for one in evidence}))


def spoilt(at: int = 4, **changes: Any) -> list[Evidence]:
    """The run with one result changed."""
    found = grid()
    found[at] = replace(found[at], **changes)
    return found


def with_measures(at: int = 4, **changes: Any) -> list[Evidence]:
    found = grid()
    before = found[at].measurements
    assert before is not None
    return spoilt(at, measurements=replace(before, **changes))


def marked(at: tuple[slice, slice], base: bytes, value: int) -> bytes:
    cells = np.frombuffer(base, np.uint8).reshape(ROWS, COLUMNS).copy()
    cells[at] = value
    return cells.tobytes()


def test_nothing_stands_out_in_a_run_where_all_is_right() -> None:
    assert {verdict.state for verdict in verdicts(grid())} == {State.CLEAR}


def change_of(at: int) -> bytes:
    found = grid()[at].measurements
    assert found is not None
    return found.change


FAULTS: dict[str, tuple[Check, list[Evidence]]] = {
    "blank": (Check.BLANK, spoilt(signature=signature(flat=1.0, level=1.0, spread=0.0))),
    "cut off": (Check.CUT_OFF, spoilt(signature=signature(flat=0.4))),
    "blurred": (Check.BLURRED, spoilt(signature=signature(detail=3.0))),
    "banded": (Check.BANDED, spoilt(signature=signature(empty=0.9))),
    "nothing applied": (Check.NOTHING_APPLIED, with_measures(change=bytes(CELLS))),
    "cropped": (Check.CROPPED, with_measures(place=(1.2, 1.2, -0.1, -0.1))),
    "stretched": (Check.STRETCHED, with_measures(aspect=0.12)),
    "zoomed": (Check.ZOOMED, with_measures(place=(0.9, 0.9, 0.05, 0.05))),
    "shifted": (Check.SHIFTED, with_measures(place=(1.0, 1.0, 0.05, 0.0))),
    "object added": (
        Check.CHANGED_BESIDE,
        with_measures(change=marked((slice(24, 29), slice(18, 22)), change_of(4), 120)),
    ),
    "background replaced": (
        Check.CHANGED_BESIDE,
        with_measures(change=marked((slice(0, 36), slice(0, 8)), change_of(4), 140)),
    ),
    "wrong part": (
        Check.WRONG_PART,
        with_measures(change=marked((slice(24, 34), slice(8, 16)), bytes(CELLS), 110)),
    ),
    "another garment": (Check.OTHER_GARMENT, with_measures(colours=measured("red").colours)),
    "texture lost": (Check.TEXTURE_LOST, with_measures(detail=bytes([20]) * (BANDS * BAND_ROWS * BAND_COLUMNS))),
    "another face": (Check.FACE_DIFFERS, with_measures(face=FaceMeasures(FaceState.COMPARED, 0.4, 2.0, 0.1))),
    "face recoloured": (Check.FACE_COLOURS, with_measures(face=FaceMeasures(FaceState.COMPARED, 0.98, 9.0, 0.0))),
    "face smoothed": (Check.FACE_SMOOTHED, with_measures(face=FaceMeasures(FaceState.COMPARED, 0.98, 1.0, -0.9))),
    "another person": (Check.ANOTHER_PERSON, with_measures(face=FaceMeasures(FaceState.COMPARED, 0.5, 2.0, 0.1, 0.8))),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_one_wrong_result_is_flagged_with_its_reason_and_no_other_is(fault: str) -> None:
    reason, evidence = FAULTS[fault]
    found = verdicts(evidence)
    assert [verdict.n for verdict in found if verdict.state is State.FLAGGED] == [5]
    odd = found[4]
    assert odd.findings[0].check is reason
    assert odd.reasons[0] is reason
    assert (odd.odder_than, odd.of) == (17, 18)
    assert odd.suspicion >= 1 > max(verdict.suspicion for verdict in found if verdict is not odd)


@pytest.mark.parametrize(
    ("size", "reasons"),
    [
        ((896, 1344), ()),
        ((1792, 2688), ()),
        ((896, 1216), (Check.STRETCHED,)),
        ((900, 1200), (Check.STRETCHED,)),
    ],
    ids=["sides in blocks of 64", "the same, doubled", "another side", "no blocks"],
)
def test_proportions_that_a_service_rounds_to_are_not_stretched(
    size: tuple[int, int], reasons: tuple[Check, ...]
) -> None:
    # The photograph has 900 × 1350 pixels; however large the difference is said to be, blocks explain it.
    (one,) = [one for one in with_measures(aspect=0.12) if one.n == 5]
    rounded = signature(width=size[0], height=size[1])
    assert verdicts(spoilt(measurements=one.measurements, signature=rounded))[4].reasons == reasons


BESIDE_THE_BODY = {
    "an object that touches it": ((slice(14, 18), slice(18, 22)), (slice(15, 16), slice(17, 18)), True),
    "a wide skirt": ((slice(12, 20), slice(16, 20)), None, False),
    "a long coat": ((slice(20, 30), slice(9, 15)), None, False),
    "an edge that moved": ((slice(22, 34), slice(19, 20)), None, False),
}


@pytest.mark.parametrize("what", BESIDE_THE_BODY)
def test_what_grows_out_of_a_garments_place_is_no_object_and_what_touches_it_is(what: str) -> None:
    place, bridge, flagged = BESIDE_THE_BODY[what]
    change = marked(place, change_of(4), 120)
    if bridge:
        change = marked(bridge, change, 60)
    found = verdicts(with_measures(change=change))[4]
    assert (Check.CHANGED_BESIDE in found.reasons) is flagged


def test_edges_of_the_photograph_that_are_found_again_say_that_nothing_was_put_on() -> None:
    # A garment like the clothes below: little changed, and so it would have if nothing was put on.
    alike = marked(TORSO, change_of(4), 12)
    assert verdicts(with_measures(change=alike, found=0.6))[4].reasons == ()
    assert verdicts(with_measures(change=alike, found=0.99))[4].reasons == (Check.NOTHING_APPLIED,)


def halves(garment: str, yellow: int | None = None) -> bytes:
    """Two garments of the same two colours, each on the other side; the blue one is a little more yellow."""
    found = np.frombuffer(measured("red").colours, np.uint8).reshape(ROWS, COLUMNS, 3).copy()
    left, right = (slice(8, 20), slice(8, 12)), (slice(8, 20), slice(12, 16))
    one, other = np.array(GARMENTS["red"]), np.array(GARMENTS["blue"])
    if garment == "blue":
        one, other = other, one
    more = np.array([0, 0, 2 * (garment == "blue") if yellow is None else yellow])
    found[left], found[right] = one + more, other + more
    return found.tobytes()


def test_another_garment_with_the_same_colours_is_found_by_the_row_and_the_one_it_looks_like_is_not() -> None:
    def run(shown: Mapping[int, str]) -> list[Evidence]:
        return [
            replace(one, measurements=replace(one.measurements, colours=halves(shown.get(one.n, one.worn))))
            for one in grid(models=4, variants=1, garments=("red", "blue"))
            if one.measurements is not None
        ]

    assert [verdict.reasons for verdict in verdicts(run({}))] == [()] * 8
    found = verdicts(run({3: "blue"}))
    assert [(verdict.n, verdict.reasons) for verdict in found if verdict.reasons] == [(3, (Check.OTHER_GARMENT,))]
    assert found[2].findings[0].note == "blue"


def test_the_same_file_is_flagged_on_both_sides_with_the_others_number() -> None:
    evidence = grid()
    evidence[7] = replace(evidence[7], sha256=evidence[2].sha256)
    found = [verdict for verdict in verdicts(evidence) if verdict.state is State.FLAGGED]
    assert [(verdict.n, verdict.reasons, verdict.findings[0].note) for verdict in found] == [
        (3, (Check.SAME_FILE,), "also combination 8 (red)"),
        (8, (Check.SAME_FILE,), "also combination 3 (blue)"),
    ]


def test_an_added_object_has_an_outline_and_a_box_in_both_pictures() -> None:
    _, evidence = FAULTS["object added"]
    odd = verdicts(evidence)[4]
    assert odd.outline
    xs, ys = [x for polygon in odd.outline for x, _ in polygon], [y for polygon in odd.outline for _, y in polygon]
    assert (min(xs), max(xs)) == (pytest.approx(18 / 24, abs=0.05), pytest.approx(22 / 24, abs=0.05))
    assert (min(ys), max(ys)) == (pytest.approx(24 / 36, abs=0.05), pytest.approx(29 / 36, abs=0.05))
    assert odd.result_box == odd.model_box


def test_a_face_that_differs_is_shown_in_the_same_box_of_both_pictures() -> None:
    odd = verdicts(with_measures(face=FaceMeasures(FaceState.COMPARED, 0.4, 2.0, 0.1, None, (0.4, 0.1, 0.6, 0.2))))[4]
    assert odd.model_box == (pytest.approx(0.3), pytest.approx(0.04), pytest.approx(0.7), pytest.approx(0.26))
    assert odd.result_box == odd.model_box


def test_of_two_results_that_look_alike_the_one_with_the_others_colours_is_found() -> None:
    yellow = {"red": 0, "blue": 4}
    shown = {3: ("blue", 4), 4: ("blue", 1)}
    run = [
        replace(
            one, measurements=replace(one.measurements, colours=halves(*shown.get(one.n, (one.worn, yellow[one.worn]))))
        )
        for one in grid(models=5, variants=1, garments=("red", "blue"))
        if one.measurements is not None
    ]
    found = verdicts(run)
    assert [verdict.n for verdict in found if verdict.reasons] == [3]
    assert found[3].suspicion < found[2].suspicion


SLEEVE = Objection("a sleeve is missing", 0.8, (0.6, 0.3, 0.8, 0.5))


def test_what_a_judge_marks_is_outlined_and_shown_in_the_same_part_of_both_pictures() -> None:
    judged = Judged({"likeness": 0.75}, (SLEEVE, Objection("six fingers")))
    odd = verdicts(spoilt(judged=judged))[4]
    assert (odd.reasons, odd.judge) == ((Check.JUDGED,), judged)
    assert odd.outline == (((0.6, 0.3), (0.8, 0.3), (0.8, 0.5), (0.6, 0.5)),)
    assert odd.result_box == odd.model_box == pytest.approx((0.55, 0.25, 0.85, 0.55))


def test_what_a_judge_marks_is_shown_together_with_a_face_that_differs() -> None:
    face = FaceMeasures(FaceState.COMPARED, 0.4, 2.0, 0.1, None, (0.4, 0.1, 0.6, 0.2))
    (one,) = [one for one in with_measures(face=face) if one.n == 5]
    found = verdicts(spoilt(measurements=one.measurements, judged=Judged(flags=(SLEEVE,))))[4]
    assert set(found.reasons) == {Check.FACE_DIFFERS, Check.JUDGED}
    assert len(found.outline) == 1
    assert found.result_box == pytest.approx((0.3, 0.04, 0.8, 0.5))


def test_the_numbers_of_a_judge_with_nothing_against_a_result_are_kept_and_outline_nothing() -> None:
    judged = Judged({"likeness": 0.75, "fit": 3})
    right = verdicts(spoilt(judged=judged))[4]
    assert (right.state, right.judge, right.outline, right.result_box) == (State.CLEAR, judged, (), None)


def test_a_small_run_says_what_cannot_be_compared_and_why() -> None:
    found = verdicts(grid(models=2, variants=1))
    assert {verdict.state for verdict in found} == {State.NOT_COMPARABLE}
    assert {(one.check, one.why) for one in found[0].not_comparable} == {
        (Check.CHANGED_BESIDE, "3 of this model"),
        (Check.WRONG_PART, "3 of this type in this row"),
        (Check.OTHER_GARMENT, "2 in this column"),
        (Check.OTHER_COLOURS, "2 in this column"),
        (Check.TEXTURE_LOST, "2 in this column"),
    }


def test_a_service_that_redraws_the_whole_picture_is_not_compared_by_place() -> None:
    evidence = [
        replace(one, measurements=replace(one.measurements, found=0.3))
        for one in grid()
        if one.measurements is not None
    ]
    found = verdicts(evidence)
    why = {one.check: one.why for one in found[0].not_comparable}
    assert why[Check.CHANGED_BESIDE] == why[Check.CROPPED] == "the service redraws the whole picture"


def test_results_of_different_services_are_never_held_against_each_other() -> None:
    evidence = [replace(one, service=str(n % 2)) for n, one in enumerate(grid(models=2))]
    assert {one.why for one in verdicts(evidence)[0].not_comparable} == {
        "3 of this model",
        "3 of this type in this row",
        "2 in this column",
    }


def test_a_head_that_the_service_may_draw_anew_is_not_compared_by_structure() -> None:
    face = FaceMeasures(FaceState.COMPARED, 0.4, 2.0, 0.1)
    odd = verdicts(with_measures(face=face, head_kept=False))[4]
    assert odd.state is State.NOT_COMPARABLE
    assert [(one.check, one.why) for one in odd.not_comparable] == [
        (Check.FACE_DIFFERS, "the service may draw the head anew")
    ]


@pytest.mark.parametrize("state", [FaceState.NONE_IN_MODEL, FaceState.NONE_IN_RESULT])
def test_a_face_that_was_not_found_is_never_suspicious(state: FaceState) -> None:
    odd = verdicts(with_measures(face=FaceMeasures(state)))[4]
    assert (odd.state, odd.face) == (State.CLEAR, state)


def test_what_was_not_measured_is_unchecked_and_its_facts_still_count() -> None:
    evidence = spoilt(4, measurements=None, unchecked="the check took too long")
    odd = verdicts(evidence)[4]
    assert (odd.state, odd.unchecked) == (State.UNCHECKED, "the check took too long")
    blank = replace(evidence[4], signature=signature(flat=1.0, level=1.0, spread=0.0))
    assert verdicts([*evidence[:4], blank, *evidence[5:]])[4].reasons == (Check.BLANK,)


def test_without_numpy_all_is_unchecked_but_for_what_needs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def blocked(name: str, *others: Any) -> Any:
        if name == "tryon.checks" and others[2] and set(others[2]) & {"rows", "columns"}:
            raise ImportError("numpy")
        return real(name, *others)

    monkeypatch.setattr(builtins, "__import__", blocked)
    _, evidence = FAULTS["cut off"]
    found = verdicts(evidence)
    assert found[4].reasons == (Check.CUT_OFF,)
    assert {(verdict.state, verdict.unchecked) for verdict in found if verdict.n != 5} == {(State.UNCHECKED, NO_LAYER)}


def test_comparing_limits_and_records_import_neither_numpy_nor_dlib() -> None:
    code = "import sys; sys.modules |= {'numpy': None, 'dlib': None}; import tryon.checks.compare, tryon.checks.limits"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=LAYER)
    assert done.stderr == ""
    wanted = code.replace("compare", "measures")
    refused = subprocess.run([sys.executable, "-c", wanted], capture_output=True, text=True, check=False, env=LAYER)
    assert "numpy" in refused.stderr


def test_three_of_ten_wrong_results_do_not_hide_each_other() -> None:
    evidence = grid(models=4, variants=3)
    for n in (4, 12, 13, 20, 28, 31):
        before = evidence[n].measurements
        assert before is not None
        evidence[n] = replace(
            evidence[n], measurements=replace(before, change=marked((slice(24, 29), slice(18, 22)), before.change, 120))
        )
    assert [verdict.n - 1 for verdict in verdicts(evidence) if verdict.state is State.FLAGGED] == [
        4,
        12,
        13,
        20,
        28,
        31,
    ]


def test_a_large_run_is_compared_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a row that is over a few hundred bytes a candidate stay; measurements have several thousand."""
    monkeypatch.setattr(compare, "_HELD", 60)
    row = grid(models=1, variants=10)

    def run(models: int) -> Iterator[Evidence]:
        for model in range(models):
            for one in row:
                n = model * len(row) + one.n
                assert one.measurements is not None
                own = replace(one.measurements, change=bytes(one.measurements.change))
                yield replace(one, n=n, model=f"m{model}", sha256=f"{n:064x}", measurements=own)

    def peak(models: int) -> int:
        tracemalloc.start()
        try:
            count = sum(1 for _ in compare.compare(run(models), models={f"m{n}": MODEL for n in range(models)}))
            assert count == models * len(row)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    few, many = peak(5), peak(25)
    assert (many - few) / (20 * len(row)) < 6_000


def test_measurements_come_back_from_less_than_five_thousand_bytes() -> None:
    found = measured("red")
    noise = random.Random(1)
    worst = replace(
        found, change=noise.randbytes(CELLS), colours=noise.randbytes(3 * CELLS), palette=noise.randbytes(288)
    )
    worst = replace(worst, detail=noise.randbytes(BANDS * BAND_ROWS * BAND_COLUMNS), place=(1 / 3, 2 / 3, 1 / 7, 1 / 9))
    assert Measurements.loads(found.dumps()) == found
    assert Measurements.loads(worst.dumps()) == worst
    assert len(worst.dumps()) < MAX_BYTES


@pytest.mark.parametrize("damage", [b"", b"M2", b"M1\x00", b"M1\x00\x02{}", b"M1\x00\x02{}garbage"])
def test_bytes_that_are_no_measurements_are_refused_by_name(damage: bytes) -> None:
    with pytest.raises(MeasurementsError):
        Measurements.loads(damage)


def test_the_outline_of_two_areas_that_touch_at_a_corner_closes() -> None:
    cells = np.zeros((ROWS, COLUMNS), bool)
    cells[2:4, 2:4] = cells[4:6, 4:6] = True
    found = outlines.polygons(np.packbits(cells).tobytes(), (1.0, 1.0, 0.0, 0.0))
    assert sum(len(polygon) for polygon in found) == 8
    assert outlines.around(()) is None


@pytest.mark.parametrize("count", [1, 2, 3, 4, 9, 16])
def test_medians_of_all_but_one_are_those_of_the_others(count: int) -> None:
    planes = np.random.default_rng(count).integers(0, 6, (count, 7, 5)).astype(np.float32)  # many are alike
    found = rows.medians_without(planes)
    for n in range(count):
        others = np.delete(planes, n, 0) if count > 1 else planes
        assert np.array_equal(found[n], np.median(others, 0))
