"""A client whose every call carries one API key in a header: one request, one answer, nothing in between."""

import requests

from tryon.clock import Clock
from tryon.service.capabilities import Capabilities
from tryon.service.secret import ApiKey, Keys
from tryon.service.transport import Answer, NoAnswerError, get, origin, post, result_failure, submit_failure

# A receipt is some hundred bytes; pictures are asked for by address.
_SUBMIT_ANSWER_LIMIT = 1 << 20
_RESULT_ANSWER_LIMIT = 4 << 20


class KeyedService:
    """What such clients share, for any number of threads.

    `scheme` is the word before the key; `timeout` is connect and read, in seconds. Raises `ServiceAccessError` for an
    endpoint that is no address.
    """

    def __init__(
        self,
        capabilities: Capabilities,
        session: requests.Session,
        *,
        scheme: str,
        credentials: Keys[ApiKey],
        clock: Clock,
        endpoint: str,
        timeout: tuple[float, float],
    ) -> None:
        self.capabilities = capabilities
        protocol, self._host = origin(endpoint)
        self._origin = f"{protocol}://{self._host}"
        self._session = session
        self._scheme = scheme
        self._credentials = credentials
        self._clock = clock
        self._timeout = timeout

    def _send(self, path: str, body: bytes) -> Answer:
        """Submit a JSON body; raises what a submit without an answer means."""
        headers = {**self._authorization(), "Content-Type": "application/json"}
        try:
            return post(
                self._session,
                self._origin + path,
                headers,
                body,
                timeout=self._timeout,
                limit=_SUBMIT_ANSWER_LIMIT,
                reuse=False,
            )
        except NoAnswerError as error:
            raise submit_failure(error) from error

    def _ask(self, path: str, *, at: str = "") -> Answer:
        """Ask a question at the endpoint, or at another origin; raises what a question without an answer means."""
        try:
            return get(
                self._session,
                (at or self._origin) + path,
                self._authorization(),
                timeout=self._timeout,
                limit=_RESULT_ANSWER_LIMIT,
            )
        except NoAnswerError as error:
            raise result_failure(error) from error

    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"{self._scheme} {self._credentials().api_key}"}
