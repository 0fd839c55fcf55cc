"""The price is said before it is paid, and asked above a handful."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.doubles import outcome
from tests.unit.stack import BUCKET, FakeStack, fake_stack
from tryon.state.ledger import Claim
from tryon.state.run import Run
from tryon_cli.main import main

PRICE = {"PricePerTask": "1.5", "Currency": "CNY", "Slots": "6"}
REAL, LOCAL = "tryon-prod", "local"


@pytest.fixture
def stack(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeStack]:
    with fake_stack(getattr(request, "param", REAL), options=" --stack tryon-prod", **PRICE) as found:
        for module in ("run", "runs"):
            monkeypatch.setattr(f"tryon_cli.{module}.target", lambda arguments: found)
        monkeypatch.setattr("tryon_cli.run.await_claim", lambda found, key, version: Claim("run-9", "arn:execution"))
        yield found


def lay(folder: Path, stack: FakeStack, garments: int) -> str:
    """A manifest of one model and so many garments, whose pictures are in the bucket."""
    names = ["inputs/anna.jpg", *(f"inputs/g{n}.jpg" for n in range(garments))]
    for name in names:
        stack.s3.put_object(Bucket=BUCKET, Key=name, Body=b"x")
    manifest: dict[str, Any] = {
        "models": [{"id": "anna", "image": names[0]}],
        "garments": [{"id": f"g{n}", "image": name, "type": "upper"} for n, name in enumerate(names[1:])],
    }
    path = folder / "spring.json"
    path.write_text(json.dumps(manifest), "utf-8")
    return str(path)


def manifests(stack: FakeStack) -> list[str]:
    return [key for key in stack.objects() if key.startswith("manifests/")]


def test_a_handful_is_started_after_its_price(
    tmp_path: Path, stack: FakeStack, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", lay(tmp_path, stack, 2), "--detach"]) == 0
    assert capsys.readouterr().out.startswith("2 combinations: 3.00 CNY to the service for 2 tasks, about ")
    assert len(manifests(stack)) == 1


def test_more_needs_a_terminal_or_yes(tmp_path: Path, stack: FakeStack, capsys: pytest.CaptureFixture[str]) -> None:
    path = lay(tmp_path, stack, 7)
    assert main(["run", path, "--detach"]) == 2
    assert "nothing was started: 10.50 CNY would be paid" in capsys.readouterr().err
    assert manifests(stack) == []
    assert main(["run", path, "--detach", "--yes", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["run_id"] == "run-9"
    assert "10.50 CNY" in said.err


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("\n", 2), ("no\n", 2)])
def test_a_person_is_asked(
    tmp_path: Path, stack: FakeStack, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys.stdin, "readline", lambda: answer, raising=False)
    assert main(["run", lay(tmp_path, stack, 7), "--detach"]) == code
    assert len(manifests(stack)) == (code == 0)


@pytest.mark.parametrize("stack", [LOCAL], indirect=True)
def test_money_that_is_not_real_is_never_asked_for(
    tmp_path: Path, stack: FakeStack, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", lay(tmp_path, stack, 7), "--detach"]) == 0
    assert "10.50 CNY to the stand-in, not real" in capsys.readouterr().out


def test_the_same_manifest_is_said_to_be_there(
    tmp_path: Path, stack: FakeStack, capsys: pytest.CaptureFixture[str]
) -> None:
    path = lay(tmp_path, stack, 2)
    main(["run", path, "--detach"])
    key = manifests(stack)[0]
    version = boto3.client("s3").head_object(Bucket=BUCKET, Key=key)["VersionId"]
    first = Run(
        "run-1",
        execution="e-1",
        bucket=BUCKET,
        manifest_key=key,
        manifest_version=version,
        started_at=stack.clock.now(),
    )
    stack.ledger.open_run(first)
    stack.ledger.report("run-1", outcome("SUCCEEDED", succeeded=2, total=2))
    capsys.readouterr()
    main(["run", path, "--detach"])
    assert "2 pictures of the same manifest are in run run-1; this makes and pays for all again" in (
        capsys.readouterr().out
    )
    Path(path).write_text(Path(path).read_text("utf-8").replace("anna", "bea").replace("bea.jpg", "anna.jpg"), "utf-8")
    main(["run", path, "--detach"])
    assert "of the same manifest" not in capsys.readouterr().out
