"""FASHN through its own API.

The vendor's package re-sends a submit whose answer was lost, which may be paid for again: it is used in tests only.
"""

from collections.abc import Mapping
from typing import cast
from urllib.parse import quote

import requests

from tryon.clock import Clock
from tryon.service import Balance, Submission, Submitted, TaskResult
from tryon.service.capabilities import Capabilities
from tryon.service.fashn import words
from tryon.service.keyed import KeyedService
from tryon.service.secret import ApiKey, Keys, Secret


def build(
    capabilities: Capabilities,
    session: requests.Session,
    *,
    credentials: Keys[Secret],
    clock: Clock,
    endpoint: str,
    timeout: tuple[float, float],
    options: Mapping[str, str],
) -> "FashnService":
    """A client; there are no `options`."""
    return FashnService(
        capabilities,
        session,
        credentials=cast("Keys[ApiKey]", credentials),
        clock=clock,
        endpoint=endpoint,
        timeout=timeout,
        scheme="Bearer",
    )


class FashnService(KeyedService):
    """A client of FASHN's API for any number of threads."""

    def submit(self, submission: Submission) -> Submitted:
        answer = self._send(words.RUN, words.submission_body(submission, self.capabilities.model))
        return words.read_submit_answer(answer.status, answer.headers, answer.body, now=self._clock.now())

    def result(self, task_id: str) -> TaskResult:
        answer = self._ask(words.STATUS + quote(task_id, safe=""))
        return words.read_status_answer(answer.status, answer.headers, answer.body, now=self._clock.now())

    def check(self) -> Balance | None:
        answer = self._ask(words.CREDITS)
        return words.read_credits_answer(answer.status, answer.headers, answer.body, now=self._clock.now())
