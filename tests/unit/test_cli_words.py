"""What the command says when a run has ended or was interrupted, and where it says it."""

import argparse
import contextlib
import io
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmarks.command_reference import PAGE, page
from tests.doubles import AWS, outcome
from tests.unit.stack import FakeStack, fake_stack
from tryon.state.run import CheckReason, Checks, Cost, Run
from tryon_cli import local
from tryon_cli.main import main
from tryon_cli.options import duration, print_json
from tryon_cli.target import connect

ROOT = Path(__file__).resolve().parents[2]


def ended(stack: FakeStack, status: str = "PARTIAL", name: str = "spring", **more: Any) -> None:
    stack.ledger.open_run(Run("run-1", execution="e", name=name))
    numbers: dict[str, Any] = {"succeeded": 1, "total": 2, "seconds": 116, "cost": Cost(18, "CNY", 1.0, AWS)}
    stack.ledger.report("run-1", outcome(status, **numbers | more))


def speaks_to(stack: FakeStack, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("run", "runs", "plan", "calibrate"):
        monkeypatch.setattr(f"tryon_cli.{module}.target", lambda arguments: stack)


def test_the_stand_ins_money_and_seconds_are_not_real(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with fake_stack(options=" --port 4600") as stack:
        speaks_to(stack, monkeypatch)
        ended(stack)
        assert main(["watch", "run-1"]) == 1
    said = capsys.readouterr().out
    assert "1 of 2 succeeded in 116 s of workflow, 18.00 CNY to the stand-in, not real\n" in said
    assert said.endswith("gallery: tryon open run-1 --port 4600\n")


def test_a_deployed_stacks_money_is_real_and_its_name_is_in_every_hint(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with fake_stack("prod", " --stack prod --profile work") as stack:
        speaks_to(stack, monkeypatch)
        ended(stack)
        main(["watch", "run-1"])
        said = capsys.readouterr().out
        assert "1 of 2 succeeded in 116 s, 18.00 CNY to the service\n" in said
        assert "gallery: tryon open run-1 --stack prod --profile work\n" in said
        assert main(["watch", "run-2"]) == 2
        assert "see `tryon list --stack prod --profile work`" in capsys.readouterr().err


def test_what_stands_out_is_said_at_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = Checks(2, 2, 1, 0, reasons=(CheckReason("blank", "Blank", 1),))
    with fake_stack(options=" --port 4600") as stack:
        speaks_to(stack, monkeypatch)
        ended(stack, checks=flags)
        main(["watch", "run-1"])
    assert "not real\nchecks: 1 of 2 deserve a look: 1 × blank\ngallery: " in capsys.readouterr().out


def test_an_interrupted_watch_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **more: Any) -> None:
        raise KeyboardInterrupt

    with fake_stack(options=" --port 4600") as stack:
        speaks_to(stack, monkeypatch)
        ended(stack)
        monkeypatch.setattr("tryon_cli.run.watch", interrupted)
        assert main(["watch", "run-1"]) == 130
        assert "run run-1 goes on: `tryon watch run-1 --port 4600` follows it" in capsys.readouterr().err
        monkeypatch.setattr("tryon_cli.runs.newest", interrupted)
        assert main(["open"]) == 130
        assert capsys.readouterr().err == "interrupted\n"


def test_with_json_standard_output_is_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with fake_stack() as stack:
        speaks_to(stack, monkeypatch)
        ended(stack, name="Frühling")
        for words in (["watch", "--json"], ["list", "--json"]):
            main(words)
            assert "Frühling" in str(json.loads(capsys.readouterr().out))


def test_json_is_ascii_where_the_output_is_no_utf_8() -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="cp1252", newline="")
    print_json(Console(file=out), {"name": "春"})
    out.flush()
    assert out.buffer.getvalue() == b'{\n "name": "\\u6625"\n}\n'


@pytest.mark.parametrize(("seconds", "words"), [(0.2, "1 s"), (33, "33 s"), (60, "1 min 0 s"), (7500, "2 h 5 min")])
def test_durations_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_the_words_that_name_a_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    def described(_: object) -> dict[str, Any]:
        names = ("BucketName", "LedgerTableName", "StateMachineArn")
        return {"Stacks": [{"Outputs": [{"OutputKey": name, "OutputValue": "x"} for name in names]}]}

    class Session:
        def __init__(self, **_: object) -> None: ...

        def client(self, *_: object, **__: object) -> Any:
            return type("Client", (), {"describe_stacks": lambda self, **_: described(self)})()

    monkeypatch.setattr("tryon_cli.target.boto3.Session", Session)
    monkeypatch.setattr("tryon_cli.target.LocalClients", lambda url: Session().client)
    monkeypatch.setattr("tryon_cli.target._told_time", lambda port: (0.0, 10.0))
    assert connect("my stack", region="eu-west-1").options == " --stack 'my stack' --region eu-west-1"
    assert connect("local", port=4600).options == " --port 4600"
    assert connect("local").options == ""


def test_the_default_deadline_is_the_stacks(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int | None, int]] = []

    def run(arguments: argparse.Namespace, *_: object, deadline: int, **__: object) -> int:
        asked.append((arguments.deadline, deadline))
        return 0

    monkeypatch.setattr("tryon_cli.calibrate.run", run)
    with fake_stack(DeadlineSeconds="900") as stack:
        speaks_to(stack, monkeypatch)
        main(["calibrate"])
        main(["calibrate", "--deadline", "60"])
    assert asked == [(None, 900), (60, 900)]


@pytest.mark.parametrize("after", [0.2, 0.5])
def test_ctrl_c_while_the_command_is_imported_leaves_no_traceback(after: float) -> None:
    """The imports are held up, so that the signal comes within them on any machine."""
    script = (
        "import sys, time\n"
        "class Slow:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'tryon_cli.main':\n"
        "            print('importing', flush=True)\n"
        "            time.sleep(20)\n"
        "sys.meta_path.insert(0, Slow())\n"
        "from tryon_cli.start import main\n"
        "sys.exit(main())\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "importing\n"
        time.sleep(after)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert (process.returncode, err) == (-signal.SIGINT, "")


def test_the_installed_command_begins_there() -> None:
    assert 'tryon = "tryon_cli.start:main"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            ("MANIFEST=my folder/it's $x.json", "FAULTS=a b.json"),
            r"tryon local run 'my folder/it'\''s $x.json' --speed '10' --slots '6' --faults 'a b.json'",
        ),
        ((), "tryon local run 'samples/manifest.json' --speed '10' --slots '6'"),
        (("SPEED=1; echo x",), "--speed '1; echo x' --slots"),
        (("SERVICE=fashn",), "--service 'fashn'"),
    ],
)
def test_make_hands_on_what_it_is_given(given: tuple[str, ...], words: str) -> None:
    told = subprocess.run(["make", "-n", "run", *given], capture_output=True, text=True, cwd=ROOT, check=True)
    assert words in told.stdout


def test_a_service_that_there_is_not_is_named_at_once() -> None:
    parser = argparse.ArgumentParser()
    local.add_arguments(parser.add_subparsers())
    assert parser.parse_args(["run", "x.json", "--service", "fashn"]).service == "fashn/tryon-v1.6"
    with pytest.raises(SystemExit), contextlib.redirect_stderr(io.StringIO()) as said:
        parser.parse_args(["run", "x.json", "--service", "fashion"])
    assert "'fashion' is no service; known are volcengine, fashn, fal" in said.getvalue()


def test_make_takes_a_python_with_a_blank_in_its_path(tmp_path: Path) -> None:
    given = ["make", "-n", "-B", ".venv/.tools", "PYTHON=/my folder/python3"]
    told = subprocess.run(given, capture_output=True, text=True, cwd=ROOT, check=True)
    assert "'/my folder/python3' -m venv .venv" in told.stdout


def test_the_command_reference_is_the_commands_own_options() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m benchmarks.command_reference"
    for command in (
        "new",
        "schema",
        "plan",
        "run",
        "retry",
        "watch",
        "list",
        "open",
        "compare",
        "calibrate",
        "local up",
    ):
        assert f"## `tryon {command}`" in page()
