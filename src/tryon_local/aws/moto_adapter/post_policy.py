"""S3: an upload by a form is held against the policy that was signed for it, as S3 holds it."""

import base64
import functools
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

from .patching import replaces
from .session import Session

_UNSIGNED = frozenset({"file", "policy", "x-amz-signature", "signature", "awsaccesskeyid"})
"""Form fields that no condition needs to name (Amazon S3 API Reference, "POST Policy", conditions)."""


class PolicyError(Exception):
    """What S3 answers to a form that its policy does not allow: status, code and message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


def check_form(fields: Mapping[str, str], size: int, bucket: str, now: datetime) -> None:
    """Raise `PolicyError` where a form of these `fields` and a file of `size` bytes breaks its own policy."""
    told = {name.lower(): value for name, value in fields.items()}
    try:
        policy = json.loads(base64.b64decode(told["policy"], validate=True))
        ends = datetime.fromisoformat(policy["expiration"])
        conditions = list(_conditions(policy["conditions"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PolicyError(400, "InvalidPolicyDocument", f"Invalid Policy: {error!r}") from None
    if ends <= now:
        raise PolicyError(403, "AccessDenied", "Invalid according to Policy: Policy expired.")
    given = {**told, "bucket": bucket}
    for operator, name, value in conditions:
        if operator == "content-length-range":
            _check_size(size, int(name), int(value))
        elif not _holds(operator, given.get(name, ""), value):
            said = json.dumps([operator, f"${name}", value])
            raise PolicyError(403, "AccessDenied", f"Invalid according to Policy: Policy Condition failed: {said}")
    named = {name for _, name, _ in conditions}
    extra = sorted(name for name in told if name not in named | _UNSIGNED and not name.startswith("x-ignore-"))
    if extra:
        raise PolicyError(403, "AccessDenied", f"Invalid according to Policy: Extra input fields: {', '.join(extra)}")


def _conditions(conditions: list[Any]) -> Iterator[tuple[str, str, str]]:
    """Operator, field and value of each; a range has its bounds instead."""
    for one in conditions:
        if isinstance(one, dict):
            yield from (("eq", name.lower(), str(value)) for name, value in one.items())
        else:
            operator, first, second = one
            yield str(operator).lower(), str(first).removeprefix("$").lower(), str(second)


def _holds(operator: str, given: str, value: str) -> bool:
    return given.startswith(value) if operator == "starts-with" else operator == "eq" and given == value


def _check_size(size: int, least: int, most: int) -> None:
    if size > most:
        raise PolicyError(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
    if size < least:
        raise PolicyError(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")


@replaces("moto.s3.responses:S3Response._bucket_response_post", "(self, request, bucket_name)")
def _signed_form(session: Session, original: Any) -> Any:
    @functools.wraps(original)
    def post(self: Any, request: Any, bucket_name: str) -> Any:
        fields = dict(self.form_data)
        if "policy" in fields:
            try:
                # By the machine's clock: so was it signed.
                check_form(fields, len(self.body), bucket_name, datetime.now(UTC))
            except PolicyError as error:
                body = f"<Error><Code>{error.code}</Code><Message>{escape(str(error))}</Message></Error>"
                return error.status, {"Content-Type": "application/xml"}, body
        return original(self, request, bucket_name)

    return post
