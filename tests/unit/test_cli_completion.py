"""The shell completes files where a file is wanted, and ids where a run is."""

import pytest

from tryon_cli.main import main


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
