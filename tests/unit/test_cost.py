"""What a run costs at AWS, from its ledger."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.doubles import stored
from tryon.reporting import cost
from tryon.state.entry import Entry, Status
from tryon_local.aws import template

ROOT = Path(__file__).parents[2]
GOOD = Entry(
    n=1,
    id="a",
    model="anna",
    worn="01-shirt",
    variant="default",
    garments=("shirt",),
    status=Status.SUCCEEDED,
    submits=1,
    submitting_at=1000.0,
    submitted_at=1000.5,
    polls=2,
    ended_at=1030.0,
    finished_at=1032.0,
    results=(stored("k"),),
)


def failed(step: str, error: str, **changes: object) -> Entry:
    base = replace(GOOD, status=Status.FAILED, step=step, error=error, results=(), finished_at=None)
    return replace(base, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("entry", "charged"),
    [
        (GOOD, 12),  # start, ReserveSlot, Pace, Submit, twice Wait, Poll and Done?, Download, Check
        (replace(GOOD, polls=4), 18),
        (replace(GOOD, submits=3), 12 + 2 * 4),  # two refusals: SubmitAgain? and the gate again
        (replace(GOOD, submits=0), 12),  # resumed: through the same states without a submit
        (failed("ReserveSlot", "RunHaltedError", submits=0, polls=0), 7),
        (failed("Submit", "InputRefusedError", polls=0), 9),
        (failed("Poll", "TaskFailedError", polls=2), 14),  # the second poll fails: no Done?, no Download
        (failed("Poll", "TaskDeadlineError", polls=2), 13),
        (failed("Poll", "OutputRefusedError", polls=2), 15),  # AnotherSeed? instead of Done?
        (replace(GOOD, submits=2, polls=4, refused_tasks=("t0",)), 1 + 2 * (3 + 2 * 3) + 2),
        (failed("Download", "FetchError", polls=2), 14),
    ],
)
def test_transitions_follow_the_way_that_a_combination_took(entry: Entry, charged: int) -> None:
    assert cost.transitions(entry) == charged


def test_what_was_measured_is_used_as_measured() -> None:
    slow = replace(GOOD, submitted_at=1010.5, finished_at=1062.0)  # 10 s more to submit, 30 s more to download
    more = cost.usage([slow], planning=5.0).lambda_gb_seconds - cost.usage([GOOD], planning=0.0).lambda_gb_seconds
    assert more == pytest.approx(10 * 1.0 + 30 * 0.5 + 5 * 3008 / 1024)


def test_the_price_is_the_sum_of_what_was_used() -> None:
    nothing = cost.Usage(0, 0, 0.0, 0, 0, 0, 0)
    assert nothing.usd == 0
    for field, amount, usd in (
        ("transitions", 1000, 0.025),
        ("lambda_requests", 1_000_000, 0.20),
        ("lambda_gb_seconds", 60_000.0, 1.0),
        ("dynamodb_write_units", 1_000_000, 0.625),
        ("dynamodb_read_units", 1_000_000, 0.125),
        ("s3_writes", 1000, 0.005),
        ("s3_reads", 1000, 0.0004),
    ):
        assert replace(nothing, **{field: amount}).usd == pytest.approx(usd, rel=1e-4)  # type: ignore[arg-type]


def test_one_poll_more_costs_what_the_formula_says() -> None:
    more = cost.usage([replace(GOOD, polls=3)], planning=0.0).usd - cost.usage([GOOD], planning=0.0).usd
    assert more == pytest.approx(cost.USD_PER_POLL)


def test_the_summary_tells_the_run_and_the_combination() -> None:
    meter = cost.Meter()
    for entry in (GOOD, replace(GOOD, polls=4)):
        meter.add(entry)
    found = meter.cost(planning=0.0)
    assert found.transitions == 12 + 12 + 18
    assert found.transitions_per_combination == 15
    assert found.usd_per_combination == pytest.approx(found.usd / 2, abs=1e-5)


@pytest.mark.parametrize(("combinations", "calls"), [(18, 0), (2_000, 0), (2_001, 1), (10_000, 2), (100_000, 20)])
def test_a_large_gallery_is_drawn_by_further_calls(combinations: int, calls: int) -> None:
    assert cost.batches_of(combinations) == calls


def test_the_further_calls_of_a_large_gallery_are_paid() -> None:
    small, large = (cost.usage([GOOD] * count, planning=0.0) for count in (2_000, 5_000))
    assert large.transitions == 12 + 2 + 2 * 1 + 5_000 * cost.transitions(GOOD)
    assert small.transitions == 12 + 2_000 * cost.transitions(GOOD)


def test_functions_have_the_memory_that_is_reckoned_with() -> None:
    functions = template.sources(ROOT / "template.yaml")
    assert {name: functions[f"{name}Function"].memory / 1024 for name in cost.MEMORY_GB} == dict(cost.MEMORY_GB)


def test_the_page_tells_the_same_prices() -> None:
    page = (ROOT / "docs" / "cost.md").read_text(encoding="utf-8")
    formula = page[page.index("cost = ") : page.index("These are list prices")]
    assert [float(price) for price in re.findall(r"\$([0-9.]+)", formula)] == pytest.approx(
        [
            cost.USD_PER_TRANSITION,
            cost.USD_PER_LAMBDA_REQUEST,
            cost.USD_PER_GB_SECOND,
            cost.USD_PER_WRITE_UNIT,
            cost.USD_PER_READ_UNIT,
            cost.USD_PER_S3_WRITE,
            cost.USD_PER_S3_READ,
        ]
    )
