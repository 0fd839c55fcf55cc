"""A run's verdicts in a file: what is written is read again, and what is none is named."""

import io
import json

import pytest

from tryon.checks import verdict_file
from tryon.checks.records import Finding, Judged, NotComparable, Objection, Verdict
from tryon.checks.verdict_file import Head, Verdicts
from tryon.checks.vocabulary import Check, FaceState, State
from tryon.json_types import UnreadableError
from tryon.reporting import checked

FLAGGED = Verdict(
    2,
    1,
    State.FLAGGED,
    (Finding(Check.SAME_FILE, 1.25, flagged=True, note="also 1.1"), Finding(Check.BLURRED, 0.5)),
    (NotComparable(Check.OTHER_COLOURS, "2 in this column"),),
    suspicion=1.25,
    odder_than=17,
    of=18,
    outline=(((0.1, 0.2), (0.3, 0.4), (0.5, 0.1)),),
    model_box=(0.1, 0.1, 0.2, 0.2),
    result_box=(0.1, 0.15, 0.2, 0.25),
    face=FaceState.COMPARED,
    scores={Check.SAME_FILE: 1.25, Check.BLURRED: -0.5},
    judge=Judged({"likeness": 0.75}, (Objection("six fingers", 0.5, (0.1, 0.2, 0.3, 0.4)), Objection("blue lips"))),
)
CLEAR = Verdict(1, 2, State.CLEAR, suspicion=0.25, of=18)
UNCHECKED = Verdict(3, 1, State.UNCHECKED, unchecked="no vision layer")


def written(*verdicts: tuple[str, Verdict]) -> bytes:
    out = io.StringIO()
    assert len(list(verdict_file.write(Head(run_id="r"), verdicts, out))) == len(verdicts)
    return out.getvalue().encode()


def test_what_is_written_is_read_again() -> None:
    found = verdict_file.loads(written(("a.png", CLEAR), ("b.png", FLAGGED), ("c.png", UNCHECKED)))
    assert list(found.all()) == [("a.png", CLEAR), ("b.png", FLAGGED), ("c.png", UNCHECKED)]
    assert (found.heads, len(found), found.of("d.png")) == ((Head(run_id="r"),), 3, None)


def test_those_that_are_wanted_alone_are_kept() -> None:
    found = verdict_file.loads(written(("a.png", CLEAR), ("b.png", FLAGGED)), only={"b.png", "c.png"})
    assert (list(found.lines), found.of("b.png")) == (["b.png"], FLAGGED)
    assert len(found.heads) == 1


def test_the_verdicts_of_several_runs_are_found_by_their_results() -> None:
    both = verdict_file.loads(written(("a", CLEAR))).with_those_of(verdict_file.loads(written(("b", FLAGGED))))
    assert (both.of("a"), both.of("b"), len(both.heads)) == (CLEAR, FLAGGED, 2)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no json",
        b'{"format":"another","version":1,"run_id":"r"}\n',
        b'{"format":"tryon-checks","version":9,"run_id":"r"}\n',
        b'{"format":"tryon-checks","version":1,"run_id":"r"}\n{"n":1}\n',
    ],
)
def test_what_is_no_such_file_is_named(data: bytes) -> None:
    with pytest.raises(UnreadableError, match=r"checks\.jsonl"):
        verdict_file.loads(data)


def test_a_damaged_line_costs_its_own_verdict_alone() -> None:
    found = verdict_file.loads(written(("a", CLEAR)) + b'{"key":"b","n":"x"}\n{"key":"c","n":\n')
    assert [found.of(key) for key in "abc"] == [CLEAR, None, None]


def test_the_gallery_is_given_words_a_rank_and_places() -> None:
    assert checked.shown(FLAGGED) == {
        "state": "flagged",
        "rank": 1,
        "of": 18,
        "reasons": [{"name": "same_file", "text": "The same file as another result (also 1.1)", "reject": "garment"}],
        "not_comparable": [
            {"name": "other_colours", "text": "The garment has other colours: not comparable, 2 in this column"}
        ],
        "judge": [{"name": "likeness", "score": 0.75}, {"name": "six fingers", "score": 0.5}],
        "outline": [[[0.1, 0.2], [0.3, 0.4], [0.5, 0.1]]],
        "model_box": [0.1, 0.1, 0.2, 0.2],
        "result_box": [0.1, 0.15, 0.2, 0.25],
    }
    assert checked.shown(UNCHECKED) == {"state": "unchecked", "unchecked": "no vision layer"}


def test_the_gallerys_data_is_json() -> None:
    for verdict in (FLAGGED, CLEAR, UNCHECKED):
        assert json.loads(json.dumps(checked.shown(verdict))) == checked.shown(verdict)


def test_the_table_has_the_worst_state_the_highest_suspicion_and_every_flag() -> None:
    assert checked.cells([CLEAR, FLAGGED]) == {"check": "flagged", "suspicion": 0.9444, "flags": "1 same_file"}
    assert checked.cells([CLEAR, UNCHECKED]) == {"check": "unchecked", "suspicion": 0.0, "flags": ""}
    assert checked.cells([]) == {"check": "", "suspicion": "", "flags": ""}


def test_nothing_found_is_no_verdict() -> None:
    assert not Verdicts()
