"""Calls that the local AWS does not know are answered by name, 501, in the protocol that asked.

So is one that breaks it, 500: a web framework would answer with a page in HTML, which no client of AWS reads.
"""

import io
import json
import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

WSGI = Callable[[dict[str, Any], Any], Iterable[bytes]]

_MOST_FORM = 1 << 20


def in_protocol(app: WSGI) -> WSGI:
    """The application, but for pages in HTML with which a web framework answers what it was not written for."""

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        operation = _operation(environ)
        began: list[tuple[str, list[tuple[str, str]], Any]] = []

        def begin(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], None]:
            began.append((status, headers, exc_info))
            return lambda data: None

        try:
            body = app(environ, begin)
        except Exception as error:  # noqa: BLE001 - the server would answer any with a page in HTML
            return _refuse(environ, start_response, operation, error)
        status, headers, exc_info = began[-1]
        kind = next((value for name, value in headers if name.lower() == "content-type"), "")
        if int(status[:3]) < 400 or not kind.startswith("text/html"):
            start_response(status, headers, exc_info)
            return body
        data = b"".join(body)
        close = getattr(body, "close", None)
        if close is not None:
            close()
        if int(status[:3]) < 500 and not data.lstrip().lower().startswith(b"<!doctype html"):
            # An answer after all: moto calls what has no body a page too.
            start_response(status, headers, exc_info)
            return [data]
        return _refuse(environ, start_response, operation)

    return answer


CODE = "NotImplemented"
"""The error's name, which a client shows."""


def _refuse(
    environ: dict[str, Any], start_response: Any, operation: str, error: Exception | None = None
) -> list[bytes]:
    if error is None or isinstance(error, NotImplementedError):
        status, code, message = "501 Not Implemented", CODE, f"the local AWS does not know {operation}"
    else:
        status, code = "500 Internal Server Error", "InternalFailure"
        message = f"the local AWS breaks at {operation}: {type(error).__name__}: {error}"
    kind, told = _refusal(environ, code, message)
    more = [("smithy-protocol", "rpc-v2-cbor")] if kind == "application/cbor" else []
    start_response(
        status, [("Content-Type", kind), ("Content-Length", str(len(told))), ("x-amzn-errortype", code), *more]
    )
    return [told]


def _operation(environ: dict[str, Any]) -> str:
    """What was asked for, as its protocol names it; reads the form of a query and puts it back."""
    target = environ.get("HTTP_X_AMZ_TARGET")
    if target:
        return str(target).rpartition(".")[2]
    called = re.fullmatch(r"/service/[^/]+/operation/([^/]+)", environ.get("PATH_INFO", ""))
    if called:
        return called[1]
    if _is_form(environ):
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if 0 < length <= _MOST_FORM:
            form = environ["wsgi.input"].read(length)
            environ["wsgi.input"] = io.BytesIO(form)
            action: list[str] = parse_qs(form.decode("utf-8", "replace")).get("Action", [])
            if action:
                return action[0]
    return f"{environ.get('REQUEST_METHOD')} {environ.get('PATH_INFO')} of {_service(environ) or 'an unnamed service'}"


def _is_form(environ: dict[str, Any]) -> bool:
    return str(environ.get("CONTENT_TYPE", "")).startswith("application/x-www-form-urlencoded")


def _service(environ: dict[str, Any]) -> str:
    """The service in the scope of the signature, empty without one."""
    scope = re.search(r"Credential=[^/, ]*/[0-9]*/[^/, ]*/([^/, ]*)/", environ.get("HTTP_AUTHORIZATION", ""))
    return scope[1] if scope else ""


def _refusal(environ: dict[str, Any], code: str, message: str) -> tuple[str, bytes]:
    """Content type and body of an error, in the protocol of the question."""
    if environ.get("HTTP_SMITHY_PROTOCOL") == "rpc-v2-cbor":
        return "application/cbor", b"\xbf" + b"".join(map(_cbor, ("__type", code, "message", message))) + b"\xff"
    if _is_form(environ):
        error = f"<Type>Sender</Type><Code>{code}</Code><Message>{escape(message)}</Message>"
        return "text/xml", f"<ErrorResponse><Error>{error}</Error><RequestId>local</RequestId></ErrorResponse>".encode()
    if _service(environ) == "s3":
        return "application/xml", f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>".encode()
    kind = str(environ.get("CONTENT_TYPE", ""))
    kind = kind if kind.startswith("application/x-amz-json") else "application/json"
    return kind, json.dumps({"__type": code, "message": message}).encode()


def _cbor(text: str) -> bytes:
    """A text string of CBOR (RFC 8949), of up to 65,535 bytes."""
    data = text.encode()[:65_535]
    head = bytes([0x60 + len(data)]) if len(data) < 24 else b"\x79" + len(data).to_bytes(2, "big")
    return head + data
