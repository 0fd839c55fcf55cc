"""`tryon checks calibrate`: limits of the checks from reviews, refused where too little was approved."""

import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import pytest

from tests.unit import test_cli_review as reviewing
from tests.unit.stack import BUCKET, FakeStack, fake_stack
from tryon import objects
from tryon.checks import verdict_file
from tryon.checks.comparing import load_limits
from tryon.checks.limits import DEFAULT
from tryon.checks.records import Verdict
from tryon.checks.vocabulary import Check, State
from tryon.json_types import UnreadableError
from tryon.keys import RunFolder
from tryon_cli.main import main

RUN = reviewing.RUN
CANDIDATES = 30


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeStack]:
    with fake_stack() as found:
        monkeypatch.setattr("tryon_cli.checks.target", lambda arguments: found)
        yield found


def checked(stack: FakeStack, *, shifted: Sequence[str] = (), unchecked: Sequence[str] = ()) -> None:
    """A run with 90 pictures and a verdict of each; those named `coat_7` are shifted."""
    reviewing.run(stack, candidates=CANDIDATES)
    random, found = Random(1), []
    for entry in stack.ledger.entries(RUN):
        for result in entry.results:
            name = f"{entry.worn[3:]}_{result.candidate}"
            scores = {Check.SHIFTED: random.gauss(0.005, 0.003), Check.BLURRED: random.gauss(0.2, 0.1)}
            if name in shifted:
                scores[Check.SHIFTED] = 0.4
            state = State.UNCHECKED if name in unchecked else State.CLEAR
            found.append(
                (
                    result.key,
                    Verdict(entry.n, result.candidate or 1, state, scores={} if state is State.UNCHECKED else scores),
                )
            )
    out = io.StringIO()
    list(verdict_file.write(verdict_file.Head(run_id=RUN), found, out))
    objects.put_text(stack.s3, BUCKET, RunFolder(RUN).checks, out.getvalue(), "application/x-ndjson")


def review(folder: Path, approved: int, **rejected: str) -> str:
    """So many approved of the shirts and coats, in their order; the others as `coat1_7="reject crop"` says."""
    names = [f"{garment}1_{n}" for garment in ("shirt", "coat") for n in range(1, CANDIDATES + 1)]
    return reviewing.file(folder, **dict.fromkeys(names[:approved], "pick") | rejected)


WRONG = {"skirt1_1": "reject crop", "skirt1_2": "reject crop", "skirt1_3": "reject hands", "skirt1_4": "reject"}
SHIFTED = ("skirt_1", "skirt_3", "skirt_4")


def test_limits_are_learned_and_say_how_much_they_find(
    stack: FakeStack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checked(stack, shifted=SHIFTED, unchecked=["skirt_5"])
    path = review(tmp_path, 60, **WRONG, skirt1_5="pick")
    assert main(["checks", "calibrate", path]) == 0
    told = capsys.readouterr().out
    for line in (
        "learned from 60 approved results and 4 rejected of 1 run",
        "1 left out: unchecked",
        "at most 2.0% of results like the approved ones will be flagged",
        "of those rejected for what a check looks for, 1 of 2 (50%, 95 %: 9% to 91%) are flagged by such a check",
        "1 rejected without a reason: those count for no check",
        "not stored: with --store",
    ):
        assert line in told, told
    assert "no check looks for it" in next(line for line in told.splitlines() if "hands" in line)
    assert load_limits(stack.s3, BUCKET) == DEFAULT


def test_limits_that_are_stored_are_those_that_compare_reads(
    stack: FakeStack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checked(stack, shifted=SHIFTED)
    assert main(["checks", "calibrate", review(tmp_path, 60, **WRONG), "--store", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    limits = load_limits(stack.s3, BUCKET)
    assert told["stored"] is True
    assert (limits.share, limits.approved, limits.rejected, limits.runs) == (0.02, 60, 4, [RUN])
    assert limits.flags(Check.SHIFTED, 0.4)
    assert not limits.flags(Check.SHIFTED, 0.008)
    stack.s3.put_object(Bucket=BUCKET, Key=limits.key, Body=b"{}")
    with pytest.raises(UnreadableError, match=r"checks/default\.json cannot be read"):
        load_limits(stack.s3, BUCKET)


@pytest.mark.parametrize(("share", "needed"), [("0.02", 49), ("0.1", 9), ("0.01", 99)])
def test_too_few_approved_results_are_refused_with_the_number_that_is_needed(
    stack: FakeStack, tmp_path: Path, capsys: pytest.CaptureFixture[str], share: str, needed: int
) -> None:
    checked(stack)
    assert main(["checks", "calibrate", review(tmp_path, min(needed - 1, 60)), "--share", share, "--store"]) == 1
    assert f"{needed} are needed" in capsys.readouterr().err
    assert load_limits(stack.s3, BUCKET) == DEFAULT
    if needed < 60:
        assert main(["checks", "calibrate", review(tmp_path, needed), "--share", share]) == 0


def test_a_run_that_was_not_checked_a_wrong_share_and_a_wrong_file_are_wrong_input(
    stack: FakeStack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reviewing.run(stack)
    assert main(["checks", "calibrate", reviewing.file(tmp_path, shirt="pick")]) == 2
    assert f"the results of run {RUN} were not checked" in capsys.readouterr().err
    (tmp_path / "x.json").write_text("{}")
    assert main(["checks", "calibrate", str(tmp_path / "x.json")]) == 2
    with pytest.raises(SystemExit):
        main(["checks", "calibrate", "x", "--share", "0.9"])
    assert "is not a share" in capsys.readouterr().err
