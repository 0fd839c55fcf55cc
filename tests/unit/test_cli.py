"""What the command says and returns, without a stack."""

import json
from pathlib import Path

import pytest
from PIL import Image

from cli.calibrate import DEADLINES
from cli.drop import key_of, local_pictures, read
from cli.main import main, parser
from cli.new import identifier
from cli.options import MOST_SLOTS
from cli.watch import measure, seen_pace
from local.aws.template import load
from tryon.ledger import Entry, Status
from tryon.manifest import ManifestError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("models/Anna Lee.jpg", "garments/upper/Linen Shirt.png", "garments/full/coat.jpg"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (300, 400), "white").save(path)
    return tmp_path


def test_a_folder_of_pictures_becomes_a_manifest(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", str(folder), "--name", "spring"]) == 0
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["models"] == [{"id": "anna-lee", "image": "models/Anna Lee.jpg"}]
    assert [(g["id"], g["type"]) for g in manifest["garments"]] == [("linen-shirt", "upper"), ("coat", "full")]
    assert (folder / manifest["$schema"]).is_file()
    assert "1 model, 2 garments, 2 combinations" in capsys.readouterr().out


def test_one_of_a_thing_has_no_plural(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "garments" / "full" / "coat.jpg").unlink()
    main(["new", str(folder)])
    assert "1 model, 1 garment, 1 combination\n" in capsys.readouterr().out
    main(["plan", str(folder / "manifest.json")])
    assert "1 combination, about 0 min 33 s with 1 slot (" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("Anna Müller", "anna-muller"),
        ("Anna Mu\u0308ller", "anna-muller"),
        ("Żółta Łódź", "zolta-lodz"),
        ("Bjørn Æsk", "bjorn-aesk"),
        ("Straße", "strasse"),
        ("ALIŞVERİŞ", "alisveris"),
        ("写真", "picture"),
    ],
)
def test_an_id_keeps_the_letters_of_a_name_and_loses_their_accents(name: str, found: str) -> None:
    assert identifier(name, set()) == found


def test_names_that_differ_in_accents_alone_get_two_ids() -> None:
    taken: set[str] = set()
    assert [identifier(name, taken) for name in ("Müller", "Muller")] == ["muller", "muller-2"]


def test_a_manifest_is_not_overwritten_unasked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", str(folder)]) == 0
    assert main(["new", str(folder)]) == 2
    assert "--force" in capsys.readouterr().err
    assert main(["new", str(folder), "--force"]) == 0


def test_a_garment_without_a_type_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (300, 400)).save(folder / "garments" / "lost.jpg")
    assert main(["new", str(folder)]) == 2
    assert "lost.jpg says no type" in capsys.readouterr().err


def test_an_empty_folder_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", str(tmp_path)]) == 2
    assert "no pictures in models/" in capsys.readouterr().err


def test_a_dry_run_tells_combinations_time_and_cost(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["new", str(folder)])
    capsys.readouterr()
    assert main(["plan", str(folder / "manifest.json"), "--slots", "2", "--price", "1.5", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["combinations"] == ["anna-lee__01-linen-shirt__default", "anna-lee__02-coat__default"]
    assert (found["cost"], found["polls"], found["seconds"]) == (3.0, 4, 33.0)


def test_a_dry_run_tells_every_mistake_at_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["new", str(folder)])
    (folder / "garments" / "full" / "coat.jpg").write_bytes(b"no picture")
    (folder / "models" / "Anna Lee.jpg").write_bytes(b"neither")
    assert main(["plan", str(folder / "manifest.json")]) == 2
    told = capsys.readouterr().err
    assert "models[0].image" in told
    assert "garments[1].image" in told


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


def test_a_wrong_entry_beside_a_picture_from_elsewhere_is_told(tmp_path: Path) -> None:
    (tmp_path / "far.jpg").write_bytes(b"far")
    (tmp_path / "here").mkdir()
    path = tmp_path / "here" / "m.json"
    path.write_text(json.dumps({"models": [{"id": "a", "image": "../far.jpg"}, {"id": "b"}], "garments": [3]}))
    with pytest.raises(ManifestError) as found:
        read(path)
    assert [problem.field for problem in found.value.problems] == ["models[1].image", "garments[0]"]


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
        for option in options
        for value in options[option]
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
    assert (parameters["Slots"]["MinValue"], parameters["Slots"]["MaxValue"]) == (1, MOST_SLOTS)
    assert (parameters["DeadlineSeconds"]["MinValue"], parameters["DeadlineSeconds"]["MaxValue"]) == DEADLINES


def test_a_name_in_square_brackets_is_text_not_markup(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "m.json"
    path.write_text('{"[red]x[/]": 1}')
    assert main(["plan", str(path)]) == 2
    assert "[red]x[/]" in capsys.readouterr().err


def test_local_pictures_are_those_that_are_files_here(folder: Path) -> None:
    manifest = {
        "models": [{"image": "models/Anna Lee.jpg"}, {"image": "inputs/there.jpg"}, {"image": 3}],
        "garments": None,
    }
    assert list(local_pictures(manifest, folder)) == ["models/Anna Lee.jpg"]


def test_a_picture_outside_the_folder_gets_a_key_made_of_its_bytes(folder: Path) -> None:
    path = folder / "garments" / "full" / "coat.jpg"
    assert key_of("garments/full/coat.jpg", path) == "garments/full/coat.jpg"
    key = key_of("../other/coat.jpg", path)
    assert key.startswith("inputs/")
    assert key.endswith("-coat.jpg")
    assert ".." not in key


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
    assert str(found) == "1 of 7, 4 at the service, 2 downloading, 1 failed"


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


def test_a_lead_that_may_be_chance_is_no_win(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(review(tmp_path / "lin.json", {"a": 2, "b": 3}))]) == 1
    assert "may be chance" in capsys.readouterr().out


def test_a_file_that_is_no_export_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "holiday.json"
    path.write_text("{}")
    assert main(["compare", str(path)]) == 2
    assert "holiday.json" in capsys.readouterr().err
