"""fal's queue through its own API.

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
from tryon.service.keyed import KeyedService
from tryon.service.secret import ApiKey, Keys, Secret
from tryon.service.transport import origin

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


class FalService(KeyedService):
    """A client of one model on fal's queue for any number of threads.

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
        super().__init__(
            capabilities,
            session,
            scheme="Key",
            credentials=credentials,
            clock=clock,
            endpoint=endpoint,
            timeout=timeout,
        )
        self._api = "://".join(origin(api_endpoint))

    def submit(self, submission: Submission) -> Submitted:
        model = self.capabilities.model
        answer = self._send(f"/{MODEL_IDS[model]}", words.submission_body(submission, model))
        return words.read_submit_answer(
            answer.status, answer.headers, answer.body, model=model, host=self._host, now=self._clock.now()
        )

    def result(self, task_id: str) -> TaskResult:
        path = words.path_of(task_id)
        answer = self._ask(f"{path}/status")
        status = words.read_status_answer(answer.status, answer.headers, answer.body, now=self._clock.now())
        if status is not TaskStatus.DONE:
            return TaskResult(status, "")
        answer = self._ask(path)
        return words.read_result_answer(answer.status, answer.headers, answer.body, now=self._clock.now())

    def check(self) -> None:
        model = self.capabilities.model
        answer = self._ask(f"{words.PRICING}?{urlencode({'endpoint_id': MODEL_IDS[model]})}", at=self._api)
        words.read_pricing_answer(answer.status, answer.headers, answer.body, model=model, now=self._clock.now())
