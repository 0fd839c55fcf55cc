"""`tryon list`, `show`, `stop` and `logs`: finding a run, and what is said of it."""

import io
import json
import sys
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from rich.console import Console

from tests.doubles import outcome
from tests.unit.stack import BUCKET, FakeStack, fake_stack
from tryon.state.items import to_item
from tryon.state.run import CheckReason, Checks, Run
from tryon_cli import runs
from tryon_cli.main import main, parser
from tryon_cli.target import TargetError

FIRST, SECOND, THIRD = "20261126T080000Z-spring-11111111", "20261126T090000Z-autumn-22222222", "20261127T080000Z-x-3"
ARN = "arn:aws:states:us-east-1:123456789012:execution:machine:one"


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeStack]:
    with fake_stack(options=" --stack shop") as found:
        for module in ("runs", "show", "stop", "logs"):
            monkeypatch.setattr(f"tryon_cli.{module}.target", lambda arguments: found)
        yield found


def put(stack: FakeStack, run_id: str, *, name: str = "", ended: bool = True, started: float = 0.0) -> None:
    ledger = stack.ledger
    ledger.open_run(
        Run(run_id, execution=ARN, name=name, bucket=BUCKET, manifest_key="manifests/m.json", started_at=started)
    )
    for n in (1, 2, 3):
        stack.client("dynamodb").put_item(
            TableName="ledger",
            Item=to_item(
                {
                    "pk": f"run#{run_id}",
                    "sk": f"combination#{n:06d}",
                    "n": n,
                    "id": f"anna__0{n}-g{n}__default",
                    "model": "anna",
                    "worn": f"g{n}",
                    "variant": "default",
                    **({"ended_at": 28.0} if n == 1 else {}),
                    **(
                        {"task_id": f"t{n}", "submitted_at": 1.0, "status": "SUBMITTED"}
                        if n < 3
                        else {"status": "PLANNED"}
                    ),
                }
            ),
        )
    if ended:
        ledger.failed(run_id, 2, "InputRefusedError", "no body is seen")
        checks = Checks(2, 2, 1, 0, reasons=(CheckReason("blank", "The picture is blank", 1),))
        ledger.report(run_id, outcome("PARTIAL", succeeded=2, total=3, checks=checks))


def said(stack: FakeStack, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main([*words]) in (0, 1)
    return capsys.readouterr().out


@pytest.fixture
def three(stack: FakeStack) -> FakeStack:
    put(stack, FIRST, name="Spring lookbook", started=1_795_680_000.0)
    put(stack, SECOND, name="Autumn", started=1_795_683_600.0)
    put(stack, THIRD, name="Spring again", ended=False, started=1_795_766_400.0)
    return stack


@pytest.mark.parametrize("width", [40, 72, 80, 140])
def test_an_id_is_never_cut(three: FakeStack, width: int) -> None:
    console = Console(file=io.StringIO(), width=width)
    assert runs.list_runs(parser().parse_args(["list"]), console) == 0
    told = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(run_id in told for run_id in (FIRST, SECOND, THIRD))
    assert "2 of 3" in told
    assert "PARTIAL" in told


def test_names_are_shown(three: FakeStack, capsys: pytest.CaptureFixture[str]) -> None:
    told = said(three, capsys, "list")
    assert all(name in told for name in ("Spring lookbook", "Autumn", "Spring again"))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--name", "SPRING"], [THIRD, FIRST]),
        (["--status", "partial"], [SECOND, FIRST]),
        (["--status", "partial", "--status", "running"], [THIRD, SECOND, FIRST]),
        (["--since", "2026-11-27"], [THIRD]),
        (["--since", "2026-11-26T09:00", "--name", "autumn"], [SECOND]),
        (["--running"], [THIRD]),
        (["--limit", "1"], [THIRD]),
        (["--limit", "1", "--name", "spring look"], [FIRST]),
    ],
)
def test_runs_are_chosen(
    three: FakeStack, capsys: pytest.CaptureFixture[str], words: list[str], expected: list[str]
) -> None:
    found = json.loads(said(three, capsys, "list", "--json", *words))
    assert [run["run_id"] for run in found] == expected


def test_a_date_that_is_none_is_refused(stack: FakeStack, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["list", "--since", "yesterday"])
    assert "'yesterday' is no date such as 2026-11-27" in capsys.readouterr().err


def test_a_damaged_run_hides_no_other_and_is_named(three: FakeStack, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = {"pk": "run#20261127T090000Z-bad", "sk": "run", "kind": "run", "run_id": "20261127T090000Z-bad"}
    three.client("dynamodb").put_item(TableName="ledger", Item=to_item({**damaged, "status": "PURPLE"}))
    assert main(["list", "--json"]) == 0
    told = capsys.readouterr()
    assert [run["run_id"] for run in json.loads(told.out)] == [THIRD, SECOND, FIRST]
    assert "run 20261127T090000Z-bad cannot be read: status" in told.err


def test_a_damaged_run_that_is_asked_for_is_named(three: FakeStack, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = {"pk": f"run#{FIRST}", "sk": "run", "kind": "run", "run_id": FIRST, "status": "PURPLE"}
    three.client("dynamodb").put_item(TableName="ledger", Item=to_item(damaged))
    assert main(["show", FIRST]) == 2
    assert f"run {FIRST} cannot be read: status" in capsys.readouterr().err


def test_a_run_is_known_by_how_its_id_begins(three: FakeStack, capsys: pytest.CaptureFixture[str]) -> None:
    assert SECOND in said(three, capsys, "show", "20261126T09")
    assert main(["show", "20261126"]) == 2
    assert f"20261126 begins several runs: {SECOND}, {FIRST}" in capsys.readouterr().err
    assert main(["show", "2025"]) == 2
    assert "has no run 2025: see `tryon list --stack shop`" in capsys.readouterr().err


def test_a_run_is_shown_with_its_counts_causes_cost_and_places(
    three: FakeStack, capsys: pytest.CaptureFixture[str]
) -> None:
    told = said(three, capsys, "show", FIRST)
    for words in (
        "Spring lookbook",
        "PARTIAL",
        "2026-11-26 08:00:00 UTC",
        "1 x InputRefusedError, such as anna__02-g2__default: no body is seen",
        "2 paid for",
        "1 of 2 deserve a look: 1 × the picture is blank",
        "s3://pictures/manifests/m.json",
        ARN,
    ):
        assert words in told, (words, told)
    found = json.loads(said(three, capsys, "show", FIRST, "--json"))
    assert found["counts"] == {"planned": 1, "submitted": 1, "failed": 1}


def test_the_newest_run_is_shown_where_none_is_named(three: FakeStack, capsys: pytest.CaptureFixture[str]) -> None:
    assert THIRD in said(three, capsys, "show")


class Machine:
    """Step Functions, as far as a stop needs it."""

    def __init__(self) -> None:
        self.stopped: list[dict[str, str]] = []

    def stop_execution(self, **given: str) -> None:
        self.stopped.append(given)


@pytest.fixture
def machine(three: FakeStack) -> Machine:
    machine, before = Machine(), three.client
    object.__setattr__(three, "client", lambda service: machine if service == "stepfunctions" else before(service))
    return machine


def test_a_stop_says_what_it_costs_and_asks(
    three: FakeStack, machine: Machine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(sys.stdin, "readline", lambda: "n\n")
    assert main(["stop"]) == 2
    told = capsys.readouterr()
    assert "1 combination will not start; 1 task at the service will be paid for all the same" in told.out
    assert "nothing was stopped" in told.err
    assert machine.stopped == []
    monkeypatch.setattr(sys.stdin, "readline", lambda: "y\n")
    assert main(["stop"]) == 0
    assert [one["executionArn"] for one in machine.stopped] == [ARN]
    assert f"tryon retry {THIRD} --stack shop" in capsys.readouterr().out


def test_a_stop_without_a_terminal_needs_yes(
    three: FakeStack, machine: Machine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False)
    assert main(["stop", THIRD]) == 2
    assert "--yes stops the run" in capsys.readouterr().err
    assert main(["stop", THIRD, "--yes"]) == 0
    assert len(machine.stopped) == 1


def test_a_run_that_has_ended_is_not_stopped(
    three: FakeStack, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stop", FIRST, "--yes"]) == 2
    assert f"run {FIRST} has ended: it is partial" in capsys.readouterr().err
    assert machine.stopped == []


@pytest.fixture
def written(three: FakeStack) -> FakeStack:
    group = {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/aws/lambda/tryon-submit"}}
    other = {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/aws/lambda/tryon-poll"}}
    states = {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/aws/vendedlogs/states/tryon"}}
    body = json.dumps({"Resources": {"Submit": group, "Poll": other, "States": states}})
    boto3.client("cloudformation").create_stack(StackName="tryon", TemplateBody=body)
    logs = boto3.client("logs")

    def line(group: str, at: float, text: str | dict[str, Any]) -> None:
        message = text if isinstance(text, str) else json.dumps(text)
        logs.put_log_events(
            logGroupName=group, logStreamName="s", logEvents=[{"timestamp": int(at * 1000), "message": message}]
        )

    for name in ("/aws/lambda/tryon-submit", "/aws/lambda/tryon-poll", "/aws/vendedlogs/states/tryon"):
        logs.create_log_stream(logGroupName=name, logStreamName="s")
    began = 1_795_680_000.0
    first = {"level": "INFO", "run_id": FIRST, "combination": "anna__01-g1__default"}
    line("/aws/lambda/tryon-poll", began + 9, {**first, "combination": 2, "message": "asked"})
    line("/aws/lambda/tryon-submit", began + 2, {**first, "message": "submitted", "task_id": "t1"})
    line("/aws/lambda/tryon-submit", began + 3, {**first, "combination": "anna__02-g2__default", "message": "refused"})
    line("/aws/lambda/tryon-submit", began + 4, {"run_id": SECOND, "message": "of another run"})
    line("/aws/lambda/tryon-submit", began + 5, f"Task timed out in {FIRST}")
    line("/aws/vendedlogs/states/tryon", began + 6, {**first, "message": "of no function"})
    return three


def test_the_lines_of_all_functions_are_in_order_of_time(
    written: FakeStack, capsys: pytest.CaptureFixture[str]
) -> None:
    told = said(written, capsys, "logs", FIRST).splitlines()
    assert [line.split()[0] for line in told] == ["08:00:02", "08:00:03", "08:00:05", "08:00:09"]
    assert told[0] == "08:00:02 submit    INFO submitted combination=anna__01-g1__default task_id=t1"
    assert told[2].endswith(f"Task timed out in {FIRST}")


def test_one_combinations_lines_are_chosen_by_its_number(
    written: FakeStack, capsys: pytest.CaptureFixture[str]
) -> None:
    found = json.loads(said(written, capsys, "logs", FIRST, "--combination", "2", "--json"))
    assert [line["message"] for line in found] == ["refused", "asked"]
    assert main(["logs", FIRST, "--combination", "9"]) == 2
    assert "has no combination 9" in capsys.readouterr().err


def test_a_run_without_lines_says_why(written: FakeStack, capsys: pytest.CaptureFixture[str]) -> None:
    assert "they appear some seconds late" in said(written, capsys, "logs", THIRD)


def test_a_stack_without_runs_says_how_to_start_one(stack: FakeStack, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show"]) == 2
    assert "start one with `tryon run MANIFEST --stack shop`" in capsys.readouterr().err


def test_what_names_a_run_has_its_own_error(stack: FakeStack) -> None:
    from tryon_cli.found import read

    with pytest.raises(TargetError, match="is not in this stack's ledger"):
        read(stack, "nobody")
