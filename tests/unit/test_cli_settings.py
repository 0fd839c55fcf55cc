"""The usual stack, profile, region and port: options before variables, variables before setting files."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tryon.clock import SystemClock
from tryon_cli import options, settings
from tryon_cli.main import main, parser
from tryon_cli.target import LOCAL_STACK, Target, TargetError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without settings, with a project's folder in it that is the working one."""
    for names in (("TRYON_SETTINGS", "XDG_CONFIG_HOME"), *settings.VARIABLES.values()):
        for name in names:
            monkeypatch.delenv(name, raising=False)
    project = tmp_path / "home" / "shop" / "spring"
    project.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(project)
    return tmp_path / "home"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def parsed(*words: str) -> argparse.Namespace:
    found = parser().parse_args(words)
    settings.fill(found)
    return found


def of(arguments: argparse.Namespace) -> Sequence[object]:
    return arguments.stack, arguments.profile, arguments.region, arguments.port


@pytest.mark.usefixtures("home")
def test_without_anything_the_local_stack_is_meant() -> None:
    assert of(parsed("list")) == ("local", None, None, 4577)
    assert parsed("local", "up").port == 4577
    assert parsed("local", "run", "m.json").port == 0


def test_options_come_before_variables_and_these_before_the_project_s_and_the_person_s_file(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home / ".config" / "tryon" / "config.toml", 'stack = "mine"\nprofile = "me"\nregion = "r1"\nport = 1\n')
    assert of(parsed("list")) == ("mine", "me", "r1", 1)
    write(home / "shop" / ".tryon.toml", 'stack = "shop"\nport = 2\n')
    assert of(parsed("list")) == ("shop", "me", "r1", 2)
    write(home / "shop" / "spring" / ".tryon.toml", 'stack = "spring"\n')
    assert of(parsed("list")) == ("spring", "me", "r1", 1)
    monkeypatch.setenv("TRYON_STACK", "var")
    monkeypatch.setenv("TRYON_PORT", "3")
    assert of(parsed("list")) == ("var", "me", "r1", 3)
    assert parsed("local", "up").port == 3
    assert of(parsed("list", "--stack", "own", "--profile", "p", "--region", "r", "--port", "4")) == (
        "own",
        "p",
        "r",
        4,
    )


@pytest.mark.parametrize(
    ("variable", "name"),
    [(v, n) for n, names in settings.VARIABLES.items() for v in names if n in ("profile", "region")],
)
def test_what_the_sdk_reads_of_the_environment_is_left_to_it(
    variable: str, name: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A profile from a file, given to the SDK by name, would set aside the keys that a pipeline was given."""
    write(home / "shop" / ".tryon.toml", 'profile = "shop"\nregion = "eu-central-1"\n')
    assert getattr(parsed("list"), name) == {"profile": "shop", "region": "eu-central-1"}[name]
    monkeypatch.setenv(variable, "given")
    assert getattr(parsed("list"), name) is None


def test_a_file_above_the_home_is_another_s(home: Path) -> None:
    write(home.parent / ".tryon.toml", 'stack = "other"\n')
    assert parsed("list").stack == "local"


def test_one_file_may_be_named_instead(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home / "shop" / ".tryon.toml", 'stack = "shop"\nport = 2\n')
    monkeypatch.setenv("TRYON_SETTINGS", str(write(home / "other.toml", "port = 5\n")))
    assert of(parsed("list")) == ("local", None, None, 5)
    monkeypatch.setenv("TRYON_SETTINGS", str(home / "nothing.toml"))
    assert main(["list"]) == 2


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('# mine\nstak = "a"', "line 2: stak: is not a known field; did you mean 'stack'?"),
        ("colour = 1", "line 1: colour: is not a known field; known are stack, profile, region, port"),
        ("[stack]\nname = 1", "line 1: stack: must be a text, in quotes and not empty"),
        ('region = ""', "line 1: region: must be a text, in quotes and not empty"),
        ('port = "4600"', "line 1: port: must be a whole number from 1 to 65535"),
        ("port = 70000", "line 1: port: must be a whole number from 1 to 65535"),
        ("port = true", "line 1: port: must be a whole number from 1 to 65535"),
        ("stack = shop", "is not TOML: Invalid value (at line 1, column 9)"),
        ("a = " + "[" * 5000, "is not TOML"),
        ("\x00", "is not TOML"),
        ("#" * 64_001, "is larger than 64,000 bytes"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_file_and_line(
    text: str, why: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(home / "shop" / ".tryon.toml", text)
    assert main(["list"]) == 2
    assert f"{path}: {why}" in capsys.readouterr().err


def test_all_that_is_wrong_in_a_file_is_told_at_once(home: Path) -> None:
    path = write(home / "shop" / ".tryon.toml", "stack = 1\nport = 0\n")
    with pytest.raises(TargetError, match=rf"{path}: line 1: stack: .*\n{path}: line 2: port: "):
        settings.usual()


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("given", ["many", "0", "65536", "4577.0", "٤٥٧٧"])
def test_a_variable_that_is_no_port_is_told_by_its_name(
    given: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRYON_PORT", given)
    assert main(["list"]) == 2
    assert f"$TRYON_PORT: '{given}' is not a whole number from 1 to 65535" in capsys.readouterr().err


def test_settings_are_shown_with_where_they_are_from(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(home / "shop" / ".tryon.toml", 'stack = "shop[1]"\nprofile = "me"\n')
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("TRYON_PORT", "4600")
    assert main(["settings"]) == 0
    told = capsys.readouterr().out
    assert [line.split() for line in told.splitlines()] == [
        ["stack", "shop[1]", str(path)],
        ["profile", "set", "$AWS_ACCESS_KEY_ID"],
        ["region", "-", "the", "default"],
        ["port", "4600", "$TRYON_PORT"],
    ]
    assert main(["settings", "--json"]) == 0
    told = capsys.readouterr().out
    assert json.loads(told)["stack"] == {"value": "shop[1]", "origin": str(path)}
    assert "AKIDEXAMPLE" not in told


@pytest.mark.parametrize(
    ("text", "port", "words"),
    [
        ("", None, ""),
        ("", 4600, " --port 4600"),
        ("port = 4600", None, " --port 4600"),
        ("port = 4600", 4577, " --port 4577"),
        ('stack = "shop"', None, " --stack local"),
    ],
)
def test_hints_mean_the_same_stack_again(
    text: str, port: int | None, words: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hint that left `--stack local` out would pay at the stack that the file names."""
    write(home / "shop" / ".tryon.toml", text)
    reached: list[object] = []

    def connect(stack: str, **given: object) -> Target:
        reached.append((stack, given["port"]))
        return Target(LOCAL_STACK, {}, lambda _: None, SystemClock())

    monkeypatch.setattr(options, "connect", connect)
    assert options.reach(stack=LOCAL_STACK, port=port).options == words
    assert reached[0][0] == LOCAL_STACK  # type: ignore[index]
