"""fal's words: what each model's body may hold, how the queue answers, what each of its errors is called.

Names and states are those of the vendor's package `fal-client` 1.0.3 and of its pages as read in November 2026. No
address is ever fetched: a picture that is named by one ends its task with an `image_load_error`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tryon_local.service.orders import Combination, ImageGate, Order, decoded
from tryon_local.service.wire import Request, Response, json_response

PRICING = "/v1/models/pricing"
ERROR_TYPE = "X-Fal-Error-Type"


class Inputs(BaseModel):
    """What every model takes; a name that it does not know is refused, as a misspelt one would do nothing."""

    model_config = ConfigDict(extra="forbid", strict=True)

    sync_mode: bool = False

    @property
    def person(self) -> str:
        """The person's picture."""
        raise NotImplementedError

    @property
    def garment(self) -> str:
        """The garment's."""
        raise NotImplementedError

    @property
    def worn(self) -> str:
        """The picture's word for where the garment is worn; a model that takes no type sees it, the stand-in not."""
        return "upper"

    @property
    def pictures(self) -> int:
        """How many are made."""
        return 1


class HumanInputs(Inputs):
    """The two pictures by the names that most models give them."""

    human_image_url: str
    garment_image_url: str

    @property
    def person(self) -> str:
        return self.human_image_url

    @property
    def garment(self) -> str:
        return self.garment_image_url


class Kolors(HumanInputs):
    """Kling's Kolors."""


class Google(Inputs):
    """Google's virtual try-on."""

    person_image_url: str
    product_image_url: str
    num_images: Annotated[int, Field(ge=1, le=4)] = 1

    @property
    def person(self) -> str:
        return self.person_image_url

    @property
    def garment(self) -> str:
        return self.product_image_url

    @property
    def pictures(self) -> int:
        return self.num_images


class Leffa(HumanInputs):
    """Leffa."""

    garment_type: Literal["upper_body", "lower_body", "dresses"]
    num_inference_steps: Annotated[int, Field(ge=1, le=50)] = 50
    guidance_scale: Annotated[float, Field(ge=0, le=20)] = 2.5
    seed: Annotated[int, Field(ge=0)] | None = None
    enable_safety_checker: bool = True
    output_format: Literal["png", "jpeg"] = "png"

    @property
    def worn(self) -> str:
        return {"upper_body": "upper", "lower_body": "bottom", "dresses": "full"}[self.garment_type]


@dataclass(frozen=True)
class Model:
    """A model behind the queue: its inputs, its price in dollars a picture, whether it answers with a list."""

    inputs: type[Inputs]
    price: float
    several: bool


MODELS: Mapping[str, Model] = {
    "fal-ai/kling/v1-5/kolors-virtual-try-on": Model(Kolors, 0.07, several=False),
    "google/virtual-try-on": Model(Google, 0.075, several=True),
    "fal-ai/leffa/virtual-tryon": Model(Leffa, 0.10, several=False),
}

# What a fault file's codes, which are Volcengine's, are as HTTP here.
_STATUSES: Mapping[int, int] = {50400: 401, 50429: 429, 50430: 429, 100013: 403, 100018: 429, 50500: 500, 50501: 500}
_MODEL_ERRORS: Mapping[int, tuple[int, str]] = {
    50205: (422, "image_too_large"),
    50207: (422, "image_load_error"),
    50500: (500, "internal_server_error"),
    50501: (500, "internal_server_error"),
    50520: (500, "downstream_service_error"),
}


class RefusedError(Exception):
    """A call gets an HTTP error with fal's body: `detail` is a sentence, or a model's list of errors."""

    def __init__(self, status: int, detail: object, error_type: str = "") -> None:
        super().__init__(f"{status} {detail}")
        self.status = status
        self.detail = detail
        self.error_type = error_type


def read_inputs(model: Model, request: Request) -> Inputs:
    """What is asked of a model; raises `RefusedError` in the model's form."""
    try:
        return model.inputs.model_validate(json.loads(request.body))
    except ValidationError as error:
        details = [
            {"loc": ["body", *problem["loc"]], "msg": problem["msg"], "type": problem["type"]}
            for problem in error.errors(include_url=False, include_input=False, include_context=False)
        ]
        raise RefusedError(422, details) from error
    except ValueError as error:
        raise RefusedError(422, [{"loc": ["body"], "msg": str(error), "type": "json_invalid"}]) from error


def read_order(inputs: Inputs, model_id: str, gate: ImageGate) -> tuple[Order, int]:
    """The order in a model's inputs, and how a task of it ends: 10000, or a fault's code."""
    images = [decoded(inputs.person), decoded(inputs.garment)]
    digests = [sha256(image).hexdigest() for image in images]
    verdicts = [gate.verdict(digest, image) for digest, image in zip(digests, images, strict=True)]
    settings = {"model": model_id, **inputs.model_dump(exclude=_PICTURES)}
    combination = Combination(digests[0], ((digests[1], inputs.worn),), json.dumps(settings, sort_keys=True))
    return Order(combination, tuple(images)), max(verdicts, key=lambda code: code != 10000)


_PICTURES = {"human_image_url", "garment_image_url", "person_image_url", "product_image_url"}


def refusal(status: int, detail: object, error_type: str = "", *, retry_after: str | None = None) -> Response:
    """An error's answer."""
    body: dict[str, object] = {"detail": detail}
    headers = []
    if error_type:
        body["error_type"] = error_type
        headers.append((ERROR_TYPE, error_type))
    if retry_after is not None:
        headers.append(("Retry-After", retry_after))
    return json_response(status, body, tuple(headers))


def queue_error(code: int, detail: str) -> tuple[int, object, str]:
    """Status, detail and type of a fault's code as an error of the queue."""
    status = _STATUSES.get(code, 401 if code >= 100000 else 422)
    if status == 422:
        return status, [model_error(code, detail)], ""
    return status, detail or "words of the queue", "internal_error" if status == 500 else ""


def ended(code: int) -> tuple[int, object]:
    """Status and detail of the result of a task that ended with a fault's code."""
    status, _ = _MODEL_ERRORS.get(code, (422, ""))
    return status, [model_error(code, "")]


def model_error(code: int, detail: str) -> dict[str, object]:
    """One error of a model."""
    _, kind = _MODEL_ERRORS.get(code, (422, "content_policy_violation"))
    return {"loc": ["body"], "msg": detail or f"the task ended with {kind}", "type": kind}
