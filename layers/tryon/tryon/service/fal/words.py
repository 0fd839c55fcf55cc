"""fal's own language: the queue's bodies and answers, each model's names for its pictures. No other module knows them.

Sources: fal's pages "Asynchronous inference", "Request errors" and "Model errors" as read in November 2026, and its
package `fal-client` 1.0.3, which drives the stand-in in tests. A task's id is the path of its answer at the queue, with
colons for slashes: the queue says where a task is asked for, and leaves out parts of a model's id there.
"""

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

from tryon.json_types import Json
from tryon.parameters import GarmentType
from tryon.service import Candidate, Submission, Submitted, TaskResult, TaskStatus
from tryon.service.answers import MAY_FOLLOW_A_TASK, MOST_CANDIDATES, Said, as_object, plain
from tryon.service.errors import (
    InputRefusedError,
    ServiceAccessError,
    ServiceError,
    ServiceThrottledError,
    ServiceUnavailableError,
    SubmitOutcomeUnknownError,
    TaskFailedError,
    UnknownRefusalError,
)
from tryon.service.fal.capabilities import MODEL_IDS
from tryon.service.pictures import write_object

PRICING = "/v1/models/pricing"
ERROR_TYPE = "x-fal-error-type"

STATES: Mapping[str, TaskStatus] = {
    "in_queue": TaskStatus.IN_QUEUE,
    "in_progress": TaskStatus.GENERATING,
    "completed": TaskStatus.DONE,
}
# In no page of fal's own; callers have seen them.
ENDS = frozenset({"failed", "canceled", "cancelled"})

_TYPES: Mapping[GarmentType, str] = {"upper": "upper_body", "lower": "lower_body", "full": "dresses"}


@dataclass(frozen=True)
class Model:
    """A model's own names for what every submission has; `type` is None where it takes no garment type."""

    person: str
    garment: str
    type: str | None = None


MODELS: Mapping[str, Model] = {
    "kling-kolors": Model("human_image_url", "garment_image_url"),
    "google": Model("person_image_url", "product_image_url"),
    "leffa": Model("human_image_url", "garment_image_url", "garment_type"),
}


def submission_body(submission: Submission, model: str) -> bytes:
    """The body of a submit to one of `MODELS`, its pictures as data addresses."""
    names = MODELS[model]
    (garment,) = submission.garments
    settings = submission.parameters.model_dump()
    # The service draws a seed where none is sent.
    if settings.get("seed", 0) < 0:
        del settings["seed"]
    if names.type:
        settings[names.type] = _TYPES[garment.type]
    pictures = {names.person: submission.model, names.garment: garment.data}
    body = io.BytesIO()
    write_object(body, settings, pictures)
    return body.getvalue()


def read_submit_answer(
    status: int, headers: Mapping[str, str], body: bytes, *, model: str, host: str, now: float
) -> Submitted:
    """The receipt in a submit's answer; `host` is the queue's own, to which alone questions go.

    Raises `SubmitOutcomeUnknownError` when the answer proves nothing, any other of `tryon.service.errors` when it
    proves that no task was made.
    """
    answer = _Answer(status, headers, body, now)
    request_id = answer.fields.get("request_id")
    request_id = request_id.strip() if isinstance(request_id, str) else ""
    if _SEGMENT.fullmatch(request_id):
        # Whatever the status and an error beside it say: an id is never thrown away.
        return _receipt(answer, model, host, request_id)
    if status < 400:
        raise answer.error(SubmitOutcomeUnknownError, "no usable request_id: a task may exist and be billed")
    raise _refusal(answer)


def _receipt(answer: "_Answer", model: str, host: str, request_id: str) -> Submitted:
    owner, alias = MODEL_IDS[model].split("/")[:2]
    usual = f"{owner}/{alias}/requests/{request_id}"
    address = answer.fields.get("response_url")
    if not isinstance(address, str) or not address:
        return Submitted(_as_id(usual), request_id)
    try:
        parts = urlsplit(address.strip())
    except ValueError:
        parts = urlsplit("//")
    path = parts.path.strip("/")
    if parts.netloc.lower() != host.lower() or not _PATH.fullmatch(path) or request_id not in path.split("/"):
        # Our key goes to no host that an answer names; the task is asked for where tasks always are.
        return Submitted(_as_id(usual), request_id, oddity="ForeignAddress")
    return Submitted(_as_id(path), request_id)


def _refusal(answer: "_Answer") -> ServiceError:
    """A refusal of a submit, which the queue makes before there is a request."""
    match answer.status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.PAYMENT_REQUIRED | HTTPStatus.FORBIDDEN:
            return answer.error(ServiceAccessError, "the key is not valid, or the account is locked")
        case HTTPStatus.NOT_FOUND | HTTPStatus.GONE:
            return answer.error(ServiceAccessError, "the service does not know this model any more")
        case HTTPStatus.TOO_MANY_REQUESTS:
            return answer.error(ServiceThrottledError, "too many requests")
        case HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return answer.error(InputRefusedError, "the pictures are too large for the service")
        case HTTPStatus.BAD_REQUEST | HTTPStatus.UNPROCESSABLE_ENTITY:
            return answer.error(InputRefusedError, "the request does not fit the model")
        case status if 400 <= status < 500 and status not in MAY_FOLLOW_A_TASK:
            return answer.error(UnknownRefusalError, "the service refused the submission in words unknown to us")
        case _:
            return answer.error(
                SubmitOutcomeUnknownError, "the service failed on the submission: a task may exist and be billed"
            )


def read_status_answer(status: int, headers: Mapping[str, str], body: bytes, *, now: float) -> TaskStatus:
    """Where a task is; DONE means that its result can be asked for.

    Raises a `TaskError` when the task failed, other errors of `tryon.service.errors` when this answer says nothing.
    """
    answer = _Answer(status, headers, body, now)
    if _is_unknown(answer):
        return TaskStatus.NOT_FOUND
    if status not in (HTTPStatus.OK, HTTPStatus.ACCEPTED):
        raise _unanswered(answer)
    word = answer.fields.get("status")
    word = word.strip().casefold() if isinstance(word, str) else ""
    if word in ENDS:
        raise answer.error(TaskFailedError, f"the service ended the task: its status is {word!r}")
    if word not in STATES:
        raise answer.error(ServiceUnavailableError, f"the task's status is none that is known: {plain(word)!r}")
    # An error type is the failure of a runner; a model's own refusal is in the result, with its reason.
    if STATES[word] is TaskStatus.DONE and answer.type:
        raise answer.error(TaskFailedError, "the task ended with an error")
    return STATES[word]


def read_result_answer(status: int, headers: Mapping[str, str], body: bytes, *, now: float) -> TaskResult:
    """A completed task's pictures.

    Raises a `TaskError` when the task failed, other errors of `tryon.service.errors` when this answer says nothing.
    """
    answer = _Answer(status, headers, body, now)
    if _is_unknown(answer):
        return TaskResult(TaskStatus.NOT_FOUND, "")
    if status in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY):
        raise answer.error(InputRefusedError, "the model refused the task")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and (answer.type or answer.fields.get("detail")):
        raise answer.error(TaskFailedError, "the task ended with an error")
    if status != HTTPStatus.OK:
        raise _unanswered(answer)
    return TaskResult(TaskStatus.DONE, "", _candidates(answer))


def read_pricing_answer(status: int, headers: Mapping[str, str], body: bytes, *, model: str, now: float) -> None:
    """Whether the service knows the key and the model; raises as `TryOnService.check` does."""
    answer = _Answer(status, headers, body, now)
    model_id = MODEL_IDS[model]
    if status == HTTPStatus.NOT_FOUND and answer.fields:
        raise answer.error(ServiceAccessError, f"the service does not know the model {model_id} any more")
    if status != HTTPStatus.OK:
        raise _unanswered(answer)
    prices = answer.fields.get("prices")
    if not isinstance(prices, list):
        raise answer.error(ServiceUnavailableError, f"unreadable answer about the price ({len(body)} bytes)")
    if model_id not in [as_object(price).get("endpoint_id") for price in prices]:
        raise answer.error(ServiceAccessError, f"the service has no price of the model {model_id}: it may be retired")


# A task's path at the queue: names and an id, each without what would change the path's meaning.
_SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_PATH = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}(/[A-Za-z0-9][A-Za-z0-9_.-]{0,127}){2,7}")


def _as_id(path: str) -> str:
    return path.replace("/", ":")


def path_of(task_id: str) -> str:
    """Where a task is asked for, such as `/fal-ai/leffa/requests/…`."""
    return "/" + task_id.replace(":", "/")


class _Answer(Said):
    """An answer of fal's; `type` is its word for what failed outside of the model."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes, now: float) -> None:
        super().__init__(status, headers, body, now)
        said = self.fields.get("error_type") or self.headers.get(ERROR_TYPE) or ""
        self.type = said if isinstance(said, str) else ""

    @property
    def reason(self) -> tuple[Json, Json]:
        """Of the first of a model's errors, or of the queue's one."""
        detail = self.fields.get("detail")
        if isinstance(detail, list) and detail:
            first = as_object(detail[0])
            return first.get("type") or self.type, first.get("msg")
        return self.type, detail or self.fields.get("error")


def _is_unknown(answer: _Answer) -> bool:
    return answer.status == HTTPStatus.NOT_FOUND and "detail" in answer.fields


def _unanswered(answer: _Answer) -> ServiceError:
    if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return answer.error(ServiceAccessError, "the key is not valid, or the account is locked")
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return answer.error(ServiceThrottledError, "too many requests")
    return answer.error(ServiceUnavailableError, "the service did not answer the question")


def _candidates(answer: _Answer) -> tuple[Candidate, ...]:
    images: Json = answer.fields.get("images")
    if images is None and "image" in answer.fields:
        images = [answer.fields["image"]]
    if images is None or images == [] or images == [None]:
        if not answer.fields:
            raise answer.error(ServiceUnavailableError, "unreadable answer about the result")
        raise answer.error(TaskFailedError, "the task is completed and holds no picture")
    if not isinstance(images, list):
        raise answer.error(ServiceUnavailableError, "the task is completed but its pictures are unreadable")
    seed = answer.fields.get("seed")
    seed = seed if type(seed) is int and abs(seed) < 1 << 63 else None
    found = tuple(Candidate(url=_address(as_object(image).get("url")), seed=seed) for image in images[:MOST_CANDIDATES])
    if not any(one.url for one in found):
        raise answer.error(ServiceUnavailableError, "the task is completed but its pictures are unreadable")
    return found


def _address(value: Json) -> str | None:
    return value.strip() if isinstance(value, str) and "://" in value else None
