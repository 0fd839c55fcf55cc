"""What a prepaid account has left is asked with the stack's own key, and never stands in the way."""

import json
from collections.abc import Iterator
from dataclasses import replace

import boto3
import pytest

from tests.service.contract.wire import Reply, Wire, wire
from tests.unit.stack import FakeStack, fake_stack
from tryon_cli import balance


@pytest.fixture
def service() -> Iterator[Wire]:
    with wire() as server:
        yield server


@pytest.fixture
def stack(service: Wire) -> Iterator[FakeStack]:
    with fake_stack(FashnEndpoint=service.endpoint, FalEndpoint=service.endpoint) as found:
        boto3.client("secretsmanager").create_secret(Name="of-fashn", SecretString='{"api_key": "fa-dummy"}')
        yield replace(found, outputs={**found.outputs, "FashnSecretName": "of-fashn"})


def credits_of(total: object) -> Reply:
    return Reply(json.dumps({"credits": {"total": total}}).encode())


def test_the_account_is_asked_once_with_its_key(stack: FakeStack, service: Wire) -> None:
    service.say(credits_of(112))
    assert balance.known(stack, {"fashn": 480.0}) == {"fashn": 112.0}
    (asked,) = service.came
    assert (asked.method, asked.path, asked.headers["authorization"]) == ("GET", "/v1/credits", "Bearer fa-dummy")


@pytest.mark.parametrize("reply", [Reply(b"", 500), Reply(b"", 401), credits_of("many"), Reply(b"<html>")])
def test_what_cannot_be_asked_is_left_out(stack: FakeStack, service: Wire, reply: Reply) -> None:
    service.say(reply)
    assert balance.known(stack, {"fashn": 480.0}) == {}


def test_without_the_right_to_read_the_key_nothing_is_asked(stack: FakeStack, service: Wire) -> None:
    assert balance.known(replace(stack, outputs={"FashnSecretName": "of-nobody"}), {"fashn": 1.0}) == {}
    assert balance.known(stack, {"fal": 1.0}) == {}
    assert balance.known(stack, {}) == {}
    assert service.came == []


@pytest.mark.parametrize(
    ("has", "said"),
    [
        (None, "fashn must have 480 credits left"),
        (112.0, "fashn must have 480 credits left: it has 112; it would be rejected"),
        (1_000.0, "fashn must have 480 credits left: it has 1,000"),
    ],
)
def test_both_numbers_are_said(has: float | None, said: str) -> None:
    assert balance.said("fashn", 480.0, has) == said
