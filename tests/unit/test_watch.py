"""A run is watched until its execution has ended, with a record or without one."""

import heapq
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from rich.console import Console

from tests.doubles import outcome
from tests.unit.stack import FakeStack, fake_stack
from tests.unit.test_cli_retry import WHOLE
from tryon.keys import Picture
from tryon.planning import plan
from tryon.planning.manifest import Manifest
from tryon.state.entry import Entry, Status
from tryon.state.run import Run
from tryon_cli import watch as module
from tryon_cli.target import TargetError, connect
from tryon_cli.watch import RECORD_SECONDS, SETTLE_SECONDS, Progressed, measure, table, watch

EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:tryon:one"


@dataclass
class StepFunctions:
    """Answers what an execution is; each question takes so many seconds of the workflow's time."""

    stack: FakeStack
    answers: list[Mapping[str, Any]]
    asked: int = 0

    def describe_execution(self, executionArn: str) -> Mapping[str, Any]:  # noqa: N803 - boto3's own name
        assert executionArn == EXECUTION
        self.asked += 1
        self.stack.clock.sleep(30.0)
        answer = self.answers[min(self.asked, len(self.answers)) - 1]
        if "refused" in answer:
            raise ClientError({"Error": {"Code": answer["refused"]}}, "DescribeExecution")
        return answer


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeStack]:
    monkeypatch.setattr(module, "ASK_SECONDS", 0.0)
    looks = iter(range(200))

    def sleep(seconds: float) -> None:
        assert next(looks, None) is not None, "watched without an end"

    monkeypatch.setattr(module.time, "sleep", sleep)  # type: ignore[attr-defined]
    with fake_stack() as found:
        yield found


def watched(
    stack: FakeStack, *answers: Mapping[str, Any], execution: str | None = EXECUTION
) -> tuple[Any, StepFunctions]:
    functions = StepFunctions(stack, list(answers))
    clients = {"stepfunctions": functions}
    seen = replace(stack, client=lambda service: clients.get(service) or boto3.client(service))  # type: ignore[call-overload]
    return watch(seen, "one", Console(file=io.StringIO()), execution=execution, interval=0.001), functions


@pytest.mark.parametrize("recorded", [False, True], ids=["no item", "an item that says RUNNING"])
@pytest.mark.parametrize(
    ("status", "patience"),
    [
        ("FAILED", RECORD_SECONDS),
        ("SUCCEEDED", RECORD_SECONDS),
        ("ABORTED", SETTLE_SECONDS),
        ("TIMED_OUT", SETTLE_SECONDS),
    ],
)
def test_an_execution_that_ended_without_a_record_ends_the_watch(
    status: str, patience: float, recorded: bool, stack: FakeStack
) -> None:
    if recorded:
        stack.ledger.open_run(Run("one", execution=EXECUTION, started_at=stack.clock.now()))
    began = stack.clock.now()
    with pytest.raises(
        TargetError, match=rf"ended as {status} .*States.QueryEvaluationError: stack overflow.*{EXECUTION}"
    ):
        watched(
            stack,
            {"status": "RUNNING"},
            {"status": status, "error": "States.QueryEvaluationError", "cause": "stack overflow"},
            execution=None if recorded else EXECUTION,
        )
    assert patience <= stack.clock.now() - began <= patience + 120


def test_a_run_that_is_recorded_late_is_followed_to_its_end(stack: FakeStack) -> None:
    stack.ledger.open_run(Run("one", execution=EXECUTION, started_at=stack.clock.now()))

    class Reporting(dict[str, str]):
        def __getitem__(self, name: str) -> str:
            stack.ledger.report("one", outcome("PARTIAL"))
            return "SUCCEEDED"

    ended, functions = watched(stack, Reporting(status=""))
    assert (ended.status, functions.asked) == ("PARTIAL", 1)


def test_without_the_right_to_ask_the_ledger_alone_is_read(stack: FakeStack, monkeypatch: pytest.MonkeyPatch) -> None:
    stack.ledger.open_run(Run("one", execution=EXECUTION, started_at=stack.clock.now()))
    looks = iter(range(5))

    def sleep(seconds: float) -> None:
        if next(looks) == 3:
            stack.ledger.report("one", outcome("SUCCEEDED"))

    monkeypatch.setattr(module.time, "sleep", sleep)  # type: ignore[attr-defined]
    ended, functions = watched(stack, {"refused": "AccessDeniedException"})
    assert (ended.status, functions.asked) == ("SUCCEEDED", 1)


def test_a_question_that_is_refused_for_now_is_asked_again(stack: FakeStack) -> None:
    with pytest.raises(TargetError, match="ended as FAILED"):
        watched(stack, {"refused": "ThrottlingException"}, {"refused": "503"}, {"status": "FAILED"})


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_links_are_signed_with_version_4(region: str, stack: FakeStack, monkeypatch: pytest.MonkeyPatch) -> None:
    template = {"Resources": {"T": {"Type": "AWS::SNS::Topic"}}, "Outputs": {
        name: {"Value": "v"} for name in ("BucketName", "LedgerTableName", "StateMachineArn")
    }}  # fmt: skip

    boto3.client("cloudformation", region_name=region).create_stack(StackName="shop", TemplateBody=json.dumps(template))
    found = connect("shop", region=region)
    link = found.s3.generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "k"}, ExpiresIn=60)
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in link
    assert "AWSAccessKeyId" not in link


@dataclass
class Simulated:
    """A run in virtual time: its entries as the ledger has them at any moment."""

    tasks: list[tuple[float, float]]
    """Submit and end of each task."""

    def at(self, now: float) -> list[Entry]:
        return [self._entry(n, start, end, now) for n, (start, end) in enumerate(self.tasks, start=1)]

    @property
    def ends_at(self) -> float:
        return max(end for _, end in self.tasks)

    def _entry(self, n: int, start: float, end: float, now: float) -> Entry:
        entry = Entry(n, f"c{n}", "anna", f"g{n}", "default")
        if start > now:
            return entry
        if end > now:
            return replace(entry, status=Status.SUBMITTED, submitted_at=start)
        return replace(entry, status=Status.SUCCEEDED, submitted_at=start, ended_at=end)


def simulated(combinations: int, slots: int, apart: float, seed: int) -> Simulated:
    """So many tasks in so many slots, two submits never closer than `apart` seconds; 27 s a task, some far longer."""
    random = Random(f"{combinations} {slots} {seed}")
    free, tasks, earliest = [0.0] * slots, [], 0.0
    for _ in range(combinations):
        start = max(heapq.heappop(free), earliest)
        tail = random.expovariate(1 / 30) if random.random() < 0.05 else 0.0
        end = start + max(1.0, random.gauss(27, 2.5)) + tail
        tasks.append((start, end))
        heapq.heappush(free, end + 2.0)
        earliest = start + apart
    return Simulated(tasks)


@pytest.mark.parametrize(
    ("combinations", "slots", "apart", "share"),
    # In one slot the few tasks that take far longer do not even out.
    [(40, 1, 2.0, 0.92), (96, 6, 2.0, 1.0), (300, 20, 2.5, 1.0)],
    ids=["slot", "slots", "rate"],
)
def test_the_end_is_told_right_within_three_tenths(combinations: int, slots: int, apart: float, share: float) -> None:
    looks = []
    for seed in range(6):
        run = simulated(combinations, slots, apart, seed)
        for step in range(10, 100, 3):
            now = run.ends_at * step / 100
            entries, left = run.at(now), run.ends_at - now
            # How long the very last tasks take is chance: one in twenty takes twice its time and more.
            if sum(entry.status is Status.SUCCEEDED for entry in entries) >= combinations / 10 and left >= 120:
                told = measure(entries, now).seconds_left or 0.0
                looks.append(1 / 1.3 <= told / left <= 1.3)
    assert len(looks) > 80
    assert sum(looks) / len(looks) >= share, (sum(looks), len(looks))


def test_a_stack_that_slows_down_is_told_by_its_last_minutes() -> None:
    fast = [(3.0 * n, 3.0 * n + 27) for n in range(100)]
    slow = [(300.0 + 12.0 * n, 327.0 + 12.0 * n) for n in range(100)]
    run = Simulated([*fast, *slow])
    now = 700.0
    told = measure(run.at(now), now).seconds_left
    assert told is not None
    assert 1 / 1.3 <= told / (run.ends_at - now) <= 1.3


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (
            200,
            "2 of 18, 5 at the service, 1 downloading, 1 being submitted, 9 waiting, about 9 s left here "
            "(1 min 30 s of workflow)",
        ),
        (91, "2 of 18, 5 at the service, 1 downloading, 1 being submitted, 9 waiting, about 9 s left here"),
        (77, "2 of 18, 5 at the service, 1 downloading, 9 waiting, about 9 s left here"),
        (50, "2 of 18, 5 at the service, about 9 s left here"),
        (30, "2 of 18, about 9 s left here"),
        (10, "2 of 18"),
    ],
)
def test_progress_fits_its_columns(columns: int, said: str) -> None:
    counts = {Status.SUCCEEDED: 2, Status.SUBMITTED: 6, Status.SUBMITTING: 1, Status.PLANNED: 9}
    assert Progressed(counts, 18, 1, 90.0, 10.0).within(columns) == said
    assert len(said) <= columns


def test_progress_counts_as_lists_do() -> None:
    """What failed is no picture: at the end a list says 2 of 4, too."""
    assert str(Progressed({Status.SUCCEEDED: 2, Status.FAILED: 1, Status.PLANNED: 1}, 4, 0, None)) == (
        "2 of 4, 1 failed, 1 waiting"
    )


ENTRIES = (
    Entry(1, "anna__01-denim-jacket__default", "anna", "01-denim-jacket", "default", status=Status.FAILED,
          error="InputRefusedError", cause="refused by [moderation]"),
    Entry(2, "anna__02-linen-shirt__default", "anna", "02-linen-shirt", "default", status=Status.SUCCEEDED, polls=4,
          latency=27.2, delay=3.8, bytes=812_000),
)  # fmt: skip


@pytest.mark.parametrize(
    ("columns", "titles"),
    [
        (200, "combination outcome polls latency s delay s size"),
        (80, "combination outcome polls latency s size"),
        (72, "combination outcome polls latency s"),
        (55, "combination outcome"),
        (40, ""),
    ],
)
def test_no_id_and_no_error_is_cut_at_any_width(columns: int, titles: str) -> None:
    screen = io.StringIO()
    table(ENTRIES, Console(file=screen, width=columns))
    said = screen.getvalue()
    assert "…" not in said
    for entry in ENTRIES:
        assert entry.id in said
    first = said.splitlines()[0].split()
    assert " ".join(first) == (titles or ENTRIES[0].id)
    assert "anna__01-denim-jacket__default: InputRefusedError: refused by [moderation]\n" in said
    lines = said.splitlines()[: 3 if titles else 4]
    assert all(len(line) <= columns for line in lines)


def test_until_the_plan_is_whole_no_number_is_said(stack: FakeStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of the entries would be "0 of 0", then "0 of 100" of 300."""
    shown: list[str] = []
    stack.ledger.open_run(Run("one", execution=EXECUTION, started_at=stack.clock.now()))
    entries = combinations(stack, 3)
    steps: Iterator[Callable[[], object]] = iter([
        lambda: stack.ledger.add("one", entries[:2]),
        lambda: stack.ledger.add("one", entries[2:]),
        lambda: stack.ledger.plan_done("one", 3),
        lambda: stack.ledger.report("one", outcome("FAILED", succeeded=0, total=3)),
    ])  # fmt: skip

    def sleep(seconds: float) -> None:
        shown.append(screen.getvalue())
        next(steps)()

    monkeypatch.setattr(module.time, "sleep", sleep)  # type: ignore[attr-defined]
    screen = io.StringIO()
    watch(stack, "one", Console(file=screen, width=80), interval=0.001)
    assert shown[:3] == [""] * 3
    assert shown[3].startswith("0 of 3, 3 waiting")


def combinations(stack: FakeStack, garments: int) -> list[plan.Combination]:
    content = {**WHOLE, "garments": WHOLE["garments"][:garments]}
    pictures = {name: Picture(bucket="pictures", key=name) for name in ("anna", "g0", "g1", "g2")}
    manifest = Manifest.model_validate(content)
    return list(plan.expand(manifest, *[plan.for_all(manifest, pictures)] * 2))
