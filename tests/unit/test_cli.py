"""What the command says and returns, without a stack."""

import json
from pathlib import Path

import pytest
from PIL import Image

from tryon.state.entry import Entry, Status
from tryon_cli.calibrate import DEADLINES
from tryon_cli.main import main, parser
from tryon_cli.options import MOST_SLOTS
from tryon_cli.watch import measure, seen_pace
from tryon_local.aws.template import load

# No test here may open a socket: a stack that was asked would raise.
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _no_stack_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tryon_cli.plan.listens", lambda port: False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("models/Anna Lee.jpg", "garments/upper/Linen Shirt.png", "garments/full/coat.jpg"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (300, 400), "white").save(path)
    return tmp_path


def test_a_broken_manifest_has_exit_code_2_and_names_the_field(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "m.json"
    path.write_text('{"modles": []}')
    assert main(["plan", str(path)]) == 2
    assert "modles: is not a known field; did you mean 'models'?" in capsys.readouterr().err


@pytest.mark.parametrize("command", [("plan",), ("run",), ("local", "run"), ("compare",)])
@pytest.mark.parametrize("missing", [True, False])
def test_a_file_that_cannot_be_read_is_named_in_one_line_before_anything_starts(
    command: tuple[str, ...], missing: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "nowhere.json" if missing else tmp_path
    # No test here may open a socket, so a stack that was started or asked would raise.
    assert main([*command, str(path)]) == 2
    reason = "No such file or directory" if missing else "Is a directory"
    assert capsys.readouterr().err == f"{path}: {reason}\n"


@pytest.mark.parametrize("command", [("run",), ("local", "run")])
def test_a_broken_manifest_is_told_before_anything_starts(
    command: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "m.json"
    path.write_text('{"modles": []}')
    assert main([*command, str(path)]) == 2
    assert "did you mean 'models'?" in capsys.readouterr().err


@pytest.mark.parametrize("command", [("local", "run", "MANIFEST"), ("local", "up")])
def test_faults_that_cannot_be_read_are_told_before_anything_starts(
    command: tuple[str, ...], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["new", str(folder)])
    words = [str(folder / "manifest.json") if word == "MANIFEST" else word for word in command]
    capsys.readouterr()
    path = folder / "faults.json"
    assert main([*words, "--faults", str(path)]) == 2
    assert capsys.readouterr().err == f"{path}: No such file or directory\n"
    path.write_text('[{"call": "submit", "action": {"type": "answer", "code": "fifty"}}]')
    assert main([*words, "--faults", str(path)]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"{path}: [0].action.code: ")
    assert told.count("\n") == 1


NUMBERS = {
    ("local", "up"): {
        "--slots": ("0", "201", "1.5", "six"),
        "--speed": ("0", "-3", "nan", "inf", "fast"),
        "--port": ("-1", "65536"),
        "--console-port": ("-1", "65536"),
        "--seed": ("x",),
    },
    ("local", "run", "m.json"): {"--slots": ("0", "201"), "--speed": ("0", "-3"), "--port": ("-1", "65536")},
    ("plan", "m.json"): {"--slots": ("0", "201"), "--price": ("-1", "nan", "cheap"), "--port": ("0", "65536")},
    ("run", "m.json"): {"--port": ("0", "65536")},
    ("list",): {"--limit": ("0", "-1"), "--port": ("0",)},
    ("calibrate",): {
        "--last": ("0", "-1"),
        "--slots": ("0", "201"),
        "--deadline": ("0", "29", "3601"),
        "--max-polls": ("0", "x"),
        "--weight": ("-1",),
        "--max-requests": ("nan",),
    },
}


@pytest.mark.parametrize(
    ("command", "option", "value"),
    [
        (command, option, value)
        for command, options in NUMBERS.items()
        for option in options  # type: ignore[attr-defined]
        for value in options[option]  # type: ignore[index]
    ],
)
def test_a_number_out_of_its_range_is_refused_with_its_option_and_value(
    command: tuple[str, ...], option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command, f"{option}={value}"])
    assert ended.value.code == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert f"argument {option}: " in told
    assert repr(value) in told


def test_the_ends_of_a_range_are_in_it() -> None:
    for slots in (1, MOST_SLOTS):
        assert parser().parse_args(["local", "up", f"--slots={slots}", "--port=0", "--speed=0.1"]).slots == slots
    assert parser().parse_args(["plan", "m.json", "--price=0", "--port=65535"]).price == 0


def test_ranges_are_those_of_the_templates_parameters() -> None:
    parameters = load(ROOT / "template.yaml")["Parameters"]
    assert (parameters["Slots"]["MinValue"], parameters["Slots"]["MaxValue"]) == (0, MOST_SLOTS)
    assert (parameters["DeadlineSeconds"]["MinValue"], parameters["DeadlineSeconds"]["MaxValue"]) == DEADLINES


def test_a_name_in_square_brackets_is_text_not_markup(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "m.json"
    path.write_text('{"[red]x[/]": 1}')
    assert main(["plan", str(path)]) == 2
    assert "[red]x[/]" in capsys.readouterr().err


def entries(number: int, status: Status, submitted: float | None = None, ended: float | None = None) -> list[Entry]:
    one = Entry(n=1, id="1", model="m", worn="w", variant="v", status=status, submitted_at=submitted, ended_at=ended)
    return [one] * number


def test_progress_estimates_from_the_runs_own_throughput() -> None:
    found = measure(entries(6, Status.SUCCEEDED, 0.0, 30.0) + entries(12, Status.PLANNED), now=30.0)
    assert (found.ended, found.total, found.seconds_left) == (6, 18, 60.0)
    assert str(found) == "6 of 18, 12 waiting, about 1 min 0 s left"


def test_the_first_task_that_ends_is_not_taken_for_all_that_was_done() -> None:
    # Two more rounds of 30 s and what is left of this one; by the ended ones alone it would be 17 × 30 s.
    under_way = entries(1, Status.SUCCEEDED, 0.0, 30.0) + entries(5, Status.SUBMITTED, 0.0)
    assert measure(under_way + entries(12, Status.PLANNED), now=30.0).seconds_left == 60.0


def test_a_task_that_has_ended_is_no_more_at_the_service() -> None:
    found = measure(
        entries(4, Status.SUBMITTED, 0.0) + entries(2, Status.SUBMITTED, 0.0, 30.0) + entries(1, Status.FAILED),
        now=31.0,
    )
    assert str(found) == "0 of 7, 4 at the service, 2 downloading, 1 failed, about 1 s left"


def test_what_is_left_is_told_in_the_time_of_whoever_waits() -> None:
    half = entries(6, Status.SUCCEEDED, 0.0, 30.0) + entries(6, Status.PLANNED)
    assert str(measure(half, now=30.0, pace=10)) == "6 of 12, 6 waiting, about 3 s left here (30 s of workflow)"


def test_a_busy_machine_is_told_by_the_pace_that_was_seen() -> None:
    assert seen_pace(60, workflow=120, here=10) == 12
    assert seen_pace(60, workflow=6000, here=10) == 60
    assert seen_pace(60, workflow=1, here=0.5) == 60
    assert seen_pace(None, workflow=10, here=10) is None


def test_nothing_is_said_to_be_left_before_a_task_has_ended() -> None:
    assert measure(entries(6, Status.SUBMITTED, 0.0), now=20.0).seconds_left is None


def review(path: Path, preferences: dict[str, int]) -> Path:
    """An export in which variants were preferred so often, each time on another combination."""
    shown = sorted(preferences)
    names = [name for name, count in preferences.items() for _ in range(count)]
    content = {
        "format": "tryon-review",
        "version": 1,
        "run_id": "run-1",
        "review": path.stem,
        "reviewer": "",
        "exported_at": "2026-11-23T09:00:00Z",
        "preferences": [
            {
                "model": "anna",
                "worn": f"{n:02d}-g{n}",
                "type": "upper",
                "shown": shown,
                "preferred": name,
                "blind": True,
                "at": "2026-11-23T09:00:00Z",
            }
            for n, name in enumerate(names, start=1)
        ],
        "ratings": [],
    }
    path.write_text(json.dumps(content))
    return path


def test_reviews_say_which_variant_wins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = review(tmp_path / "lin.json", {"a": 3, "b": 17})
    assert main(["compare", str(path)]) == 0
    assert "b beats a in 17 of 20 combinations" in capsys.readouterr().out
    assert main(["compare", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["winner"], told["duels"][0]["losses"]) == ("b", 17)


def test_a_lead_that_may_be_chance_is_no_win_and_no_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = review(tmp_path / "lin.json", {"a": 2, "b": 3})
    assert main(["compare", str(path)]) == 0
    assert "may be chance" in capsys.readouterr().out
    assert main(["compare", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["winner"] is None


def test_a_file_that_is_no_export_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "holiday.json"
    path.write_text("{}")
    assert main(["compare", str(path)]) == 2
    assert "holiday.json" in capsys.readouterr().err
