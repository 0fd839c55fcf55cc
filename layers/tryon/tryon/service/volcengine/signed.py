"""The service through this project's own signature: one request, one answer, nothing in between."""

import json
from collections.abc import Callable

import requests

from tryon.clock import Clock
from tryon.service import Submission, Submitted, TaskResult
from tryon.service.capabilities import Capabilities
from tryon.service.transport import Answer, NoAnswerError, origin, post, result_failure, submit_failure
from tryon.service.volcengine import vendor
from tryon.service.volcengine.capabilities import CAPABILITIES
from tryon.service.volcengine.credentials import Credentials
from tryon.service.volcengine.signature import sign


class SignedService:
    """A client of the try-on service for any number of threads; `timeout` is connect and read, in seconds.

    `session` must not retry a POST by itself: a submission sent twice is paid twice.
    """

    def __init__(
        self,
        session: requests.Session,
        *,
        endpoint: str,
        credentials: Callable[[], Credentials],
        clock: Clock,
        timeout: tuple[float, float] = (3.05, 30),
        region: str = vendor.REGION,
        capabilities: Capabilities = CAPABILITIES[0],
    ) -> None:
        self.capabilities = capabilities
        scheme, host = origin(endpoint)
        self._session = session
        self._origin = f"{scheme}://{host}"
        self._credentials = credentials
        self._clock = clock
        self._timeout = timeout
        self._region = region

    def submit(self, submission: Submission) -> Submitted:
        try:
            answer = self._post(
                vendor.SUBMIT_QUERY,
                vendor.submission_body(submission),
                limit=vendor.SUBMIT_ANSWER_LIMIT,
                reuse=False,
            )
        except NoAnswerError as error:
            raise submit_failure(error) from error
        return vendor.read_submit_answer(answer.status, answer.headers, answer.body, now=self._clock.now())

    def result(self, task_id: str) -> TaskResult:
        body = json.dumps(vendor.encode_query(task_id)).encode()
        try:
            answer = self._post(vendor.RESULT_QUERY, body, limit=vendor.RESULT_ANSWER_LIMIT, reuse=True)
        except NoAnswerError as error:
            raise result_failure(error) from error
        return vendor.read_result_answer(answer.status, answer.headers, answer.body, now=self._clock.now())

    def check(self) -> None:
        vendor.check(self.result)

    def _post(self, query: str, body: bytes, *, limit: int, reuse: bool) -> Answer:
        url = f"{self._origin}/?{query}"
        headers = sign(
            "POST",
            url,
            {"Content-Type": "application/json"},
            body,
            when=self._clock.now(),
            credentials=self._credentials(),
            region=self._region,
            service=vendor.SERVICE,
        )
        return post(self._session, url, headers, body, timeout=self._timeout, limit=limit, reuse=reuse)
