"""A handler's module: how it is loaded, what is put into it, what it prints, and what its calls cost."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
from aws_lambda_powertools import Logger

from tests.local.machines import APP, START, Machines
from tryon_local.aws.functions import MissingNameError
from tryon_local.aws.stack import LocalStack
from tryon_local.clock import VirtualClock


def answer(stack: LocalStack, event: Any) -> Any:
    return json.loads(stack.invoke("Worker", event).payload)


def app(root: Path, code: str, **properties: Any) -> None:
    """Write an application of one function, `Worker`, that consists of this code."""
    (root / "worker").mkdir()
    (root / "worker" / "app.py").write_text(code, encoding="utf-8")
    function = {
        "Type": "AWS::Serverless::Function",
        "Properties": {"CodeUri": "worker", "Handler": "app.handler", "Runtime": "python3.13", **properties},
    }
    (root / "template.yaml").write_text(
        json.dumps({"Transform": "AWS::Serverless-2016-10-31", "Resources": {"Worker": function}}), encoding="utf-8"
    )


class CannedAdapter(requests.adapters.BaseAdapter):
    """Answers every request with its own address, after half a minute of the clock's."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self.clock = clock

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:  # type: ignore[override]
        self.clock.sleep(20)
        response = requests.Response()
        response.status_code = 200
        response._content = json.dumps({"asked": request.url}).encode()
        return response

    def close(self) -> None:
        return


def test_a_handlers_requests_go_where_the_test_sends_them_and_take_virtual_time() -> None:
    clock = VirtualClock(START)
    transports = {"https://service.example": CannedAdapter(clock)}
    with LocalStack(APP, clock=clock, transports=transports) as stack:
        told = answer(stack, {"do": "fetch", "url": "https://service.example/a"})
        assert told == {"asked": "https://service.example/a"}
        assert clock.now() == START + 20


@pytest.mark.parametrize(
    ("code", "transports", "missing"),
    [
        ("from tryon.clock import SystemClock\ntime = SystemClock()\n", {}, "clock"),
        ("import requests\n", {"https://x": requests.adapters.HTTPAdapter()}, "session"),
    ],
)
def test_a_module_without_a_name_that_must_be_replaced_is_told_so(
    tmp_path: Path, code: str, transports: Mapping[str, Any], missing: str
) -> None:
    app(tmp_path, code + "def handler(event, context):\n    return 1\n")
    with LocalStack(tmp_path, clock=VirtualClock(START), transports=transports) as stack:
        told = answer(stack, {})
        assert told["errorType"] == MissingNameError.__name__
        assert f"no module-level {missing} to" in told["errorMessage"].replace("`", "")


def test_a_module_that_needs_neither_clock_nor_session_gets_neither(tmp_path: Path) -> None:
    app(tmp_path, "import requests\ndef handler(event, context):\n    return 'clock' in globals()\n")
    with LocalStack(tmp_path, clock=VirtualClock(START)) as stack:
        assert answer(stack, {}) is False


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("raise RuntimeError('at import')\n", "RuntimeError"),
        ("import no_such_package\n", "ModuleNotFoundError"),
        ("def other(event, context): ...\n", "AttributeError"),
    ],
)
def test_a_module_that_cannot_be_loaded_fails_its_calls_and_not_the_stack(tmp_path: Path, code: str, kind: str) -> None:
    app(tmp_path, code)
    with LocalStack(tmp_path, clock=VirtualClock(START)) as stack:
        assert answer(stack, {})["errorType"] == kind


def test_what_handlers_print_and_log_goes_to_their_stacks_log_and_not_to_the_console(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app(
        tmp_path,
        "import logging, sys\nlogger = logging.getLogger('kept')\n"
        "if not logger.handlers:\n    logger.addHandler(logging.StreamHandler(sys.stdout))\n"
        "def handler(event, context):\n    logger.warning('logged')\n    print('printed')\n",
    )
    for _ in range(2):
        lines: list[tuple[str, str]] = []
        with LocalStack(tmp_path, clock=VirtualClock(START), log=lambda *line, to=lines: to.append(line)) as stack:
            stack.invoke("Worker", {})
            print("from outside")  # noqa: T201 - the very thing
        assert "".join(text for function, text in lines if function == "Worker") == "logged\nprinted\n"
    assert capsys.readouterr().out == "from outside\n" * 2


def test_a_logger_that_is_older_than_the_stack_keeps_no_line_away(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Logger(service="older", stream=io.StringIO())
    app(
        tmp_path,
        "from aws_lambda_powertools import Logger\nlogger = Logger(service='older')\n"
        "def handler(event, context):\n    logger.info('logged')\n",
    )
    lines: list[str] = []
    with LocalStack(tmp_path, clock=VirtualClock(START), log=lambda _, text: lines.append(text)) as stack:
        stack.invoke("Worker", {})
    assert [json.loads(line)["message"] for line in lines] == ["logged"]
    assert capsys.readouterr().out == ""


def test_calls_are_counted_and_billed_in_the_clocks_time() -> None:
    with LocalStack(APP, clock=VirtualClock(START)) as stack:
        for event in ({"do": "sleep", "seconds": 2.5}, {"do": "fail"}, {"do": "sleep", "seconds": 99}, {}):
            stack.invoke("Worker", event)
        metrics = stack.functions["Worker"].metrics
        assert (metrics.invocations, metrics.errors, metrics.throttles) == (4, 2, 0)
        assert metrics.billed_ms == 2500 + 1 + 30_000 + 1
        assert stack.functions["Keeper"].metrics.invocations == 0


def test_no_more_calls_run_at_once_than_are_reserved(tmp_path: Path) -> None:
    app(
        tmp_path,
        "import time\nfrom tryon.clock import SystemClock\nclock = SystemClock()\n"
        "def handler(event, context):\n    clock.sleep(5)\n",
        ReservedConcurrentExecutions=2,
        Timeout=10,
    )
    with LocalStack(tmp_path, clock=VirtualClock(START)) as stack:
        machines = Machines(stack)
        each = machines.each({"Task": machines.task({})}, ToleratedFailurePercentage=100)
        ended = machines.run({"Each": each}, {"items": [1, 2, 3]})
        errors = [child.error for child in stack.children(ended.arn)]
        assert sorted(errors, key=str) == ["Lambda.TooManyRequestsException", None, None]
        assert stack.functions["Worker"].metrics.throttles == 1


def test_a_modules_wiring_gets_the_functions_environment_the_stacks_clock_and_its_transports(tmp_path: Path) -> None:
    """Read at the first use, when the process's own environment is another function's or none's."""
    app(
        tmp_path,
        "import os\nimport boto3\n"
        "class Wiring:\n    def __init__(self):\n"
        "        self.environ, self.clock, self.transports = os.environ, None, {}\n"
        "wiring = Wiring()\n"
        "def handler(event, context):\n"
        "    wiring.clock.sleep(2)\n"
        "    return [wiring.environ['ASKED'], 'ASKED' in os.environ, list(wiring.transports)]\n",
        Environment={"Variables": {"ASKED": "for"}},
    )
    clock = VirtualClock(START)
    with LocalStack(tmp_path, clock=clock, transports={"https://x": CannedAdapter(clock)}) as stack:
        assert answer(stack, {}) == ["for", False, ["https://x"]]
        assert clock.now() == START + 2
