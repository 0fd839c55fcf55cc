"""The service's words: what a body may hold, how an answer looks, which code means what.

Where the vendor's page is silent, what public users report was taken: a body that does not fit is answered
with 50215, an unknown action or `req_key` with HTTP 401 and 50400, every answer repeats its code in `status`.
No address is ever fetched: a picture or a mask that is named by one is answered with 50220.
"""

import base64
import binascii
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Literal

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tryon_local.service.orders import Combination, ImageGate, Order
from tryon_local.service.wire import Request, Response, json_response

REQ_KEY = "dressing_diffusionV2"
VERSION = "2022-08-31"
SUBMIT = "CVSubmitTask"
RESULT = "CVGetResult"

# The page says "under 5 MB" and "under 4096 × 4096": the smaller reading of both, so that what passes here passes
# there.
MAX_IMAGE_BYTES = 4_999_999
MAX_IMAGE_SIDE = 4095

_SERVICE_CODES: Mapping[int, tuple[int, str]] = {
    10000: (200, "Success"),
    50205: (400, "image too large"),
    50207: (400, "image cannot be decoded"),
    50213: (400, "image refused as a risk"),
    50215: (400, "input does not fit this service"),
    50218: (400, "result refused as a risk"),
    50220: (400, "image address cannot be fetched"),
    50400: (401, "access denied"),
    50411: (400, "input image refused by moderation"),
    50412: (400, "input text refused by moderation"),
    50413: (400, "input text refused for a word"),
    50429: (429, "too many requests a second"),
    50430: (429, "too many tasks at once"),
    50500: (500, "internal error"),
    50501: (500, "internal call failed"),
    50511: (400, "output image refused by moderation"),
    50512: (400, "output text refused by moderation"),
    50518: (400, "input image refused for copyright"),
    50519: (400, "output image refused for copyright"),
    50520: (400, "moderation failed"),
    50521: (400, "word check failed"),
    50522: (400, "copyright check failed"),
}
_GATEWAY_CODES: Mapping[int, tuple[int, str]] = {
    100003: (401, "MissingAuthenticationToken"),
    100006: (400, "InvalidTimestamp"),
    100009: (401, "InvalidAccessKey"),
    100010: (401, "SignatureDoesNotMatch"),
    100013: (403, "AccessDenied"),
    100018: (429, "FlowLimitExceeded"),
    100024: (400, "InvalidAuthorization"),
}


class RefusedError(Exception):
    """The request gets an error answer: `code` is the service's or its gateway's, `detail` says why."""

    def __init__(self, code: int, detail: str = "") -> None:
        super().__init__(f"{code} {detail}".rstrip())
        self.code = code
        self.detail = detail


class InferenceConfig(BaseModel):
    """The service's parameters with its own defaults.

    A name it does not know is refused, although the service may ignore it: a misspelt parameter would be paid
    for there and do nothing.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    do_sr: bool = False
    keep_head: bool = True
    keep_hand: bool = False
    keep_foot: bool = False
    keep_upper: bool = False
    keep_lower: bool = False
    tight_mask: Literal["tight", "loose", "bbox"] = "loose"
    seed: int = -1
    num_steps: Annotated[int, Field(ge=8, le=50)] = 16
    p_bbox_iou_ratio: Annotated[float, Field(ge=0, le=1)] = 0.3
    p_bbox_expand_ratio: Annotated[float, Field(ge=1, le=1.5)] = 1.1
    max_process_side_length: Annotated[int, Field(ge=1080, le=4096)] = 1920


class _Garment(BaseModel):
    type: Literal["upper", "bottom", "full"]
    url: str = ""


class _Garments(BaseModel):
    data: Annotated[list[_Garment], Field(min_length=1, max_length=2)]


class _Model(BaseModel):
    url: str = ""
    protect_mask_url: str = ""


class _SubmitBody(BaseModel):
    req_key: str
    req_image_store_type: Literal[0, 1] = 1
    binary_data_base64: list[str] = []
    model: _Model = _Model()
    garment: _Garments
    inference_config: InferenceConfig = InferenceConfig()


class _ResultBody(BaseModel):
    req_key: str
    task_id: Annotated[str, Field(min_length=1, strict=True)]
    req_json: Annotated[str, Field(strict=True)] = "{}"


@dataclass(frozen=True)
class Question:
    """A result body that passed every check."""

    task_id: str
    return_url: bool


def read_json(request: Request) -> dict[str, object]:
    """The body's JSON object; `RefusedError` 50215 for anything else, or under another content type."""
    kind = request.lowered.get("content-type", "")
    # Which code the service gives is not known; its page and its SDK send nothing else.
    if kind.partition(";")[0].strip().lower() != "application/json":
        raise RefusedError(50215, f"the content type is {kind!r}, not application/json")
    try:
        value = json.loads(request.body)
    except ValueError as error:
        raise RefusedError(50215, f"the body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise RefusedError(50215, "the body is not a JSON object")
    return value


def verdict(data: bytes) -> int:
    """The code that a picture is answered with: 50205 too large, 50207 one that nobody can decode, 10000 fit."""
    if len(data) > MAX_IMAGE_BYTES:
        return 50205
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as picture:
            if max(picture.size) > MAX_IMAGE_SIDE:
                return 50205
            picture.load()
    except Image.DecompressionBombError:
        return 50205
    except (OSError, SyntaxError, ValueError):
        return 50207
    return 10000


def read_submit(body: Mapping[str, object], gate: ImageGate) -> Order:
    """The order in a submit body; `RefusedError` says what does not fit."""
    try:
        parsed = _SubmitBody.model_validate(body)
    except ValidationError as error:
        raise RefusedError(50215, _first(error)) from error
    if parsed.req_image_store_type == 1:
        raise RefusedError(50220, "req_image_store_type is 1 (the default): nothing is fetched here")
    if parsed.model.protect_mask_url:
        raise RefusedError(50220, "model.protect_mask_url: nothing is fetched here")
    garments = parsed.garment.data
    if len(parsed.binary_data_base64) != 1 + len(garments):
        raise RefusedError(
            50215, f"{len(parsed.binary_data_base64)} pictures for 1 model and {len(garments)} garment(s)"
        )
    images = []
    for number, text in enumerate(parsed.binary_data_base64):
        try:
            images.append(base64.b64decode(text, validate=True))
        except (binascii.Error, ValueError) as error:
            raise RefusedError(50207, f"binary_data_base64[{number}] is not base64") from error
    digests = [sha256(image).hexdigest() for image in images]
    for number, (digest, image) in enumerate(zip(digests, images, strict=True)):
        code = gate.verdict(digest, image)
        if code != 10000:
            raise RefusedError(code, f"binary_data_base64[{number}]")
    return Order(
        Combination(
            digests[0],
            tuple((digest, garment.type) for digest, garment in zip(digests[1:], garments, strict=True)),
            json.dumps(parsed.inference_config.model_dump(), sort_keys=True),
        ),
        tuple(images),
    )


def read_result(body: Mapping[str, object]) -> Question:
    """The question in a result body; without `req_json` asking for addresses there will be none."""
    try:
        parsed = _ResultBody.model_validate(body)
        wishes = json.loads(parsed.req_json or "{}")
    except ValidationError as error:
        raise RefusedError(50215, _first(error)) from error
    except ValueError as error:
        raise RefusedError(50215, "req_json is not JSON") from error
    if not isinstance(wishes, dict):
        raise RefusedError(50215, "req_json is not an object")
    return Question(parsed.task_id, wishes.get("return_url") is True)


def _first(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in found['loc'])}: {found['msg']}"


def answer(
    code: int,
    request_id: str,
    *,
    data: object = None,
    detail: str = "",
    http: int | None = None,
    retry_after: str | None = None,
    action: str = "",
    elapsed: float = 0.0,
) -> Response:
    """The answer for a code, in the service's own form or, for its gateway's codes, in the gateway's.

    `elapsed` is in seconds; the text that it becomes is always in milliseconds.
    """
    extra = () if retry_after is None else (("Retry-After", retry_after),)
    if code >= 100000:
        status, name = _GATEWAY_CODES.get(code, (400, "Error"))
        error = {"CodeN": code, "Code": name, "Message": detail or name}
        body: dict[str, object] = {
            "ResponseMetadata": {
                "RequestId": request_id,
                "Action": action,
                "Version": VERSION,
                "Service": "cv",
                "Region": "cn-north-1",
                "Error": error,
            }
        }
    else:
        status, text = _SERVICE_CODES.get(code, (400, "error"))
        body = {
            "code": code,
            "data": data,
            "message": f"{text}: {detail}" if detail else text,
            "request_id": request_id,
            "status": code,
            "time_elapsed": f"{elapsed * 1000:.6f}ms",
        }
    return json_response(http or status, body, extra)
