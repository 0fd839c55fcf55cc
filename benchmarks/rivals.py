"""How the service is driven elsewhere: a loop around the vendor's SDK, and workers that poll at a fixed beat."""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from random import Random
from typing import Any

import requests
from volcengine.visual.VisualService import VisualService

from tryon.service import Submission, TaskStatus
from tryon.service.errors import ServiceBusyError, ServiceThrottledError
from tryon.service.volcengine import vendor
from tryon.service.volcengine.credentials import Credentials
from tryon.service.volcengine.signed import SignedService
from tryon_local.clock import VirtualClock
from tryon_local.service.transport import StandInAdapter
from tryon_local.service.volcengine.standin import ACCESS_KEY, SECRET_KEY, StandIn

HOST = "service.standin.test"
PAUSE = 2.0
"""Seconds that the sequential loop rests between two combinations."""

RETRY = (0.5, 1.5)
"""Seconds between which a worker submits again when it was refused; in step, it would lose to polls for ever."""


def sequential(
    standin: StandIn, clock: VirtualClock, submissions: Sequence[Submission], cadence: Sequence[float]
) -> float:
    """Submit, poll, download, pause; one after the other, through the SDK. Returns the seconds that it took."""

    def work() -> None:
        sdk = VisualService()
        sdk.set_ak(ACCESS_KEY)
        sdk.set_sk(SECRET_KEY)
        sdk.set_host(HOST)
        sdk.session.mount("http://", StandInAdapter(standin))
        session = _session(standin)
        for i, submission in enumerate(submissions):
            if i:
                clock.sleep(PAUSE)
            task_id = sdk.cv_submit_task(vendor.encode_submission(submission))["data"]["task_id"]
            for wait in _waits(cadence):
                clock.sleep(wait)
                data = sdk.cv_get_result(vendor.encode_query(task_id))["data"]
                if data["status"] == "done":
                    break
            for url in data["image_urls"]:
                session.get(url)

    return _timed(clock, [work])


def workers(
    standin: StandIn, clock: VirtualClock, submissions: Sequence[Submission], cadence: Sequence[float], slots: int
) -> float:
    """As many workers as slots, each with one task at a time. Returns the seconds that they took."""
    left = deque(submissions)
    random = Random(len(submissions))

    def work() -> None:
        session = _session(standin)
        client = SignedService(
            session,
            endpoint=f"https://{HOST}",
            credentials=lambda: Credentials(ACCESS_KEY, SECRET_KEY),
            clock=clock,
        )
        while left:
            submission = left.popleft()
            task_id = _submitted(client, submission, clock, random)
            for wait in _waits(cadence):
                clock.sleep(wait)
                try:
                    result = client.result(task_id)
                except ServiceThrottledError:
                    continue
                if result.status is TaskStatus.DONE:
                    break
            for candidate in result.candidates:
                session.get(candidate.url or "")

    return _timed(clock, [work] * slots)


def _submitted(client: SignedService, submission: Submission, clock: VirtualClock, random: Random) -> str:
    while True:
        try:
            return client.submit(submission).task_id
        except (ServiceBusyError, ServiceThrottledError):
            clock.sleep(random.uniform(*RETRY))


def _waits(cadence: Sequence[float]) -> Iterator[float]:
    return chain(cadence, repeat(cadence[-1]))


def _session(standin: StandIn) -> requests.Session:
    session = requests.Session()
    session.mount("https://", StandInAdapter(standin))
    return session


def _timed(clock: VirtualClock, jobs: Sequence[Any]) -> float:
    started = clock.now()
    threads = [clock.thread(job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return clock.now() - started
