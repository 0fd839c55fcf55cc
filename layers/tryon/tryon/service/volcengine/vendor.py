"""The service's own language: its names, its request bodies, its answers and its codes.

No other module knows the vendor's words, apart from the name of its SDK's methods in `tryon.service.volcengine.sdk`.
"""

import base64
import binascii
import io
import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from http import HTTPStatus
from itertools import zip_longest
from typing import Literal

from tryon.json_types import Json
from tryon.parameters import GarmentType
from tryon.service import Candidate, Submission, Submitted, TaskResult, TaskStatus, TaskTimes
from tryon.service.answers import as_object, epoch_seconds, json_object, plain, retry_after, text_of, whole_number
from tryon.service.errors import (
    MOST_RETRY_AFTER,
    InputRefusedError,
    OutputRefusedError,
    ServiceAccessError,
    ServiceBusyError,
    ServiceError,
    ServiceThrottledError,
    ServiceUnavailableError,
    SubmitOutcomeUnknownError,
    TaskError,
    TaskFailedError,
    UnknownRefusalError,
)
from tryon.service.volcengine.parameters import Parameters
from tryon.text import shown

REGION = "cn-north-1"
SERVICE = "cv"
SUBMIT_QUERY = "Action=CVSubmitTask&Version=2022-08-31"
RESULT_QUERY = "Action=CVGetResult&Version=2022-08-31"

# A receipt is some 200 bytes; a result may carry its pictures as base64 when the service sends no addresses, though
# it was asked for them: 16 of 1.5 MB, or three of 8 MB. Read and parsed, the worst that these limits let in makes
# a process of 300 MB (benchmarks/answer_memory.py); Poll and Download have 512 MB.
SUBMIT_ANSWER_LIMIT = 1 << 20
RESULT_ANSWER_LIMIT = 32 << 20

MAX_REASON = 200
"""Characters that are kept of what the service says of a picture: a run's entries are read as a whole."""

# The vendor's example has three. With the longest address each these fit in an item of DynamoDB, which takes 400 KB.
_MOST_CANDIDATES = 16

_REQ_KEY = "dressing_diffusionV2"
_SUCCESS = 10000
_GARMENT_TYPES: dict[GarmentType, str] = {"upper": "upper", "lower": "bottom", "full": "full"}

# Not in the service's page for this model, but in its sister's and in the vendor's other services; each is an end.
_ENDS = frozenset({"canceled", "cancelled", "cancel", "failed", "failure", "fail", "error", "aborted", "rejected"})

_Call = Literal["submit", "result"]

# Code → error and meaning. ServiceUnavailableError here means that the same call may pass a little later.
_CODES: dict[int, tuple[type[ServiceError], str]] = {
    50205: (InputRefusedError, "an input picture is too large"),
    50207: (InputRefusedError, "an input picture could not be decoded"),
    50213: (InputRefusedError, "an input picture was refused as a risk"),
    50215: (InputRefusedError, "the request does not fit the service"),
    50218: (InputRefusedError, "an input picture was refused as a risk"),
    50220: (ServiceUnavailableError, "the service could not fetch an input picture"),
    50400: (
        ServiceAccessError,
        "no access: the service is not activated for this account or the request key is wrong",
    ),
    50411: (InputRefusedError, "an input picture was refused by moderation"),
    50412: (InputRefusedError, "an input text was refused by moderation"),
    50413: (InputRefusedError, "an input text was refused by moderation"),
    50429: (ServiceThrottledError, "too many requests a second"),
    50430: (ServiceBusyError, "too many tasks at once"),
    50500: (ServiceUnavailableError, "internal error of the service"),
    50501: (ServiceUnavailableError, "internal error of the service's algorithm"),
    50511: (OutputRefusedError, "the result was refused by moderation"),
    50512: (TaskFailedError, "a text of the result was refused by moderation"),
    50518: (InputRefusedError, "an input picture was refused for copyright"),
    50519: (OutputRefusedError, "the result was refused for copyright"),
    50520: (TaskFailedError, "moderation failed with an internal error"),
    50521: (TaskFailedError, "moderation failed with an internal error"),
    50522: (TaskFailedError, "moderation failed with an internal error"),
}

# The gateway's codes, which come in `ResponseMetadata.Error`.
_GATEWAY_CODES: dict[int, tuple[type[ServiceError], str]] = {
    100002: (ServiceAccessError, "a parameter of the call is missing"),
    100003: (ServiceAccessError, "the request is not authenticated"),
    100004: (ServiceAccessError, "a part of the request's authentication is missing"),
    100005: (ServiceAccessError, "the signature is missing"),
    100006: (ServiceAccessError, "the signature's time is refused: is this machine's clock right?"),
    100007: (ServiceAccessError, "the gateway does not know this service"),
    100008: (ServiceAccessError, "the gateway does not know this action or version"),
    100009: (ServiceAccessError, "the access key is not valid"),
    100010: (ServiceAccessError, "the signature does not match: is the secret key right?"),
    100012: (ServiceAccessError, "these keys have no policy for this service"),
    100013: (ServiceAccessError, "these keys have no right to this service"),
    100018: (ServiceThrottledError, "the gateway's flow limit is reached"),
    100024: (ServiceAccessError, "the signature's header is not valid"),
    100025: (ServiceAccessError, "the signature's credential is not valid"),
    100026: (ServiceAccessError, "the session token is not valid or has expired"),
}

# Older gateways name an error without numbering it.
_GATEWAY_NAMES = {
    "InvalidTimestamp": 100006,
    "InvalidAccessKey": 100009,
    "SignatureDoesNotMatch": 100010,
    "AccessDenied": 100013,
    "FlowLimitExceeded": 100018,
}


NO_TASK = "0"
"""An id that no task has: asking for it is free and shows whether keys, clock and signature are right."""


def check(ask: Callable[[str], TaskResult]) -> None:
    """The free question; raises what `ask` raises unless it is about the task."""
    # Any opinion about the task itself proves that the question was let in.
    with suppress(TaskError):
        ask(NO_TASK)


def encode_submission(submission: Submission) -> dict[str, Json]:
    """A submission as the service's JSON object, the pictures as base64 text."""
    pictures = [base64.b64encode(picture).decode("ascii") for picture in _pictures(submission)]
    return _without_pictures(submission) | {"binary_data_base64": pictures}


def submission_body(submission: Submission) -> bytes:
    """`encode_submission` as JSON bytes, made without a second copy of the pictures."""
    body = io.BytesIO()
    body.write(json.dumps(_without_pictures(submission)).encode("ascii").removesuffix(b"}"))
    body.write(b', "binary_data_base64": [')
    for number, picture in enumerate(_pictures(submission)):
        body.write(b', "' if number else b'"')
        for block in _blocks(picture):
            body.write(binascii.b2a_base64(block, newline=False))
        body.write(b'"')
    body.write(b"]}")
    return body.getvalue()


def encode_query(task_id: str) -> Mapping[str, Json]:
    """The question after a task as the service's JSON object; its options are JSON in a string."""
    # Without return_url the answer holds no addresses, only base64.
    return {"req_key": _REQ_KEY, "task_id": task_id, "req_json": json.dumps({"return_url": True})}


def read_submit_answer(status: int, headers: Mapping[str, str], body: bytes, *, now: float) -> Submitted:
    """The receipt in a submit's answer.

    Raises `SubmitOutcomeUnknownError` when the answer proves nothing, any other of `tryon.service.errors`
    when it proves that no task was made.
    """
    answer = _open(status, headers, body, now)
    task_id = _task_id(answer.data)
    if not task_id and answer.code in (_SUCCESS, None):
        task_id = _loose_task_id(text_of(body))
    # Whatever the HTTP status and the other fields say: a task_id that came with a success is never thrown away.
    if task_id and answer.code == _SUCCESS:
        return Submitted(task_id, answer.request_id)
    if answer.gateway is not None:
        raise _gateway_failure("submit", answer)
    if answer.code not in (_SUCCESS, None):
        raise _failure("submit", answer, done=False)
    if task_id:
        return Submitted(task_id, answer.request_id)
    if answer.code == _SUCCESS:
        raise answer.error(
            SubmitOutcomeUnknownError,
            "accepted without a usable task_id: a task exists that nobody can ask for",
        )
    raise _unreadable_submit(answer)


def read_result_answer(status: int, headers: Mapping[str, str], body: bytes, *, now: float) -> TaskResult:
    """The task's state in a result's answer.

    Raises a `TaskError` when the task itself failed, `ServiceUnavailableError` and `ServiceThrottledError`
    when this answer says nothing about it.
    """
    answer = _open(status, headers, body, now)
    word = _status_word(answer.data)
    if answer.gateway is not None and (answer.code != _SUCCESS or not word):
        raise _gateway_failure("result", answer)
    if answer.code is None:
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            raise answer.error(ServiceThrottledError, "too many requests")
        raise answer.error(ServiceUnavailableError, f"unreadable answer about the task ({len(body)} bytes)")
    if answer.code != _SUCCESS:
        raise _failure("result", answer, done=word == TaskStatus.DONE)
    said = plain(answer.data.get("status")) or plain(word)
    if word in _ENDS:
        raise answer.error(TaskFailedError, f"the service ended the task: its status is {said!r}")
    if word not in set(TaskStatus):
        raise answer.error(ServiceUnavailableError, f"the task's status is none that is known: {said!r}")
    if word != TaskStatus.DONE:
        return TaskResult(TaskStatus(word), answer.request_id)
    details = _details(answer.data)
    candidates = _candidates(answer, details)
    if not candidates:
        raise answer.error(TaskFailedError, "the task is done and holds no picture")
    return TaskResult(TaskStatus.DONE, answer.request_id, candidates, _times(details))


@dataclass(frozen=True)
class _Answer:
    """An answer taken apart; None where it says nothing."""

    status: int
    code: int | None
    gateway: int | str | None
    message: str
    request_id: str
    retry_after: float | None
    data: Mapping[str, Json]
    size: int

    def error(self, kind: type[ServiceError], meaning: str) -> ServiceError:
        code = self.gateway if self.gateway is not None else self.code
        facts = [f"HTTP {self.status}"]
        if code is not None:
            facts.insert(0, f"code {code}")
        if self.message:
            facts.append(f"{self.message!r}")
        too_long = kind is ServiceThrottledError and (self.retry_after or 0.0) > MOST_RETRY_AFTER
        if too_long and self.retry_after is not None:
            facts.append(f"asks to wait {self.retry_after:,.0f} s, {MOST_RETRY_AFTER:.0f} s are waited")
        text = f"{meaning} ({', '.join(facts)})"
        error = kind(text, code="" if code is None else code, request_id=self.request_id, http_status=self.status)
        if isinstance(error, ServiceThrottledError):
            error.retry_after = None if self.retry_after is None else min(self.retry_after, MOST_RETRY_AFTER)
        return error


def _pictures(submission: Submission) -> list[bytes]:
    return [submission.model, *(garment.data for garment in submission.garments)]


def _blocks(picture: bytes) -> list[memoryview]:
    # A multiple of three bytes, so that base64 pads the last block only.
    size = 3 << 14
    view = memoryview(picture)
    return [view[start : start + size] for start in range(0, len(view), size)]


def _without_pictures(submission: Submission) -> dict[str, Json]:
    return {
        "req_key": _REQ_KEY,
        "req_image_store_type": 0,
        "garment": {"data": [{"type": _GARMENT_TYPES[garment.type]} for garment in submission.garments]},
        "inference_config": _inference_config(submission.own(Parameters)),
    }


def _inference_config(parameters: Parameters) -> Mapping[str, Json]:
    return {
        "do_sr": parameters.super_resolution,
        "keep_head": parameters.keep_head,
        "keep_hand": parameters.keep_hands,
        "keep_foot": parameters.keep_feet,
        "keep_upper": parameters.keep_upper,
        "keep_lower": parameters.keep_lower,
        "tight_mask": parameters.mask,
        "seed": parameters.seed,
        "num_steps": parameters.steps,
        "p_bbox_iou_ratio": parameters.box_overlap,
        "p_bbox_expand_ratio": parameters.box_expansion,
        "max_process_side_length": parameters.max_side,
    }


def _open(status: int, headers: Mapping[str, str], body: bytes, now: float) -> _Answer:
    lowered = {name.lower(): value for name, value in headers.items()}
    fields = json_object(text_of(body))
    metadata = as_object(fields.get("ResponseMetadata"))
    refusal = _refusal(as_object(metadata.get("Error")))
    data = fields.get("data")
    gateway = _gateway_code(refusal) if refusal else None
    request_id = fields.get("request_id") or metadata.get("RequestId") or lowered.get("x-tt-logid")
    return _Answer(
        status=status,
        code=whole_number(fields.get("code")),
        gateway=gateway,
        message=plain(refusal.get("Message") if refusal else fields.get("message")),
        request_id=request_id if isinstance(request_id, str) and _ID.fullmatch(request_id) else "",
        retry_after=retry_after(lowered, now),
        data=json_object(data) if isinstance(data, str) else as_object(data),
        size=len(body),
    )


def _refusal(error: Mapping[str, Json]) -> Mapping[str, Json]:
    """The gateway's error; one that names neither a code nor a reason is none."""
    number, name = whole_number(error.get("CodeN")), error.get("Code")
    said = number or whole_number(name) or (isinstance(name, str) and name.strip(" 0")) or plain(error.get("Message"))
    return error if said else {}


def _gateway_code(refusal: Mapping[str, Json]) -> int | str:
    number = whole_number(refusal.get("CodeN"))
    if number is None:
        number = whole_number(refusal.get("Code"))
    if number is not None:
        return number
    name = plain(refusal.get("Code"))
    return _GATEWAY_NAMES.get(name, name)


def _gateway_failure(call: _Call, answer: _Answer) -> ServiceError:
    if isinstance(answer.gateway, int) and answer.gateway in _GATEWAY_CODES:
        kind, meaning = _GATEWAY_CODES[answer.gateway]
        return answer.error(kind, meaning)
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return answer.error(ServiceThrottledError, "the gateway refused with a code unknown to us")
    if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return answer.error(ServiceAccessError, "the gateway refused the request with a code unknown to us")
    if call == "result":
        return answer.error(ServiceUnavailableError, "the gateway did not pass the question on")
    if 400 <= answer.status < 500:
        return answer.error(UnknownRefusalError, "the gateway refused the submission with a code unknown to us")
    # A gateway that failed or timed out while it waited cannot say what became of the request behind it.
    return answer.error(
        SubmitOutcomeUnknownError, "the gateway failed on the submission: a task may exist and be billed"
    )


def _failure(call: _Call, answer: _Answer, *, done: bool) -> ServiceError:
    """What a code other than success means; `done` when the same answer calls the task done."""
    kind, meaning = _CODES.get(answer.code or 0, (None, "a code unknown to us"))
    if kind is None:
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            kind = ServiceThrottledError
        elif answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            kind = ServiceAccessError
        elif answer.status >= 500 or (call == "result" and answer.status != HTTPStatus.BAD_REQUEST):
            kind = ServiceUnavailableError
        else:
            kind = TaskFailedError if call == "result" else UnknownRefusalError
    if call == "result":
        if kind is ServiceUnavailableError and (done or answer.status == HTTPStatus.BAD_REQUEST):
            # Not this question failed but the task: asking again until the deadline would change nothing.
            kind = TaskFailedError
        elif kind is ServiceBusyError:
            # A question takes no slot, so all there is to do is to ask later.
            kind = ServiceThrottledError
    return answer.error(kind, meaning)


def _unreadable_submit(answer: _Answer) -> ServiceError:
    match answer.status:
        case HTTPStatus.TOO_MANY_REQUESTS:
            return answer.error(ServiceThrottledError, "too many requests")
        case HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return answer.error(InputRefusedError, "the submission is too large as a whole")
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return answer.error(ServiceAccessError, "the submission was refused before it reached the service")
    return answer.error(
        SubmitOutcomeUnknownError,
        f"unreadable answer to the submission ({answer.size} bytes): a task may exist and be billed",
    )


def _candidates(answer: _Answer, details: Mapping[str, Json]) -> tuple[Candidate, ...]:
    addresses = answer.data.get("image_urls") or []
    pictures = answer.data.get("binary_data_base64") or []
    if not isinstance(addresses, list) or not isinstance(pictures, list):
        raise answer.error(ServiceUnavailableError, "the task is done but its pictures are no list")
    if max(len(addresses), len(pictures)) > _MOST_CANDIDATES:
        raise answer.error(ServiceUnavailableError, "the task is done but names too many pictures to be true")
    found = []
    said = _said(details, max(len(addresses), len(pictures)))
    for n, (address, picture, one) in enumerate(zip_longest(addresses, pictures, said)):
        url = address.strip() if isinstance(address, str) else ""
        if url.isprintable() and 0 < len(url) <= 8192:
            found.append(replace(one, url=url))
        elif data := _decoded(picture):
            found.append(replace(one, data=data))
        elif n < len(addresses) or picture:
            # It keeps its number, and is told as lost.
            found.append(one)
    if any(candidate.url or candidate.data for candidate in found):
        return tuple(found)
    if any([*addresses, *pictures]):
        raise answer.error(ServiceUnavailableError, "the task is done but its pictures are unreadable")
    return ()


def _status_word(data: Mapping[str, Json]) -> str:
    """The task's status without what clients and gateways do to a word: case and blanks around it."""
    word = data.get("status")
    return word.strip().casefold() if isinstance(word, str) else "" if word is None else repr(word)


def _details(data: Mapping[str, Json]) -> Mapping[str, Json]:
    text = data.get("resp_data")
    return json_object(text) if isinstance(text, str) else {}


def _said(details: Mapping[str, Json], count: int) -> list[Candidate]:
    """What the service says of each candidate, as candidates that have no picture yet."""
    results = details.get("results")
    # Another number of results than of pictures leaves open what belongs to which.
    if not isinstance(results, list) or len(results) != count:
        return [Candidate()] * count
    return [
        Candidate(
            seed=_seed(as_object(result.get("inference_config")).get("seed")),
            score=_score(result.get("score")),
            reason=_reason(result.get("reason")),
        )
        for result in map(as_object, results)
    ]


def _score(value: Json) -> float | None:
    # DynamoDB's numbers end at 1e125; a score that large is none.
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e9:
        return None
    return round(float(value), 6)


def _reason(value: Json) -> str | None:
    return shown(value.strip(), MAX_REASON) if isinstance(value, str) and value.strip() else None


def _seed(value: Json) -> int | None:
    return value if type(value) is int and abs(value) < 1 << 63 else None


def _times(details: Mapping[str, Json]) -> TaskTimes | None:
    received, processed, finished = (
        epoch_seconds(details.get(name)) for name in ("received_at", "processed_at", "finished_at")
    )
    if received is None or processed is None or finished is None or finished < received:
        return None
    return TaskTimes(received, processed, finished)


_STANDARD = str.maketrans("-_", "+/")


def _decoded(picture: Json) -> bytes | None:
    if not isinstance(picture, str):
        return None
    try:
        return base64.b64decode(picture, validate=True)
    except ValueError:
        pass
    # As a data URL, in lines, without padding, or in the alphabet for addresses.
    text = "".join(re.sub(r"^data:[^,]{0,100},", "", picture).split()).rstrip("=")
    try:
        return base64.b64decode(
            text + "=" * (-len(text) % 4), altchars=b"-_" if set("-_") & set(text) else None, validate=True
        )
    except ValueError:
        return None


_ID = re.compile(r"[\x21-\x7e]{1,128}")
_TASK_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")


def _task_id(data: Mapping[str, Json]) -> str:
    value = data.get("task_id")
    if type(value) is int and 0 <= value < 1 << 64:
        value = str(value)
    value = value.strip() if isinstance(value, str) else ""
    return value if _TASK_ID.fullmatch(value) else ""


# An id in quotes, which may themselves be quoted, or a whole number.
_LOOSE_ID = re.compile(r'\\*"task_id\\*"\s*:\s*(?:\\*"\s*([A-Za-z0-9_.:-]{1,128})\s*\\*"|([0-9]{1,20})(?=[\s,}\]]))')
_LOOSE_CODE = re.compile(r'\\*"code\\*"\s*:\s*\\*"?\s*(-?[0-9]+)')


def _loose_task_id(text: str) -> str:
    """The only task_id in a receipt that is not JSON, or not where it should be; none beside a code of failure."""
    code = _LOOSE_CODE.search(text)
    if code is not None and code[1] != str(_SUCCESS):
        return ""
    found = {in_quotes or bare for in_quotes, bare in _LOOSE_ID.findall(text)}
    return found.pop() if len(found) == 1 else ""
