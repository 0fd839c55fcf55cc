"""Watch a run until it ends: a progress bar in a terminal, plain lines elsewhere."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table

from cli.target import Target
from tryon.ledger import Entry, RunStatus, Status

QUIET_SECONDS = 10.0
"""Without a terminal, a line at least this often, in real seconds."""


@dataclass(frozen=True)
class Progressed:
    """How far a run is."""

    counts: Mapping[Status, int]
    total: int
    seconds_left: float | None

    @property
    def ended(self) -> int:
        return self.counts.get(Status.SUCCEEDED, 0) + self.counts.get(Status.FAILED, 0)

    def __str__(self) -> str:
        parts = [f"{self.ended} of {self.total}"]
        for status, word in (
            (Status.SUBMITTED, "at the service"),
            (Status.FAILED, "failed"),
            (Status.PLANNED, "waiting"),
        ):
            if self.counts.get(status):
                parts.append(f"{self.counts[status]} {word}")
        if self.seconds_left is not None and self.ended < self.total:
            parts.append(f"about {_duration(self.seconds_left)} left")
        return ", ".join(parts)


def measure(entries: Sequence[Entry], now: float) -> Progressed:
    """Count a run's entries, and estimate from its own throughput how long the rest takes (in its own time)."""
    counts = Counter(entry.status for entry in entries)
    starts = [entry.submitted_at for entry in entries if entry.submitted_at is not None]
    ended = sum(1 for entry in entries if entry.ended_at is not None)
    left = len(entries) - counts[Status.SUCCEEDED] - counts[Status.FAILED]
    seconds_left = (now - min(starts)) / ended * left if starts and ended else None
    return Progressed(counts, len(entries), seconds_left)


def watch(target: Target, run_id: str, console: Console, *, interval: float = 0.5) -> dict[str, Any]:
    """Show a run's progress until it has ended, and return its item from the ledger.

    `interval` is in real seconds; a larger run is read less often.
    """
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[state]}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task("combinations", total=None, state="")
        said, said_at = "", 0.0
        while True:
            run = target.ledger.run(run_id)
            if run is not None and run["status"] != RunStatus.RUNNING:
                return run
            if run is not None:
                state = measure(list(target.ledger.entries(run_id)), target.clock.now())
                bar.update(task, total=run.get("total"), completed=state.ended, state=str(state))
                if not console.is_terminal and str(state) != said and time.monotonic() - said_at > QUIET_SECONDS:
                    console.print(str(state))
                    said, said_at = str(state), time.monotonic()
                interval = max(interval, state.total / 400)
            time.sleep(interval)


def table(entries: Sequence[Entry], console: Console) -> None:
    """One line a combination: how it ended and how long it took."""
    view = Table("combination", "outcome", "polls", "latency s", "delay s", "size", box=None, header_style="bold")
    for entry in entries:
        if entry.status is Status.SUCCEEDED:
            outcome, size = "[green]succeeded[/]", f"{entry.bytes / 1000:,.0f} kB"
        else:
            outcome, size = f"[red]{entry.error}[/]", ""
        view.add_row(entry.id, outcome, str(entry.polls or ""), _number(entry.latency), _number(entry.delay), size)
    console.print(view)
    for entry in entries:
        if entry.status is Status.FAILED:
            console.print(f"[red]{entry.id}[/]: {entry.error}: ", end="")
            console.print(entry.cause or "", markup=False, highlight=False)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
