"""The keys that sign every call, and where they come from."""

from __future__ import annotations

import json
import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from tryon.clock import Clock
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
        return _parse(self._secret_id, secret.get("SecretString"))


def _parse(secret_id: str, text: str | None) -> Credentials:
    try:
        fields = json.loads(text or "")
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        # The parser's own message would quote the secret.
        raise ServiceAccessError(
            f'secret {secret_id!r} must be a JSON object with "access_key" and "secret_key"'
        ) from None
    for name in ("access_key", "secret_key"):
        if not isinstance(fields.get(name), str) or not fields[name].strip():
            raise ServiceAccessError(f'secret {secret_id!r}: field "{name}" is missing')
    token = fields.get("session_token") or ""
    if not isinstance(token, str):
        raise ServiceAccessError(f'secret {secret_id!r}: field "session_token" must be text')
    # Pasted keys often end in a line break.
    return Credentials(fields["access_key"].strip(), fields["secret_key"].strip(), token.strip())
