"""What runs on this machine has an environment of its own, and reaches nothing else."""

import os
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import boto3
import botocore
import botocore.configprovider
import moto
import pytest
import requests

from tests.local.machines import APP
from tryon_local import environment
from tryon_local.app import ROOT, LocalApp
from tryon_local.aws.stack import LocalStack
from tryon_local.clock import PacedClock, VirtualClock
from tryon_local.guard import ForeignAddressError, is_this_machine, only_this_machine
from tryon_local.service.pixel import pixel
from tryon_local.service.volcengine.standin import StandIn

HOSTILE = {
    "AWS_PROFILE": "work",
    "AWS_USE_DUALSTACK_ENDPOINT": "true",
    "AWS_USE_FIPS_ENDPOINT": "true",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
    "AWS_CA_BUNDLE": "/nowhere/bundle.pem",
    "AWS_CONFIG_FILE": "/nowhere/config",
    "AWS_MAX_ATTEMPTS": "none",
    "AWS_RETRY_MODE": "wild",
    "AWS_DEFAULTS_MODE": "wild",
    "AWS_STS_REGIONAL_ENDPOINTS": "wild",
    "AWS_LAMBDA_FUNCTION_NAME": "mine",
    "AWS_DATA_PATH": "/nowhere",
    "_X_AMZN_TRACE_ID": "Root=1-1",
    "BOTO_CONFIG": "/nowhere/boto",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "http_proxy": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "All_Proxy": "socks5://127.0.0.1:9",
    "REQUESTS_CA_BUNDLE": "/nowhere/bundle.pem",
    "NETRC": "/nowhere/netrc",
    "POWERTOOLS_METRICS_NAMESPACE": "",
    "POWERTOOLS_LOG_LEVEL": "LOUD",
    "LOG_LEVEL": "LOUD",
    "MOTO_S3_CUSTOM_ENDPOINTS": "http://x",
    "MOTO_ACCOUNT_ID": "nobody",
    "S3_IGNORE_SUBDOMAIN_BUCKETNAME": "1",
    "TZ": "America/St_Johns",
    "PYTHONOPTIMIZE": "2",
    "PYTEST_ADDOPTS": "--nonsense",
    "UV_INDEX_URL": "http://127.0.0.1:9",
}


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in HOSTILE.items():
        monkeypatch.setenv(name, value)


def test_every_variable_that_botocore_knows_is_left_out() -> None:
    """A release that knows a new one fails here if it has a name of another kind."""
    known = {"AWS_ACCESS_KEY_ID", "AWS_REGION"}
    for _, variables, *_ in botocore.configprovider.BOTOCORE_DEFAUT_SESSION_VARIABLES.values():
        known |= {variables} if isinstance(variables, str) else set(variables or ())
    # And whatever else its files read, by the look of the name.
    for module in (botocore, boto3):
        for path in Path(next(iter(module.__path__))).rglob("*.py"):
            known |= set(re.findall(r"environ(?:\.get\(|\[)\s*['\"]([A-Za-z_0-9]+)['\"]", path.read_text()))
    assert len(known) > 35
    asked_of_the_system = {"APPDATA", "HOME"}
    known.discard("FOO")  # of an example in a docstring
    assert sorted(name for name in known - asked_of_the_system if not environment.is_left_out(name)) == []


def test_every_variable_that_moto_reads_when_it_is_imported_is_left_out() -> None:
    settings = (Path(next(iter(moto.__path__))) / "settings.py").read_text()
    known = set(re.findall(r"environ(?:\.get\(|\[)\s*['\"]([A-Za-z_0-9]+)['\"]", settings))
    assert len(known) > 20
    assert sorted(name for name in known if not environment.is_left_out(name)) == []


def test_each_family_says_why_and_has_at_least_one_of_these_variables() -> None:
    for family in environment.LEFT_OUT:
        assert family.why
    assert sorted(name for name in HOSTILE if not environment.is_left_out(name)) == []


@pytest.mark.parametrize("name", ["PATH", "HOME", "LANG", "TERM", "TMPDIR", "NO_COLOR", "TRYON_STACK", "DOCKER_HOST"])
def test_what_is_not_named_stays(name: str) -> None:
    assert environment.own({name: "mine"})[name] == "mine"


def test_the_persons_environment_is_back_afterwards(hostile: None) -> None:
    time.tzset()
    before, zone = dict(os.environ), time.timezone
    with environment.isolated("eu-west-1"):
        assert os.environ["AWS_REGION"] == os.environ["AWS_DEFAULT_REGION"] == "eu-west-1"
        assert time.timezone == 0
        assert not set(HOSTILE) & {name for name in os.environ if name not in environment.FIXED}
    assert dict(os.environ) == before
    assert time.timezone == zone != 0
    os.environ["TZ"] = "UTC"
    time.tzset()


def test_what_installs_sees_what_the_person_set() -> None:
    assert environment.found()["PATH"] == os.environ["PATH"]
    environment.found().clear()
    assert environment.found()


def test_a_stack_and_its_clients_do_not_see_a_hostile_environment(hostile: None) -> None:
    clock = PacedClock(100)
    with LocalApp(StandIn(clock, picture=pixel), clock=clock, port=0) as app:
        assert os.environ["NO_PROXY"] == "*"
        assert "AWS_PROFILE" not in os.environ
        app.put("inputs/anna.jpg", b"a person")
        port = int(app.stack.url.rpartition(":")[2])
        # As a person would in another terminal: what changes Python itself is another test's.
        theirs = {name: value for name, value in HOSTILE.items() if not name.startswith("PYTHON")}
        told = subprocess.run(
            [sys.executable, "-m", "tryon_cli.main", "list", "--port", str(port), "--json"],
            env={**os.environ, **theirs},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    assert (told.returncode, told.stderr) == (0, "")
    assert os.environ["AWS_PROFILE"] == "work"


def test_a_running_stack_reaches_no_other_machine_and_names_what_it_was_asked_for() -> None:
    with LocalStack(APP, clock=VirtualClock(0.0)):
        with pytest.raises(ForeignAddressError, match=r"192\.0\.2\.1:443"):
            socket.create_connection(("192.0.2.1", 443), timeout=0.1)
        with pytest.raises(ForeignAddressError, match=r"cloudformation\.us-east-1\.api\.aws:443"):
            requests.get("https://cloudformation.us-east-1.api.aws/", timeout=0.1)
        with pytest.raises(ForeignAddressError, match=r"198\.51\.100\.7:80"):
            requests.get("http://198.51.100.7/", timeout=0.1, proxies={"http": ""})
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram, pytest.raises(ForeignAddressError):
            datagram.sendto(b"x", ("203.0.113.1", 53))
        with pytest.raises(ForeignAddressError, match=r"example\.com"):
            socket.gethostbyname("example.com")


def test_this_machine_is_reached_while_a_stack_runs(tmp_path: Path) -> None:
    with only_this_machine(), socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for host in ("127.0.0.1", "localhost"):
            socket.create_connection((host, port), timeout=5).close()
        with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as calling:
            listening.bind(str(tmp_path / "s"))
            listening.listen()
            calling.connect(str(tmp_path / "s"))


def test_nothing_is_guarded_before_and_after() -> None:
    def refused_by_guard() -> bool:
        try:
            socket.getaddrinfo("192.0.2.1", 9, flags=socket.AI_NUMERICHOST)
        except ForeignAddressError:
            return True
        return False

    assert not refused_by_guard()
    with only_this_machine(), only_this_machine():
        assert refused_by_guard()
    assert not refused_by_guard()


def test_every_thread_is_guarded() -> None:
    seen: list[str] = []

    def reach() -> None:
        try:
            socket.create_connection(("192.0.2.1", 443), timeout=0.1)
        except ForeignAddressError as error:
            seen.append(str(error))

    with only_this_machine():
        thread = threading.Thread(target=reach)
        thread.start()
        thread.join()
    assert seen == ["the local stack reaches only this machine: a connection to 192.0.2.1:443 was refused"]


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", True),
        ("LOCALHOST.", True),
        ("b.localhost", True),
        ("10.0.0.1", False),
        ("169.254.169.254", False),
        ("::ffff:10.0.0.1", False),
        ("fe80::1%eth0", False),
        ("localhost.example", False),
        ("127.0.0.1.nip.io", False),
    ],
)
def test_the_loopback_is_this_machine_and_nothing_else(host: str, here: bool) -> None:
    assert is_this_machine(host) is here


def test_a_name_that_the_stack_was_given_is_this_machine_only_while_it_runs() -> None:
    with only_this_machine(("172.17.0.1", "host.docker.internal")):
        assert is_this_machine("172.17.0.1")
        assert is_this_machine("host.docker.internal")
    assert not is_this_machine("172.17.0.1")
