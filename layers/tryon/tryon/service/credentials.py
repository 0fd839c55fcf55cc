"""The keys that sign every call, and where they come from."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from tryon.clock import Clock
from tryon.json_types import Json
from tryon.service.errors import ServiceAccessError, ServiceUnavailableError

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

_KEY_TEXT = re.compile(r"[\x21-\x7e]+")

# Secrets Manager's own trouble, which passes; every other refusal (no such secret, no right to read it) would
# meet each of the next calls too.
_PASSING_REFUSALS = frozenset({"InternalServiceError", "ThrottlingException", "RequestTimeout", "ServiceUnavailable"})


@dataclass(frozen=True, repr=False)
class Credentials:
    """An access key, its secret and, for temporary keys, their session token.

    Raises `ServiceAccessError` when a value cannot be sent in a header; values never appear in messages.
    """

    access_key: str
    secret_key: str
    session_token: str = ""

    def __post_init__(self) -> None:
        for name in ("access_key", "secret_key", "session_token"):
            value = getattr(self, name)
            if value == "" and name == "session_token":
                continue
            if not isinstance(value, str) or not _KEY_TEXT.fullmatch(value):
                raise ServiceAccessError(f"credentials: {name} must be text without spaces or line breaks")

    def __repr__(self) -> str:
        return f"Credentials(access_key='{self.access_key[:4]}…', secret_key='…')"


class SecretCredentials:
    """Credentials kept as JSON in a secret, read once in `ttl` seconds.

    The secret holds `{"access_key": …, "secret_key": …, "session_token": …}`, the token only if there is one.
    Safe to share between threads. Raises `ServiceAccessError` when the secret is missing, forbidden or
    malformed, `ServiceUnavailableError` when it could not be read just now.
    """

    def __init__(self, client: SecretsManagerClient, secret_id: str, clock: Clock, ttl: float = 300) -> None:
        self._client = client
        self._secret_id = secret_id
        self._clock = clock
        self._ttl = ttl
        self._lock = threading.Lock()
        self._current: Credentials | None = None
        self._read_at = 0.0

    def __call__(self) -> Credentials:
        with self._lock:
            age = self._clock.now() - self._read_at
            if self._current is None or not 0 <= age < self._ttl:
                self._current = self._read()
                self._read_at = self._clock.now()
            return self._current

    def renew(self, refused: Credentials) -> Credentials:
        """Credentials to use instead of those refused; the same again when the secret holds nothing newer."""
        with self._lock:
            # Many threads meet a rotation together: the first reads, the others find that it did.
            if self._current is None or self._current == refused:
                self._current = self._read()
                self._read_at = self._clock.now()
            return self._current

    def _read(self) -> Credentials:
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
        return _parse(self._secret_id, secret.get("SecretString") or secret.get("SecretBinary"))


# What editors, shells and chats leave around a text: blanks of all kinds, byte order marks, joiners and directions.
_AROUND = "".join(map(chr, (*range(0x21), 0x7F, 0x85, 0xA0, 0xAD, 0x3000, 0xFEFF, *range(0x2000, 0x2010))))
_AROUND += "".join(map(chr, (*range(0x2028, 0x2030), 0x205F, *range(0x2060, 0x2070))))


def _parse(secret_id: str, content: str | bytes | None) -> Credentials:
    """The keys in a secret's content, however it was saved; no message holds any of it."""
    fields = _fields(secret_id, _text(secret_id, content))
    values = {}
    for name in ("access_key", "secret_key", "session_token"):
        value = fields.get(name)
        if value is None and name == "session_token":
            value = ""
        if not isinstance(value, str):
            what = f"as text: it is {_KINDS[type(value)]}" if name in fields else ""
            raise ServiceAccessError(f'secret {secret_id!r}: field "{name}" is missing {what}'.rstrip())
        # A key that was pasted over the end of a line is broken there.
        values[name] = re.sub(r"[\r\n]+", "", value.strip(_AROUND))
        if not values[name] and name != "session_token":
            raise ServiceAccessError(f'secret {secret_id!r}: field "{name}" is missing: it is empty')
    return Credentials(**values)


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


def _fields(secret_id: str, text: str) -> dict[str, Json]:
    wanted = f'secret {secret_id!r} must be a JSON object with "access_key" and "secret_key"'
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
