"""The few things that can go wrong with the service, each named for what to do about it.

The class names are what the state machine, the ledger and the notifications show.
"""

MOST_RETRY_AFTER = 300.0
"""Seconds that a service may ask to wait: a number meant as milliseconds, or an absurd one, is cut to this."""


class ServiceError(Exception):
    """Anything the service or the way to it did wrong.

    `code` is the service's own, `request_id` its receipt for support, both empty when it gave none.
    """

    def __init__(self, message: str, *, code: int | str = "", request_id: str = "", http_status: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.request_id = request_id
        self.http_status = http_status

    @property
    def facts(self) -> dict[str, str | int]:
        """What a log line says of it."""
        return {"error": type(self).__name__, "code": self.code, "request_id": self.request_id, "said": str(self)}


class ServiceBusyError(ServiceError):
    """Too many tasks at once (50430): wait for a slot. No task was made."""


class ServiceThrottledError(ServiceError):
    """Too many requests a second (50429, 100018, a bare 429): ask again later. No task was made.

    `retry_after` is in seconds, None when the service named no time.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        code: int | str = "",
        request_id: str = "",
        http_status: int = 0,
    ) -> None:
        super().__init__(message, code=code, request_id=request_id, http_status=http_status)
        self.retry_after = retry_after


class ServiceUnavailableError(ServiceError):
    """An internal error: retry a bounded number of times, each might be billed. On a submit, no task was made."""


class ServiceUnreachableError(ServiceUnavailableError):
    """The request never left whole, for want of a connection: nothing was made, and nothing can be billed."""


class SubmitOutcomeUnknownError(ServiceError):
    """The submit was sent and no readable answer came: a task may exist and be billed. Never submit again."""


class ServiceAccessError(ServiceError):
    """Keys, signature, clock or rights are wrong: once confirmed, every other call would fail too and the run stops.

    No task was made.
    """


class RefusalUnconfirmedError(ServiceError):
    """A submit was refused in a way that would end the run, if it were meant: asked again before it counts.

    No task was made.
    """


class TaskError(ServiceError):
    """This combination cannot succeed as it is."""


class InputRefusedError(TaskError):
    """The service refused an input: moderation, copyright, size, format or risk."""


class OutputRefusedError(TaskError):
    """The service refused its own result (50511, 50519): another seed may pass, and is paid again."""


class TaskFailedError(TaskError):
    """The task ended without a picture for a reason of the service's own."""


class UnknownRefusalError(TaskFailedError):
    """The service refused a submit with a code that nobody knows, such as that of an empty balance. No task was made.

    One such answer may be odd; a row of them ends the run.
    """


class TaskExpiredError(TaskError):
    """The service no longer knows the task: it ended more than 12 hours ago, or was dropped.

    It has said so once with "expired", or over a minute with "not found".
    """


class TaskDeadlineError(TaskError):
    """The task had not ended at the deadline. It is not lost: its id stays, and a retry resumes it."""
