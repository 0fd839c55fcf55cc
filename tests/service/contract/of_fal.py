"""fal's answers, as its pages and its package have them."""

import json
from typing import Any

from tests.service.contract.case import Case
from tests.service.contract.wire import Reply
from tryon.parameters import ServiceParameters
from tryon.service import errors as e
from tryon.service.fal.capabilities import MODEL_IDS
from tryon.service.fal.parameters import GoogleParameters, KolorsParameters, LeffaParameters
from tryon.service.secret import ApiKey

ID = "764cabcf-b745-4b3e-ae38-1200304cf45b"
API_KEYS = ApiKey("dummy-id-of-tests:dummy-key-0000000000")
ADDRESS = "https://v3.fal.media/files/zebra/one.png"


def said(body: Any, status: int = 200, **headers: str) -> Reply:
    return Reply(json.dumps(body).encode(), status, headers)


def refused(detail: Any, status: int) -> Reply:
    return said({"detail": detail}, status)


def model_error(kind: str, status: int = 422) -> Reply:
    return refused([{"loc": ["body", "human_image_url"], "msg": "words", "type": kind}], status)


def receipt(model: str, host: str = "https://queue.fal.run") -> Reply:
    owner, alias = MODEL_IDS[model].split("/")[:2]
    path = f"{host}/{owner}/{alias}/requests/{ID}"
    return said(
        {"request_id": ID, "response_url": path, "status_url": f"{path}/status", "cancel_url": f"{path}/cancel"}
    )


COMPLETED = said({"status": "COMPLETED", "request_id": ID})


def case(model: str, parameters: ServiceParameters, result: Any) -> Case:
    owner, alias = MODEL_IDS[model].split("/")[:2]
    prices = [{"endpoint_id": MODEL_IDS[model], "unit_price": 0.07, "unit": "image", "currency": "USD"}]
    return Case(
        key=f"fal/{model}",
        keys=API_KEYS,
        parameters=parameters,
        accepted=receipt(model),
        task_id=f"{owner}:{alias}:requests:{ID}",
        refused={
            "unknown key": (refused("Cannot access application", 401), e.ServiceAccessError),
            "locked": (refused("User is locked. Reason: Exhausted balance.", 403), e.ServiceAccessError),
            "not found": (refused("Application not found", 404), e.ServiceAccessError),
            "retired": (refused("Gone", 410), e.ServiceAccessError),
            "does not fit": (model_error("missing"), e.InputRefusedError),
            "too large": (Reply(b"", 413), e.InputRefusedError),
            "throttled": (refused("Too many requests", 429), e.ServiceThrottledError),
            "unknown 4xx": (refused("words", 418), e.UnknownRefusalError),
        },
        doubtful={
            "a success without an id": said({"status": "IN_QUEUE"}),
            "an error of its own with a 500": said({"detail": "words", "error_type": "internal_error"}, 500),
            "a 503 of its own": said({"detail": "words", "error_type": "runner_server_error"}, 503),
            "an id that is none": said({"request_id": "../../elsewhere"}),
        },
        pending=(said({"status": "IN_QUEUE", "queue_position": 3}, 202),),
        done=(COMPLETED, said(result)),
        done_address=ADDRESS,
        unknown=(refused("Request not found", 404),),
        ended={
            "moderated": ((COMPLETED, model_error("content_policy_violation")), e.InputRefusedError),
            "a 422 without words": ((COMPLETED, Reply(b"", 422)), e.InputRefusedError),
            "a picture that is none": ((COMPLETED, model_error("image_load_error")), e.InputRefusedError),
            "its runner": ((said({"status": "COMPLETED", "error_type": "runner_server_error"}),), e.TaskFailedError),
            "internal": ((COMPLETED, model_error("internal_server_error", 500)), e.TaskFailedError),
            "completed with nothing": ((COMPLETED, said({"images": [], "image": None})), e.TaskFailedError),
            "failed": ((said({"status": "FAILED"}),), e.TaskFailedError),
        },
        unanswered={
            "throttled": ((refused("Too many requests", 429),), e.ServiceThrottledError),
            "a proxy, at the result": ((COMPLETED, Reply(b"<html>", 502)), e.ServiceUnavailableError),
            "a page that is not found": ((Reply(b"<html>", 404),), e.ServiceUnavailableError),
            "a page, at the result": ((COMPLETED, Reply(b"<html>")), e.ServiceUnavailableError),
        },
        answers_check=(said({"prices": prices, "next_cursor": None, "has_more": False}),),
        refused_check={
            "unknown key": (refused("Authentication required", 401),),
            "locked": (refused("User is locked", 403),),
            "no such model": (said({"error": {"type": "not_found"}}, 404),),
            "a model without a price": (said({"prices": []}),),
        },
        quoting=lambda text: refused(f"the key {text} is not valid", 401),
        lies={
            "pictures that are no list": (COMPLETED, said({"images": {"url": ADDRESS}})),
            "pictures that are no object": (COMPLETED, said({"images": [7, ADDRESS]})),
            "a status that is none": (said({"status": "PERHAPS"}),),
        },
        foreign=lambda address: receipt(model, address),
        options=lambda endpoint: {"api_endpoint": endpoint},
    )


ONE = {"image": {"url": ADDRESS, "content_type": "image/png"}, "seed": 7}
SEVERAL = {"images": [{"url": ADDRESS, "content_type": "image/png"}]}

CASES = (
    case("kling-kolors", KolorsParameters(), ONE),
    case("google", GoogleParameters(), SEVERAL),
    case("leffa", LeffaParameters(), ONE),
)
