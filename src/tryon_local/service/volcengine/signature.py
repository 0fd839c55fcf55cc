"""The signature as the service checks it: computed anew from the bytes that arrived."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote

from tryon_local.service.volcengine.protocol import RefusedError
from tryon_local.service.wire import Request

ALGORITHM = "HMAC-SHA256"
REGION = "cn-north-1"
SERVICE = "cv"
MAX_SKEW = 15 * 60.0

_AUTHORIZATION = re.compile(
    ALGORITHM + r" Credential=(?P<key>[^/,\s]+)/(?P<scope>[^,\s]+), *"
    r"SignedHeaders=(?P<headers>[^,\s]+), *Signature=(?P<signature>[0-9a-f]{64})"
)


def verify(  # noqa: C901 - each part of a signature is refused by its own words
    request: Request,
    secrets: Mapping[str, str],
    now: float,
    *,
    region: str = REGION,
    service: str = SERVICE,
    max_skew: float | None = MAX_SKEW,
) -> None:
    """Raise `RefusedError` with the gateway's code unless the request was signed with a known key.

    `now` and `max_skew` are in seconds; no `max_skew` lets every date pass, for clients that sign by another
    clock than the stand-in's.
    """
    headers = request.lowered
    if "authorization" not in headers:
        raise RefusedError(100003, "the request has no Authorization header")
    parts = _AUTHORIZATION.fullmatch(headers["authorization"])
    if parts is None:
        raise RefusedError(100024, "the Authorization header cannot be read")
    secret = secrets.get(parts["key"])
    if secret is None:
        raise RefusedError(100009, f"the access key {parts['key']} is not known")
    date = headers.get("x-date", "")
    signed_at = _seconds(date)
    if signed_at is None:
        raise RefusedError(100006, f"X-Date {date!r} is not like 20260102T030405Z")
    if max_skew is not None and abs(now - signed_at) > max_skew:
        raise RefusedError(100006, f"signed {now - signed_at:+.0f} s from the service's time")
    scope = "/".join((date[:8], region, service, "request"))
    if parts["scope"] != scope:
        raise RefusedError(100010, f"the credential's scope is {parts['scope']}, not {scope}")
    digest = hashlib.sha256(request.body).hexdigest()
    if headers.get("x-content-sha256") != digest:
        raise RefusedError(100010, "X-Content-Sha256 is not the hash of the body that arrived")
    signed = parts["headers"].split(";")
    if signed != sorted(set(signed)):
        raise RefusedError(100010, "SignedHeaders is not a sorted list of different names")
    left_out = sorted(name for name in headers if _must_be_signed(name) and name not in signed)
    if left_out:
        raise RefusedError(100010, f"not signed: {', '.join(left_out)}")
    missing = [name for name in signed if name not in headers]
    if missing:
        raise RefusedError(100010, f"signed but not sent: {', '.join(missing)}")
    to_sign = "\n".join((ALGORITHM, date, scope, _hex(canonical_request(request, signed, digest))))
    expected = hmac.new(_signing_key(secret, scope), to_sign.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, parts["signature"]):
        raise RefusedError(100010, "the signature is not the one computed from what arrived")


def canonical_request(request: Request, signed: list[str], digest: str) -> str:
    """The text whose hash is signed: method, path, query, signed headers, their names, the body's hash."""
    values = dict(request.lowered)
    host, _, port = values.get("host", "").partition(":")
    if port in ("80", "443"):
        values["host"] = host
    return "\n".join(
        (
            request.method,
            quote(request.path, safe="/-_.~"),
            "&".join(
                f"{_escaped(key)}={_escaped(value)}" for key, value in sorted(request.query, key=lambda pair: pair[0])
            ),
            "".join(f"{name}:{values[name]}\n" for name in signed),
            ";".join(signed),
            digest,
        )
    )


def _must_be_signed(name: str) -> bool:
    return name in ("content-type", "content-md5", "host") or name.startswith("x-")


def _seconds(date: str) -> float | None:
    if not re.fullmatch(r"\d{8}T\d{6}Z", date):
        return None
    try:
        return datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def _escaped(text: str) -> str:
    return quote(text, safe="-_.~")


def _hex(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _signing_key(secret: str, scope: str) -> bytes:
    key = secret.encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
