"""boto3's calls that this process answers itself: at the client's own method, before a request is built.

A call is answered here only when every parameter is plainly what botocore would accept; what is not goes botocore's
whole way, to be refused by it or answered by moto. While calls are watched all of them go that way, where
`before-call` answers those whose answers are known. Tests hold the three ways together.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore.client import BaseClient

from . import callbacks, items, objects, plain
from .patching import EXPECTED
from .session import Session

Parameters = Mapping[str, Any]

_BOTOCORES = vars(BaseClient)["_make_api_call"]
"""botocore's own method; where another stands in its place, such as a tracer's, that one sees every call."""

EXPECTED["botocore.client:BaseClient._make_api_call"] = (_BOTOCORES, "(self, operation_name, api_params)")

_served: Session | None = None
_watchers = 0


@contextmanager
def serving(session: Session) -> Iterator[None]:
    """Answer for this session, at once, what clients of shared sessions ask."""
    global _served
    _served = session
    try:
        yield
    finally:
        _served = None


@contextmanager
def watched() -> Iterator[None]:
    """Let every call pass all of botocore's events meanwhile; whoever enters this holds a lock of their own."""
    global _watchers
    _watchers += 1
    try:
        yield
    finally:
        _watchers -= 1


def install(events: Any) -> None:
    """Make clients answer at once that are made with these events of a botocore session."""
    for service in ("dynamodb", "s3", "sfn"):
        events.register(f"creating-client-class.{service}", _at_once_first)
    # Last, so that whoever watches the calls sees each before it is answered.
    events.register_last("before-call", _before_call)


def _at_once_first(base_classes: list[Any], **_: Any) -> None:
    base_classes.insert(0, _AtOnce)


class _AtOnce(BaseClient):
    def _make_api_call(self, operation_name: str, api_params: Any) -> Any:
        answer = _ANSWERS.get(operation_name)
        botocores: Any = super()
        if answer is None or _served is None or _watchers or vars(BaseClient)["_make_api_call"] is not _BOTOCORES:
            return botocores._make_api_call(operation_name, api_params)
        # Before anything is read or changed, as moto's own answer does.
        _served.before_call()
        answered = answer(_served, self, operation_name, api_params)
        if isinstance(answered, objects.Consumed):
            api_params, answered = answered.parameters, None
        if answered is None:
            return botocores._make_api_call(operation_name, api_params)
        http, parsed = answered
        if http.status_code >= 300:
            error: Any = self.exceptions.from_code(parsed["Error"]["Code"])
            raise error(parsed, operation_name)
        return parsed


def _item(session: Session, client: Any, operation: str, parameters: Parameters) -> Any:
    request = plain.request(parameters)
    answered = None if request is None else items.answer(operation, client.meta.region_name, request)
    return None if answered is None else items.respond(*answered)


def _read(session: Session, client: Any, operation: str, parameters: Parameters) -> Any:
    if not plain.texts(parameters):
        return None
    if client.meta.config.response_checksum_validation == "when_supported":
        parameters = {"ChecksumMode": "ENABLED", **parameters}
    return objects.read(parameters)


def _list(session: Session, client: Any, operation: str, parameters: Parameters) -> Any:
    return objects.listed(parameters, encoded=False) if plain.texts(parameters) else None


def _put(session: Session, client: Any, operation: str, parameters: Parameters) -> Any:
    by_itself = client.meta.config.request_checksum_calculation == "when_supported"
    return objects.put(parameters, checksum_by_itself=by_itself)


def _succeed(session: Session, client: Any, operation: str, parameters: Parameters) -> Any:
    if parameters.keys() != {"taskToken", "output"} or not plain.texts(parameters):
        return None
    told = callbacks.succeed(session, parameters["taskToken"], parameters["output"])
    return items.respond(200, {}) if told else None


_ANSWERS: dict[str, Callable[[Session, Any, str, Parameters], Any]] = {
    **dict.fromkeys(items.OPERATIONS, _item),
    "GetObject": _read,
    "ListObjectsV2": _list,
    "PutObject": _put,
    "SendTaskSuccess": _succeed,
}


def _before_call(model: Any, params: Any, context: Any, **_: Any) -> Any:
    if _served is None:
        return None
    service = model.service_model.service_name
    if service == "dynamodb" and model.name in items.OPERATIONS:
        _served.before_call()
        body = params["body"]
        # Binary values arrive in base64 and have to be decoded on the way.
        if b'"B"' in body or b'"BS"' in body or len(body) > plain.SMALL_BYTES:
            return None
        answered = items.answer(model.name, context["client_region"], json.loads(body))
        return None if answered is None else items.respond(*answered)
    if service == "s3" and model.name in objects.OPERATIONS:
        _served.before_call()
        return objects.answer(model.name, context)
    return None
