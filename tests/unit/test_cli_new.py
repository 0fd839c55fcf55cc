"""`tryon new`: a manifest from a folder of pictures."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tryon.pictures.formats import FORMATS
from tryon_cli.drop import read
from tryon_cli.main import main
from tryon_cli.naming import identifier


def draw(root: Path, *names: str) -> None:
    """Pictures of those names, each in the format that its extension says."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (300, 400), "white").save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "shop"
    draw(root, "models/Anna Lee.jpg", "garments/upper/Linen Shirt.png", "garments/full/coat.jpg")
    return root


def made(folder: Path) -> Any:
    return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))


def images(manifest: Any) -> list[str]:
    return [entry["image"] for entry in (*manifest["models"], *manifest["garments"])]


def test_a_folder_of_pictures_becomes_a_manifest(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", str(folder), "--name", "spring"]) == 0
    manifest = made(folder)
    assert manifest["models"] == [{"id": "anna-lee", "image": "models/Anna Lee.jpg"}]
    assert [(g["id"], g["type"]) for g in manifest["garments"]] == [("linen-shirt", "upper"), ("coat", "full")]
    assert (folder / manifest["$schema"]).is_file()
    told = capsys.readouterr().out
    assert "1 model, 2 garments, 2 combinations" in told
    assert "left out" not in told


def test_one_of_a_thing_has_no_plural(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "garments" / "full" / "coat.jpg").unlink()
    main(["new", str(folder)])
    assert "1 model, 1 garment, 1 combination\n" in capsys.readouterr().out


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
    draw(folder, "garments/lost.jpg")
    assert main(["new", str(folder)]) == 2
    assert "lost.jpg says no type" in capsys.readouterr().err


def test_an_empty_folder_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", str(tmp_path)]) == 2
    assert "no pictures in models/" in capsys.readouterr().err


# --- what is taken ---


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_that_the_stack_takes_is_taken_whatever_its_extension(
    kind: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if kind == "HEIC":
        from pillow_heif import register_heif_opener

        register_heif_opener()
    pillow = {"WebP": "WEBP", "HEIC": "HEIF"}.get(kind, kind)
    Image.new("RGB", (300, 400)).save(folder / "models" / "ben", pillow)
    Image.new("RGB", (300, 400)).save(folder / "models" / "cara.txt", pillow)
    assert main(["new", str(folder)]) == 0
    assert images(made(folder))[1:3] == ["models/ben", "models/cara.txt"]
    assert "left out" not in capsys.readouterr().out


def test_what_begins_with_a_dot_is_no_picture(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "models" / "._Anna Lee.jpg").write_bytes(b"\x00\x05\x16\x07" + bytes(80))
    draw(folder, "models/.hidden.jpg", ".trash/models/old.jpg")
    assert main(["new", str(folder)]) == 0
    assert made(folder)["models"] == [{"id": "anna-lee", "image": "models/Anna Lee.jpg"}]
    assert "left out: 2 files beginning with a dot\n" in capsys.readouterr().out


def test_the_folders_may_have_capitals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw(tmp_path, "Models/a.jpg", "GARMENTS/Upper/b.jpg")
    assert main(["new", str(tmp_path)]) == 0
    assert images(made(tmp_path)) == ["Models/a.jpg", "GARMENTS/Upper/b.jpg"]
    assert "left out" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("models/a.tiff", "is not a JPEG, PNG, WebP, HEIC or AVIF picture: it looks like a TIFF or camera raw file"),
        ("models/a.gif", "is not a JPEG, PNG, WebP, HEIC or AVIF picture: it looks like a GIF"),
        ("garments/full/sub/x.png", "is in a folder inside full/"),
        ("models/deep/er/x.png", "is in a folder inside models/"),
        ("garments/tops/x.png", "tops/ is none of garments/upper, garments/lower or garments/full"),
        ("x.png", "is in neither models/ nor garments/upper, garments/lower or garments/full"),
        ("x.bmp", "is not a JPEG, PNG, WebP, HEIC or AVIF picture: it looks like a BMP"),
    ],
)
def test_what_is_left_out_is_named_with_the_reason(
    name: str, reason: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw(folder, name)
    assert main(["new", str(folder)]) == 0
    assert f"left out: {folder / name}: {reason}\n" in capsys.readouterr().out
    assert len(images(made(folder))) == 3


def test_other_things_are_named_too(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "models" / "notes.txt").write_text("anna is 1.70 m")
    (folder / "models" / "none.jpg").touch()
    (folder / "models" / "gone.jpg").symlink_to(folder / "nowhere.jpg")
    draw(folder, *(f"out/run/{n}.png" for n in range(3)))
    Path(os.fsdecode(os.fsencode(folder / "models") + b"/\xff.jpg")).write_bytes(
        (folder / "models" / "Anna Lee.jpg").read_bytes()
    )
    assert main(["new", str(folder)]) == 0
    told = capsys.readouterr().out
    for line in (
        "models/notes.txt: is not a JPEG",
        "models/none.jpg: is empty",
        "models/gone.jpg: is a link that leads nowhere",
        "out: has 3 pictures and is neither models/ nor garments/",
        ".jpg: has a name that is not UTF-8",
    ):
        assert line in told
    assert len(images(made(folder))) == 3


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw(folder, "models/closed.jpg")
    (folder / "models" / "closed.jpg").chmod(0)
    assert main(["new", str(folder)]) == 0
    assert "closed.jpg: cannot be read: Permission denied" in capsys.readouterr().out


# --- where it goes ---


@pytest.mark.parametrize("out", ["g.json", "elsewhere/deep/g.json", "shop/models/g.json", "link/g.json"])
def test_paths_are_right_from_where_the_manifest_lands(out: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = folder.parent
    (base / "elsewhere" / "deep").mkdir(parents=True)
    (base / "far" / "away").mkdir(parents=True)
    (base / "link").symlink_to(base / "far" / "away")
    draw(folder, "models/~anna.jpg")
    monkeypatch.chdir(base)
    assert main(["new", "shop", "--out", out]) == 0
    draft = read(base / out)
    assert len(draft.pictures) == len({picture.path.resolve() for picture in draft.local.values()})
    assert draft.elsewhere == {}
    assert {picture.path.name for picture in draft.local.values()} == {
        "Anna Lee.jpg", "~anna.jpg", "Linen Shirt.png", "coat.jpg"
    }  # fmt: skip
    assert not any(image.startswith("/") for image in draft.local)


def test_a_folder_that_is_not_there_is_told_before_anything_is_written(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", str(folder), "--out", str(folder / "no" / "m.json")]) == 2
    assert capsys.readouterr().err == f"{folder / 'no'} is not a folder\n"


def test_names_that_no_key_may_have_are_fine_for_a_file(folder: Path) -> None:
    draw(folder, "models/Screenshot 2026-05-01 at 9.41.00\u202fAM.png", "models/a\tb.jpg")
    assert main(["new", str(folder)]) == 0
    assert len(read(folder / "manifest.json").pictures) > 0


@pytest.mark.parametrize(
    "variables", [{"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"PYTHONIOENCODING": "cp1252"}]
)
def test_it_is_utf_8_in_any_code_page(variables: dict[str, str], folder: Path) -> None:
    draw(folder, "models/モデル.jpg")
    command = (
        "import sys; from tryon_cli.main import main; sys.exit(main(['new', sys.argv[1], '--name', 'Fr\\u00fchling']))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", command, str(folder)],
        env={**os.environ, **variables}, capture_output=True, check=False, cwd=Path(__file__).resolve().parents[2],
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    manifest = made(folder)
    assert manifest["name"] == "Frühling"
    assert "models/モデル.jpg" in images(manifest)
