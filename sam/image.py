"""The image that Lambda's Python 3.13 runs in: AWS's own, else a stand-in made from this machine's Python 3.13.

The stand-in has AWS's runtime client, its folders and its search paths. It is not Amazon Linux, and it leaves
out boto3, which AWS's image has: the layers must bring what they import.
"""

import hashlib
import os
import platform
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sam.engine import Engine, UnavailableError

RUNTIME = "3.13"
ARCHITECTURE = {"x86_64": "x86_64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
"""This machine's processor, as Lambda calls it."""

AWS_IMAGE = f"public.ecr.aws/lambda/python:{RUNTIME}-{ARCHITECTURE}"
STANDIN = f"tryon-lambda-standin:{RUNTIME}-{ARCHITECTURE}"
PULL_SECONDS = 300.0

_COMMANDS = ("bash", "cat", "chmod", "cp", "env", "ls", "mkdir", "mv", "rm")
"""What SAM CLI's own image recipe and an entry point call."""

_LIBRARIES = (
    "libdl.so.2",
    "libgcc_s.so.1",
    "libnss_dns.so.2",
    "libnss_files.so.2",
    "libpthread.so.0",
    "libresolv.so.2",
    "librt.so.1",
    "libstdc++.so.6",
    "libutil.so.1",
)
"""What Python itself does not link to, and wheels or look-ups of names ask for."""

_NOT_IN_THE_IMAGE = frozenset(
    {"test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "site-packages", "__pycache__"}
)

_ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin:/bin:/opt/bin",
    "LD_LIBRARY_PATH": "/var/lang/lib:/var/runtime:/var/task:/var/task/lib:/opt/lib",
    "LAMBDA_TASK_ROOT": "/var/task",
    "LAMBDA_RUNTIME_DIR": "/var/runtime",
    "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt",
}

_BOOTSTRAP = """#!/bin/bash
export AWS_EXECUTION_ENV=AWS_Lambda_python3.13
exec /var/lang/bin/python3.13 /var/runtime/start.py
"""

_START = """import os, sys
sys.path[:0] = [os.environ["LAMBDA_TASK_ROOT"], "/opt/python/lib/python3.13/site-packages", "/opt/python"]
from awslambdaric.__main__ import main
main([sys.executable, os.environ["_HANDLER"]])
"""


@dataclass(frozen=True)
class Image:
    """What functions run in. `name` is for `sam local`'s `--invoke-image`, `id` is the engine's."""

    name: str
    id: str
    description: str


def base_image(engine: Engine, python: Path, requirements: Path, say: Callable[[str], None]) -> Image:
    """AWS's image where the engine has it or can fetch it, else the stand-in, made once.

    An engine of the project's own reaches no registry and is not made to try. `python` is this machine's
    Python 3.13, `requirements` what the stand-in installs. Raises `UnavailableError`.
    """
    if not engine.own and not _id(engine, AWS_IMAGE):
        say(f"fetching {AWS_IMAGE}")
        with suppress(subprocess.CalledProcessError, subprocess.TimeoutExpired):
            engine.run("pull", "--quiet", AWS_IMAGE, timeout=PULL_SECONDS)
    if found := _id(engine, AWS_IMAGE):
        return Image(AWS_IMAGE, found, f"AWS's own {AWS_IMAGE}")
    recipe = hashlib.sha256(Path(__file__).read_bytes() + requirements.read_bytes() + str(python).encode())
    name = f"{STANDIN}-{recipe.hexdigest()[:12]}"
    if not _id(engine, name):
        if platform.system() != "Linux":
            raise UnavailableError(f"{AWS_IMAGE} cannot be fetched, and only Linux can make a stand-in for it")
        say(f"making a stand-in for {AWS_IMAGE} from {python}")
        with tempfile.TemporaryDirectory() as root:
            _lay_out(Path(root), python, requirements)
            if engine.own:
                # What was made from an earlier stand-in.
                engine.run("image", "prune", "--all", "--force")
            _import(engine, Path(root), name)
    release = subprocess.run([python, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return Image(
        name, _id(engine, name), f"a stand-in for {AWS_IMAGE}, made from this machine's {release}: not Amazon Linux"
    )


def _id(engine: Engine, name: str) -> str:
    with suppress(subprocess.CalledProcessError):
        return engine.run("image", "inspect", "--format", "{{.Id}}", name).removeprefix("sha256:")[:12]
    return ""


def _lay_out(root: Path, python: Path, requirements: Path) -> None:
    for folder in ("usr/bin", "bin", "lib64", "tmp", "root", "etc/ssl/certs", "opt", "var/task", "var/lang/bin"):
        (root / folder).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    library = Path(_ask(python, "import sysconfig; print(sysconfig.get_path('stdlib'))"))
    shutil.copy2(
        _ask(python, "import os, sys; print(os.path.realpath(sys._base_executable))"), root / "var/lang/bin/python3.13"
    )
    for name in ("python3", "python"):
        (root / "var/lang/bin" / name).symlink_to("python3.13")
    shutil.copytree(
        library,
        root / "var/lang/lib/python3.13",
        symlinks=True,
        ignore=lambda _, names: {n for n in names if n in _NOT_IN_THE_IMAGE or n.startswith(("config-", "_tkinter"))},
    )
    for command in _COMMANDS:
        found = shutil.which(command)
        if found is None:
            raise UnavailableError(f"a stand-in for Lambda's image needs `{command}`")
        shutil.copy2(found, root / "usr/bin" / command)
        (root / "bin" / command).symlink_to(f"../usr/bin/{command}")
    for folder in ("bin", "usr/bin"):
        (root / folder / "sh").symlink_to("bash")
    _install(root / "var/runtime", python, requirements)
    for library, loader in _needed(
        [*(root / "usr/bin").iterdir(), root / "var/lang/bin/python3.13", *root.rglob("*.so*")]
    ):
        target = root / str(library).lstrip("/") if loader else root / "var/lang/lib" / library.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(library, target)
    certificates = Path("/etc/ssl/certs/ca-certificates.crt")
    if certificates.exists():
        shutil.copy2(certificates, root / str(certificates).lstrip("/"))
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")
    (root / "etc/nsswitch.conf").write_text("hosts: files dns\n")
    (root / "var/runtime/start.py").write_text(_START)
    (root / "var/runtime/bootstrap").write_text(_BOOTSTRAP)
    (root / "var/runtime/bootstrap").chmod(0o755)


def _ask(python: Path, program: str) -> str:
    return subprocess.run([python, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


def _install(target: Path, python: Path, requirements: Path) -> None:
    done = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--require-hashes", "--target", target, "-r", requirements],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise UnavailableError("the runtime client cannot be installed: " + done.stderr.strip().splitlines()[-1])


def _needed(programs: Iterable[Path]) -> set[tuple[Path, bool]]:
    """The shared libraries that programs ask for, and whether each is the loader, whose path is in the programs."""
    needed: set[tuple[Path, bool]] = set()
    for program in programs:
        if program.is_symlink() or not program.is_file():
            continue
        listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
        needed.update((Path(path), not arrow) for arrow, path in re.findall(r"^\s+(.*=> )?(/\S+) \(0x", listed, re.M))
    known = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    for library in _LIBRARIES:
        needed.update(
            (Path(path), False) for path in re.findall(rf"^\s{re.escape(library)} .*=> (\S+)$", known, re.M)[:1]
        )
    return needed


def _import(engine: Engine, root: Path, name: str) -> None:
    with tempfile.TemporaryFile() as archive:
        with tarfile.open(fileobj=archive, mode="w") as packed:
            packed.add(root, arcname=".")
        archive.seek(0)
        changes = [f"ENV {key}={value}" for key, value in _ENVIRONMENT.items()]
        changes.append("WORKDIR /var/task")
        subprocess.run(
            [engine.docker, "import", *(part for change in changes for part in ("--change", change)), "-", name],
            env={**os.environ, **engine.environment},
            stdin=archive,
            stdout=subprocess.DEVNULL,
            check=True,
        )
