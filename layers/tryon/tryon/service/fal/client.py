"""fal's queue through its own API: one request, one answer, nothing in between.

The vendor's package re-sends a submit whose answer was lost, up to ten times: it is used in tests only.
"""

from collections.abc import Mapping
from typing import cast
from urllib.parse import urlencode

import requests

from tryon.clock import Clock
from tryon.service import Submission, Submitted, TaskResult, TaskStatus
from tryon.service.capabilities import Capabilities
from tryon.service.fal import words
from tryon.service.fal.capabilities import MODEL_IDS
from tryon.service.secret import ApiKey, Keys, Secret
from tryon.service.transport import Answer, NoAnswerError, get, origin, post, result_failure, submit_failure

API_ENDPOINT = "https://api.fal.ai"
"""Where prices are asked for, which the queue does not know."""


def build(
    capabilities: Capabilities,
    session: requests.Session,
    *,
    credentials: Keys[Secret],
    clock: Clock,
    endpoint: str,
    timeout: tuple[float, float],
    options: Mapping[str, str],
) -> "FalService":
    """A client; the option `api_endpoint` is the address for the free question."""
    return FalService(
        capabilities,
        session,
        credentials=cast("Keys[ApiKey]", credentials),
        clock=clock,
        endpoint=endpoint,
        api_endpoint=options.get("api_endpoint") or API_ENDPOINT,
        timeout=timeout,
    )


class FalService:
    """A client of one model on fal's queue for any number of threads; `timeout` is connect and read, in seconds.

    The key goes to the two configured hosts and to no host that an answer names.
    """

    def __init__(
        self,
        capabilities: Capabilities,
        session: requests.Session,
        *,
        credentials: Keys[ApiKey],
        clock: Clock,
        endpoint: str,
        api_endpoint: str,
        timeout: tuple[float, float],
    ) -> None:
        self.capabilities = capabilities
        scheme, self._host = origin(endpoint)
        self._queue = f"{scheme}://{self._host}"
        self._api = "://".join(origin(api_endpoint))
        self._session = session
        self._credentials = credentials
        self._clock = clock
        self._timeout = timeout

    def submit(self, submission: Submission) -> Submitted:
        model = self.capabilities.model
        try:
            answer = post(
                self._session,
                f"{self._queue}/{MODEL_IDS[model]}",
                {**self._authorization(), "Content-Type": "application/json"},
                words.submission_body(submission, model),
                timeout=self._timeout,
                limit=words.SUBMIT_ANSWER_LIMIT,
                reuse=False,
            )
        except NoAnswerError as error:
            raise submit_failure(error) from error
        return words.read_submit_answer(
            answer.status, answer.headers, answer.body, model=model, host=self._host, now=self._clock.now()
        )

    def result(self, task_id: str) -> TaskResult:
        address = self._queue + words.path_of(task_id)
        answer = self._ask(f"{address}/status")
        status = words.read_status_answer(answer.status, answer.headers, answer.body, now=self._clock.now())
        if status is not TaskStatus.DONE:
            return TaskResult(status, "")
        answer = self._ask(address)
        return words.read_result_answer(answer.status, answer.headers, answer.body, now=self._clock.now())

    def check(self) -> None:
        model = self.capabilities.model
        answer = self._ask(f"{self._api}{words.PRICING}?{urlencode({'endpoint_id': MODEL_IDS[model]})}")
        words.read_pricing_answer(answer.status, answer.headers, answer.body, model=model, now=self._clock.now())

    def _ask(self, url: str) -> Answer:
        try:
            return get(
                self._session, url, self._authorization(), timeout=self._timeout, limit=words.RESULT_ANSWER_LIMIT
            )
        except NoAnswerError as error:
            raise result_failure(error) from error

    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"Key {self._credentials().api_key}"}
