"""A container engine: the one that runs here, or one of the project's own for as long as it is needed.

The project's own is Debian's dockerd, unpacked into a cache folder without being installed. It has a bridge of
its own and touches no firewall rule, so its containers reach this machine and nothing else.
"""

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tryon_local.environment import found

PACKAGES = ("docker.io", "containerd", "runc")
"""Debian's packages that the project's own engine is made of."""

_WHERE_THEY_ARE = ("docker-cli", "libdevmapper1.02.1", "libseccomp2")
"""What those need and a small installation lacks, by the names that one release of Debian or another uses."""

START_SECONDS = 30.0
STOP_SECONDS = 30.0


class UnavailableError(Exception):
    """Containers cannot be had on this machine; the text says why."""


@dataclass(frozen=True)
class Engine:
    """A running engine. `address` is this machine's as containers see it, and may be listened on."""

    description: str
    docker: str
    address: str
    own: bool
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, timeout: float = 120.0) -> str:
        """What the engine's client prints; raises `subprocess.CalledProcessError` with what it complained of."""
        done = subprocess.run(
            [self.docker, *arguments],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=True,
        )
        return done.stdout.strip()


@contextmanager
def engine(cache: Path, say: Callable[[str], None]) -> Iterator[Engine]:
    """The engine that runs on this machine, else the project's own, which ends with the block.

    Raises `UnavailableError`.
    """
    running = _running()
    if running is not None:
        yield running
        return
    with _own(cache, say) as own:
        yield own


def clear(cache: Path) -> None:
    """End what a run left behind that was killed: its engine, containers, mounts and bridge."""
    record = cache / "engine.json"
    if record.exists():
        left = json.loads(record.read_text())
        _clear(Path(left["folder"]), cache / "docker", left["bridge"], left["pid"])
        record.unlink()


def _running() -> Engine | None:
    docker = shutil.which("docker")
    if docker is None:
        return None
    asked = subprocess.run(
        [docker, "info", "--format", "{{.ServerVersion}}"], capture_output=True, text=True, timeout=30, check=False
    )
    version = asked.stdout.strip()
    if asked.returncode != 0 or not version:
        return None
    plain = Engine(f"Docker {version}, which runs on this machine", docker, "127.0.0.1", own=False)
    gateway = plain.run("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}")
    with suppress(OSError), socket.socket() as trial:
        # Where the engine has a machine of its own (Docker Desktop), the bridge is not on this one, and the
        # engine passes containers' calls to the loopback address.
        trial.bind((gateway, 0))
        return Engine(plain.description, docker, gateway, own=False)
    return plain


@contextmanager
def _own(cache: Path, say: Callable[[str], None]) -> Iterator[Engine]:
    if os.uname().sysname != "Linux":
        raise UnavailableError("no container engine runs here")
    if os.geteuid() != 0:
        raise UnavailableError("no container engine runs here, and only root can start one")
    if shutil.which("ip") is None:
        raise UnavailableError("no container engine runs here, and a bridge for one needs `ip` (iproute2)")
    cache.mkdir(parents=True, exist_ok=True)
    with _alone(cache / "engine.lock"):
        clear(cache)
        programs = _unpacked(cache / "engine", say)
        bridge, address = _bridge_for(cache)
        # In a short place: a socket's path has at most 107 characters.
        folder = Path(tempfile.mkdtemp(prefix="tryon-engine-"))
        daemon = _start(programs, folder, cache / "docker", bridge, address)
        (cache / "engine.json").write_text(json.dumps({"pid": daemon.pid, "folder": str(folder), "bridge": bridge}))
        try:
            own = Engine(
                "", shutil.which("docker") or str(programs / "docker"), address, own=True, environment=_host(folder)
            )
            version = _awaited(own, daemon, folder / "dockerd.log")
            yield Engine(
                f"Docker {version} from Debian's packages, started for this (pid {daemon.pid}, bridge {bridge})",
                own.docker,
                address,
                own=True,
                environment=own.environment,
            )
            for container in own.run("ps", "--all", "--quiet").split():
                own.run("rm", "--force", container)
            own.run("image", "prune", "--force")
        finally:
            daemon.terminate()
            with suppress(subprocess.TimeoutExpired):
                daemon.wait(STOP_SECONDS)
            clear(cache)


def _host(folder: Path) -> dict[str, str]:
    return {"DOCKER_HOST": f"unix://{folder}/docker.sock", "DOCKER_CONFIG": str(folder)}


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """One engine at a time in a cache folder; another run waits here."""
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _unpacked(folder: Path, say: Callable[[str], None]) -> Path:
    """The folder of the engine's programs, with the packages' own layout flattened."""
    programs = folder / "bin"
    if (programs / "dockerd").exists():
        return programs
    if shutil.which("apt-get") is None:
        raise UnavailableError("no container engine runs here, and there is no apt-get to fetch one with")
    say("fetching a container engine: " + " ".join(PACKAGES))
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory() as fetched:
        if not _fetched(PACKAGES, fetched):
            subprocess.run(["apt-get", "update", "-qq"], env=found(), capture_output=True, check=False)
            if not _fetched(PACKAGES, fetched):
                raise UnavailableError("no container engine runs here, and Debian's packages cannot be fetched")
        for package in _WHERE_THEY_ARE:
            _fetched([package], fetched)
        unpacked = Path(fetched) / "unpacked"
        for archive in Path(fetched).glob("*.deb"):
            subprocess.run(["dpkg", "-x", str(archive), str(unpacked)], check=True)
        partial = folder / "partial"
        partial.mkdir(parents=True)
        for file in sorted(unpacked.rglob("*")):
            if file.is_file() and (file.parent.name in ("bin", "sbin") or ".so" in file.name):
                shutil.copy2(file, partial / file.name, follow_symlinks=True)
    partial.rename(programs)
    return programs


def _fetched(packages: Sequence[str], folder: str) -> bool:
    asked = ["apt-get", "download", "-qq", *packages]
    return subprocess.run(asked, cwd=folder, env=found(), capture_output=True, check=False).returncode == 0


def _bridge_for(cache: Path) -> tuple[str, str]:
    """A bridge's name and address that belong to this cache folder and are not taken."""
    number = zlib.crc32(str(cache.resolve()).encode())
    taken = subprocess.run(["ip", "-o", "-4", "addr"], capture_output=True, text=True, check=True).stdout
    for step in range(250):
        address = f"172.30.{(number + step) % 250 + 1}.1"
        if f" {address.removesuffix('1')}" not in taken:
            return f"tryon{number % 0xFFFFFF:06x}", address
    raise UnavailableError("no container engine runs here, and no address is free for a bridge")


def _start(programs: Path, folder: Path, data: Path, bridge: str, address: str) -> "subprocess.Popen[bytes]":
    for arguments in (
        ("link", "add", "name", bridge, "type", "bridge"),
        ("addr", "add", f"{address}/24", "dev", bridge),
        ("link", "set", bridge, "up"),
    ):
        made = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
        if made.returncode:
            shutil.rmtree(folder, ignore_errors=True)
            subprocess.run(["ip", "link", "del", bridge], capture_output=True, check=False)
            raise UnavailableError(f"no container engine runs here, and no bridge can be made: {made.stderr.strip()}")
    with (folder / "dockerd.log").open("wb") as log:
        return subprocess.Popen(
            [
                str(programs / "dockerd"),
                *("--data-root", str(data), "--exec-root", str(folder / "exec")),
                *("--pidfile", str(folder / "dockerd.pid"), "--host", f"unix://{folder}/docker.sock"),
                *("--bridge", bridge, "--iptables=false", "--ip6tables=false"),
                *("--ip-forward=false", "--ip-masq=false"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "LD_LIBRARY_PATH": str(programs)},
            # Ctrl-C in the terminal is for whoever uses the engine, who then ends it in order.
            start_new_session=True,
        )


def _awaited(own: Engine, daemon: "subprocess.Popen[bytes]", log: Path) -> str:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and daemon.poll() is None:
        with suppress(subprocess.CalledProcessError, subprocess.TimeoutExpired):
            return own.run("version", "--format", "{{.Server.Version}}", timeout=10)
        time.sleep(0.1)
    last = (log.read_text(errors="replace").strip().splitlines() or ["it printed nothing"])[-1]
    raise UnavailableError(f"no container engine runs here, and dockerd does not start: {last}")


def _clear(folder: Path, data: Path, bridge: str, pid: int) -> None:
    """Everything here is known by the folder's name, which no other process has in its command line."""
    if _command(pid).find(str(folder)) >= 0:
        os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + STOP_SECONDS
        while _command(pid) and time.monotonic() < end:
            time.sleep(0.1)
    for held in folder.glob("exec/containerd/daemon/io.containerd.runtime.v2.task/moby/*/init.pid"):
        _kill(int(held.read_text()))
    for process in Path("/proc").glob("[0-9]*"):
        if str(folder) in _command(int(process.name)) and int(process.name) != os.getpid():
            _kill(int(process.name))
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in sorted(mounts, reverse=True):
        if mount.startswith((f"{folder}/", f"{data}/")) or mount == str(data):
            subprocess.run(["umount", mount], capture_output=True, check=False)
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run(["ip", "link", "del", bridge], capture_output=True, check=False)


def _command(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
