"""Which client speaks to the service, and what it does when its keys were changed meanwhile."""

from collections.abc import Callable
from typing import Protocol, TypeVar

import requests

from tryon.clock import Clock
from tryon.service import Submission, Submitted, TaskResult, TryOnService, vendor
from tryon.service.credentials import Credentials
from tryon.service.errors import ServiceAccessError
from tryon.service.sdk import SdkService
from tryon.service.signed import SignedService

_Answer = TypeVar("_Answer", Submitted, TaskResult)

_CLIENTS: dict[str, type[SignedService] | type[SdkService]] = {"signed": SignedService, "sdk": SdkService}


class RenewableCredentials(Protocol):
    """A source of keys that can be asked again, such as `SecretCredentials`."""

    def __call__(self) -> Credentials: ...

    def renew(self, refused: Credentials) -> Credentials: ...


def build(
    name: str,
    session: requests.Session,
    *,
    credentials: RenewableCredentials,
    clock: Clock,
    endpoint: str = vendor.ENDPOINT,
    timeout: tuple[float, float] = (3.05, 30),
    region: str = vendor.REGION,
) -> TryOnService:
    """The client called `signed` or `sdk`; raises `ServiceAccessError` when there is none of that name."""
    if name not in _CLIENTS:
        raise ServiceAccessError(f"no client is called {name!r}: choose one of {', '.join(_CLIENTS)}")
    client = _CLIENTS[name](
        session, endpoint=endpoint, credentials=credentials, clock=clock, timeout=timeout, region=region
    )
    return RenewingService(client, credentials)


class RenewingService:
    """A client that reads its keys anew when the service refuses them, then asks once more.

    Keys that are rotated during a run would otherwise fail it until they are next read.
    """

    def __init__(self, service: TryOnService, credentials: RenewableCredentials) -> None:
        self._service = service
        self._credentials = credentials

    def submit(self, submission: Submission) -> Submitted:
        # Safe to repeat: a refusal of the keys proves that no task was made.
        return self._with_newest_keys(lambda: self._service.submit(submission))

    def result(self, task_id: str) -> TaskResult:
        return self._with_newest_keys(lambda: self._service.result(task_id))

    def _with_newest_keys(self, call: Callable[[], _Answer]) -> _Answer:
        used = self._credentials()
        try:
            return call()
        except ServiceAccessError:
            if self._credentials.renew(used) == used:
                raise
        return call()
