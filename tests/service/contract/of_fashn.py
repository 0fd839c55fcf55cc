"""FASHN's answers, as its pages and the types of its package have them."""

import json
from typing import Any

from tests.service.contract.case import Case
from tests.service.contract.wire import Reply
from tryon.service import errors as e
from tryon.service.fashn.parameters import Parameters
from tryon.service.secret import ApiKey

TASK = "123a87r9-4129-4bb3-be18-9c9fb5bd7fc1-u1"
ADDRESS = "https://cdn.fashn.ai/123a87r9/output_0.png"


def refused(name: str, status: int, message: str = "words", **headers: str) -> Reply:
    return Reply(json.dumps({"error": name, "message": message}).encode(), status, headers)


def task(status: str, output: Any = None, error: Any = None, **headers: str) -> Reply:
    return Reply(json.dumps({"id": TASK, "status": status, "output": output, "error": error}).encode(), headers=headers)


def failed(name: str) -> tuple[Reply]:
    return (task("failed", error={"name": name, "message": "words"}),)


CASES = (
    Case(
        key="fashn/tryon-v1.6",
        keys=ApiKey("fa-dummy-key-of-tests-0000000000"),
        parameters=Parameters(),
        accepted=Reply(json.dumps({"id": TASK, "error": None}).encode()),
        task_id=TASK,
        refused={
            "bad request": (refused("BadRequest", 400), e.InputRefusedError),
            "too large": (Reply(b"<html>", 413), e.InputRefusedError),
            "unknown key": (refused("UnauthorizedAccess", 401), e.ServiceAccessError),
            "unknown model": (refused("NotFound", 404), e.ServiceAccessError),
            "no credits": (refused("OutOfCredits", 429), e.ServiceAccessError),
            "busy": (refused("ConcurrencyLimitExceeded", 429), e.ServiceBusyError),
            "throttled": (refused("RateLimitExceeded", 429), e.ServiceThrottledError),
            "unknown 429": (refused("SomethingElse", 429), e.ServiceThrottledError),
            "bare 429": (Reply(b"slow down", 429), e.ServiceThrottledError),
            "internal, in its own words": (refused("InternalServerError", 500), e.ServiceUnavailableError),
            "unknown 4xx": (refused("SomethingElse", 422), e.UnknownRefusalError),
        },
        doubtful={
            "accepted without an id": Reply(json.dumps({"id": None, "error": None}).encode()),
            "an error beside a success": Reply(json.dumps({"error": "OutOfCredits"}).encode()),
            "a 500 in nobody's words": Reply(b"<html>too large</html>", 500),
            "a 503 in its own form": refused("InternalServerError", 503),
            "an unknown name with a 500": refused("SomethingElse", 500),
            "a timeout of a gateway": Reply(b"", 408),
        },
        pending=(task("processing"),),
        done=(task("completed", [ADDRESS], **{"x-fashn-credits-used": "1"}),),
        done_address=ADDRESS,
        unknown=(refused("NotFound", 404),),
        ended={
            "picture": (failed("ImageLoadError"), e.InputRefusedError),
            "moderated": (failed("ContentModerationError"), e.InputRefusedError),
            "pose": (failed("PoseError"), e.InputRefusedError),
            "parameters": (failed("InputValidationError"), e.InputRefusedError),
            "captioning": (failed("ThirdPartyError"), e.InputRefusedError),
            "pipeline": (failed("PipelineError"), e.TaskFailedError),
            "provider": (failed("3rdPartyProviderError"), e.TaskFailedError),
            "internal": (failed("InternalServerError"), e.TaskFailedError),
            "polling": (failed("PollingTimeout"), e.TaskFailedError),
            "a name of tomorrow": (failed("NewError"), e.TaskFailedError),
            "canceled": ((task("canceled"),), e.TaskFailedError),
            "timed out": ((task("time_out"),), e.TaskFailedError),
            "completed with nothing": ((task("completed"),), e.TaskFailedError),
        },
        unanswered={
            "internal": ((refused("InternalServerError", 500),), e.ServiceUnavailableError),
            "throttled": ((refused("RateLimitExceeded", 429),), e.ServiceThrottledError),
            "a page that is not found": ((Reply(b"<html>", 404),), e.ServiceUnavailableError),
        },
        answers_check=(Reply(json.dumps({"credits": {"total": 234, "subscription": 100, "on_demand": 134}}).encode()),),
        refused_check={"unknown key": (refused("UnauthorizedAccess", 401),), "forbidden": (Reply(b"", 403),)},
        quoting=lambda text: refused("UnauthorizedAccess", 401, f"the key {text} is not valid"),
        lies={
            "pictures that are no list": (task("completed", {"one": ADDRESS}),),
            "pictures that are no text": (task("completed", [7, None]),),
            "pictures that cannot be read": (task("completed", ["data:image/png;base64,%%%"]),),
            "a status that is none": (task("perhaps"),),
        },
    ),
)
