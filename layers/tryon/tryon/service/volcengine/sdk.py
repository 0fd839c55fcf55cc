"""The service through the vendor's SDK, which builds and signs the requests and is trusted with no more."""

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import requests

from tryon.clock import Clock
from tryon.json_types import Json
from tryon.service import Submission, Submitted, TaskResult
from tryon.service.capabilities import Capabilities
from tryon.service.errors import ServiceAccessError
from tryon.service.transport import Answer, NoAnswerError, origin, post, result_failure, submit_failure
from tryon.service.volcengine import vendor
from tryon.service.volcengine.capabilities import CAPABILITIES
from tryon.service.volcengine.credentials import Credentials


class SdkService:
    """A client of the try-on service for any number of threads; `timeout` is connect and read, in seconds.

    Raises `ServiceAccessError` when the SDK is not installed.
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
        try:
            from volcengine.Credentials import Credentials as SdkCredentials
            from volcengine.visual.VisualService import VisualService
        except ImportError as error:
            raise ServiceAccessError(
                "the client 'sdk' needs the vendor's SDK: deploy the layer that holds it or choose 'signed'"
            ) from error
        self._scheme, self._host = origin(endpoint)
        self._session = session
        self._credentials = credentials
        self._clock = clock
        self._timeout = timeout
        self._region = region
        self._sdk_credentials = SdkCredentials
        self._visual_service = VisualService
        self._api_info = VisualService.get_api_info()

    def submit(self, submission: Submission) -> Submitted:
        exchange = _Exchange(self._session, self._timeout, vendor.SUBMIT_ANSWER_LIMIT, reuse=False)
        client = self._client(exchange)
        try:
            answer = exchange.run(client.cv_submit_task, vendor.encode_submission(submission))
        except NoAnswerError as error:
            raise submit_failure(error) from error
        return vendor.read_submit_answer(answer.status, answer.headers, answer.body, now=self._clock.now())

    def result(self, task_id: str) -> TaskResult:
        exchange = _Exchange(self._session, self._timeout, vendor.RESULT_ANSWER_LIMIT, reuse=True)
        client = self._client(exchange)
        try:
            answer = exchange.run(client.cv_get_result, vendor.encode_query(task_id))
        except NoAnswerError as error:
            raise result_failure(error) from error
        return vendor.read_result_answer(answer.status, answer.headers, answer.body, now=self._clock.now())

    def check(self) -> None:
        vendor.check(self.result)

    def _client(self, exchange: "_Exchange") -> Any:
        """The SDK's client for one call, sharing nothing that a call changes.

        Its own constructor hands out one instance a process, which each construction wipes, and looks for
        keys in the environment and in files: in threads, 160 of 180 calls went out wrongly signed.
        """
        keys = self._credentials()
        info = self._visual_service.get_service_info()
        info.credentials = self._sdk_credentials(
            keys.access_key, keys.secret_key, vendor.SERVICE, self._region, keys.session_token
        )
        info.scheme, info.host = self._scheme, self._host
        client = object.__new__(self._visual_service)
        client.service_info = info
        client.api_info = self._api_info
        client.session = exchange
        return client


class _Exchange:
    """What the SDK gets for a session: it sends by our transport and keeps the answer from the SDK.

    The SDK would drop status and headers, turn every code into a bare exception and parse the rest thrice.
    """

    def __init__(self, session: requests.Session, timeout: tuple[float, float], limit: int, *, reuse: bool) -> None:
        self._session = session
        self._timeout = timeout
        self._limit = limit
        self._reuse = reuse
        self._outcome: Answer | NoAnswerError | None = None

    def run(self, method: Callable[[Mapping[str, Json]], Any], form: Mapping[str, Json]) -> Answer:
        """The answer to one of the SDK's calls; raises `NoAnswerError`."""
        try:
            method(form)
        except Exception as error:
            if self._outcome is None:
                raise NoAnswerError(f"SDK: {type(error).__name__}", sent=False) from error
        if isinstance(self._outcome, Answer):
            return self._outcome
        raise self._outcome or NoAnswerError("SDK: nothing was sent", sent=False)

    def post(self, url: str, headers: Mapping[str, str], data: str, timeout: float) -> NoReturn:
        """Called by the SDK, whose part ends here; its own `timeout`, a fixed one, is not used."""
        # Should anything unforeseen happen below, a submission counts as sent.
        self._outcome = NoAnswerError("an unforeseen failure", sent=True)
        try:
            self._outcome = post(
                self._session,
                url,
                headers,
                data.encode("ascii"),
                timeout=self._timeout,
                limit=self._limit,
                reuse=self._reuse,
            )
        except NoAnswerError as error:
            self._outcome = error
        raise _AnsweredError


class _AnsweredError(Exception):
    """The answer is kept: nothing is left for the SDK to do."""
