"""What all tests share: dummy credentials, no sockets unless a test asks, a clock that tests turn."""

import gc
import os
import sys
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tryon_local import environment

if TYPE_CHECKING:
    from tests.doubles import HandClock

# A loaded machine is slow, not wrong; and what failed once must fail again.
settings.register_profile(
    "tryon",
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("tryon")

# Before any boto3 client is made: no test may ever find a real account, a proxy or another time zone.
environment.enter()
# For tests that install something, in pytest's worker processes.
environment.hand_on()
os.environ.update(
    AWS_ACCESS_KEY_ID="test",
    AWS_SECRET_ACCESS_KEY="test",
    POWERTOOLS_SERVICE_NAME="tryon",
    POWERTOOLS_METRICS_NAMESPACE="tryon",
    # Nor a stack that a person's setting files name.
    TRYON_SETTINGS=os.devnull,
)
# A terminal's width, colours and language would be in what tests compare.
for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE"):
    os.environ.pop(name, None)
# As `python -W error` would: what other projects' programs are asked for.
if sys.warnoptions:
    sys.warnoptions.clear()
    warnings.resetwarnings()

LONGEST = (
    "tests/workflow/test_histories_of_",
    "tests/browser/test_gallery_page.py",
    "tests/local/test_gate_under_fire.py",
    "tests/workflow/test_pipeline.py",
    "tests/service/test_contract.py",
    "tests/browser/test_console_page.py",
    "tests/end_to_end/test_local_up.py",
    "tests/unit/test_images.py",
    "tests/workflow/",
    "tests/local/",
)
"""What takes longest, in this order."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first: of two workers, one would otherwise end alone with the last long file."""

    def place(item: pytest.Item) -> int:
        ranks = (rank for rank, path in enumerate(LONGEST) if item.nodeid.startswith(path))
        return next(ranks, len(LONGEST))

    items.sort(key=place)


def pytest_collection_finish() -> None:
    """What was imported stays: the collector need not look at it again, a second each time, whenever tests fill up."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture
def clock() -> "HandClock":
    # Not above: the doubles import moto, which reads the environment as it was before `enter`.
    from tests.doubles import HandClock

    return HandClock()


@pytest.fixture(autouse=True)
def _no_sockets(request: pytest.FixtureRequest) -> Iterator[None]:
    """Unit tests have no network at all; others may open sockets on this machine only."""
    from pytest_socket import disable_socket, enable_socket, socket_allow_hosts

    if "/tests/unit/" in str(request.path):
        disable_socket(allow_unix_socket=True)
    else:
        socket_allow_hosts(["127.0.0.1", "localhost", "::1"], allow_unix_socket=True)
    yield
    enable_socket()
