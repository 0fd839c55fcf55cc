"""The signature that the service asks for: HMAC-SHA256 over one exact rendering of a request.

Its shape is that of AWS Signature Version 4, with another algorithm name, other headers, another signed set
and a path that is encoded once: an AWS signer's headers are refused. Nothing here reads a clock or sends.
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import SplitResult, parse_qsl, quote, unquote_to_bytes, urlsplit

from tryon.service.volcengine.credentials import Credentials

_ALGORITHM = "HMAC-SHA256"
_SET_HERE = frozenset({"authorization", "x-content-sha256", "x-date", "x-security-token"})


def sign(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    when: datetime | float,
    credentials: Credentials,
    region: str,
    service: str,
) -> dict[str, str]:
    """The headers to send: those given, `Host`, and the signature's own.

    `body` is hashed and must be sent as it is. `when` is an aware datetime or seconds since the epoch.
    """
    address = urlsplit(url)
    stamp = _stamp(when)
    digest = hashlib.sha256(body).hexdigest()
    sent = {name: value for name, value in headers.items() if name.lower() not in _SET_HERE}
    if "host" not in {name.lower() for name in sent}:
        sent["Host"] = address.netloc.rpartition("@")[2]
    sent["X-Date"] = stamp
    sent["X-Content-Sha256"] = digest
    if credentials.session_token:
        sent["X-Security-Token"] = credentials.session_token

    signed = _signed_headers(sent)
    scope = f"{stamp[:8]}/{region}/{service}/request"
    key = signing_key(credentials.secret_key, stamp[:8], region, service)
    text = string_to_sign(stamp, scope, canonical_request(method, address, signed, digest))
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    sent["Authorization"] = (
        f"{_ALGORITHM} Credential={credentials.access_key}/{scope}, "
        f"SignedHeaders={';'.join(signed)}, Signature={signature}"
    )
    return sent


def canonical_request(method: str, address: SplitResult, signed: Mapping[str, str], digest: str) -> str:
    """The rendering of a request that both sides hash; `signed` has lower-case names in order."""
    # Decoding first makes "once" true for a path or query that arrives encoded.
    path = quote(unquote_to_bytes(address.path or "/"))
    pairs = sorted(parse_qsl(address.query, keep_blank_values=True), key=lambda pair: pair[0])
    query = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in pairs)
    lines = "".join(f"{name}:{value}\n" for name, value in signed.items())
    return "\n".join([method, path, query, lines, ";".join(signed), digest])


def string_to_sign(stamp: str, scope: str, canonical: str) -> str:
    """What is signed: algorithm, time, scope and the canonical request's hash."""
    return "\n".join([_ALGORITHM, stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])


def signing_key(secret_key: str, date: str, region: str, service: str) -> bytes:
    """The day's key, 32 bytes; `date` is YYYYMMDD."""
    key = secret_key.encode()
    for part in (date, region, service, "request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def _signed_headers(headers: Mapping[str, str]) -> dict[str, str]:
    lowered = {name.lower(): value for name, value in headers.items()}
    signed = {
        name: lowered[name]
        for name in sorted(lowered)
        if name in {"content-type", "content-md5", "host"} or name.startswith("x-")
    }
    host, colon, port = signed["host"].partition(":")
    if colon and port in {"80", "443"}:
        signed["host"] = host
    return signed


def _stamp(when: datetime | float) -> str:
    if not isinstance(when, datetime):
        when = datetime.fromtimestamp(when, UTC)
    if when.tzinfo is None:
        raise ValueError("the time of a signature must name its time zone")
    return when.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
