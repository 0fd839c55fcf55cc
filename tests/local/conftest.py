"""What the tests of the local AWS share: a stack of the small application in `fixtures`, in virtual time."""

from collections.abc import Iterator

import pytest

from local.aws.stack import LocalStack
from local.clock import VirtualClock
from tests.local.machines import APP, START, Machines


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    with LocalStack(APP, clock=VirtualClock(START)) as running:
        yield running


@pytest.fixture(scope="module")
def machines(stack: LocalStack) -> Machines:
    return Machines(stack)
