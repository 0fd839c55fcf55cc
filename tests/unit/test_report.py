"""The end of a run, however large: nothing is held that grows with it, and all that is told comes of one reading."""

import csv
import gc
import io
import json
import multiprocessing
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from tests.doubles import HandClock, read_manifest, stored
from tryon.reporting import report
from tryon.reporting.gallery import publishing
from tryon.state.entry import Entry, Status
from tryon.state.ledger import RunEndedError
from tryon.state.run import Outcome, Price, Run, RunStatus
from tryon.task.slots import holder

RUN = "20261123T090000Z-large-1a2b3c4d"
FOLDER = f"runs/{RUN}/"


def entry(n: int) -> Entry:
    model, worn = f"model-{(n - 1) // 40}", f"{(n - 1) % 40 + 1:02d}-garment-{(n - 1) % 40}"
    id_ = f"{model}__{worn}__default"
    result = stored(f"{FOLDER}results/{model}/{id_}__1.png", bytes=1000 + n)
    known = Entry(
        n, id_, model, worn, "default", garments=(f"garment-{(n - 1) % 40}",), task_id=f"74{n:017d}", submits=1,
        submitted_at=1000.0 + n, ended_at=1032.0 + n, finished_at=1034.0 + n, polls=4, latency=25.0 + n % 7, delay=1.5,
    )  # fmt: skip
    if n % 10:
        return replace(known, status=Status.SUCCEEDED, results=(result,), bytes=1000 + n)
    return replace(known, status=Status.FAILED, error="TaskFailedError", cause="x" * 200, step="Poll")


class Pages:
    """A ledger that makes its entries while they are read; `later` changes them from the second reading on."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.readings = 0
        self.failures: list[int] = []
        self.item = Run(
            RUN, name="large", bucket="b", manifest_key="manifests/a.json", started_at=900.0, planned_at=910.0
        )

    def run(self, run_id: str) -> Run | None:
        return self.item if run_id == RUN else None

    def entries(self, _: str) -> Iterator[Entry]:
        self.readings += 1
        return (self.read(n, self.readings) for n in range(1, self.total + 1))

    def read(self, n: int, reading: int) -> Entry:
        return entry(n)

    def failed(self, run_id: str, n: int, error: str, cause: str) -> None:
        self.failures.append(n)

    def report(self, run_id: str, outcome: Outcome) -> None:
        if not self.item.running:
            raise RunEndedError(run_id)
        self.item = replace(self.item, status=outcome.status, outcome=outcome)


class Bucket:
    """S3 that keeps what is small and forgets pages; every copy of a picture is four bytes."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.pages = 0
        self.manifest = read_manifest({"name": "large"}).encode().encode()

    def get_object(self, **asked: Any) -> dict[str, Any]:
        if asked["Key"] == "manifests/a.json":
            return {"Body": io.BytesIO(self.manifest)}
        return {"Body": io.BytesIO(self.kept.get(asked["Key"], b"copy"))}

    def put_object(self, **asked: Any) -> None:
        if asked.get("IfNoneMatch") and asked["Key"] in self.kept:
            raise ClientError({"Error": {"Code": "PreconditionFailed"}}, "PutObject")
        self.pages += asked["Key"].endswith(".html")
        if asked["Key"].endswith(".html") and tracemalloc.is_tracing():
            gc.collect()  # what is measured is what a page needs, and not when the collector happens to come
        if not asked["Key"].endswith((".html", ".jpg")):
            body = asked["Body"]
            size = sum(map(len, iter(lambda: body.read(65_536), b""))) if not isinstance(body, bytes) else 0
            if not isinstance(body, bytes) and size < 100_000:
                body.seek(0)
                self.kept[asked["Key"]] = body.read()
            elif isinstance(body, bytes):
                self.kept[asked["Key"]] = body


class Gate:
    def release_run(self, prefix: str, *, keep: frozenset[str]) -> None:
        self.kept = keep


def end(ledger: Pages, gate: Gate | None = None, bucket: Bucket | None = None) -> tuple[report.Report, Bucket]:
    bucket = bucket or Bucket()
    told = report.write_report(
        cast("Any", bucket), cast("Any", ledger), lambda _: cast("Any", gate or Gate()),
        run_id=RUN, bucket="b", clock=HandClock(2000.0), prices=lambda _: Price(1.0, "CNY"), failure=None,
    )  # fmt: skip
    assert told.gallery_error is None
    return told, bucket


def peaks(*totals: int) -> list[int]:
    """The most memory that Python held while a run of each size ended."""
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publishing, "INDEX_COMBINATIONS", 500)
        patch.setattr("tryon.objects.SPOOL_BYTES", 10_000)
        patch.setattr("tryon.reporting.contact_sheet.draw", lambda *_: b"")  # 22 MB, whatever the run
        end(Pages(totals[0]))  # what is imported and cached at the first call
        for total in totals:
            gc.collect()
            tracemalloc.start()
            end(Pages(total))
            found.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    return found


def test_memory_does_not_grow_with_the_run() -> None:
    # In a process of its own: the collector comes the later the more other tests have left.
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        small, large = pool.apply(peaks, (1_000, 2_500))
    # Of each entry six numbers are kept, and copies of them while they are sorted; an entry has 800 bytes.
    assert large - small < 1_500 * 300


def test_what_is_told_agrees_whatever_the_ledger_says_later() -> None:
    class Changing(Pages):
        """A late Download stores a picture of a combination that had failed, after the report's reading."""

        def read(self, n: int, reading: int) -> Entry:
            return replace(entry(n), status=Status.SUCCEEDED, error=None) if n == 10 and reading > 2 else entry(n)

    told, bucket = end(Changing(50))
    summary = json.loads(bucket.kept[FOLDER + "summary.json"])
    rows = list(csv.DictReader(io.StringIO(bucket.kept[FOLDER + "combinations.csv"].decode("utf-8-sig"))))
    again = json.loads(bucket.kept[FOLDER + "retry-manifest.json"])
    assert (summary["succeeded"], summary["failed"], told.failed) == (45, 5, 5)
    assert [row["status"] for row in rows].count("FAILED") == len(again["combinations"]) == 5
    assert again["retry_of"] == RUN


def test_what_nobody_ended_gets_its_outcome_and_keeps_its_slot_while_its_task_may_run() -> None:
    class CutOff(Pages):
        def read(self, n: int, reading: int) -> Entry:
            return (
                replace(entry(n), status=Status.SUBMITTED, ended_at=None, results=(), visit=2) if n == 3 else entry(n)
            )

    ledger, gate = CutOff(5), Gate()
    end(ledger, gate)
    assert ledger.failures == [3]
    assert gate.kept == {holder(RUN, 3, 2)}


def test_a_run_of_nothing_but_successes_has_no_retry_manifest() -> None:
    _, bucket = end(Pages(9))
    assert sorted(bucket.kept) == [FOLDER + "combinations.csv", FOLDER + "summary.json"]


def test_a_run_is_ended_in_the_ledger_when_its_gallery_can_be_fetched() -> None:
    """Whoever watches the ledger fetches the files as soon as it says that the run has ended."""
    seen: list[int] = []
    bucket = Bucket()

    class Watched(Pages):
        def report(self, run_id: str, outcome: Outcome) -> None:
            seen.append(bucket.pages)

    report.write_report(
        cast("Any", bucket),
        cast("Any", Watched(20)),
        lambda _: cast("Any", Gate()),
        run_id=RUN,
        bucket="b",
        clock=HandClock(),
        prices=lambda _: Price(1.0, "CNY"),
        failure=None,
    )
    assert seen == [1]


def test_a_report_that_is_asked_for_again_says_the_same_and_changes_nothing() -> None:
    ledger, bucket = Pages(20), Bucket()
    told, _ = end(ledger, bucket=bucket)
    files, item, pages = dict(bucket.kept), ledger.item, bucket.pages
    ledger.read = lambda n, reading: entry(1)  # type: ignore[method-assign]  # what the ledger says later
    assert end(ledger, bucket=bucket)[0] == told
    assert (bucket.kept, ledger.item, bucket.pages) == (files, item, pages)


def test_a_report_that_died_after_its_summary_goes_on_with_that_summarys_numbers() -> None:
    ledger, bucket = Pages(20), Bucket()
    end(ledger, bucket=bucket)
    first = bucket.kept[FOLDER + "summary.json"]
    again = Pages(20)  # the run's item was never written
    again.read = lambda n, reading: replace(entry(1), n=n)  # type: ignore[method-assign]
    told, _ = end(again, bucket=bucket)
    assert bucket.kept[FOLDER + "summary.json"] == first
    assert again.item.outcome is not None
    assert (again.item.outcome.succeeded, told.failed) == (18, 2)


def test_a_manifest_that_this_version_does_not_understand_costs_no_report() -> None:
    """Another version accepted it: after an upgrade, or a way back, while the run went on."""
    bucket = Bucket()
    bucket.manifest = b'{"name": "large", "a field of later": 1}'
    told, _ = end(Pages(20), bucket=bucket)
    assert (told.failed, bucket.pages) == (2, 1)
    assert sorted(bucket.kept) == [FOLDER + "combinations.csv", FOLDER + "summary.json"]
    (note,) = json.loads(bucket.kept[FOLDER + "summary.json"])["notes"]
    assert note.startswith("there is no retry manifest, because this version does not understand the manifest: ")
    assert "a field of later" in note


@pytest.mark.parametrize("changes", [{"status": RunStatus.REJECTED}, {"planned_at": None}])
def test_a_run_that_was_never_planned_or_was_rejected_has_no_report(changes: dict[str, Any]) -> None:
    ledger = Pages(3)
    ledger.item = replace(ledger.item, **changes)
    with pytest.raises(report.RunNotPlannedError):
        end(ledger)
    assert ledger.readings == 0
