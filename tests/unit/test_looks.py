"""What was seen of pictures: kept in items of their own, in the plan's order, whatever else is in the table."""

from collections.abc import Iterator

import boto3
import pytest

from tests.doubles import RUN, HandClock, combination, ledger_and_gate
from tryon.state.ledger import Ledger
from tryon.state.looks import Look, Looks


def signature(width: int = 600) -> bytes:
    return f"a signature of {width}".encode()


@pytest.fixture
def ledger(clock: HandClock) -> Iterator[Ledger]:
    with ledger_and_gate(clock) as (ledger, _):
        yield ledger


@pytest.fixture
def looks(ledger: Ledger) -> Looks:
    return Looks(boto3.client("dynamodb"), "ledger")


def test_looks_come_in_the_plans_order_with_all_that_was_kept(looks: Looks) -> None:
    looks.keep_signature(RUN, 10, 1, signature())
    looks.keep_measurements(RUN, 2, 12, b"measured")
    looks.keep_signature(RUN, 2, 2, signature(700))
    looks.keep_unchecked(RUN, 2, 2, "no vision layer")
    looks.keep_judged(RUN, 2, 2, "{}")
    assert list(looks.of_results(RUN)) == [
        Look(2, 2, signature(700), unchecked="no vision layer", judged="{}"),
        Look(2, 12, measurements=b"measured"),
        Look(10, 1, signature()),
    ]


def test_looks_are_kept_beside_entries_and_change_none(looks: Looks, ledger: Ledger) -> None:
    ledger.add(RUN, [combination(1), combination(2)])
    before = list(ledger.entries(RUN))
    looks.keep_signature(RUN, 1, 1, signature())
    looks.keep_inputs(RUN, {("models", "anna"): signature()})
    looks.keep_signature("another", 1, 1, signature())
    assert list(ledger.entries(RUN)) == before
    assert [look.n for look in looks.of_results(RUN)] == [1]


def test_inputs_are_kept_by_kind_and_id_more_than_one_transaction_of_them(looks: Looks) -> None:
    garments = {f"g{n}": signature(n) for n in range(1, 131)}
    looks.keep_inputs(RUN, {("models", "a"): signature(), **{("garments", id_): one for id_, one in garments.items()}})
    assert dict(looks.of_inputs(RUN, "garments")) == garments
    assert dict(looks.of_inputs(RUN, "models")) == {"a": signature()}
