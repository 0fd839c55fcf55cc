"""`python -m sam build [x86_64|arm64]`: the packages for a deployment; `… clear`: what a killed run left."""

import subprocess
import sys

from sam.engine import UnavailableError, clear
from sam.toolchain import toolchain
from tryon_local.app import ROOT

CACHE = ROOT / ".cache" / "sam"


def main(command: str = "", architecture: str = "x86_64") -> int:
    """Carry out a command; 0 when it succeeded."""
    if command == "clear":
        clear(CACHE)
        return 0
    if command != "build":
        print(__doc__)
        return 2
    try:
        tools = toolchain(CACHE, ROOT / "requirements" / "tools-sam.txt", print)
    except UnavailableError as reason:
        print(reason, file=sys.stderr)
        return 1
    built = [str(tools.sam), "build", "--parameter-overrides", f"Architecture={architecture}"]
    return subprocess.run(built, cwd=ROOT, env=dict(tools.environment), check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
