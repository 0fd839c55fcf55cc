"""`tryon retry` repeats what is left and says who has the rest; `tryon list` shows what was repaired."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from tests.doubles import outcome
from tests.unit.stack import BUCKET, FakeStack, fake_stack
from tryon.keys import Picture
from tryon.planning import plan
from tryon.planning.manifest import Manifest
from tryon.reporting import retry
from tryon.state.ledger import Claim
from tryon.state.run import Run
from tryon_cli.main import main
from tryon_cli.run import retry_key

WHOLE = {
    "models": [{"id": "anna", "image": "inputs/anna.jpg"}],
    "garments": [{"id": f"g{n}", "image": f"inputs/g{n}.jpg", "type": "upper"} for n in range(3)],
}


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeStack]:
    with fake_stack() as found:
        for module in ("run", "runs"):
            monkeypatch.setattr(f"tryon_cli.{module}.target", lambda arguments: found)
        yield found


def run(stack: FakeStack, run_id: str, failed: set[int], *, garments: int = 3, ended: bool = True, **more: Any) -> None:
    """A run of the first so many garments, of which the numbered ones failed; a retry claims what it does."""
    ledger, key = stack.ledger, f"manifests/{run_id}.json"
    content = {**WHOLE, "garments": WHOLE["garments"][:garments], **more}
    version = stack.s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(content).encode())["VersionId"]
    ledger.open_run(Run(
        run_id, execution=f"e-{run_id}", name=run_id, bucket=BUCKET, manifest_key=key, manifest_version=version,
        started_at=stack.clock.now(), retry_of=more.get("retry_of"),
    ))  # fmt: skip
    manifest = Manifest.model_validate(content)
    if "retry_of" in more:
        ledger.claim_repairs(retry.ancestors(ledger, run_id)[-1].run_id, run_id, plan.keys(manifest, frozenset()), {})
    pictures = {name: Picture(bucket=BUCKET, key=name) for name in ("anna", "g0", "g1", "g2")}
    ledger.add(run_id, plan.expand(manifest, *[plan.for_all(manifest, pictures)] * 2))
    if not ended:
        return
    for entry in list(ledger.entries(run_id)):
        if entry.n in failed:
            ledger.failed(run_id, entry.n, "InputRefusedError", "because")
        else:
            ledger.succeeded(run_id, entry.n, [])
    ledger.report(
        run_id, outcome("PARTIAL" if failed else "SUCCEEDED", succeeded=garments - len(failed), total=garments)
    )


def choices(manifest: dict[str, Any]) -> list[str]:
    return [choice["garment"] for choice in manifest["combinations"]]


def manifests(stack: FakeStack) -> list[str]:
    return [key for key in stack.objects() if key.endswith("-retry.json")]


@pytest.mark.parametrize("ended", [True, False])
def test_what_a_retry_repaired_or_is_repairing_is_not_left_to_do(
    stack: FakeStack, capsys: pytest.CaptureFixture[str], ended: bool
) -> None:
    run(stack, "run-1", {1})
    run(stack, "run-2", set(), garments=1, retry_of="run-1", ended=ended)
    assert main(["retry", "run-1"]) == 0
    assert capsys.readouterr().out == "nothing of run run-1 is left to do: repaired by run-2\n"
    assert main(["retry", "run-1", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == {"run_id": "run-1", "nothing_left": True, "repaired_by": ["run-2"]}
    assert (said.err, manifests(stack)) == ("", [])


def test_a_whole_run_has_nothing_to_repeat(stack: FakeStack, capsys: pytest.CaptureFixture[str]) -> None:
    run(stack, "run-1", set())
    assert main(["retry"]) == 0
    assert capsys.readouterr().out == "nothing of run run-1 is left to do\n"
    assert main(["retry", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"run_id": "run-1", "nothing_left": True, "repaired_by": []}
    assert manifests(stack) == []


def test_what_another_retry_has_is_left_out_and_said(stack: FakeStack, capsys: pytest.CaptureFixture[str]) -> None:
    run(stack, "run-1", {1, 2})
    run(stack, "run-2", set(), garments=1, retry_of="run-1")
    assert main(["retry", "run-1", "--print", "--json"]) == 0
    said = capsys.readouterr()
    wanted = json.loads(said.out)
    assert (choices(wanted), wanted["retry_of"], "new_pictures" in wanted) == (["g1"], "run-1", False)
    assert said.err == "left out what run-2 repaired or is repairing\n"


def test_new_pictures_are_taken_where_they_are_asked_for(
    stack: FakeStack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tryon_cli.run.await_claim", lambda found, key, version: Claim("run-2", "e-run-2"))
    run(stack, "run-1", {3})
    assert main(["retry", "run-1", "--new-pictures", "--detach", "--json"]) == 0
    said = capsys.readouterr()
    assert said.err.startswith("1 combination: 1.00 CNY to the stand-in, not real, for 1 task, about ")
    assert json.loads(said.out) == {"run_id": "run-2", "execution": "e-run-2"}
    (key,) = manifests(stack)
    put = json.loads(stack.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    assert (put["new_pictures"], choices(put), put["retry_of"]) == (True, ["g2"], "run-1")


@pytest.mark.parametrize(
    ("manifest", "key"),
    [
        ("manifests/spring.json", "manifests/spring-retry.json"),
        ("manifests/2026/Spring.JSON", "manifests/Spring-retry.json"),
        ("manifests/spring-retry.json", "manifests/spring-retry.json"),
        ("manifests/spring.yaml", "manifests/spring.yaml-retry.json"),
        ("run-1", "manifests/run-1-retry.json"),
    ],
)
def test_a_retry_of_a_retry_has_no_longer_name(manifest: str, key: str) -> None:
    assert retry_key(manifest) == key
    assert retry_key(retry_key(manifest)) == key
    assert len(retry_key(f"manifests/{'x' * 2000}.json").encode()) <= 1024


def test_after_a_retry_the_gallery_of_the_whole_run_is_named(
    stack: FakeStack, capsys: pytest.CaptureFixture[str]
) -> None:
    run(stack, "run-1", {1})
    run(stack, "run-2", {1}, garments=1, retry_of="run-1")
    run(stack, "run-3", set(), garments=1, retry_of="run-2")
    main(["watch", "run-3"])
    assert capsys.readouterr().out.endswith("gallery: tryon open run-3\nall of the run: tryon open run-1\n")
    main(["watch", "run-1"])
    assert "all of the run" not in capsys.readouterr().out


def test_the_list_shows_what_was_repaired(stack: FakeStack, capsys: pytest.CaptureFixture[str]) -> None:
    run(stack, "run-1", {1})
    run(stack, "run-2", set(), garments=1, retry_of="run-1")
    run(stack, "run-3", {1, 2})
    stack.ledger.mark_repaired("run-1", ["run-2"])
    assert main(["list"]) == 0
    lines = {line.split()[0]: line.split()[2:4] for line in capsys.readouterr().out.splitlines()[1:]}
    assert lines["run-1"] == ["PARTIAL", "repaired"]
    assert lines["run-2"][0] == "SUCCEEDED"
    assert lines["run-3"][0] == "PARTIAL"
    assert "repaired" not in lines["run-2"] + lines["run-3"]
    assert main(["list", "--json"]) == 0
    told = {item["run_id"]: item.get("repaired_by") for item in json.loads(capsys.readouterr().out)}
    assert told == {"run-1": ["run-2"], "run-2": None, "run-3": None}


def test_runs_that_are_going_on_are_listed_alone_and_show_in_the_exit_code(
    stack: FakeStack, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list", "--running"]) == 0
    for number in range(30):
        stack.ledger.open_run(Run(f"2026-run-{number:02d}", execution="e", started_at=float(number)))
        if number != 3:
            stack.ledger.report(f"2026-run-{number:02d}", outcome("SUCCEEDED"))
    capsys.readouterr()
    assert main(["list", "--running"]) == 1
    said = capsys.readouterr().out
    assert "2026-run-03" in said
    assert said.count("2026-run") == 1
    assert main(["list", "--running", "--json"]) == 1
    assert [run["run_id"] for run in json.loads(capsys.readouterr().out)] == ["2026-run-03"]
    stack.ledger.report("2026-run-03", outcome("FAILED"))
    assert main(["list", "--running"]) == 0


@pytest.mark.parametrize("command", [["watch", "run-1"], ["retry", "run-1"]])
def test_a_damaged_item_is_named_with_its_field(
    stack: FakeStack, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    run(stack, "run-1", {1})
    boto3.resource("dynamodb").Table("ledger").update_item(
        Key={"pk": "run#run-1", "sk": "run"},
        UpdateExpression="SET #total = :many",
        ExpressionAttributeNames={"#total": "total"},
        ExpressionAttributeValues={":many": "x"},
    )
    assert main(command) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("run run-1 cannot be read: total: ")
    assert said.err.count("\n") == 1
