"""The shell completes files where a file is wanted, and ids where a run is; the port is taken from the environment."""

import pytest

from tryon_cli.main import main, parser


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_files_and_run_ids_are_completed(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--print-completion", shell])
    script = capsys.readouterr().out
    if shell == "bash":
        assert "_shtab_tryon_run_pos_0_COMPGEN=_shtab_compgen_files" in script
        assert "_shtab_tryon_new_pos_0_COMPGEN=_shtab_compgen_dirs" in script
        assert "_shtab_tryon_show_pos_0_COMPGEN=_tryon_run_ids" in script
    assert "tryon list --json" in script
    assert script.count("_tryon_run_ids") > 5


def test_the_port_is_taken_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRYON_PORT", "4600")
    assert parser().parse_args(["list"]).port == 4600
    assert parser().parse_args(["local", "up"]).port == 4600
    assert parser().parse_args(["list", "--port", "4700"]).port == 4700
    monkeypatch.setenv("TRYON_PORT", "many")
    with pytest.raises(SystemExit):
        parser().parse_args(["list"])
    assert "'many' is not a whole number from 1 to 65535" in capsys.readouterr().err
