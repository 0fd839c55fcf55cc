"""A deployed stack to be proved: `pytest tests/deployed --stack NAME [--profile P] [--region R] [--pay]`.

Without `--pay` nothing is submitted to the try-on service. What a stack's AWS does not know, as the local one, is
skipped with its reason.
"""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from tryon_cli.target import LOCAL_PORT, Target, connect
from tryon_local.environment import found


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("a deployed stack")
    group.addoption("--stack", help="the stack's name, or 'local' for the one of `tryon local up`")
    group.addoption("--profile", help="of the AWS CLI's configuration")
    group.addoption("--region")
    group.addoption("--port", type=int, default=LOCAL_PORT, help="of the local stack")
    group.addoption("--pay", action="store_true", help="run two combinations, which the service charges for")


@pytest.fixture(scope="session")
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    option = request.config.getoption
    name = option("--stack", None)
    if not name:
        pytest.skip("no --stack NAME: nothing is deployed to be proved")
    saved = dict(os.environ)
    if name != "local":
        # The person's own credentials, which all other tests must not find.
        os.environ.clear()
        os.environ.update(found())
    try:
        yield connect(name, profile=option("--profile"), region=option("--region"), port=option("--port"))
    finally:
        os.environ.clear()
        os.environ.update(saved)


@pytest.fixture(scope="session")
def pays(request: pytest.FixtureRequest, target: Target) -> None:
    """For tests that cost money."""
    if not request.config.getoption("--pay"):
        pytest.skip("no --pay: nothing is submitted to the service")


@pytest.fixture
def ask(target: Target) -> Callable[..., Any]:
    """One call of AWS by service, operation and arguments; skips where this AWS does not know it."""

    def call(service: str, operation: str, **arguments: Any) -> Any:
        try:
            return getattr(target.client(service), operation)(**arguments)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in ("NotImplemented", "UnknownOperationException"):
                pytest.skip(f"this AWS does not know {service} {operation}")
            raise
        except EndpointConnectionError as error:
            pytest.skip(f"{service} is out of reach: {error}")

    return call
