"""What the calls return: a manifest that was written, a forecast, and a run as a table of results with pictures."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import overload

from PIL import Image

from tryon.checks.verdict_file import Verdicts
from tryon.checks.vocabulary import WORDS
from tryon.errors import ADVICE
from tryon.keys import RunFolder
from tryon.reporting import checked
from tryon.reporting.retry import worn_id
from tryon.state.entry import Entry, Status
from tryon.state.run import Run, RunStatus
from tryon_cli.options import counted, duration
from tryon_cli.plan import Forecast, money
from tryon_cli.target import Target

MOST_SHOWN = 50
"""Rows of a run that a notebook shows."""

MOST_PIXELS = 200_000_000
"""Most pixels of a picture that is opened; services make a few million."""

Cell = str | int | float | None
"""What a table's cell holds."""


@dataclass(frozen=True)
class Written:
    """A manifest's file and how much is in it; it may be given wherever a path may."""

    path: Path
    models: int
    garments: int
    outfits: int

    @property
    def combinations(self) -> int:
        """How many there are with one variant."""
        return self.models * (self.garments + self.outfits)

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        outfits = f", {counted(self.outfits, 'outfit')}" if self.outfits else ""
        models, garments = counted(self.models, "model"), counted(self.garments, "garment")
        return f"{self.path}: {models}, {garments}{outfits}, {counted(self.combinations, 'combination')}"


@dataclass(frozen=True)
class Plan:
    """What a manifest would do at a stack.

    `tasks` are paid for, the rest of `combinations` is resumed. `seconds` are the workflow's. `costs` are by currency,
    `costs_at_most` what they become when the service refuses results as often as the manifest lets it. `credits` are
    what each prepaid account must have left, `credits_left` what it has where that could be asked. `converted` has what
    the stack will do to a picture before it is sent, by its path. `real` is False for a stand-in's money.
    """

    combinations: Sequence[str] = field(repr=False)
    tasks: int
    seconds: float
    costs: Mapping[str, float]
    costs_at_most: Mapping[str, float]
    credits: Mapping[str, float]
    credits_left: Mapping[str, float]
    converted: Mapping[str, tuple[str, ...]] = field(repr=False)
    real: bool

    @staticmethod
    def of(told: Forecast, *, real: bool) -> "Plan":
        """The same as the command's forecast."""
        return Plan(
            tuple(told.combinations),
            len(told.combinations) - told.resumed,
            told.seconds,
            told.costs,
            told.costs_at_most,
            told.credits,
            told.credits_left,
            told.converted,
            real,
        )

    def __str__(self) -> str:
        real = "" if self.real else ", not real"
        return (
            f"{counted(len(self.combinations), 'combination')}, {counted(self.tasks, 'task')} to pay for: "
            f"{money(self.costs)}{real}, about {duration(self.seconds)}"
        )


@dataclass(frozen=True)
class Result:
    """A combination and what became of it.

    `garment` is the id of a garment or an outfit, `garments` those that are worn. `run_id` is the retry's where one
    brought the picture. `latency` are the service's seconds, `delay` those until its end was seen. `keys` are the
    pictures in the bucket, one for each candidate. `check` is what the automatic checks say of the worst of them:
    `flagged`, `unchecked`, `not_comparable` or `clear`, None before the run's end. `flags` are the reasons in words,
    `suspicion` is the share of the run's results that are less odd, None where nothing was compared.
    """

    run_id: str
    combination: str
    model: str
    garment: str
    garments: tuple[str, ...]
    variant: str
    take: int
    service: str
    status: Status
    error: str | None
    cause: str | None
    tasks: int
    polls: int
    latency: float | None
    delay: float | None
    bytes: int
    keys: tuple[str, ...]
    check: str | None
    flags: tuple[str, ...]
    suspicion: float | None
    stack: Target = field(repr=False, compare=False)

    @staticmethod
    def of(run_id: str, entry: Entry, verdicts: Verdicts | None, stack: Target) -> "Result":
        """The same as the ledger has it, with what the checks say of it."""
        found = checked.of_entry(entry, verdicts)
        state = checked.state(found)
        return Result(
            run_id,
            entry.id,
            entry.model,
            worn_id(entry),
            entry.garments,
            entry.variant,
            entry.take,
            entry.service,
            entry.status,
            entry.error,
            entry.cause,
            len(entry.tasks),
            entry.polls,
            entry.latency,
            entry.delay,
            entry.bytes,
            tuple(result.key for result in entry.results),
            None if state is None else state.value,
            tuple(dict.fromkeys(WORDS[check] for verdict in found for check in verdict.reasons)),
            checked.suspicion(found),
            stack,
        )

    @property
    def succeeded(self) -> bool:
        return self.status is Status.SUCCEEDED

    @property
    def advice(self) -> str:
        """What to do about the error, empty where there is none."""
        return ADVICE.get(self.error or "", "")

    @property
    def picture(self) -> Image.Image:
        """The first picture, full-size, fetched now; raises LookupError where there is none."""
        if not self.keys:
            raise LookupError(f"{self.combination} has no picture: it is {self.status.lower()} ({self.cause or '-'})")
        return self._fetched(self.keys[0])

    @property
    def pictures(self) -> list[Image.Image]:
        """All candidates, full-size, fetched now."""
        return [self._fetched(key) for key in self.keys]

    def _fetched(self, key: str) -> Image.Image:
        body = self.stack.s3.get_object(Bucket=self.stack.bucket, Key=key)["Body"].read()
        picture = Image.open(io.BytesIO(body))
        if picture.width * picture.height > MOST_PIXELS:
            raise ValueError(f"{key} has more than {MOST_PIXELS:,} pixels")
        picture.load()
        return picture

    def as_record(self) -> dict[str, Cell]:
        """The same as a row of a table, with plain values."""
        return {
            "run_id": self.run_id,
            "combination": self.combination,
            "model": self.model,
            "garment": self.garment,
            "variant": self.variant,
            "take": self.take,
            "service": self.service,
            "status": str(self.status),
            "error": self.error,
            "cause": self.cause,
            "tasks": self.tasks,
            "polls": self.polls,
            "latency": self.latency,
            "delay": self.delay,
            "bytes": self.bytes,
            "pictures": len(self.keys),
            "key": self.keys[0] if self.keys else None,
            "check": self.check,
            "suspicion": self.suspicion,
            "flags": "; ".join(self.flags) or None,
        }


@dataclass(frozen=True)
class Results(Sequence[Result]):
    """A run as a table: a row for each combination, in the plan's order.

    `costs` are by currency and `seconds` the workflow's, both of the run itself without its retries; empty and None
    while it goes on. `checks` is what the automatic checks say, in a line; empty while it goes on.
    `pandas.DataFrame(results.to_records())` is the same in pandas.
    """

    run_id: str
    name: str
    status: RunStatus
    costs: Mapping[str, float]
    seconds: float | None
    checks: str
    rows: tuple[Result, ...] = field(repr=False)
    stack: Target = field(repr=False, compare=False)

    @staticmethod
    def of(run: Run, rows: Sequence[Result], stack: Target) -> "Results":
        """A run with these rows."""
        ended = run.outcome
        costs = ended.cost.totals if ended else {}
        checks = ended.checks.line if ended and ended.checks else ""
        seconds = ended.seconds if ended else None
        return Results(run.run_id, run.name, run.status, costs, seconds, checks, tuple(rows), stack)

    @overload
    def __getitem__(self, index: int) -> Result: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Result, ...]: ...
    def __getitem__(self, index: int | slice) -> Result | tuple[Result, ...]:
        return self.rows[index]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Result]:
        return iter(self.rows)

    @property
    def failed(self) -> tuple[Result, ...]:
        """The rows that ended without a picture."""
        return tuple(row for row in self.rows if row.status is Status.FAILED)

    @property
    def flagged(self) -> tuple[Result, ...]:
        """The rows that deserve a look, the most suspicious first."""
        return tuple(sorted((row for row in self.rows if row.flags), key=lambda row: -(row.suspicion or 0.0)))

    def find(self, model: str, garment: str, variant: str | None = None) -> Result:
        """The row of a model wearing a garment or an outfit; raises LookupError for none, or several variants."""
        found = [
            row for row in self.rows if (row.model, row.garment) == (model, garment) and variant in (None, row.variant)
        ]
        if len(found) != 1:
            raise LookupError(f"run {self.run_id} has {len(found)} rows of {model} wearing {garment}")
        return found[0]

    def to_records(self) -> list[dict[str, Cell]]:
        """The rows as plain values, as pandas, polars and csv.DictWriter take them."""
        return [row.as_record() for row in self.rows]

    @property
    def gallery(self) -> str:
        """The address of the gallery's page in the bucket; `tryon open` makes a link of it."""
        return f"s3://{self.stack.bucket}/{RunFolder(self.run_id).gallery}"

    def __str__(self) -> str:
        succeeded = sum(row.succeeded for row in self.rows)
        costs = f", {money(self.costs)}" if self.costs else ""
        real = ", not real" if self.costs and self.stack.is_local else ""
        checks = f"; {self.checks}" if self.checks else ""
        return f"{self.run_id}: {self.status}, {succeeded} of {len(self.rows)} with a picture{costs}{real}{checks}"

    def _repr_html_(self) -> str:
        """How notebooks show it."""
        titles = ("combination", "status", "error", "cause", "flags", "polls", "latency")
        head = "".join(f"<th>{title}</th>" for title in titles)
        rows = []
        for row in self.rows[:MOST_SHOWN]:
            cells = row.as_record()
            texts = ("" if cells[title] is None else str(cells[title]) for title in titles)
            rows.append("<tr>" + "".join(f"<td>{escape(text)}</td>" for text in texts) + "</tr>")
        more = f"<p>and {len(self) - MOST_SHOWN:,} more rows</p>" if len(self) > MOST_SHOWN else ""
        return f"<p>{escape(str(self))}</p><table><tr>{head}</tr>{''.join(rows)}</table>{more}"
