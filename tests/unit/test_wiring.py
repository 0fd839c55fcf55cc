"""What a handler works with is made of its environment, at the first use and once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from moto import mock_aws
from pydantic import ValidationError
from requests.adapters import HTTPAdapter

from tests.doubles import HandClock
from tryon.plan_run import Terms
from tryon.service import registry
from tryon.service.renewing import RenewingService
from tryon.state.gate import RequestLimit
from tryon.state.run import Price
from tryon.wiring.checks import CheckWiring
from tryon.wiring.plan import PlanWiring
from tryon.wiring.results import ResultWiring
from tryon.wiring.service import ServiceWiring
from tryon.wiring.state import LEASE_MARGIN, REQUEST_MARGIN, Wiring
from tryon_local.aws.template import load

ENVIRONMENT = {
    "LEDGER_TABLE": "ledger", "GATE_TABLE": "gate", "SLOTS": "6", "PACE_SECONDS": "0.1", "REQUESTS_PER_SECOND": "2",
    "DEADLINE_SECONDS": "300", "PATIENCE_SECONDS": "3600", "CADENCE": "5, 8,10,", "MAX_COMBINATIONS": "200",
    "MAX_IMAGE_BYTES": "1000", "INPUT_BUCKETS": "one, two,", "RESULT_ORIGINS": "https://*.example.com",
    "SERVICE_CLIENT": "signed", "SERVICE_ENDPOINT": "https://x.example", "SERVICE_REGION": "r", "SERVICE_SECRET": "s",
    "PRICE_PER_TASK": "1.5", "CURRENCY": "CNY", "FACE_CHECKS": "off", "FACE_WEIGHTS": "/opt/weights",
}  # fmt: skip


FIRST = registry.FIRST


def used(wiring: Any, part: str) -> Any:
    """A part of a wiring; those that each service has for itself, the first one's."""
    found = getattr(wiring, part)
    return found(FIRST) if part in ("gate", "service", "session", "policy", "price") else found


@pytest.fixture(autouse=True)
def _aws() -> Iterator[None]:
    with mock_aws():
        yield


def test_every_part_is_made_once() -> None:
    wiring = ResultWiring(ENVIRONMENT)
    for part in ("dynamodb", "s3", "ledger"):
        assert getattr(wiring, part) is getattr(wiring, part)
    for part in ("gate", "service", "session", "policy"):
        assert getattr(wiring, part)(FIRST) is getattr(wiring, part)(FIRST)
    assert isinstance(wiring.service(FIRST), RenewingService)
    assert wiring.price(FIRST) == Price(1.5, "CNY")


@pytest.mark.parametrize(
    ("wiring", "part", "missing"),
    [
        (Wiring, "ledger", "LEDGER_TABLE"),
        (Wiring, "gate", "SLOTS"),
        (ServiceWiring, "service", "SERVICE_SECRET"),
        (ResultWiring, "session", "SERVICE_SECRET"),
        (PlanWiring, "limits", "CADENCE"),
    ],
)
def test_a_variable_that_is_missing_or_wrong_is_named_at_the_first_use(wiring: Any, part: str, missing: str) -> None:
    made = wiring({name: value for name, value in ENVIRONMENT.items() if name != missing})
    with pytest.raises(ValidationError, match=missing):
        used(made, part)
    assert wiring({}) is not None, "nothing is read before"
    if missing == "SLOTS":
        with pytest.raises(ValidationError, match=r"SLOTS\n.*greater than or equal to 0"):
            wiring(ENVIRONMENT | {missing: "-1"}).gate(FIRST)


def test_lists_are_read_with_blanks_and_a_comma_at_their_end() -> None:
    limits = PlanWiring(ENVIRONMENT).limits
    assert limits.services == {FIRST: Terms(slots=6, cadence=(5, 8, 10), deadline=300)}
    assert limits.input_buckets == ["one", "two"]
    assert (limits.combinations, limits.image_bytes) == (200, 1000)
    assert PlanWiring(ENVIRONMENT | {"INPUT_BUCKETS": ""}).limits.input_buckets == []


@pytest.mark.parametrize(("slots", "children"), [("1", 3), ("6", 12), ("60", 120), ("200", 300)])
def test_the_map_runs_more_children_than_there_are_slots(slots: str, children: int) -> None:
    assert PlanWiring(ENVIRONMENT | {"SLOTS": slots}).concurrency([FIRST]) == children


@pytest.mark.parametrize(
    ("rate", "pace", "limit"),
    [
        ("0", 0.1, None),
        ("2", REQUEST_MARGIN / 2, RequestLimit(2, REQUEST_MARGIN)),
        ("0.5", REQUEST_MARGIN * 2, RequestLimit(1, REQUEST_MARGIN * 2)),
    ],
)
def test_two_submits_are_never_closer_than_the_request_rate_lets_them(
    rate: str, pace: float, limit: RequestLimit | None
) -> None:
    gate = Wiring(ENVIRONMENT | {"REQUESTS_PER_SECOND": rate}).gate(FIRST)
    assert gate._requests == limit
    assert (gate._limits.slots, gate._limits.lease) == (6, 300 + LEASE_MARGIN)
    assert gate._limits.pace == pytest.approx(pace)


def test_requests_go_where_a_local_stack_sends_them_and_time_is_its_clocks() -> None:
    wiring, adapter, clock = ResultWiring(ENVIRONMENT), HTTPAdapter(), HandClock(7.0)
    wiring.clock, wiring.transports = clock, {"https://x.example": adapter}
    assert wiring.session(FIRST).get_adapter("https://x.example/a") is adapter
    assert wiring.mounted(requests.Session()).get_adapter("https://x.example") is adapter
    assert wiring.ledger._clock is clock


def test_the_template_gives_every_function_what_its_wiring_reads() -> None:
    template = load(Path(__file__).parents[2] / "template.yaml")
    shared = template["Globals"]["Function"].get("Environment", {}).get("Variables", {})
    wirings: dict[str, tuple[Any, tuple[str, ...]]] = {
        "Plan": (PlanWiring, ("ledger", "limits", "service", "gate")),
        "Reserve": (Wiring, ("ledger", "gate")),
        "Submit": (ServiceWiring, ("ledger", "gate", "service")),
        "Poll": (ServiceWiring, ("ledger", "gate", "service")),
        "Download": (ResultWiring, ("ledger", "service", "policy")),
        "Check": (CheckWiring, ("ledger", "looks", "settings")),
        "Compare": (Wiring, ("ledger", "looks")),
        "Summarize": (Wiring, ("ledger", "gate", "price")),
    }
    for name, (kind, parts) in wirings.items():
        own = template["Resources"][f"{name}Function"]["Properties"].get("Environment", {}).get("Variables", {})
        given = shared | own
        made = kind({variable: ENVIRONMENT[variable] for variable in given if variable in ENVIRONMENT})
        for part in parts:
            assert used(made, part) is not None, (name, part)
