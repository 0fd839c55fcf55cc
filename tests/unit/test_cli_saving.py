"""A run's files are copied into the folder that was named, and nowhere else."""

from pathlib import Path
from typing import Any

import pytest

from tests.doubles import outcome
from tests.unit.stack import BUCKET, FakeStack, fake_stack
from tryon.state.run import Run
from tryon_cli.main import main
from tryon_cli.runs import save  # type: ignore[attr-defined]
from tryon_cli.target import TargetError

RUN = "20261123T090000Z-spring-1a2b3c4d"


@pytest.fixture
def stack() -> Any:
    with fake_stack() as running:
        yield running


def lay(stack: FakeStack, *names: str, data: bytes = b"theirs") -> None:
    for name in names:
        stack.s3.put_object(Bucket=BUCKET, Key=f"runs/{RUN}/{name}", Body=data)


def written(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def test_every_file_of_a_run_is_copied(stack: FakeStack, tmp_path: Path) -> None:
    lay(stack, "index.html", "results/anna/anna__01-tee__default__1.png", "children/Map:1/x.json".replace(":", "-"))
    stack.s3.put_object(Bucket=BUCKET, Key=f"runs/{RUN}/results/", Body=b"")
    saved = save(stack, RUN, tmp_path / "out")
    assert saved.folder == tmp_path / "out" / RUN
    assert saved.left_out == {}
    assert written(saved.folder) == ["children/Map-1/x.json", "index.html", "results/anna/anna__01-tee__default__1.png"]
    assert (saved.folder / "index.html").read_bytes() == b"theirs"


BAD = {
    "up": "../../../home/.bashrc",
    "up in the middle": "results/../../../x",
    "absolute": "/etc/passwd",
    "here": "./x",
    "nothing between": "a//b",
    "backslashes": "..\\..\\x",
    "a drive": "C:/x",
    "a stream": "x.png:y",
    "a line break": "a\nb",
    "another direction": "a\u202egnp.exe",
    "a device": "results/nul",
    "a device with an extension": "COM1.png",
    "a device in another size": "LPT¹.txt",
    "a dot at the end": "x.",
    "a blank at the end": "x /y",
    "too long": "x" * 256,
    "too long in bytes": "漢" * 86,
}


@pytest.mark.parametrize("name", BAD.values(), ids=BAD)
def test_a_key_that_is_no_file_name_everywhere_is_left_out_and_said(
    name: str, stack: FakeStack, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".bashrc").write_bytes(b"mine")
    lay(stack, "index.html", name)
    saved = save(stack, RUN, tmp_path / "work" / "out")
    assert list(saved.left_out) == [f"runs/{RUN}/{name}"]
    assert written(tmp_path) == ["home/.bashrc", f"work/out/{RUN}/index.html"]
    assert (home / ".bashrc").read_bytes() == b"mine"


def test_a_path_that_is_too_long_is_left_out(stack: FakeStack, tmp_path: Path) -> None:
    deep = "/".join(["x" * 250] * 3) + "/"
    lay(stack, "index.html", deep + "y")
    out = tmp_path.joinpath(*["y" * 250] * 13)
    saved = save(stack, RUN, out)
    assert list(saved.left_out.values()) in ([], ["has a path that is too long"])
    assert (saved.folder / "index.html").is_file()


@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a/b/c")])
def test_a_file_and_a_folder_of_one_name_cannot_both_be(
    names: tuple[str, str], stack: FakeStack, tmp_path: Path
) -> None:
    lay(stack, *names)
    saved = save(stack, RUN, tmp_path)
    assert saved.left_out == {f"runs/{RUN}/{names[1]}": "is a file and a folder at once"}


def test_names_that_differ_in_capitals_do_not_overwrite_each_other(stack: FakeStack, tmp_path: Path) -> None:
    lay(stack, "A.png", "a.png")
    saved = save(stack, RUN, tmp_path)
    assert written(saved.folder) == ["A.png"]
    assert "is the same name as" in saved.left_out[f"runs/{RUN}/a.png"]


@pytest.mark.parametrize("link", [RUN, f"{RUN}/results", f"{RUN}/results/anna"])
def test_a_folder_that_is_a_link_is_not_followed(link: str, stack: FakeStack, tmp_path: Path) -> None:
    away = tmp_path / "away"
    away.mkdir()
    path = tmp_path / "out" / link
    path.parent.mkdir(parents=True)
    path.symlink_to(away)
    lay(stack, "results/anna/1.png")
    saved = save(stack, RUN, tmp_path / "out")
    assert written(away) == []
    (reason,) = saved.left_out.values()
    assert reason == f"{path} is a link"


def test_a_file_that_is_a_link_is_replaced_and_not_followed(stack: FakeStack, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_bytes(b"mine")
    page = tmp_path / "out" / RUN / "index.html"
    page.parent.mkdir(parents=True)
    page.symlink_to(mine)
    lay(stack, "index.html")
    assert save(stack, RUN, tmp_path / "out").left_out == {}
    assert (mine.read_bytes(), page.read_bytes(), page.is_symlink()) == (b"mine", b"theirs", False)


def test_the_folder_that_was_named_may_be_a_link(stack: FakeStack, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    lay(stack, "index.html")
    assert save(stack, RUN, tmp_path / "out").left_out == {}
    assert written(tmp_path / "disk") == [f"{RUN}/index.html"]


def test_saving_again_replaces_what_is_there(stack: FakeStack, tmp_path: Path) -> None:
    for data in (b"first", b"second"):
        lay(stack, "index.html", data=data)
        folder = save(stack, RUN, tmp_path).folder
    assert written(folder) == ["index.html"]
    assert (folder / "index.html").read_bytes() == b"second"


@pytest.mark.parametrize("run_id", ["..", "a/../b", "a\\b", "nul", ""])
def test_a_run_of_another_name_is_refused(run_id: str, stack: FakeStack, tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="cannot be saved: its id"):
        save(stack, run_id, tmp_path)


def test_what_was_left_out_is_said(
    stack: FakeStack, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tryon_cli.runs.target", lambda arguments: stack)
    stack.ledger.open_run(Run(RUN, execution="e", name="spring"))
    stack.ledger.report(RUN, outcome("PARTIAL"))
    lay(stack, "index.html", "../x\x1b[31m")
    assert main(["open", RUN, "--save", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert said.out == f"{(tmp_path / RUN / 'index.html').as_uri()}\n"
    assert said.err == f"left out: runs/{RUN}/../x\\u001b[31m: leads out of its folder\n"
    assert list(tmp_path.iterdir()) == [tmp_path / RUN]
