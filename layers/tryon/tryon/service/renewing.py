"""What a client does when its keys were changed meanwhile."""

from collections.abc import Callable
from typing import TypeVar

from tryon.service import Balance, Submission, Submitted, TaskResult, TryOnService
from tryon.service.capabilities import Capabilities
from tryon.service.errors import ServiceAccessError
from tryon.service.secret import Keys, Secret

_Answer = TypeVar("_Answer", Submitted, TaskResult, Balance | None)


class RenewingService:
    """A client that reads its keys anew when the service refuses them, then asks once more.

    Keys that are rotated during a run would otherwise fail it until they are next read.
    """

    def __init__(self, service: TryOnService, credentials: Keys[Secret]) -> None:
        self._service = service
        self._credentials = credentials

    @property
    def capabilities(self) -> Capabilities:
        """The service's."""
        return self._service.capabilities

    def submit(self, submission: Submission) -> Submitted:
        # Safe to repeat: a refusal of the keys proves that no task was made.
        return self._with_newest_keys(lambda: self._service.submit(submission))

    def result(self, task_id: str) -> TaskResult:
        return self._with_newest_keys(lambda: self._service.result(task_id))

    def check(self) -> Balance | None:
        return self._with_newest_keys(self._service.check)

    def _with_newest_keys(self, call: Callable[[], _Answer]) -> _Answer:
        used = self._credentials()
        try:
            return call()
        except ServiceAccessError:
            if self._credentials.renew(used) == used:
                raise
        return call()
