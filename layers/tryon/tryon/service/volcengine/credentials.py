"""The keys that sign every call."""

from dataclasses import dataclass

from tryon.service.secret import Secret


@dataclass(frozen=True, repr=False)
class Credentials(Secret):
    """An access key, its secret and, for temporary keys, their session token."""

    access_key: str
    secret_key: str
    session_token: str = ""

    def __repr__(self) -> str:
        return f"Credentials(access_key='{self.access_key[:4]}…', secret_key='…')"
