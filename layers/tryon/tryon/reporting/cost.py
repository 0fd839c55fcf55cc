"""What a run costs at AWS's list prices, from what the ledger counted; `docs/cost.md` has the formula.

Counted from the ledger: transitions, calls, requests to S3, and the seconds of Plan, Submit's call to the service
and Download. Estimated by the constants below: the other seconds and DynamoDB's units. Left out: what is not
charged by the run (storage, alarms, the secret), logs, traces, pictures sent to the service, and retries of Lambda.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from math import ceil
from types import MappingProxyType

from tryon.errors import ENDS_IN_CHOICE, KEEPS_SLOT
from tryon.reporting.batches import BATCH_PARTS, MOST_OWN_PARTS, PART_COMBINATIONS
from tryon.state.entry import Entry, Status
from tryon.state.run import AwsCost

# List prices in us-east-1, x86, as published in 2025, in US dollars, without free tiers.
USD_PER_TRANSITION = 0.025 / 1_000
"""aws.amazon.com/step-functions/pricing, Standard Workflows."""

USD_PER_LAMBDA_REQUEST = 0.20 / 1_000_000
USD_PER_GB_SECOND = 0.0000166667
"""Both: aws.amazon.com/lambda/pricing."""

USD_PER_WRITE_UNIT = 0.625 / 1_000_000
USD_PER_READ_UNIT = 0.125 / 1_000_000
"""Both: aws.amazon.com/dynamodb/pricing/on-demand; a unit is 1 KB written, 4 KB read consistently."""

USD_PER_S3_WRITE = 0.005 / 1_000
USD_PER_S3_READ = 0.0004 / 1_000
"""Both: aws.amazon.com/s3/pricing, S3 Standard; a write is a PUT or a LIST, a read is a GET."""

MEMORY_GB: Mapping[str, float] = MappingProxyType(
    {
        "Plan": 3008 / 1024,
        "Reserve": 512 / 1024,
        "Submit": 1024 / 1024,
        "Poll": 512 / 1024,
        "Download": 512 / 1024,
        "Check": 1024 / 1024,
        "Compare": 1536 / 1024,
        "Summarize": 2048 / 1024,
        "Gallery": 2048 / 1024,
    }
)
"""The functions' memory in template.yaml; a test compares."""

RESERVE_SECONDS = 0.1
"""Estimate: three calls to DynamoDB and one to Step Functions."""

LOAD_SECONDS = 0.2
"""Estimate: Submit reads two or three pictures from S3 before it calls the service."""

POLL_SECONDS = 0.3
"""Estimate: four calls to DynamoDB and one to the service, on another continent."""

CHECK_SECONDS = 0.9
"""Estimate: copies are read, half a second of a processor's work, three calls to DynamoDB."""

COMPARE_SECONDS = (1.5, 0.003)
"""Estimate: for the run, and for each combination."""

SUMMARIZE_SECONDS = (1.0, 0.02)
"""Estimate: for the run, and for each combination."""

GALLERY_SECONDS = 0.02
"""Estimate: for each combination of a run whose gallery is drawn by further calls."""

LOOK_WRITES, LOOK_READS = 11, 2
"""Estimate: a signature has 2.7 KB, with its measurements 8."""

GATE_UNITS = 4
"""Estimate: the gate's item has a few KB, most of it the task tokens of those who wait."""

USD_PER_POLL = (
    3 * USD_PER_TRANSITION
    + USD_PER_LAMBDA_REQUEST
    + POLL_SECONDS * MEMORY_GB["Poll"] * USD_PER_GB_SECOND
    + 2 * USD_PER_WRITE_UNIT
    + USD_PER_READ_UNIT
)
"""What one poll more costs."""

RUN_TRANSITIONS = 12
"""Manifest?, Name, Claim, Plan, Planned?, TryOn, Compare, Summarize, Parts?, Notify, Whole?, RunEnded or RunFailed."""

LARGE_TRANSITIONS = 2
"""DrawGallery and End, where a gallery is drawn by further calls; DrawParts and Drawn for each of them."""

RUN_WRITES = 6
"""Claim, the run's item when it is opened, planned and closed, twice what the index repeats."""

RUN_FILES = 7
"""plan.json, what the children returned and its manifest, checks.jsonl, summary.json, combinations.csv, index.html."""


@dataclass(frozen=True)
class Usage:
    """What a run used of AWS: counts, and gigabyte-seconds of Lambda."""

    transitions: int
    lambda_requests: int
    lambda_gb_seconds: float
    dynamodb_write_units: int
    dynamodb_read_units: int
    s3_writes: int
    s3_reads: int

    @property
    def usd(self) -> float:
        """The price of it all."""
        return (
            self.transitions * USD_PER_TRANSITION
            + self.lambda_requests * USD_PER_LAMBDA_REQUEST
            + self.lambda_gb_seconds * USD_PER_GB_SECOND
            + self.dynamodb_write_units * USD_PER_WRITE_UNIT
            + self.dynamodb_read_units * USD_PER_READ_UNIT
            + self.s3_writes * USD_PER_S3_WRITE
            + self.s3_reads * USD_PER_S3_READ
        )


def transitions(entry: Entry) -> int:
    """State transitions that a combination was charged for: the start of its execution and each state it entered.

    Entered again and again are ReserveSlot, Pace and Submit, with SubmitAgain? between two tries, and Wait, Poll
    and Done?; AnotherSeed? stands for Done? where a result was refused; then Download and Check, or Explain,
    RecordFailure and Failed, behind GiveSlotBack and Passes? where the slot was still held. The ledger does not count
    what a child enters while it waits (Rest, AwaitAnswer, Pace once more), nor Unchecked: those are left out.
    """
    succeeded = entry.status is Status.SUCCEEDED
    # A try that follows a refused result comes from AnotherSeed?, which its last poll counts already.
    if entry.step == "ReserveSlot":
        count = 1 + 1 + 4 * entry.submits - len(entry.refused_tasks)
    else:
        tries = max(1, entry.submits)
        count = 1 + 3 * tries + (tries - 1 - len(entry.refused_tasks))
    count += 3 * entry.polls
    if succeeded:
        return count + 2
    if entry.step == "Poll" and entry.error not in ENDS_IN_CHOICE:
        count -= 1  # the poll itself failed: no Done? after it
    if entry.step == "Download":
        count += 1
    elif entry.error not in KEEPS_SLOT:
        count += 2
    return count + 3


def batches_of(combinations: int) -> int:
    """How many further calls draw the gallery of a run of that size: none of a small one."""
    parts = ceil(combinations / PART_COMBINATIONS)
    return ceil(parts / BATCH_PARTS) if parts > MOST_OWN_PARTS else 0


class Meter:
    """What a run used, added up entry by entry: the entries themselves are not kept."""

    def __init__(self) -> None:
        self.entries = 0
        self._submits = self._polls = self._tries = self._transitions = 0
        self._downloads = self._results = self._loads = 0
        self._downloading = self._calling = 0.0
        self._inputs: set[tuple[str, str]] = set()

    def add(self, entry: Entry) -> None:
        """Count a final entry."""
        tries = max(1, entry.submits)
        self.entries += 1
        self._submits += entry.submits
        self._polls += entry.polls
        self._tries += tries
        self._transitions += transitions(entry)
        self._results += len(entry.results)
        self._loads += tries * (1 + len(entry.garments))
        self._inputs.add(("model", entry.model))
        self._inputs.update(("garment", id_) for id_ in entry.garments)
        if entry.finished_at is not None and entry.ended_at is not None:
            self._downloads += 1
            self._downloading += entry.finished_at - entry.ended_at
        if entry.submitted_at is not None and entry.submitting_at is not None:
            self._calling += entry.submitted_at - entry.submitting_at

    def usage(self, *, planning: float) -> Usage:
        """What the run used; `planning` is the seconds that Plan took."""
        seconds = {
            "Plan": planning,
            "Reserve": RESERVE_SECONDS * self._tries,
            "Submit": self._calling + LOAD_SECONDS * self._submits,
            "Poll": POLL_SECONDS * self._polls,
            "Download": self._downloading,
            "Check": CHECK_SECONDS * self._downloads,
            "Compare": COMPARE_SECONDS[0] + COMPARE_SECONDS[1] * self.entries,
            "Summarize": SUMMARIZE_SECONDS[0] + SUMMARIZE_SECONDS[1] * self.entries,
        }
        batches = batches_of(self.entries)
        if batches:
            seconds["Gallery"] = GALLERY_SECONDS * self.entries
        turns = self._submits + self._polls
        gate = self._tries * 2 * GATE_UNITS
        return Usage(
            transitions=RUN_TRANSITIONS + bool(batches) * LARGE_TRANSITIONS + 2 * batches + self._transitions,
            lambda_requests=3 + bool(batches) + batches + 2 * self._tries + self._polls + 2 * self._downloads,
            lambda_gb_seconds=sum(MEMORY_GB[name] * spent for name, spent in seconds.items()),
            # Planned, SUBMITTING and SUBMITTED, each poll, the outcome; a turn for each request; reserve and release.
            # A result's signature, and it again with what was measured.
            dynamodb_write_units=RUN_WRITES
            + self._results * LOOK_WRITES
            + self.entries * 2
            + self._submits * 2
            + self._polls
            + turns
            + gate,
            # A turn for each request; the gate twice; the entry by the last poll and by Download; twice by Summarize.
            # Check reads the entry and Compare too, with what was seen of each result.
            dynamodb_read_units=turns + gate // 4 + self.entries * 6 + self._results * LOOK_READS,
            # Download looks first whether an earlier call of it left anything.
            s3_writes=RUN_FILES + self._results + self._downloads,
            s3_reads=len(self._inputs) + self._loads + self._results + self._loads,
        )

    def cost(self, *, planning: float) -> AwsCost:
        """A run's cost at AWS for its summary: what it used, and the price in US dollars."""
        used = self.usage(planning=planning)
        combinations = max(1, self.entries)
        return AwsCost(
            usd=round(used.usd, 5),
            usd_per_combination=round(used.usd / combinations, 6),
            transitions_per_combination=round((used.transitions - RUN_TRANSITIONS) / combinations, 2),
            **{name: round(value, 3) for name, value in asdict(used).items()},
        )


def usage(entries: Iterable[Entry], *, planning: float) -> Usage:
    """What `Meter.usage` says after these final entries."""
    meter = Meter()
    for entry in entries:
        meter.add(entry)
    return meter.usage(planning=planning)
