"""FASHN's words: what a body may hold, how an answer looks, what each of its errors is called.

Names, values and states are those of the vendor's package `fashn` 0.9.0; status codes, windows and the balance are
those of its pages as read in November 2026. No address is ever fetched: a picture that is named by one ends its task
with an `ImageLoadError`, as one that cannot be decoded does.
"""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tryon_local.service.orders import Combination, ImageGate, Order, decoded
from tryon_local.service.wire import Request, Response, json_response

MODEL = "tryon-v1.6"
RUN = "/v1/run"
STATUS = "/v1/status/"
CREDITS = "/v1/credits"
CREDITS_USED = "x-fashn-credits-used"

_API_ERRORS: Mapping[str, tuple[int, str]] = {
    "BadRequest": (400, "Invalid request"),
    "UnauthorizedAccess": (401, "Unauthorized: Invalid token"),
    "NotFound": (404, "Not found"),
    "RateLimitExceeded": (429, "Too many requests"),
    "ConcurrencyLimitExceeded": (429, "Too many concurrent predictions"),
    "OutOfCredits": (429, "No API credits remaining"),
    "InternalServerError": (500, "Server error"),
}

# What a fault file's codes, which are Volcengine's, are called here.
_NAMES: Mapping[int, str] = {
    50205: "BadRequest",
    50207: "BadRequest",
    50213: "BadRequest",
    50215: "BadRequest",
    50411: "BadRequest",
    50412: "BadRequest",
    50413: "BadRequest",
    50518: "BadRequest",
    50400: "UnauthorizedAccess",
    50429: "RateLimitExceeded",
    50430: "ConcurrencyLimitExceeded",
    100013: "UnauthorizedAccess",
    100018: "RateLimitExceeded",
}
_ENDS: Mapping[int, str] = {
    50205: "ImageLoadError",
    50207: "ImageLoadError",
    50213: "ContentModerationError",
    50218: "ContentModerationError",
    50411: "ContentModerationError",
    50511: "ContentModerationError",
    50518: "ContentModerationError",
    50519: "ContentModerationError",
    50500: "InternalServerError",
    50501: "PipelineError",
}

_WORN = {"tops": "upper", "bottoms": "bottom", "one-pieces": "full"}


class RefusedError(Exception):
    """A call gets an error of the API: `name` is the vendor's, `detail` says why."""

    def __init__(self, name: str, detail: str = "") -> None:
        super().__init__(f"{name} {detail}".rstrip())
        self.name = name
        self.detail = detail


class Inputs(BaseModel):
    """The model's inputs with the vendor's defaults; a name that it does not know is refused."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model_image: str
    garment_image: str
    category: Literal["auto", "tops", "bottoms", "one-pieces"] = "auto"
    garment_photo_type: Literal["auto", "flat-lay", "model"] = "auto"
    mode: Literal["performance", "balanced", "quality"] = "balanced"
    moderation_level: Literal["conservative", "permissive", "none"] = "permissive"
    num_samples: Annotated[int, Field(ge=1, le=4)] = 1
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 42
    segmentation_free: bool = True
    output_format: Literal["png", "jpeg"] = "png"
    return_base64: bool = False


class _Run(BaseModel):
    model_name: str
    inputs: Inputs
    webhook_url: str | None = None


def read_json(request: Request) -> dict[str, object]:
    """The body's JSON object; raises `RefusedError`."""
    try:
        value = json.loads(request.body)
    except ValueError as error:
        raise RefusedError("BadRequest", f"the body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise RefusedError("BadRequest", "the body is not a JSON object")
    return value


def read_run(body: Mapping[str, object], gate: ImageGate) -> tuple[Order, Inputs, int]:
    """The order in a submit's body, its inputs, and how a task of it ends: 10000, or a code of `_ENDS`."""
    name = body.get("model_name")
    if isinstance(name, str) and name != MODEL:
        raise RefusedError("NotFound", f"no model {name!r}")
    try:
        parsed = _Run.model_validate(body)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)[0]
        raise RefusedError("BadRequest", f"{'.'.join(map(str, found['loc']))}: {found['msg']}") from error
    inputs = parsed.inputs
    images = [decoded(inputs.model_image), decoded(inputs.garment_image)]
    digests = [sha256(image).hexdigest() for image in images]
    verdicts = [gate.verdict(digest, image) for digest, image in zip(digests, images, strict=True)]
    settings = inputs.model_dump(exclude={"model_image", "garment_image"})
    # An unnamed category is told from the picture, which the stand-in does not look at.
    worn = _WORN.get(inputs.category, "upper")
    combination = Combination(digests[0], ((digests[1], worn),), json.dumps(settings, sort_keys=True))
    return Order(combination, tuple(images)), inputs, max(verdicts, key=lambda code: code != 10000)


def refusal(name: str, detail: str = "", *, http: int | None = None, retry_after: str | None = None) -> Response:
    """An error of the API: no prediction was made."""
    status, message = _API_ERRORS[name]
    extra = () if retry_after is None else (("Retry-After", retry_after),)
    return json_response(http or status, {"error": name, "message": detail or message}, extra)


def called(code: int) -> str:
    """What a fault's code is called as an error of the API."""
    return _NAMES.get(code, "UnauthorizedAccess" if code >= 100000 else "InternalServerError")


def ended(code: int) -> dict[str, str]:
    """The error of a task that ended with a fault's code."""
    name = _ENDS.get(code, "PipelineError")
    return {"name": name, "message": f"the task ended with {name}"}
