"""tryon in Python: what is paid for is said and bounded, nothing is asked, and a run is a table with pictures."""

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import tryon_client as tryon
from tests.doubles import outcome
from tests.unit.stack import BUCKET, FakeStack, fake_stack
from tests.unit.test_cli_new import draw
from tests.unit.test_cli_retry import WHOLE
from tests.unit.test_cli_retry import run as lay_run
from tryon.checks import verdict_file
from tryon.checks.records import Finding, Verdict
from tryon.checks.vocabulary import WORDS, Check, State
from tryon.keys import RunFolder
from tryon.state.ledger import Claim
from tryon.state.run import CheckReason, Checks, Run, RunStatus
from tryon.stored import Stored

PRICE = {"PricePerTask": "1.5", "Currency": "CNY", "Slots": "6", "FashnPrice": "0.075", "FashnCurrency": "USD"}
REAL, LOCAL = "tryon-prod", "local"


@pytest.fixture
def stack(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeStack]:
    with fake_stack(getattr(request, "param", REAL), **PRICE) as found:
        monkeypatch.setattr("tryon_client.calls.await_claim", lambda found, key, version: Claim("run-9", "arn"))
        # No run goes on here: what waits for one would wait for ever.
        monkeypatch.setattr("tryon_client.calls.watch", None)
        yield found


def lay(folder: Path, stack: FakeStack, **more: Any) -> Path:
    """A manifest of one model and two garments whose pictures are in the bucket: 3 CNY."""
    for name in ("anna", "g0", "g1"):
        stack.s3.put_object(Bucket=BUCKET, Key=f"inputs/{name}.jpg", Body=b"x")
    path = folder / "spring.json"
    path.write_text(json.dumps({**WHOLE, "garments": WHOLE["garments"][:2], **more}), "utf-8")
    return path


def manifests(stack: FakeStack) -> list[str]:
    return [key for key in stack.objects() if key.startswith("manifests/") and "run-" not in key]


# --- money ---


def test_the_limit_that_is_told_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_stack(REAL, **{**PRICE, "PricePerTask": "1234567.891"}) as stack:
        monkeypatch.setattr("tryon_client.calls.await_claim", lambda found, key, version: Claim("run-9", "arn"))
        with pytest.raises(tryon.PriceError, match=r"at_most=2469135\.79 starts it"):
            tryon.run(lay(tmp_path, stack), stack=stack)
        assert tryon.run(lay(tmp_path, stack), at_most=2469135.79, stack=stack, wait=False).run_id == "run-9"


@pytest.mark.parametrize("at_most", [3, 3.0, 100, {"CNY": 3}, {"CNY": 3, "USD": 0}])
def test_what_it_may_cost_is_started(tmp_path: Path, stack: FakeStack, at_most: Any) -> None:
    found = tryon.run(lay(tmp_path, stack), at_most=at_most, stack=stack, wait=False)
    assert (found.run_id, found.status, len(found)) == ("run-9", RunStatus.RUNNING, 0)
    assert manifests(stack) == ["manifests/spring.json"]


@pytest.mark.parametrize(
    ("at_most", "why"),
    [
        (None, "2 combinations, 2 tasks to pay for: 3.00 CNY, about "),
        (2.99, "it may cost 3.00 CNY, at_most is 2.99"),
        (0, "it may cost 3.00 CNY, at_most is 0"),
        ({"USD": 100}, "it may cost 3.00 CNY, at_most is {'USD': 100}"),
        (float("nan"), "it may cost 3.00 CNY"),
        (-1, "it may cost 3.00 CNY"),
    ],
)
def test_what_may_cost_more_starts_nothing(tmp_path: Path, stack: FakeStack, at_most: Any, why: str) -> None:
    draw(tmp_path, "here.jpg")
    path = lay(tmp_path, stack, models=[{"id": "anna", "image": "here.jpg"}])
    with pytest.raises(tryon.PriceError, match=re.escape(why)) as raised:
        tryon.run(path, at_most=at_most, stack=stack)
    assert raised.value.plan.costs == {"CNY": 3.0}
    assert manifests(stack) == []
    assert not any(key.endswith("here.jpg") for key in stack.objects())


def test_without_a_limit_the_error_says_which_one_starts_it(tmp_path: Path, stack: FakeStack) -> None:
    with pytest.raises(tryon.PriceError, match=r"nothing was started: at_most=9.00 starts it"):
        tryon.run(lay(tmp_path, stack, resubmissions=2), stack=stack)
    assert tryon.run(lay(tmp_path, stack, resubmissions=2), at_most=9, stack=stack, wait=False).run_id == "run-9"


def test_the_limit_holds_for_the_worst_case(tmp_path: Path, stack: FakeStack) -> None:
    with pytest.raises(tryon.PriceError, match=r"it may cost 9\.00 CNY, at_most is 3"):
        tryon.run(lay(tmp_path, stack, resubmissions=2), at_most=3, stack=stack)


def test_each_currency_has_a_limit_of_its_own(tmp_path: Path, stack: FakeStack) -> None:
    path = lay(tmp_path, stack, variants={"a": {}, "b": {"service": "fashn"}})
    with pytest.raises(
        tryon.PriceError, match=r"at_most needs an amount for each currency, such as \{'CNY': 3\.0, 'USD'"
    ):
        tryon.run(path, at_most=100, stack=stack)
    told = tryon.plan(path, stack=stack)
    assert set(told.costs_at_most) == {"CNY", "USD"}
    with pytest.raises(tryon.PriceError, match="it may cost"):
        tryon.run(path, at_most={"CNY": 3}, stack=stack)
    assert manifests(stack) == []
    tryon.run(path, at_most=told.costs_at_most, stack=stack, wait=False)
    assert manifests(stack) == ["manifests/spring.json"]


@pytest.mark.parametrize("stack", [LOCAL], indirect=True)
def test_a_stand_in_s_money_needs_no_limit_and_holds_one(tmp_path: Path, stack: FakeStack) -> None:
    path = lay(tmp_path, stack)
    with pytest.raises(tryon.PriceError):
        tryon.run(path, at_most=1, stack=stack)
    assert tryon.run(path, stack=stack, wait=False).run_id == "run-9"


def test_a_retry_has_a_limit_too(stack: FakeStack) -> None:
    lay_run(stack, "run-1", {1, 2})
    with pytest.raises(tryon.PriceError, match=r"2 tasks to pay for: 3\.00 CNY"):
        tryon.retry("run-1", stack=stack)
    assert not any("retry" in key for key in stack.objects())
    again = tryon.retry("run-1", at_most=3, stack=stack, wait=False)
    assert again is not None
    assert again.run_id == "run-9"
    assert "manifests/run-1-retry.json" in stack.objects()


def test_a_whole_run_has_nothing_to_retry(stack: FakeStack) -> None:
    lay_run(stack, "run-1", set())
    assert tryon.retry(stack=stack) is None


# --- nothing is asked ---


def test_pictures_from_outside_of_the_folder_go_up_when_the_call_says_so(tmp_path: Path, stack: FakeStack) -> None:
    draw(tmp_path, "other/x.jpg", "spring/y.jpg")
    path = lay(tmp_path / "spring", stack, models=[{"id": "anna", "image": "../other/x.jpg"}])
    with pytest.raises(tryon.TargetError, match=r"1 picture outside of .*x\.jpg: upload_outside=True uploads them"):
        tryon.run(path, at_most=9, stack=stack)
    assert not any(key.endswith("x.jpg") for key in stack.objects())
    tryon.run(path, at_most=9, stack=stack, wait=False, upload_outside=True)
    assert any(key.endswith("x.jpg") for key in stack.objects())


def test_nothing_is_printed_without_progress(
    tmp_path: Path, stack: FakeStack, capsys: pytest.CaptureFixture[str]
) -> None:
    tryon.run(lay(tmp_path, stack), at_most=9, stack=stack, wait=False, progress=False)
    assert capsys.readouterr() == ("", "")
    tryon.run(lay(tmp_path, stack), at_most=9, stack=stack, wait=False)
    told = capsys.readouterr().out
    assert "3 pictures taken from the bucket" in told
    assert "\x1b" not in told


# --- a manifest ---


def test_a_folder_becomes_a_manifest_that_may_stand_for_its_path(tmp_path: Path, stack: FakeStack) -> None:
    draw(tmp_path, "models/anna.jpg", "garments/upper/shirt.png", "garments/full/coat.jpg")
    made = tryon.new(str(tmp_path), name="spring")
    assert (made.models, made.garments, made.outfits, made.combinations) == (1, 2, 0, 2)
    assert made.path == tmp_path / "manifest.json"
    told = tryon.plan(made, stack=stack)
    assert (told.tasks, told.costs, told.real) == (2, {"CNY": 3.0}, True)
    assert len(told.combinations) == 2
    with pytest.raises(tryon.TargetError, match="is there already"):
        tryon.new(tmp_path)
    assert tryon.new(tmp_path, overwrite=True) == made


def test_a_table_becomes_a_manifest(tmp_path: Path) -> None:
    draw(tmp_path, "models/anna.jpg")
    (tmp_path / "t.csv").write_text("sku,image,type,outfit\n007,inputs/a.jpg,upper,x\n008,inputs/b.jpg,lower,x\n")
    made = tryon.new(table=tmp_path / "t.csv", columns={"id": "sku"}, out=tmp_path / "m.json", progress=False)
    assert str(made) == f"{tmp_path / 'm.json'}: 1 model, 2 garments, 1 outfit, 3 combinations"


def test_all_that_is_wrong_with_a_manifest_is_one_error(tmp_path: Path, stack: FakeStack) -> None:
    path = lay(tmp_path, stack, models=[{"id": "Anna", "image": "inputs/nobody.jpg"}])
    with pytest.raises(tryon.ManifestError, match=r"models\[0\]\.id"):
        tryon.plan(path, stack=stack)


# --- results ---


def png(size: tuple[int, int]) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", size, "red").save(data, "PNG")
    return data.getvalue()


def store(stack: FakeStack, run_id: str, n: int, *sizes: tuple[int, int]) -> None:
    """Pictures of a combination that has succeeded."""
    results = []
    for candidate, size in enumerate(sizes, start=1):
        key = RunFolder(run_id).result("anna", f"anna__{n:02}-g{n - 1}__default", candidate)
        stack.s3.put_object(Bucket=BUCKET, Key=key, Body=png(size))
        results.append(Stored(key, 10, "00", "png", *size, candidate=candidate))
    stack.ledger.succeeded(run_id, n, results)


def test_a_run_is_a_table_whose_rows_have_pictures(stack: FakeStack) -> None:
    lay_run(stack, "run-1", set(), ended=False)
    store(stack, "run-1", 1, (30, 40), (50, 60))
    stack.ledger.failed("run-1", 2, "InputRefusedError", "no person <b>")
    stack.ledger.failed("run-1", 3, "InputRefusedError", "no person")
    stack.ledger.report("run-1", outcome("PARTIAL", succeeded=1, total=3))
    found = tryon.results("run-1", stack=stack)
    assert (len(found), found.status, found[0].succeeded, [row.garment for row in found]) == (
        3, RunStatus.PARTIAL, True, ["g0", "g1", "g2"],
    )  # fmt: skip
    assert isinstance(found[0].picture, Image.Image)
    assert [picture.size for picture in found[0].pictures] == [(30, 40), (50, 60)]
    assert [row.garment for row in found.failed] == ["g1", "g2"]
    assert found.failed[0].advice
    with pytest.raises(LookupError, match="anna__02-g1__default has no picture: it is failed"):
        _ = found[1].picture
    assert found.find("anna", "g2").error == "InputRefusedError"
    with pytest.raises(LookupError, match="has 0 rows of anna wearing g9"):
        found.find("anna", "g9")
    page = found._repr_html_()
    assert "no person &lt;b&gt;" in page
    assert page.count("<tr>") == 4
    assert str(found).startswith("run-1: PARTIAL, 1 of 3 with a picture, ")


def test_what_deserves_a_look_is_there_with_its_reason(stack: FakeStack) -> None:
    lay_run(stack, "run-1", {3}, ended=False)
    store(stack, "run-1", 1, (30, 40))
    store(stack, "run-1", 2, (30, 40), (50, 60))
    keys = [result.key for entry in stack.ledger.entries("run-1") for result in entry.results]
    flags = [Finding(check, 2.0, flagged=True) for check in (Check.BLANK, Check.SHIFTED)]
    found = [
        Verdict(1, 1, State.FLAGGED, (flags[1],), odder_than=1, of=4),
        Verdict(2, 1, State.CLEAR, odder_than=0, of=4),
        Verdict(2, 2, State.FLAGGED, tuple(flags), odder_than=3, of=4),
    ]
    reason = CheckReason("shifted", "Shifted", 2)
    out = io.StringIO()
    list(verdict_file.write(verdict_file.Head(run_id="run-1"), zip(keys, found, strict=True), out))
    stack.s3.put_object(Bucket=BUCKET, Key=RunFolder("run-1").checks, Body=out.getvalue().encode())
    assert tryon.results("run-1", stack=stack).checks == ""
    stack.ledger.report("run-1", outcome("PARTIAL", checks=Checks(3, 3, 2, 0, reasons=(reason,))))
    run = tryon.results("run-1", stack=stack)
    assert [(row.garment, row.flags, row.suspicion) for row in run.flagged] == [
        ("g1", (WORDS[Check.BLANK], WORDS[Check.SHIFTED]), 0.75), ("g0", (WORDS[Check.SHIFTED],), 0.25),
    ]  # fmt: skip
    assert (run[2].check, run[2].flags, run[2].suspicion) == (None, (), None)
    assert run.to_records()[0]["flags"] == WORDS[Check.SHIFTED]
    assert str(run).endswith("; 2 of 3 deserve a look: 2 × shifted")
    assert WORDS[Check.BLANK] in run._repr_html_()


def test_records_are_plain_values_of_the_same_columns(stack: FakeStack) -> None:
    lay_run(stack, "run-1", {2})
    records = tryon.results("run-1", stack=stack).to_records()
    assert {frozenset(record) for record in records} == {frozenset(records[0])}
    assert all(isinstance(value, str | int | float | None) for record in records for value in record.values())
    assert [(record["status"], record["error"]) for record in records] == [
        ("SUCCEEDED", None), ("FAILED", "InputRefusedError"), ("SUCCEEDED", None),
    ]  # fmt: skip


def test_what_a_retry_repaired_is_its_row(stack: FakeStack) -> None:
    lay_run(stack, "run-1", {1, 2})
    lay_run(stack, "run-2", set(), garments=1, retry_of="run-1", ended=False)
    store(stack, "run-2", 1, (70, 80))
    found = tryon.results("run-1", stack=stack)
    assert [(row.run_id, row.succeeded) for row in found] == [("run-2", True), ("run-1", False), ("run-1", True)]
    assert found[0].picture.size == (70, 80)
    assert [row.succeeded for row in tryon.results("run-1", stack=stack, repaired=False)] == [False, False, True]


def test_a_run_is_found_by_how_its_id_begins_and_the_newest_without(stack: FakeStack) -> None:
    lay_run(stack, "run-1", set())
    lay_run(stack, "run-2", set())
    assert tryon.results("run-1", stack=stack).run_id == "run-1"
    assert tryon.results(stack=stack).run_id == "run-2"
    with pytest.raises(tryon.TargetError, match="begins several runs"):
        tryon.results("run", stack=stack)


def test_a_run_that_was_rejected_has_no_results(stack: FakeStack) -> None:
    stack.ledger.open_run(
        Run("run-1", RunStatus.REJECTED, execution="arn", error="ManifestError", cause="models[0].id: is missing")
    )
    with pytest.raises(tryon.RunError, match="run run-1 is rejected: ManifestError: ") as raised:
        tryon.results("run-1", stack=stack)
    assert raised.value.run_id == "run-1"


def test_a_picture_of_too_many_pixels_is_not_opened(stack: FakeStack, monkeypatch: pytest.MonkeyPatch) -> None:
    lay_run(stack, "run-1", set(), ended=False)
    store(stack, "run-1", 1, (30, 40))
    monkeypatch.setattr("tryon_client.objects.MOST_PIXELS", 1199)
    with pytest.raises(ValueError, match="has more than 1,199 pixels"):
        _ = tryon.results("run-1", stack=stack)[0].picture


def test_the_module_s_words_are_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "notebook.md").read_text(encoding="utf-8")
    missing = [name for name in tryon.__all__ if name not in ("Plan", "Result", "Results", "Written")]
    assert [name for name in missing if name not in page] == []
    for name in tryon.__all__:
        assert getattr(tryon, name).__doc__
