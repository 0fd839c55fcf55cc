"""FASHN's own language: its request bodies, its answers, its error names. No other module knows the vendor's words.

Sources: the vendor's pages "Error Handling", "API Fundamentals" and "Credits Balance" as read in November 2026, and the
types of its package `fashn` 0.9.0, which a test holds the names and values here to.
"""

import io
import json
import math
import re
from base64 import b64decode
from collections.abc import Mapping
from http import HTTPStatus

from tryon.json_types import Json
from tryon.parameters import GarmentType
from tryon.service import Balance, Candidate, Submission, Submitted, TaskResult, TaskStatus
from tryon.service.answers import MAY_FOLLOW_A_TASK, MOST_CANDIDATES, Said, as_object, plain
from tryon.service.errors import (
    InputRefusedError,
    ServiceAccessError,
    ServiceBusyError,
    ServiceError,
    ServiceThrottledError,
    ServiceUnavailableError,
    SubmitOutcomeUnknownError,
    TaskFailedError,
    UnknownRefusalError,
)
from tryon.service.fashn.parameters import Parameters
from tryon.service.pictures import write_object

RUN = "/v1/run"
STATUS = "/v1/status/"
CREDITS = "/v1/credits"
CREDITS_USED = "x-fashn-credits-used"

CATEGORIES: Mapping[GarmentType, str] = {"upper": "tops", "lower": "bottoms", "full": "one-pieces"}

STATES: Mapping[str, TaskStatus] = {
    "starting": TaskStatus.IN_QUEUE,
    "in_queue": TaskStatus.IN_QUEUE,
    "processing": TaskStatus.GENERATING,
    "completed": TaskStatus.DONE,
}
ENDS = frozenset({"failed", "canceled", "time_out"})

TASK_ERRORS: Mapping[str, type[ServiceError]] = {
    "ImageLoadError": InputRefusedError,
    "ContentModerationError": InputRefusedError,
    "PoseError": InputRefusedError,
    "InputValidationError": InputRefusedError,
    "ThirdPartyError": InputRefusedError,
    "PipelineError": TaskFailedError,
    "3rdPartyProviderError": TaskFailedError,
    "InternalServerError": TaskFailedError,
    "PollingTimeout": TaskFailedError,
}
"""Names of a task's end, and whether another picture or another try could help."""

API_ERRORS: Mapping[str, tuple[type[ServiceError], str]] = {
    "BadRequest": (InputRefusedError, "the request does not fit the service"),
    "UnauthorizedAccess": (ServiceAccessError, "the API key is not valid"),
    "NotFound": (ServiceAccessError, "the service does not know this model or address"),
    "RateLimitExceeded": (ServiceThrottledError, "too many requests in the service's window"),
    "ConcurrencyLimitExceeded": (ServiceBusyError, "too many tasks at once"),
    "OutOfCredits": (ServiceAccessError, "the account is out of credits"),
    "InternalServerError": (ServiceUnavailableError, "internal error of the service"),
}
"""Answers in the service's own form, of which its page says that no prediction id was issued: no task was made."""

_TASK_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")


def submission_body(submission: Submission, model_name: str) -> bytes:
    """The body of a submit, its pictures as data addresses."""
    own = submission.own(Parameters)
    (garment,) = submission.garments
    settings: dict[str, Json] = {
        "category": CATEGORIES[garment.type],
        "mode": own.mode,
        "garment_photo_type": own.garment_photo_type,
        "moderation_level": own.moderation_level,
        "num_samples": own.num_samples,
        "seed": own.seed,
        "segmentation_free": own.segmentation_free,
        "output_format": own.output_format,
        "return_base64": False,
    }
    body = io.BytesIO()
    body.write(b'{"model_name": ' + json.dumps(model_name).encode() + b', "inputs": ')
    write_object(body, settings, {"model_image": submission.model, "garment_image": garment.data})
    body.write(b"}")
    return body.getvalue()


def read_submit_answer(status: int, headers: Mapping[str, str], body: bytes, *, now: float) -> Submitted:
    """The receipt in a submit's answer.

    Raises `SubmitOutcomeUnknownError` when the answer proves nothing, any other of `tryon.service.errors` when it
    proves that no task was made.
    """
    answer = _Answer(status, headers, body, now)
    task_id = _task_id(answer.fields.get("id"))
    if task_id:
        # Whatever the status and an error beside it say: an id is never thrown away.
        return Submitted(task_id, "")
    if 200 <= status < 400:
        raise answer.error(SubmitOutcomeUnknownError, "no usable id in the answer: a task may exist and be billed")
    if answer.name in API_ERRORS and status <= HTTPStatus.INTERNAL_SERVER_ERROR:
        kind, meaning = API_ERRORS[answer.name]
        raise answer.error(kind, meaning)
    raise _unnamed_refusal(answer)


def _unnamed_refusal(answer: "_Answer") -> ServiceError:
    """A refusal of a submit that no page names: only a request that was not let in proves that no task was made."""
    if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.FORBIDDEN):
        return answer.error(ServiceAccessError, "the service lets this account in no more")
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return answer.error(ServiceThrottledError, "too many requests")
    if answer.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return answer.error(InputRefusedError, "the pictures are too large for the service")
    if 400 <= answer.status < 500 and answer.status not in MAY_FOLLOW_A_TASK:
        return answer.error(UnknownRefusalError, "the service refused the submission in words unknown to us")
    return answer.error(
        SubmitOutcomeUnknownError, "the service failed on the submission: a task may exist and be billed"
    )


def read_status_answer(status: int, headers: Mapping[str, str], body: bytes, *, now: float) -> TaskResult:
    """The task's state in the answer to a question.

    Raises a `TaskError` when the task itself failed, `ServiceUnavailableError`, `ServiceThrottledError` and
    `ServiceAccessError` when this answer says nothing about it.
    """
    answer = _Answer(status, headers, body, now)
    if status == HTTPStatus.NOT_FOUND and answer.name == "NotFound":
        return TaskResult(TaskStatus.NOT_FOUND, "")
    if status != HTTPStatus.OK:
        raise _unanswered(answer)
    word = answer.fields.get("status")
    word = word.strip().casefold() if isinstance(word, str) else ""
    if word in ENDS:
        raise _ended(answer, word)
    if word not in STATES:
        raise answer.error(ServiceUnavailableError, f"the task's status is none that is known: {plain(word)!r}")
    if STATES[word] is not TaskStatus.DONE:
        return TaskResult(STATES[word], "")
    return TaskResult(TaskStatus.DONE, "", _candidates(answer), billed=_amount(answer.headers.get(CREDITS_USED)))


def read_credits_answer(status: int, headers: Mapping[str, str], body: bytes, *, now: float) -> Balance | None:
    """The account's balance, None where the answer names none; raises as `TryOnService.check` does."""
    answer = _Answer(status, headers, body, now)
    if status != HTTPStatus.OK:
        raise _unanswered(answer)
    if not answer.fields:
        raise answer.error(ServiceUnavailableError, f"unreadable answer about the credits ({len(body)} bytes)")
    total = _amount(as_object(answer.fields.get("credits")).get("total"))
    return None if total is None else Balance(total)


class _Answer(Said):
    """An answer of FASHN's."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes, now: float) -> None:
        super().__init__(status, headers, body, now)
        said = self.fields.get("error")
        # A refusal names its error beside its message, a task inside an object.
        self._refusal = as_object(said) if isinstance(said, dict) else {"name": said, **self.fields}
        name = self._refusal.get("name")
        self.name = name if isinstance(name, str) else ""

    @property
    def reason(self) -> tuple[Json, Json]:
        return self.name, self._refusal.get("message")


def _unanswered(answer: _Answer) -> ServiceError:
    if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return answer.error(ServiceAccessError, "the API key is not valid")
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS and answer.name != "OutOfCredits":
        return answer.error(ServiceThrottledError, "too many requests in the service's window")
    return answer.error(ServiceUnavailableError, "the service did not answer the question")


def _ended(answer: _Answer, word: str) -> ServiceError:
    kind = TASK_ERRORS.get(answer.name, TaskFailedError)
    return answer.error(kind, f"the service ended the task: its status is {word!r}")


def _candidates(answer: _Answer) -> tuple[Candidate, ...]:
    output = answer.fields.get("output")
    listed = [output] if isinstance(output, str) else output
    if listed is None or listed == []:
        raise answer.error(TaskFailedError, "the task is completed and holds no picture")
    if not isinstance(listed, list):
        raise answer.error(ServiceUnavailableError, "the task is completed but its pictures are unreadable")
    found = tuple(map(_candidate, listed[:MOST_CANDIDATES]))
    if not any(one.url or one.data for one in found):
        raise answer.error(ServiceUnavailableError, "the task is completed but its pictures are unreadable")
    return found


def _candidate(value: Json) -> Candidate:
    """One picture of the output; without address and bytes where it cannot be read: it keeps its number."""
    if not isinstance(value, str):
        return Candidate()
    head, comma, data = value.strip().partition(",")
    if head.lower().startswith("data:") and comma:
        try:
            return Candidate(data=b64decode(data, validate=True))
        except ValueError:
            return Candidate()
    return Candidate(url=value.strip()) if "://" in value else Candidate()


def _task_id(value: Json) -> str:
    value = value.strip() if isinstance(value, str) else ""
    return value if _TASK_ID.fullmatch(value) else ""


def _amount(value: Json) -> float | None:
    """Credits, a number or its text; None for anything else."""
    try:
        amount = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
    except ValueError:
        return None
    return amount if 0 <= amount < 1e9 else None
