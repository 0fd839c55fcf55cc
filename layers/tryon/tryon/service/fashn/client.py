"""FASHN through its own API: one request, one answer, nothing in between.

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
from tryon.service.secret import ApiKey, Keys, Secret
from tryon.service.transport import Answer, NoAnswerError, get, origin, post, result_failure, submit_failure


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
    )


class FashnService:
    """A client of FASHN's API for any number of threads; `timeout` is connect and read, in seconds."""

    def __init__(
        self,
        capabilities: Capabilities,
        session: requests.Session,
        *,
        credentials: Keys[ApiKey],
        clock: Clock,
        endpoint: str,
        timeout: tuple[float, float],
    ) -> None:
        self.capabilities = capabilities
        scheme, host = origin(endpoint)
        self._origin = f"{scheme}://{host}"
        self._session = session
        self._credentials = credentials
        self._clock = clock
        self._timeout = timeout

    def submit(self, submission: Submission) -> Submitted:
        body = words.submission_body(submission, self.capabilities.model)
        try:
            answer = post(
                self._session,
                self._origin + words.RUN,
                {**self._authorization(), "Content-Type": "application/json"},
                body,
                timeout=self._timeout,
                limit=words.SUBMIT_ANSWER_LIMIT,
                reuse=False,
            )
        except NoAnswerError as error:
            raise submit_failure(error) from error
        return words.read_submit_answer(answer.status, answer.headers, answer.body, now=self._clock.now())

    def result(self, task_id: str) -> TaskResult:
        answer = self._ask(words.STATUS + quote(task_id, safe=""))
        return words.read_status_answer(answer.status, answer.headers, answer.body, now=self._clock.now())

    def check(self) -> Balance | None:
        answer = self._ask(words.CREDITS)
        return words.read_credits_answer(answer.status, answer.headers, answer.body, now=self._clock.now())

    def _ask(self, path: str) -> Answer:
        try:
            return get(
                self._session,
                self._origin + path,
                self._authorization(),
                timeout=self._timeout,
                limit=words.RESULT_ANSWER_LIMIT,
            )
        except NoAnswerError as error:
            raise result_failure(error) from error

    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._credentials().api_key}"}
