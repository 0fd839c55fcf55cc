"""`make check`: the code's, the template's and the workflow's linters, offline once installed, and the audit."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from lint.audit import audit
from lint.definition import definitions
from sam.engine import UnavailableError
from sam.toolchain import environment
from tryon_local.app import ROOT

CACHE = ROOT / ".cache" / "lint"
PYTHON = Path(sys.executable)


def main() -> int:
    """Run every linter, say which failed; 0 when none did."""
    failed = [check.__name__ for check in CHECKS if not passes(check)]
    print("check: " + (", ".join(failed) + " failed" if failed else "all clean"))
    return 1 if failed else 0


def passes(check: Callable[[], bool]) -> bool:
    """Whether a check passes; one whose tools cannot be had fails, and the reason is printed."""
    try:
        return check()
    except UnavailableError as reason:
        print(reason)
        return False


def code() -> bool:
    return all(
        [
            run(PYTHON, "-m", "ruff", "check", "--quiet", "."),
            run(PYTHON, "-m", "ruff", "format", "--quiet", "--check", "."),
            run(PYTHON, "-m", "mypy", "--no-error-summary"),
            # One by one, since all of them are called `app`.
            *(run(PYTHON, "-m", "mypy", "--no-error-summary", one) for one in sorted(ROOT.glob("functions/*/app.py"))),
        ]
    )


def template() -> bool:
    tools = environment(CACHE, "python", ROOT / "requirements" / "tools-lint.txt", print) / "bin"
    # Without credentials, neither looks for an account.
    return all(
        [
            run(tools / "cfn-lint", "--config-file", "lint/cfnlint.yaml"),
            run(tools / "checkov", "--config-file", ".checkov.yaml", LOG_LEVEL="ERROR"),
        ]
    )


def workflow() -> bool:
    """asl-validator on the definition with values in its substitutions' places, as it is when deployed."""
    tools = npm_tools("the workflow's definition is not validated")
    if tools is None:
        return True
    with tempfile.TemporaryDirectory() as temporary:
        paths = []
        for name, definition in definitions():
            paths.append(Path(temporary) / f"{name}.asl.json")
            paths[-1].write_text(definition)
        return all(run(tools / "asl-validator", "--json-path", path) for path in paths)


def pages() -> bool:
    """The pages' scripts and styles: Biome for their form and their faults, the TypeScript compiler for their types."""
    tools = npm_tools("the pages' scripts and styles are not checked")
    if tools is None:
        return True
    sources = ("layers/tryon/tryon", "src/tryon_local", "tests/web", "tests/browser")
    return all(
        [
            run(tools / "biome", "check", "--config-path", "lint/biome.jsonc", "--error-on-warnings", *sources),
            run(tools / "tsc", "--project", "lint/tsconfig.json"),
        ]
    )


def npm_tools(without: str) -> Path | None:
    """The folder of the pinned tools that npm installs, None without npm: then it says what is not done."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        message = f"node and npm are not on this machine: {without}"
        if os.environ.get("CI"):
            raise UnavailableError(message)
        print(message)
        return None
    folder = CACHE / "npm"
    lock = ROOT / "lint" / "package-lock.json"
    installed = folder / "package-lock.json"
    if not installed.exists() or installed.read_bytes() != lock.read_bytes():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        shutil.copy2(lock.with_name("package.json"), folder)
        shutil.copy2(lock, folder)
        if not run(npm, "ci", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund", "--silent"):
            shutil.rmtree(folder)
            raise UnavailableError(f"npm could not install what {lock.relative_to(ROOT)} names")
    return folder / "node_modules" / ".bin"


def packages() -> bool:
    """Known vulnerabilities of what is pinned: the layers' packages first, since they decode what strangers send."""
    tools = environment(CACHE, "audit", ROOT / "requirements" / "tools-audit.txt", print) / "bin"
    files = [*sorted(ROOT.glob("layers/*/requirements.txt")), ROOT / "requirements" / "run.txt"]
    return audit(tools / "pip-audit", files)


def run(*command: str | Path, **variables: str) -> bool:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return subprocess.run(command, cwd=ROOT, env={**inherited, **variables}, check=False).returncode == 0


CHECKS = (code, template, workflow, pages, packages)

if __name__ == "__main__":
    sys.exit(main())
