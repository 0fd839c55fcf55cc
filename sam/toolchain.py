"""SAM CLI in an environment of its own, and the Python that Lambda's is like."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sam.engine import UnavailableError
from sam.image import RUNTIME
from tryon_local.environment import found

REGION = "us-east-1"


@dataclass(frozen=True)
class Toolchain:
    """`sam` with its environment, and a Python of the runtime's version that has pip."""

    sam: Path
    python: Path
    environment: Mapping[str, str]

    def run(self, *arguments: str, cwd: Path, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run `sam` to its end; raises `subprocess.CalledProcessError`, its output in it, when it fails."""
        return subprocess.run(
            [self.sam, *arguments], cwd=cwd, env=self.environment, capture_output=True, text=True, check=check
        )

    def python_of_sam(self, *arguments: str) -> str:
        """What a script prints in the environment of SAM CLI, whose own modules it may import."""
        python = self.sam.with_name("python")
        done = subprocess.run([python, *arguments], env=self.environment, capture_output=True, text=True, check=True)
        return done.stdout


def toolchain(cache: Path, requirements: Path, say: Callable[[str], None]) -> Toolchain:
    """SAM CLI, installed once for each content of `requirements`; raises `UnavailableError`."""
    python = runtime_python()
    sam = environment(cache, "cli", requirements, say) / "bin" / "sam"
    home = cache / "home"
    home.mkdir(parents=True, exist_ok=True)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "VIRTUAL_ENV"))}
    return Toolchain(
        sam,
        python,
        {
            **inherited,
            # `sam build` takes the first `python3.13` it finds, and pip with it.
            "PATH": f"{python.parent}:{inherited.get('PATH', '')}",
            "SAM_CLI_TELEMETRY": "0",
            "__SAM_CLI_APP_DIR": str(home),
            # No credentials at all: with any, `sam` asks AWS who they belong to.
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_DEFAULT_REGION": REGION,
        },
    )


def environment(cache: Path, name: str, requirements: Path, say: Callable[[str], None]) -> Path:
    """A virtual environment of its own for tools whose needs disagree with the project's.

    Made once for each content of `requirements`; raises `UnavailableError`.
    """
    venv = cache / f"{name}-{hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]}"
    if not (venv / ".complete").exists():
        say(f"installing {requirements.stem}")
        for other in cache.glob(f"{name}-*"):
            shutil.rmtree(other)
        # Bytecode now, because an environment may forbid it later and every call would compile anew.
        _uv("venv", "--quiet", "--python", sys.executable, str(venv))
        _uv(
            *("pip", "install", "--quiet", "--compile-bytecode", "--require-hashes"),
            *("--python", str(venv / "bin" / "python"), "-r", str(requirements)),
        )
        (venv / ".complete").touch()
    return venv


def _uv(*arguments: str) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("uv"), *arguments],
        env=found(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise UnavailableError("a tool cannot be installed: " + done.stderr.strip().splitlines()[-1])


def runtime_python() -> Path:
    """A Python of the runtime's version that has pip, on PATH or where version managers keep theirs.

    Raises `UnavailableError`.
    """
    for candidate in _candidates():
        if _ask(candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])") == RUNTIME and _ask(
            candidate, "-m", "pip", "--version"
        ):
            return candidate
    raise UnavailableError(f"no Python {RUNTIME} with pip is on this machine")


def _candidates() -> Iterator[Path]:
    name = f"python{RUNTIME}"
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    for pattern in (f".pyenv/versions/{RUNTIME}.*/bin", f".local/share/uv/python/cpython-{RUNTIME}*/bin"):
        folders += sorted(Path.home().glob(pattern))
    folders += [Path("/usr/local/bin"), *sorted(Path("/opt").glob(f"python/{RUNTIME}*/bin"))]
    for folder in folders:
        if (folder / name).is_file():
            yield folder / name


def _ask(python: Path, *arguments: str) -> str:
    # A version manager's shim is there for versions that it then cannot start.
    done = subprocess.run([python, *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""
