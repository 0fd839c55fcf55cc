"""What the command says and returns, without a stack."""

import json
from pathlib import Path

import pytest
from PIL import Image

from cli.drop import key_of, local_pictures
from cli.main import main
from cli.watch import measure
from tryon.ledger import Entry, Status


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
    assert "2 combinations" in capsys.readouterr().out


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


def test_a_missing_file_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "nowhere.json"]) == 2
    assert "nowhere.json" in capsys.readouterr().err


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


def test_progress_estimates_from_the_runs_own_throughput() -> None:
    def entry(n: int, status: Status, ended: float | None) -> Entry:
        return Entry(n=n, id=str(n), model="m", worn="w", variant="v", status=status, submitted_at=0.0, ended_at=ended)

    entries = [entry(n, Status.SUCCEEDED, 30.0) for n in range(6)] + [entry(n, Status.PLANNED, None) for n in range(12)]
    found = measure(entries, now=30.0)
    assert (found.ended, found.total, found.seconds_left) == (6, 18, 60.0)
    assert str(found) == "6 of 18, 12 waiting, about 1 min 0 s left"


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
