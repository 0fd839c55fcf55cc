"""What every client of the service must do, against the stand-in: in process and on a loopback socket."""

import hashlib
import io
import json
import os
import random
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

import pytest
import requests
from PIL import Image

from tests.doubles import HandClock, volcengine
from tryon.service import GarmentPicture, Submission, TaskStatus, TryOnService
from tryon.service import errors as e
from tryon.service.secret import Secret
from tryon.service.volcengine.credentials import Credentials
from tryon.service.volcengine.parameters import Parameters
from tryon.service.volcengine.sdk import SdkService
from tryon.service.volcengine.signed import SignedService
from tryon_local.service.faults import (
    Addresses,
    Answer,
    Candidates,
    Cut,
    Expires,
    Fails,
    Fault,
    HiddenAtFirst,
    InBase64,
    Late,
    Mislabel,
    NoConnection,
    Page,
    Redirect,
    Reset,
    RespData,
    Silence,
)
from tryon_local.service.pixel import pixel
from tryon_local.service.server import serve
from tryon_local.service.transport import StandInAdapter
from tryon_local.service.volcengine.standin import ACCESS_KEY, SECRET_KEY, StandIn

KEYS = Credentials(ACCESS_KEY, SECRET_KEY)


def picture(side: int, seed: int = 0) -> bytes:
    noise = random.Random(seed).randbytes(side * side * 3)
    encoded = io.BytesIO()
    Image.frombytes("RGB", (side, side), noise).save(encoded, "PNG", compress_level=1)
    return encoded.getvalue()


MODEL, SHIRT, SKIRT = picture(8, 1), picture(9, 2), picture(10, 3)
SUBMISSION = Submission(MODEL, (GarmentPicture(SHIRT, "upper"),), Parameters())


@dataclass
class Bench:
    """A stand-in and a client that speaks to it."""

    clock: HandClock
    standin: StandIn
    client: TryOnService
    make: Callable[..., TryOnService]
    on_a_socket: bool

    def submitted(self) -> str:
        return self.client.submit(SUBMISSION).task_id

    def finished(self) -> str:
        task_id = self.submitted()
        self.clock.sleep(30)
        return task_id

    def wait_until(self, happened: Callable[[], bool]) -> None:
        """A client that gave up may be ahead of a busy machine's server."""
        deadline = time.monotonic() + 10
        while not happened():
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.fixture(params=["signed in process", "signed on a socket", "sdk on a socket"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    client, _, place = request.param.partition(" ")
    clock = HandClock(time.time())
    standin = StandIn(clock, picture=pixel, latency=lambda _: 27.0, requests_per_second=None)
    session = requests.Session()
    with ExitStack() as ending:
        if place == "on a socket":
            endpoint = ending.enter_context(serve(standin)).url
        else:
            endpoint = "https://service.example"
            session.mount("https://", StandInAdapter(standin))
        ending.callback(session.close)

        def make(**options: Any) -> TryOnService:
            kind = SignedService if client == "signed" else SdkService
            settings: dict[str, Any] = {"endpoint": endpoint, "credentials": lambda: KEYS, "clock": clock}
            return kind(session, **settings | options)

        yield Bench(clock, standin, make(), make, place == "on a socket")


# The way that all goes well


def test_a_task_is_made_watched_and_ends_with_a_picture(bench: Bench) -> None:
    receipt = bench.client.submit(SUBMISSION)
    assert receipt.request_id
    states = []
    for seconds in (0, 5, 25):
        bench.clock.sleep(seconds)
        states.append(bench.client.result(receipt.task_id))
    assert [state.status for state in states] == [TaskStatus.IN_QUEUE, TaskStatus.GENERATING, TaskStatus.DONE]
    [candidate] = states[-1].candidates
    assert candidate.url
    assert candidate.data is None
    assert candidate.seed is not None
    assert states[-1].times
    assert states[-1].times.latency == pytest.approx(27.0, abs=0.01)
    [task] = bench.standin.tasks
    assert task.id == receipt.task_id


def test_pictures_and_parameters_arrive_as_they_were_meant(bench: Bench) -> None:
    outfit = Submission(
        MODEL,
        (GarmentPicture(SHIRT, "upper"), GarmentPicture(SKIRT, "lower")),
        Parameters(mask="tight", seed=7, steps=20, max_side=2048, keep_feet=True, super_resolution=False),
    )
    bench.client.submit(outfit)
    [task] = bench.standin.tasks
    digests = [hashlib.sha256(data).hexdigest() for data in (MODEL, SHIRT, SKIRT)]
    assert task.combination.model == digests[0]
    assert task.combination.garments == ((digests[1], "upper"), (digests[2], "bottom"))
    assert json.loads(task.combination.parameters) == {
        "do_sr": False,
        "keep_head": True,
        "keep_hand": False,
        "keep_foot": True,
        "keep_upper": False,
        "keep_lower": False,
        "tight_mask": "tight",
        "seed": 7,
        "num_steps": 20,
        "p_bbox_iou_ratio": 0.3,
        "p_bbox_expand_ratio": 1.1,
        "max_process_side_length": 2048,
    }


@pytest.mark.parametrize("extra", [0, 1, 2])
def test_pictures_of_every_size_modulo_three_are_signed_rightly(bench: Bench, extra: int) -> None:
    # Bytes after a PNG's end do not keep it from being decoded.
    model = MODEL + bytes((extra - len(MODEL)) % 3)
    assert len(model) % 3 == extra
    assert bench.client.submit(Submission(model, SUBMISSION.garments, Parameters())).task_id


def test_a_session_token_is_signed_too(bench: Bench) -> None:
    keys = Credentials(ACCESS_KEY, SECRET_KEY, "dummy-token")
    assert bench.make(credentials=lambda: keys).submit(SUBMISSION).task_id


def test_all_candidates_come_in_order(bench: Bench) -> None:
    bench.standin.faults.add(Fault("task", Candidates(3)))
    candidates = bench.client.result(bench.finished()).candidates
    assert [candidate.url.split("?")[0][-5:] for candidate in candidates if candidate.url] == [
        "0.png",
        "1.png",
        "2.png",
    ]
    assert len({candidate.seed for candidate in candidates}) == 3


def test_pictures_that_come_as_base64_are_handed_on_as_bytes(bench: Bench) -> None:
    bench.standin.faults.add(Fault("task", InBase64()))
    [candidate] = bench.client.result(bench.finished()).candidates
    assert candidate.url is None
    assert candidate.data
    assert candidate.data.startswith(b"\x89PNG\r\n")


@pytest.mark.parametrize("text", ["", "{broken", "null", '{"received_at": "yesterday"}'])
def test_a_result_without_readable_details_is_a_result(bench: Bench, text: str) -> None:
    bench.standin.faults.add(Fault("task", RespData(text)))
    result = bench.client.result(bench.finished())
    assert result.status is TaskStatus.DONE
    assert len(result.candidates) == 1
    assert (result.times, result.candidates[0].seed) == (None, None)


def test_a_wrong_content_type_changes_nothing(bench: Bench) -> None:
    bench.standin.faults.add(Fault("submit", Mislabel()), Fault("result", Mislabel("text/html")))
    assert bench.client.result(bench.finished()).status is TaskStatus.DONE


# Tasks that do not end well


def test_a_task_that_is_unknown_or_gone_says_so(bench: Bench) -> None:
    bench.standin.faults.add(
        Fault("task", HiddenAtFirst(polls=1), nth=(1,)), Fault("task", Expires(after=5.0), nth=(2,))
    )
    hidden = bench.submitted()
    assert bench.client.result(hidden).status is TaskStatus.NOT_FOUND
    assert bench.client.result(hidden).status is TaskStatus.IN_QUEUE
    bench.clock.sleep(30)
    expiring = bench.submitted()
    bench.clock.sleep(10)
    assert bench.client.result(expiring).status is TaskStatus.EXPIRED
    assert bench.client.result("1234567890123456789").status is TaskStatus.NOT_FOUND


BAD_ENDS = [
    (50411, e.InputRefusedError),
    (50511, e.OutputRefusedError),
    (50412, e.InputRefusedError),
    (50413, e.InputRefusedError),
    (50512, e.TaskFailedError),
    (50518, e.InputRefusedError),
    (50519, e.OutputRefusedError),
    (50520, e.TaskFailedError),
    (50521, e.TaskFailedError),
    (50522, e.TaskFailedError),
    (50500, e.TaskFailedError),
    (50501, e.TaskFailedError),
    (50205, e.InputRefusedError),
    (50207, e.InputRefusedError),
    (50213, e.InputRefusedError),
    (50218, e.InputRefusedError),
    (50220, e.TaskFailedError),
    (58888, e.TaskFailedError),
]


@pytest.mark.parametrize("http", [200, 400])
def test_a_task_that_ends_badly_fails_by_its_code(bench: Bench, subtests: pytest.Subtests, http: int) -> None:
    for number, (code, kind) in enumerate(BAD_ENDS, start=1):
        with subtests.test(code=code):
            bench.standin.faults.add(Fault("task", Fails(code, http=http), task=number))
            task_id = bench.submitted()
            assert bench.client.result(task_id).status is TaskStatus.IN_QUEUE
            bench.clock.sleep(30)
            with pytest.raises(kind) as caught:
                bench.client.result(task_id)
            assert (type(caught.value), caught.value.code) == (kind, code)
            assert caught.value.request_id


def test_a_task_that_is_done_with_nothing_has_failed(bench: Bench) -> None:
    bench.standin.faults.add(Fault("task", Candidates(0)))
    with pytest.raises(e.TaskFailedError):
        bench.client.result(bench.finished())


def test_addresses_are_handed_on_unjudged_and_not_shown(bench: Bench) -> None:
    bench.standin.faults.add(Fault("task", Addresses(("http://169.254.169.254/latest",))))
    result = bench.client.result(bench.finished())
    assert result.candidates[0].url == "http://169.254.169.254/latest"
    assert "169.254" not in repr(result)


# Refusals: every code on either call


CODES = [
    # code, on submit, on a question
    (50400, e.ServiceAccessError, e.ServiceAccessError),
    (50429, e.ServiceThrottledError, e.ServiceThrottledError),
    (50430, e.ServiceBusyError, e.ServiceThrottledError),
    (50500, e.ServiceUnavailableError, e.ServiceUnavailableError),
    (50501, e.ServiceUnavailableError, e.ServiceUnavailableError),
    (50411, e.InputRefusedError, e.InputRefusedError),
    (50412, e.InputRefusedError, e.InputRefusedError),
    (50413, e.InputRefusedError, e.InputRefusedError),
    (50518, e.InputRefusedError, e.InputRefusedError),
    (50205, e.InputRefusedError, e.InputRefusedError),
    (50207, e.InputRefusedError, e.InputRefusedError),
    (50213, e.InputRefusedError, e.InputRefusedError),
    (50215, e.InputRefusedError, e.InputRefusedError),
    (50218, e.InputRefusedError, e.InputRefusedError),
    (50220, e.ServiceUnavailableError, e.TaskFailedError),
    (50520, e.TaskFailedError, e.TaskFailedError),
    (58888, e.UnknownRefusalError, e.TaskFailedError),
    (100006, e.ServiceAccessError, e.ServiceAccessError),
    (100009, e.ServiceAccessError, e.ServiceAccessError),
    (100010, e.ServiceAccessError, e.ServiceAccessError),
    (100013, e.ServiceAccessError, e.ServiceAccessError),
    (100018, e.ServiceThrottledError, e.ServiceThrottledError),
    (100024, e.ServiceAccessError, e.ServiceAccessError),
]


def test_every_code_is_told_apart(bench: Bench, subtests: pytest.Subtests) -> None:
    for code, on_submit, on_result in CODES:
        with subtests.test(code=code):
            bench.standin.faults.clear()
            bench.standin.faults.add(Fault("submit", Answer(code), nth=(1,)), Fault("result", Answer(code), nth=(1,)))
            paid = len(bench.standin.tasks)
            with pytest.raises(on_submit) as caught:
                bench.submitted()
            assert (type(caught.value), caught.value.code) == (on_submit, code)  # type: ignore[attr-defined]
            assert len(bench.standin.tasks) == paid
            task_id = bench.submitted()
            with pytest.raises(on_result) as caught:
                bench.client.result(task_id)
            assert (type(caught.value), caught.value.code) == (on_result, code)  # type: ignore[attr-defined]
            assert caught.value.request_id  # type: ignore[attr-defined]
            assert bench.client.result(task_id).status is TaskStatus.IN_QUEUE
            bench.clock.sleep(30)


def test_a_second_task_on_one_slot_is_told_to_wait_for_the_slot(bench: Bench) -> None:
    bench.submitted()
    with pytest.raises(e.ServiceBusyError):
        bench.submitted()
    assert len(bench.standin.tasks) == 1
    bench.clock.sleep(30)
    bench.submitted()


@pytest.mark.parametrize("form", ["seconds", "date", "none"])
def test_too_many_requests_come_with_the_time_to_wait(bench: Bench, form: str) -> None:
    wanted = {"seconds": "7", "date": formatdate(bench.clock.now() + 7, usegmt=True), "none": None}[form]
    bench.standin.change(requests_per_second=1.0, retry_after=wanted, slots=9)
    bench.submitted()
    with pytest.raises(e.ServiceThrottledError) as caught:
        bench.submitted()
    assert caught.value.retry_after == (None if wanted is None else pytest.approx(7, abs=1))
    assert caught.value.code == 50429
    with pytest.raises(e.ServiceThrottledError):
        bench.client.result("1234567890123456789")


@pytest.mark.parametrize("call", ["submit", "result"])
def test_a_429_without_a_readable_body_asks_to_slow_down(bench: Bench, call: Any) -> None:
    bench.standin.faults.add(Fault(call, Page(http=429, retry_after="3")))
    with pytest.raises(e.ServiceThrottledError) as caught:
        bench.submitted() if call == "submit" else bench.client.result("1")
    assert caught.value.retry_after == 3.0
    assert bench.standin.tasks == ()


# Keys


@pytest.mark.parametrize(
    ("keys", "code"),
    [(Credentials(ACCESS_KEY, "wrong"), 100010), (Credentials("AKLTSTRANGER", SECRET_KEY), 100009)],
)
def test_wrong_keys_stop_the_run_and_are_not_shown(bench: Bench, keys: Credentials, code: int) -> None:
    stranger = bench.make(credentials=lambda: keys)
    for call in (lambda: stranger.submit(SUBMISSION), lambda: stranger.result("1")):
        with pytest.raises(e.ServiceAccessError) as caught:
            call()
        assert caught.value.code == code
        assert keys.access_key not in str(caught.value)
        assert keys.secret_key not in str(caught.value)


@pytest.mark.parametrize(("change", "code"), [({"activated": False}, 50400), ({"authorised": False}, 100013)])
def test_rights_that_are_missing_stop_the_run(bench: Bench, change: dict[str, bool], code: int) -> None:
    bench.standin.change(**change)
    for call in (bench.submitted, lambda: bench.client.result("1")):
        with pytest.raises(e.ServiceAccessError) as caught:
            call()
        assert caught.value.code == code


def test_a_clock_that_is_wrong_stops_the_run(bench: Bench) -> None:
    late = bench.make(clock=HandClock(bench.clock.now() - 3600))
    if isinstance(late, SdkService):
        # The SDK signs by the machine's clock: the service's runs ahead instead.
        bench.clock.sleep(3600)
    with pytest.raises(e.ServiceAccessError, match="clock") as caught:
        late.submit(SUBMISSION)
    assert caught.value.code == 100006


def test_keys_that_were_rotated_are_taken_up_without_a_second_payment(bench: Bench) -> None:
    class Rotating:
        keys = Credentials(ACCESS_KEY, "the-old-one")

        def __call__(self) -> Credentials:
            return self.keys

        def renew(self, refused: Secret) -> Credentials:
            self.keys = KEYS
            return self.keys

    name = "sdk" if isinstance(bench.client, SdkService) else "signed"
    session, endpoint = requests.Session(), "https://service.example"
    session.mount("https://", StandInAdapter(bench.standin))
    service = volcengine(name, session, credentials=Rotating(), clock=bench.clock, endpoint=endpoint)
    service.submit(SUBMISSION)
    assert bench.standin.requests.submit == {"100010": 1, "10000": 1}
    assert len(bench.standin.tasks) == 1


# Accidents on the way


ACCIDENTS: dict[str, Any] = {
    "html with 200": Page(),
    "html with 502": Page(http=502),
    "html with 504, task made": Page(http=504, processed=True),
    "html with 200, task made": Page(processed=True),
    "empty": Page(body="", content_type="application/json"),
    "empty, task made": Page(body="", processed=True),
    "null": Page(body="null", content_type="application/json"),
    "nested without end": Page(body="[" * 50_000, content_type="application/json"),
    "absurd task_id": Page(body='{"code": 10000, "data": {"task_id": {}}}', processed=True),
    "cut": Cut(keep=0.3),
    "cut without notice": Cut(keep=0.3, declared=False),
    "cut at the start": Cut(keep=0.0),
    "reset": Reset(),
    "reset, task made": Reset(processed=True),
    "silence": Silence(),
    "silence, task made": Silence(processed=True),
    "redirect": Redirect("https://elsewhere.example/"),
    "redirect with the body": Redirect("https://elsewhere.example/", http=307),
}


def test_a_submission_whose_answer_proves_nothing_may_have_been_paid(bench: Bench, subtests: pytest.Subtests) -> None:
    impatient = bench.make(timeout=(3.05, 0.2))
    for name, accident in ACCIDENTS.items():
        with subtests.test(accident=name):
            bench.standin.faults.clear()
            bench.standin.faults.add(Fault("submit", accident))
            sent, paid = bench.standin.requests.submit.total(), len(bench.standin.tasks)
            with pytest.raises(e.SubmitOutcomeUnknownError):
                (impatient if isinstance(accident, Silence) else bench.client).submit(SUBMISSION)
            bench.wait_until(lambda sent=sent: bench.standin.requests.submit.total() == sent + 1)  # type: ignore[misc]
            made = getattr(accident, "processed", False) or isinstance(accident, Cut)
            assert len(bench.standin.tasks) == paid + made
            bench.clock.sleep(30)


def test_a_question_whose_answer_is_unreadable_can_be_asked_again(bench: Bench, subtests: pytest.Subtests) -> None:
    task_id = bench.finished()
    impatient = bench.make(timeout=(3.05, 0.2))
    for name, accident in ACCIDENTS.items():
        with subtests.test(accident=name):
            bench.standin.faults.clear()
            bench.standin.faults.add(Fault("result", accident, nth=(1,)))
            asked = bench.standin.requests.result.total()
            with pytest.raises(e.ServiceUnavailableError):
                (impatient if isinstance(accident, Silence) else bench.client).result(task_id)
            bench.wait_until(lambda asked=asked: bench.standin.requests.result.total() == asked + 1)  # type: ignore[misc]
            assert bench.client.result(task_id).status is TaskStatus.DONE
            assert bench.standin.requests.result.total() == asked + 2


def test_an_answer_that_comes_too_late_is_no_answer(bench: Bench) -> None:
    # On a socket the stand-in's time is virtual, so only silence can be late there.
    if bench.on_a_socket:
        pytest.skip("covered by silence")
    bench.standin.faults.add(Fault("submit", Late(31.0)), Fault("result", Late(31.0), nth=(1,)))
    with pytest.raises(e.SubmitOutcomeUnknownError):
        bench.submitted()
    [task] = bench.standin.tasks
    with pytest.raises(e.ServiceUnavailableError):
        bench.client.result(task.id)


def test_a_receipt_that_came_whole_before_the_cut_is_kept(bench: Bench) -> None:
    bench.standin.faults.add(Fault("submit", Cut(keep=1.0)))
    assert bench.submitted() == bench.standin.tasks[0].id


@pytest.mark.parametrize("timeout", [False, True])
def test_a_connection_that_was_never_made_is_no_payment(bench: Bench, timeout: bool) -> None:
    if bench.on_a_socket:
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            address = f"http://127.0.0.1:{nobody.getsockname()[1]}"
            if timeout:
                # Accepted by the system and answered by nobody: TLS, which comes first, times out.
                nobody.listen()
                address = address.replace("http:", "https:")
            client = bench.make(endpoint=address, timeout=(0.2, 0.2))
            with pytest.raises(e.ServiceUnavailableError, match="no task was made"):
                client.submit(SUBMISSION)
            with pytest.raises(e.ServiceUnavailableError):
                client.result("1")
    else:
        bench.standin.faults.add(Fault("submit", NoConnection(timeout)), Fault("result", NoConnection(timeout)))
        with pytest.raises(e.ServiceUnavailableError, match="no task was made"):
            bench.submitted()
        with pytest.raises(e.ServiceUnavailableError):
            bench.client.result("1")
    assert bench.standin.tasks == ()


def test_a_name_that_resolves_to_nothing_is_no_payment(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    if not bench.on_a_socket:
        pytest.skip("no names are resolved in process")

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(e.ServiceUnavailableError, match="no task was made"):
        bench.make(endpoint="https://no-such-host.example").submit(SUBMISSION)


@pytest.fixture(scope="module")
def large() -> Submission:
    """Three pictures of almost 5 MB: more than a socket's buffers hold."""
    return Submission(
        picture(1280, 1),
        (GarmentPicture(picture(1281, 2), "upper"), GarmentPicture(picture(1282, 3), "lower")),
        Parameters(),
    )


def test_a_reset_while_the_body_is_being_sent_is_no_payment(bench: Bench, large: Submission) -> None:
    bench.standin.faults.add(Fault("submit", Reset(unread=True), nth=(1,)))
    with pytest.raises(e.ServiceUnavailableError, match="no task was made"):
        bench.client.submit(large)
    assert bench.standin.tasks == ()


# Memory only


class OpenedFiles:
    """What one thread opens while it is watched, for writing or at all."""

    def __init__(self) -> None:
        self.thread = 0
        self.opened: list[tuple[str, int]] = []
        # A hook cannot be taken off again: it stays, and looks at one thread for as long as asked.
        sys.addaudithook(self._hook)

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open" and threading.get_ident() == self.thread:
            self.opened.append((str(args[0]), args[2]))

    def during(self, act: Callable[[], object]) -> list[tuple[str, int]]:
        self.opened, self.thread = [], threading.get_ident()
        try:
            act()
        finally:
            self.thread = 0
        return self.opened


@pytest.fixture(scope="module")
def opened_files() -> OpenedFiles:
    return OpenedFiles()


def test_the_watch_sees_files(opened_files: OpenedFiles, tmp_path: Any) -> None:
    [(path, flags)] = opened_files.during(lambda: (tmp_path / "seen").write_bytes(b""))
    assert path.endswith("seen")
    assert flags & os.O_WRONLY


def test_no_submission_touches_a_disk(bench: Bench, opened_files: OpenedFiles, large: Submission) -> None:
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
    first = opened_files.during(lambda: bench.client.submit(large))
    assert [path for path, flags in first if flags & writing] == []
    bench.clock.sleep(30)
    bench.standin.faults.add(Fault("submit", Page(http=502), nth=(1,)))

    def fail() -> None:
        with pytest.raises(e.SubmitOutcomeUnknownError):
            bench.client.submit(large)

    assert opened_files.during(fail) == []
    assert opened_files.during(lambda: bench.client.submit(large)) == []
    assert len(bench.standin.tasks) == 2
