"""Volcengine's answers, as its page and its SDK have them."""

import json
from typing import Any

from tests.service.contract.case import Case
from tests.service.contract.wire import Reply
from tryon.service import errors as e
from tryon.service.volcengine.credentials import Credentials
from tryon.service.volcengine.parameters import Parameters

TASK = "7491596536074305586"
ADDRESS = "https://p9-aiop-sign.byteimg.com/tos-cn-i/one.png?x-signature=dummy"


def said(code: int = 10000, status: int = 200, message: str = "Success", **data: Any) -> Reply:
    body = {"code": code, "data": data or None, "message": message, "request_id": "202509231", "status": code}
    return Reply(json.dumps(body).encode(), status)


def task(status: str, **more: Any) -> Reply:
    return Reply(json.dumps({"code": 10000, "data": {"status": status, **more}, "request_id": "202509233"}).encode())


def gateway(code: int, message: str = "words", status: int = 401) -> Reply:
    error = {"CodeN": code, "Code": "SomeName", "Message": message}
    return Reply(json.dumps({"ResponseMetadata": {"RequestId": "202509232", "Error": error}}).encode(), status)


CASES = (
    Case(
        key="volcengine/dressing-diffusion-v2",
        keys=Credentials("AKLTEXAMPLEDUMMY0000", "dummy-secret-of-tests-0000000000"),
        parameters=Parameters(),
        accepted=said(task_id=TASK),
        task_id=TASK,
        refused={
            "busy": (said(50430, 429), e.ServiceBusyError),
            "throttled": (said(50429, 429), e.ServiceThrottledError),
            "flow limit": (gateway(100018, status=429), e.ServiceThrottledError),
            "internal": (said(50500, 500), e.ServiceUnavailableError),
            "moderation": (said(50411, 400), e.InputRefusedError),
            "not activated": (said(50400, 400), e.ServiceAccessError),
            "unknown key": (gateway(100009), e.ServiceAccessError),
            "unknown code": (said(58888, 400), e.UnknownRefusalError),
            "bare 429": (Reply(b"slow down", 429), e.ServiceThrottledError),
        },
        doubtful={"accepted without an id": said(task_id="")},
        pending=(task("generating"),),
        done=(task("done", image_urls=[ADDRESS]),),
        done_address=ADDRESS,
        unknown=(task("not_found"),),
        ended={
            "moderated": ((said(50511, 400),), e.OutputRefusedError),
            "failed": ((task("failed"),), e.TaskFailedError),
            "done with nothing": ((task("done"),), e.TaskFailedError),
        },
        unanswered={
            "internal": ((said(50500, 500),), e.ServiceUnavailableError),
            "throttled": ((said(50429, 429),), e.ServiceThrottledError),
        },
        answers_check=(task("not_found"),),
        refused_check={"unknown key": (gateway(100009),), "not activated": (said(50400, 400),)},
        quoting=lambda text: gateway(100010, f"the key {text} does not match"),
        lies={
            "pictures that are no list": (task("done", image_urls={"one": ADDRESS}),),
            "a status that is none": (task("perhaps"),),
        },
    ),
)
