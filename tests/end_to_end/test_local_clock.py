"""The time of a stack on this machine, as a command in another process has it."""

import io
import re
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from rich.console import Console

from tests.doubles import outcome
from tryon.keys import Picture
from tryon.planning.plan import Combination, WornGarment
from tryon.service import Submitted
from tryon.state.ledger import Ledger
from tryon.state.run import Run
from tryon_cli.target import LocalStackClock, Target, TargetError
from tryon_cli.watch import watch
from tryon_local.app import ROOT
from tryon_local.aws.stack import LocalStack
from tryon_local.clock import PacedClock

SPEED = 100
PICTURE = Picture(bucket="pictures", key="a.jpg")


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    with LocalStack(ROOT, clock=PacedClock(SPEED), port=0) as running:
        yield running


@pytest.fixture
def clock(stack: LocalStack) -> LocalStackClock:
    return LocalStackClock(int(stack.url.rpartition(":")[2]), SPEED)


def test_it_stands_still_while_anything_works_there(stack: LocalStack, clock: LocalStackClock) -> None:
    with stack.clock.attached():
        before = clock.now()
        time.sleep(0.3)
        assert clock.now() == before == stack.clock.now()


def test_it_does_not_race_while_nothing_waits_for_a_time(clock: LocalStackClock) -> None:
    here, before = time.monotonic(), clock.now()
    time.sleep(0.3)
    assert clock.now() - before <= (time.monotonic() - here) * 1.5


def test_a_wait_takes_as_long_as_it_takes_there(clock: LocalStackClock) -> None:
    here = time.monotonic()
    clock.sleep(20)
    assert 0.2 <= time.monotonic() - here < 2


def test_a_stack_that_has_gone_is_told(clock: LocalStackClock) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        with pytest.raises(TargetError, match="does not answer any more"):
            LocalStackClock(probe.getsockname()[1], SPEED).now()


def test_another_server_is_not_taken_for_a_stack() -> None:
    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Other)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with pytest.raises(TargetError, match="is not a tryon stack"):
            LocalStackClock(server.server_port, SPEED).now()
    finally:
        server.shutdown()
        server.server_close()


def test_the_time_left_is_what_a_busy_stack_will_take_not_what_an_idle_one_would(
    stack: LocalStack, clock: LocalStackClock
) -> None:
    """A run whose first task took 30 s, watched from outside after a long time in which the stack only worked."""
    ledger = Ledger(stack.client("dynamodb"), stack.outputs["LedgerTableName"], stack.clock)
    with stack.clock.attached():
        ledger.open_run(Run("watched", execution="e", total=4))
        garment = WornGarment(id="shirt", type="upper", picture=PICTURE)
        ledger.add(
            "watched",
            [
                Combination(
                    n=n, model="anna", worn=f"{n:02d}-shirt", variant="v", model_picture=PICTURE, garments=[garment]
                )
                for n in range(1, 5)
            ],
        )
        ledger.begin_submit("watched", 1, 1)
        ledger.submitted("watched", 1, 1, Submitted("task", "request"))
        stack.clock.sleep(30)
        ledger.ended("watched", ledger.entry("watched", 1), "task")
        time.sleep(1)  # a hundred seconds to whoever reckons by the speed
        said = io.StringIO()
        seen = Target("local", stack.outputs, stack.client, clock, speed=SPEED)
        ending = threading.Timer(1, lambda: ledger.report("watched", outcome("SUCCEEDED")))
        ending.start()
        watch(seen, "watched", Console(file=said, width=200))
        ending.join()
    told = re.fullmatch(
        r"0 of 4, 1 downloading, 3 waiting, about (\d) s left here \((\d) min (\d+) s of workflow\)",
        said.getvalue().splitlines()[0],
    )
    assert told is not None, said.getvalue()
    here, minutes, seconds = map(int, told.groups())
    # Three tasks of 30 s; the task itself takes a little longer on a loaded machine.
    assert 90 <= 60 * minutes + seconds < 180
    assert here in (1, 2)
