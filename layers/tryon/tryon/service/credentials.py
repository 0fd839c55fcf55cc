"""Where the keys come from that every call is made with: a secret a service."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from typing import TYPE_CHECKING, Generic, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from tryon.clock import Clock
from tryon.json_types import Json
from tryon.service.errors import ServiceAccessError, ServiceUnavailableError
from tryon.service.secret import Secret

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

# Secrets Manager's own trouble, which passes; every other refusal (no such secret, no right to read it) would
# meet each of the next calls too.
_PASSING_REFUSALS = frozenset({"InternalServiceError", "ThrottlingException", "RequestTimeout", "ServiceUnavailable"})


_Kind = TypeVar("_Kind", bound=Secret)


class SecretCredentials(Generic[_Kind]):
    """Keys of one `kind` kept as JSON in a secret, read once in `ttl` seconds.

    The secret holds the kind's fields, such as `{"api_key": …}`; those with a default only if there is one. Safe to
    share between threads. Raises `ServiceAccessError` when the secret is missing, forbidden or malformed,
    `ServiceUnavailableError` when it could not be read just now.
    """

    def __init__(
        self, client: SecretsManagerClient, secret_id: str, clock: Clock, kind: type[_Kind], ttl: float = 300
    ) -> None:
        self._client = client
        self._secret_id = secret_id
        self._clock = clock
        self._kind = kind
        self._ttl = ttl
        self._lock = threading.Lock()
        self._current: _Kind | None = None
        self._read_at = 0.0

    def __call__(self) -> _Kind:
        with self._lock:
            age = self._clock.now() - self._read_at
            if self._current is None or not 0 <= age < self._ttl:
                self._current = self._read()
                self._read_at = self._clock.now()
            return self._current

    def renew(self, refused: Secret) -> _Kind:
        """Credentials to use instead of those refused; the same again when the secret holds nothing newer."""
        with self._lock:
            # Many threads meet a rotation together: the first reads, the others find that it did.
            if self._current is None or self._current == refused:
                self._current = self._read()
                self._read_at = self._clock.now()
            return self._current

    def _read(self) -> _Kind:
        try:
            secret = self._client.get_secret_value(SecretId=self._secret_id)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            problem = f"secret {self._secret_id!r} cannot be read: {code}"
            if code in _PASSING_REFUSALS:
                raise ServiceUnavailableError(problem) from error
            raise ServiceAccessError(problem) from error
        except BotoCoreError as error:
            raise ServiceUnavailableError(
                f"secret {self._secret_id!r} cannot be read: {type(error).__name__}"
            ) from error
        return _parse(self._kind, self._secret_id, secret.get("SecretString") or secret.get("SecretBinary"))


# What editors, shells and chats leave around a text: blanks of all kinds, byte order marks, joiners and directions.
_AROUND = "".join(map(chr, (*range(0x21), 0x7F, 0x85, 0xA0, 0xAD, 0x3000, 0xFEFF, *range(0x2000, 0x2010))))
_AROUND += "".join(map(chr, (*range(0x2028, 0x2030), 0x205F, *range(0x2060, 0x2070))))


def _parse(kind: type[_Kind], secret_id: str, content: str | bytes | None) -> _Kind:
    """The keys in a secret's content, however it was saved; no message holds any of it."""
    wanted = fields(kind)
    found = _fields(wanted, secret_id, _text(secret_id, content))
    values = {}
    for one in wanted:
        optional = one.default is not MISSING
        value = found.get(one.name)
        if value is None and optional:
            value = ""
        if not isinstance(value, str):
            what = f"as text: it is {_KINDS[type(value)]}" if one.name in found else ""
            raise ServiceAccessError(f'secret {secret_id!r}: field "{one.name}" is missing {what}'.rstrip())
        # A key that was pasted over the end of a line is broken there.
        values[one.name] = re.sub(r"[\r\n]+", "", value.strip(_AROUND))
        if not values[one.name] and not optional:
            raise ServiceAccessError(f'secret {secret_id!r}: field "{one.name}" is missing: it is empty')
    return kind(**values)


_KINDS: Mapping[type, str] = {
    type(None): "null",
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
    str: "text",
}


def _text(secret_id: str, content: str | bytes | None) -> str:
    if isinstance(content, bytes):
        try:
            content = content.decode(json.detect_encoding(content))
        except UnicodeDecodeError:
            raise ServiceAccessError(
                f"secret {secret_id!r} must be a JSON object in UTF-8: its bytes are none"
            ) from None
    text = (content or "").strip(_AROUND)
    # The same mark, read as Latin-1 by whatever saved it.
    return text.removeprefix("\u00ef\u00bb\u00bf").strip(_AROUND)


def _fields(kept: tuple[Field[str], ...], secret_id: str, text: str) -> dict[str, Json]:
    names = " and ".join(f'"{one.name}"' for one in kept if one.default is MISSING)
    wanted = f"secret {secret_id!r} must be a JSON object with {names}"
    if not text:
        raise ServiceAccessError(f"{wanted}: it is empty") from None
    fields: Json = text
    # Twice, because some tools keep the object as a text inside a text.
    for _ in range(2):
        if not isinstance(fields, str):
            break
        try:
            # Line breaks inside a text are a pasted key's.
            fields = json.loads(fields, strict=False)
        except json.JSONDecodeError as error:
            # The parser's own words about the place; the rest of its message would quote the secret.
            place = f"{error.msg.rstrip(':').lower()} at line {error.lineno}, column {error.colno}"
            raise ServiceAccessError(f"{wanted}: it is not JSON ({place})") from None
        except (ValueError, RecursionError):
            raise ServiceAccessError(f"{wanted}: it is not JSON") from None
    if not isinstance(fields, dict):
        raise ServiceAccessError(f"{wanted}: it is {_KINDS[type(fields)]}") from None
    return {name.strip(_AROUND): value for name, value in fields.items()}
