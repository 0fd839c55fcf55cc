"""What the tests of the local AWS share: a stack of the small application in `fixtures`, in virtual time."""

from collections.abc import Iterator

import pytest

from tests.local.machines import APP, START, Machines
from tryon_local.aws.stack import LocalStack
from tryon_local.clock import VirtualClock


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    with LocalStack(APP, clock=VirtualClock(START)) as running:
        yield running


@pytest.fixture(scope="module")
def machines(stack: LocalStack) -> Machines:
    return Machines(stack)
