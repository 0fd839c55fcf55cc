import os
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tryon_local.service.__main__ import main

ROOT = Path(__file__).parents[2]


def test_it_runs_alone_says_where_and_ends_when_told() -> None:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'layers' / 'tryon'}"}
    faults = ROOT / "samples" / "faults-one-garment.json"
    command = [sys.executable, "-m", "tryon_local.service", "--port", "0", "--slots", "4", "--faults", str(faults)]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            assert "AKLTEXAMPLEDUMMY" in process.stdout.readline()
            assert requests.get(f"{url}/_standin/settings", timeout=10).json()["slots"] == 4
            (fault,) = requests.get(f"{url}/_standin/faults", timeout=10).json()
            assert fault["action"]["code"] == 50411
        finally:
            process.terminate()
        assert process.wait(timeout=10) == 0


def test_a_bad_file_of_faults_ends_it_before_it_serves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "plan.json").write_text('[{"call": "polls", "action": {"type": "reset"}}]')
    for name, said in (("plan.json", "[0].call"), ("nowhere.json", "No such file")):
        with pytest.raises(SystemExit) as ended:
            main(["--faults", str(tmp_path / name)])
        assert ended.value.code == 2
        assert said in capsys.readouterr().err


def test_its_help_explains_its_own_addresses(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "/_standin/faults" in capsys.readouterr().out
