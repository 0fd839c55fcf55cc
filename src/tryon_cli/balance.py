"""What a prepaid account has left, asked from here with the stack's own key."""

from collections.abc import Mapping
from urllib.parse import urlsplit

import requests

from tryon.service import registry
from tryon.service.credentials import SecretCredentials
from tryon.service.errors import ServiceError
from tryon_cli.target import Target

TIMEOUT = (3.05, 10.0)
"""Seconds to connect and to read: it is an aside, and Plan asks again."""


def left(found: Target, service: str, parameters: Mapping[str, str]) -> float | None:
    """Credits that a service's account has left, by the service's name.

    None where that cannot be asked from here: whoever starts a run need not have the right to read the key.
    """
    own = service.capitalize()
    secret, endpoint = found.outputs.get(f"{own}SecretName"), parameters.get(f"{own}Endpoint", "")
    if not secret or (urlsplit(endpoint).hostname or "").endswith(".test"):
        return None
    capabilities = registry.find(service)
    try:
        with requests.Session() as session:
            credentials = SecretCredentials(found.client("secretsmanager"), secret, found.clock, capabilities.secret)
            client = registry.build(
                capabilities, session, credentials=credentials, clock=found.clock, endpoint=endpoint, timeout=TIMEOUT
            )
            balance = client.check()
    except ServiceError:  # the secret that cannot be read is one of them
        return None
    return None if balance is None else balance.credits


def known(found: Target, needed: Mapping[str, float]) -> dict[str, float]:
    """What is left of each account that something is needed of, as far as it can be asked."""
    parameters = found.parameters() if needed else {}
    asked = {name: left(found, name, parameters) for name in needed}
    return {name: credits_left for name, credits_left in asked.items() if credits_left is not None}


def said(service: str, needed: float, has: float | None) -> str:
    """What an account needs and has, in words."""
    words = f"{service} must have {needed:,g} credits left"
    if has is None:
        return words
    short = "; it would be rejected" if has < needed else ""
    return f"{words}: it has {has:,g}{short}"
