"""Watch a run until it ends: a progress bar in a terminal, plain lines elsewhere."""

import math
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table
from rich.text import Text

from tryon.errors import ADVICE
from tryon.objects import may_pass
from tryon.state.entry import Entry, Status
from tryon.state.run import Run
from tryon_cli.options import duration
from tryon_cli.target import Target, TargetError
from tryon_local.estimate import seconds_left

QUIET_SECONDS = 10.0
"""Without a terminal, a line at least this often, in real seconds."""

ASK_SECONDS = 10.0
"""Step Functions is asked so often how the execution is, in real seconds."""

RECORD_SECONDS = 60.0
"""Workflow seconds that an execution which has ended may take to leave its record of the run."""

SETTLE_SECONDS = 1500.0
"""The same of one that was stopped: another execution ends its run, after it has waited for functions to end."""

PACE_WINDOW = 30.0
"""Real seconds over which the pace of a local stack is seen: a machine that was idle says nothing of a busy one."""

PACE_SECONDS = 2.0
"""Real seconds after which the pace of a local stack is what was seen of it, before that its speed."""


PLANNING = "checking the pictures"
"""What is said until the plan is whole."""

BAR_WIDTH = 120
"""Columns from which on a terminal has room for a bar beside the words."""


@dataclass(frozen=True)
class Progressed:
    """How far a run is.

    `downloading` are those whose task has ended and whose pictures have not arrived. `seconds_left` are the
    workflow's, `pace` how many of them pass in a real second, None where they are the same.
    """

    counts: Mapping[Status, int]
    total: int
    downloading: int
    seconds_left: float | None
    pace: float | None = None

    @property
    def ended(self) -> int:
        return self.counts.get(Status.SUCCEEDED, 0) + self.counts.get(Status.FAILED, 0)

    def __str__(self) -> str:
        return self.within(None)

    def within(self, columns: int | None) -> str:
        """The same in so many columns: what matters least is left out first, the counts of what is done never."""
        # As in lists, summaries and galleries: those that have their picture, of all.
        parts = {"done": f"{self.counts.get(Status.SUCCEEDED, 0)} of {self.total}"}
        for number, word in (
            (self.counts.get(Status.SUBMITTED, 0) - self.downloading, "at the service"),
            (self.downloading, "downloading"),
            (self.counts.get(Status.FAILED, 0), "failed"),
            (self.counts.get(Status.SUBMITTING, 0), "being submitted"),
            (self.counts.get(Status.PLANNED, 0), "waiting"),
        ):
            if number:
                parts[word] = f"{number} {word}"
        if self.seconds_left is not None:
            parts["left"] = f"about {duration(self.seconds_left / (self.pace or 1))} left"
            if self.pace is not None:
                parts["left"] += " here"
                parts["workflow"] = f"{duration(self.seconds_left)} of workflow"
        for name in ("workflow", "being submitted", "downloading", "waiting", "at the service", "left"):
            if columns is None or len(_joined(parts)) <= columns:
                break
            parts.pop(name, None)
        return _joined(parts)


def _joined(parts: Mapping[str, str]) -> str:
    words = ", ".join(text for name, text in parts.items() if name != "workflow")
    return f"{words} ({parts['workflow']})" if "workflow" in parts else words


def measure(entries: Sequence[Entry], now: float, pace: float | None = None) -> Progressed:
    """Count a run's entries, and estimate how long the rest takes; `now` in the workflow's time."""
    counts = Counter(entry.status for entry in entries)
    downloading = sum(entry.status is Status.SUBMITTED and entry.ended_at is not None for entry in entries)
    return Progressed(counts, len(entries), downloading, seconds_left(entries, now), pace)


def seen_pace(speed: float | None, workflow: float, here: float) -> float | None:
    """Workflow seconds that pass in a real one, from how many passed in how many; None where time is real."""
    if speed is None or here < PACE_SECONDS or workflow <= 0:
        return speed
    # A machine that is busy takes longer than its stack's speed says, and none takes less long.
    return min(speed, workflow / here)


class Executions:
    """How the execution of a run is, asked now and then."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._asked_at = -ASK_SECONDS
        self._ended_at: float | None = None
        self._may_ask = True

    def check(self, execution: str | None) -> None:
        """Raises `TargetError` when the execution has ended and the run has had the time to say so."""
        if execution is None or not self._may_ask or time.monotonic() - self._asked_at < ASK_SECONDS:
            return
        self._asked_at = time.monotonic()
        try:
            described = self._target.client("stepfunctions").describe_execution(executionArn=execution)
        except BotoCoreError:
            return  # no answer: asked again
        except ClientError as error:
            # Whoever may read a run need not have the right to ask after its execution.
            self._may_ask = may_pass(error)
            return
        status = described["status"]
        if status in ("RUNNING", "PENDING_REDRIVE"):
            self._ended_at = None
            return
        now = self._target.clock.now()
        self._ended_at = now if self._ended_at is None else self._ended_at
        patience = SETTLE_SECONDS if status in ("ABORTED", "TIMED_OUT") else RECORD_SECONDS
        if now - self._ended_at >= patience:
            why = ": ".join(filter(None, (described.get("error"), described.get("cause"))))
            raise TargetError(
                f"the execution ended as {status} and the run has no record of its end{': ' + why if why else ''} "
                f"({execution})"
            )


def watch(
    target: Target, run_id: str, console: Console, *, execution: str | None = None, interval: float | None = None
) -> Run:
    """Show a run's progress until it has ended, and return it as the ledger has it then.

    `execution` is the ARN of the run's execution, for a run that may have no item yet; `interval` is in real seconds,
    by default 2 on a deployed stack and half a second on a local one; a larger run is read less often. Raises
    `TargetError` when the execution has ended without a record of the run's end.
    """
    executions = Executions(target)
    interval = interval or (0.5 if target.is_local else 2.0)
    looks = deque([(time.monotonic(), target.clock.now())])
    # The words come first: where both do not fit, the bar gives way.
    bars = [BarColumn(bar_width=24)] if console.width >= BAR_WIDTH else []
    room = console.width - 3 - 26 * len(bars)
    with Progress(
        SpinnerColumn(),
        *bars,
        TextColumn("{task.fields[state]}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task("combinations", total=None, state=PLANNING)
        said, said_at = "", -math.inf
        while True:
            run = target.ledger.run(run_id)
            if run is not None and not run.running:
                return run
            # Until the plan is whole, the entries are a part of it, or none: "0 of 0".
            if run is not None and run.total is not None:
                now = target.clock.now()
                looks.append((time.monotonic(), now))
                while len(looks) > 2 and looks[1][0] < looks[-1][0] - PACE_WINDOW:
                    looks.popleft()
                pace = seen_pace(target.speed, now - looks[0][1], looks[-1][0] - looks[0][0])
                state = measure(list(target.ledger.entries(run_id)), now, pace)
                bar.update(task, total=run.total, completed=state.ended, state=state.within(room))
                if not console.is_terminal and str(state) != said and time.monotonic() - said_at > QUIET_SECONDS:
                    console.print(str(state))
                    said, said_at = str(state), time.monotonic()
                interval = max(interval, state.total / 400)
            executions.check(execution or (run.execution if run else None))
            time.sleep(interval)


_TITLES = ("combination", "outcome", "polls", "latency s", "delay s", "size")
_LEAST_FIRST = ("delay s", "size", "polls", "latency s")
"""Columns that go where not all fit, the first of these first."""


def table(entries: Sequence[Entry], console: Console) -> None:
    """One line a combination: how it ended and how long it took. Nothing in it is cut: columns that do not fit go."""
    rows = [_cells(entry) for entry in entries]
    wide = {title: max(len(title), *(len(row[title]) for row in rows)) + 2 if rows else 0 for title in _TITLES}
    shown = list(_TITLES)
    for title in _LEAST_FIRST:
        if sum(wide[title] for title in shown) <= console.width:
            break
        shown.remove(title)
    fits = sum(wide[title] for title in shown) <= console.width
    view = Table(*shown, box=None, header_style="bold")
    for entry, row in zip(entries, rows, strict=True):
        colour = "green" if entry.status is Status.SUCCEEDED else "red"
        if fits:
            view.add_row(*(Text(row[title], style=colour if title == "outcome" else "") for title in shown))
        else:
            console.print(row["combination"], markup=False, highlight=False, soft_wrap=True)
            console.print(Text(f"  {row['outcome']}", style=colour), soft_wrap=True)
    if fits:
        console.print(view)
    for entry in entries:
        if entry.status is Status.FAILED:
            console.print(
                Text(entry.id, style="red").append(f": {entry.error}: {entry.cause or ''}", style="default"),
                soft_wrap=True,
            )
            advice = ADVICE.get(entry.error or "")
            if advice:
                console.print(f"  {advice}", markup=False, highlight=False, soft_wrap=True)


def _cells(entry: Entry) -> dict[str, str]:
    """A combination as a row of the table."""
    succeeded = entry.status is Status.SUCCEEDED
    size = f"{entry.bytes / 1000:,.0f} kB" if succeeded else ""
    outcome = "succeeded" if succeeded else entry.error or entry.status.lower()
    numbers = (str(entry.polls or ""), _number(entry.latency), _number(entry.delay))
    return dict(zip(_TITLES, (entry.id, outcome, *numbers, size), strict=True))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
