"""Twenty machines that are set up for other work: each runs a small manifest and a few tests as any other."""

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflow.pipeline import picture
from tryon_local import environment
from tryon_local.app import ROOT

NOWHERE = "http://127.0.0.1:9"
VALUES: dict[str, tuple[str, ...]] = {
    "AWS_PROFILE": ("work", ""),
    "AWS_DEFAULT_PROFILE": ("work",),
    "AWS_ACCESS_KEY_ID": ("ASIAEXAMPLEDUMMY",),
    "AWS_SESSION_TOKEN": ("dummy",),
    "AWS_USE_DUALSTACK_ENDPOINT": ("true", "maybe"),
    "AWS_USE_FIPS_ENDPOINT": ("true",),
    "AWS_ENDPOINT_URL": (NOWHERE, "not an address"),
    "AWS_ENDPOINT_URL_S3": (NOWHERE,),
    "AWS_ENDPOINT_URL_DYNAMODB": (NOWHERE,),
    "AWS_CA_BUNDLE": ("/nowhere/bundle.pem",),
    "AWS_MAX_ATTEMPTS": ("0", "many"),
    "AWS_RETRY_MODE": ("wild",),
    "AWS_DEFAULTS_MODE": ("wild",),
    "AWS_STS_REGIONAL_ENDPOINTS": ("wild",),
    "AWS_DATA_PATH": ("/nowhere",),
    "AWS_REGION": ("eu-west-1", "xx-nowhere-1"),
    "AWS_DEFAULT_REGION": ("ap-southeast-2", ""),
    "AWS_LAMBDA_FUNCTION_NAME": ("mine",),
    "AWS_LAMBDA_LOG_LEVEL": ("LOUD",),
    "AWS_EC2_METADATA_DISABLED": ("false",),
    "AWS_REQUEST_CHECKSUM_CALCULATION": ("wild",),
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": (NOWHERE,),
    "AWS_WEB_IDENTITY_TOKEN_FILE": ("/nowhere/token",),
    "_X_AMZN_TRACE_ID": ("Root=1;Parent=2;Sampled=1", "odd"),
    "BOTO_CONFIG": ("/nowhere/boto",),
    "BOTOCORE_EXPERIMENTAL__PLUGINS": ("none=nowhere",),
    "HTTP_PROXY": (NOWHERE,),
    "http_proxy": (NOWHERE,),
    "HTTPS_PROXY": (NOWHERE, "not an address"),
    "https_proxy": (NOWHERE,),
    "ALL_PROXY": (NOWHERE, "socks5://127.0.0.1:9"),
    "all_proxy": (NOWHERE,),
    "NO_PROXY": ("", "example.com"),
    "REQUESTS_CA_BUNDLE": ("/nowhere/bundle.pem",),
    "CURL_CA_BUNDLE": ("/nowhere/bundle.pem",),
    "SSL_CERT_FILE": ("/nowhere/cert.pem",),
    "NETRC": ("/nowhere/netrc",),
    "POWERTOOLS_LOG_LEVEL": ("LOUD",),
    "POWERTOOLS_METRICS_NAMESPACE": ("",),
    "POWERTOOLS_TRACE_DISABLED": ("false", "perhaps"),
    "POWERTOOLS_LOGGER_SAMPLE_RATE": ("often",),
    "POWERTOOLS_DEV": ("maybe",),
    "LOG_LEVEL": ("LOUD", ""),
    "MOTO_ACCOUNT_ID": ("999999999999",),
    "MOTO_S3_CUSTOM_ENDPOINTS": (NOWHERE,),
    "MOTO_CALL_RESET_API": ("true",),
    "MOTO_MAX_FORM_MEMORY_SIZE": ("much",),
    "TEST_SERVER_MODE": ("true",),
    "S3_UPLOAD_PART_MIN_SIZE": ("much",),
    "TZ": ("America/St_Johns", "Asia/Kolkata", "Pacific/Kiritimati"),
    "LANG": ("tr_TR.UTF-8", "C"),
    "LC_ALL": ("C.UTF-8", "POSIX"),
    "PYTHONWARNINGS": ("error", "default"),
    "PYTHONOPTIMIZE": ("1", "2"),
    "PYTHONHASHSEED": ("0", "42"),
    "PYTHONPATH": ("/nowhere",),
    "PYTHONSTARTUP": ("/nowhere/startup.py",),
    "PIP_INDEX_URL": (NOWHERE,),
    "UV_INDEX_URL": (NOWHERE,),
    "VOLC_ACCESSKEY": ("dummy",),
    "COLUMNS": ("20", "500"),
    "NO_COLOR": ("1",),
    "FORCE_COLOR": ("1",),
}
"""What people set for other work, with values that would break something here."""

SELECTION = (
    "tests/local/test_clock.py",
    "tests/local/test_stack.py",
    "tests/template/test_layers.py",
    "tests/unit/test_service_vendor.py",
)
MACHINES = 20


@pytest.fixture(params=range(MACHINES))
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[int, dict[str, str], Path]:
    """A number, an environment and a folder of a machine; every second folder has a blank in its name."""
    number: int = request.param
    dice = random.Random(number)
    chosen = dice.sample(sorted(VALUES), 24)
    home = tmp_path / "home"
    (home / ".aws").mkdir(parents=True)
    (home / ".aws" / "config").write_text(dice.choice(["[default]\nregion = \n", "no section\n", "[default\n"]))
    (home / ".aws" / "credentials").write_text("[work]\naws_access_key_id\n")
    (home / ".netrc").write_text("default login someone password dummy\n")
    (home / ".netrc").chmod(0o600)
    folder = tmp_path / ("my pictures & more" if number % 2 else "plain")
    folder.mkdir()
    theirs = {name: dice.choice(VALUES[name]) for name in chosen}
    return number, {**environment.found(), **theirs, "HOME": str(home)}, folder


def run(words: list[str], variables: dict[str, str], folder: Path, umask: int) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        words, env=variables, cwd=folder, umask=umask, capture_output=True, text=True, timeout=300, check=False
    )


def test_a_small_manifest_runs_and_tests_pass(machine: tuple[int, dict[str, str], Path]) -> None:
    number, variables, folder = machine
    umask = 0o077 if number % 3 else 0o022
    (folder / "anna.jpg").write_bytes(picture(1))
    (folder / "shirt.jpg").write_bytes(picture(101))
    content = {
        "models": [{"id": "anna", "image": "anna.jpg"}],
        "garments": [{"id": "shirt", "image": "shirt.jpg", "type": "upper"}],
    }
    (folder / "one.json").write_text(json.dumps(content))
    # The project itself in the folder, as a clone of it would be, but for what is installed.
    clone = folder / "tryon"
    clone.mkdir()
    for part in ("src", "layers", "functions", "statemachine", "samples", "tests", "events"):
        (clone / part).symlink_to(ROOT / part) if part == "samples" else shutil.copytree(
            ROOT / part, clone / part, ignore=shutil.ignore_patterns("__pycache__", "node_modules")
        )
    for part in ("template.yaml", "pyproject.toml"):
        shutil.copy2(ROOT / part, clone / part)
    told = run(
        [sys.executable, "-m", "tryon_cli.main", "local", "run", "../one.json", "--speed", "500", "--out", "out"],
        variables,
        clone,
        umask,
    )
    assert told.returncode == 0, (variables, told.stdout[-3000:], told.stderr[-3000:])
    assert "1 of 1" in told.stdout
    assert list(clone.glob("out/*/index.html"))
    tests = run(
        [sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", SELECTION[number % len(SELECTION)]],
        # `make` leaves these out: pytest and Python read them before any file of the project.
        {k: v for k, v in variables.items() if not k.startswith(("PYTEST_", "PYTHON"))},
        clone,
        umask,
    )
    assert tests.returncode == 0, (variables, tests.stdout[-3000:], tests.stderr[-3000:])
