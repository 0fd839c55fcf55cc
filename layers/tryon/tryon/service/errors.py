"""The few things that can go wrong with the service, each named for what to do about it.

The class names are what the state machine, the ledger and the notifications show.
"""


class ServiceError(Exception):
    """Anything the service or the way to it did wrong.

    `code` is the service's own, `request_id` its receipt for support, both empty when it gave none.
    """

    def __init__(self, message: str, *, code: int | str = "", request_id: str = "", http_status: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.request_id = request_id
        self.http_status = http_status


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
    """An internal error or no connection: retry a bounded number of times. On a submit, no task was made."""


class SubmitOutcomeUnknownError(ServiceError):
    """The submit was sent and no readable answer came: a task may exist and be billed. Never submit again."""


class ServiceAccessError(ServiceError):
    """Keys, signature, clock or rights are wrong: every other call would fail too, so the run stops."""


class TaskError(ServiceError):
    """This combination cannot succeed as it is."""


class InputRefusedError(TaskError):
    """The service refused an input: moderation, copyright, size, format or risk."""


class OutputRefusedError(TaskError):
    """The service refused its own result (50511, 50519): another seed may pass, and is paid again."""


class TaskFailedError(TaskError):
    """The task ended without a picture for a reason of the service's own."""


class TaskExpiredError(TaskError):
    """The service no longer knows the task: it ended more than 12 hours ago, or was dropped."""


class TaskDeadlineError(TaskError):
    """The task had not ended at the deadline. It is not lost: its id stays, and a retry resumes it."""
