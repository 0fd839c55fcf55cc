"""What `tryon calibrate --plot` draws."""

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise

from tryon.cadence import ListeningCadence, poll_times
from tryon.learning.calibration import Distribution
from tryon.learning.listening import QueueAndWork, at_work
from tryon_cli.svg import COLOURS, Chart


def plot(distribution: Distribution, old: Sequence[int], new: Sequence[int], deadline: int) -> str:
    """The distribution of latencies as an SVG, with the polls of both cadences marked."""
    end = min(deadline, 10 * math.ceil(distribution.quantile(0.97) / 10) + 10)
    seconds = range(end + 1)
    shares = [100 * (distribution.running(second) - distribution.running(second + 1)) for second in seconds]
    top = math.ceil(max(shares) / 5) * 5 + 5
    chart = Chart(
        f"Latencies of {distribution.samples} tasks, and when each cadence asks after them",
        x=(0, end),
        y=(0, top),
        x_label="seconds since the submit",
        y_label="tasks that end in that second, %",
    )
    chart.bars([*seconds, end + 1][: end + 1], shares, COLOURS[5])
    for name, cadence, height, colour, dashed in (
        ("old polls", old, top - 3.6, COLOURS[1], True),
        ("new polls", new, top - 1.6, COLOURS[0], False),
    ):
        times = [time for time in poll_times(cadence, deadline) if time <= end]
        for time in times:
            chart.line([(time, 0), (time, height)], colour, dashed=dashed)
            chart.mark(time, height, colour)
        chart.text(0, height, f"{name}: {', '.join(map(str, cadence))} s", colour=colour, dy=-9)
    step = 5 * math.ceil(top / 40)
    return chart.render(x_ticks=range(0, end + 1, 10), y_ticks=range(0, top + 1, step))


def plot_listening(known: QueueAndWork, cadence: ListeningCadence, deadline: int) -> str:
    """Two charts in one SVG: when a listening cadence asks while a task is queued, and when while it is at work."""
    charts = (_queued(known, cadence, deadline), _working(known, cadence, deadline))
    inside = "".join(
        chart.replace("<svg ", f'<svg y="{450 * number}" width="860" height="440" ', 1)
        for number, chart in enumerate(charts)
    )
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 860 890">{inside}</svg>\n'


def _queued(known: QueueAndWork, cadence: ListeningCadence, deadline: int) -> str:
    end = min(deadline, 10 * math.ceil(known.queue.quantile(0.9) / 10) + 20)
    shares = [100 * (known.queue.running(second) - known.queue.running(second + 1)) for second in range(end)]
    top = max(5, 5 * math.ceil(1.25 * max(shares) / 5))
    chart = Chart(
        f"While queued: when {known.samples} tasks begin, and when they are asked after",
        x=(0, end),
        y=(0, top),
        x_label="seconds since the submit",
        y_label="tasks that begin in that second, %",
    )
    chart.bars(range(end + 1), shares, COLOURS[5])
    times = [at for at in poll_times(cadence.queued, deadline) if at <= end]
    _polls(chart, times, 0.8 * top, COLOURS[0])
    chart.text(0, 0.8 * top, f"polls while queued: {_told(cadence.queued)}", colour=COLOURS[0], dy=-9)
    return chart.render(x_ticks=range(0, end + 1, 10 * math.ceil(end / 150)), y_ticks=range(0, top + 1, _step(top)))


def _working(known: QueueAndWork, cadence: ListeningCadence, deadline: int) -> str:
    steps = list(cadence.steps(deadline))[:2]
    start, seen, _ = steps[-1]
    running = at_work(known, start, seen, deadline)
    end = 10 * math.ceil(next((at for at, share in enumerate(running) if share < 0.05), deadline) / 10) + 10
    shares = [100 * (before - after) for before, after in pairwise(running[: end + 1])]
    top = max(5, 5 * math.ceil(1.4 * max(shares) / 5))
    chart = Chart(
        "At work: when tasks end after the poll that first saw work",
        x=(0, end),
        y=(0, top),
        x_label=f"seconds since that poll (bars: where the queue was last seen {start} s after the submit)",
        y_label="tasks that end in that second, %",
    )
    chart.bars(range(end + 1), shares, COLOURS[5])
    names = ("never seen queued", "seen queued once")
    for number, (name, (_, _, waits)) in enumerate(zip(names, steps, strict=False)):
        height, colour = (0.75 + 0.15 * number) * top, COLOURS[number]
        _polls(chart, [at for at in accumulate(waits) if at <= end], height, colour, dashed=number == 0)
        chart.text(0, height, f"{name}: {_told(waits)}", colour=colour, dy=-9)
    return chart.render(x_ticks=range(0, end + 1, 10), y_ticks=range(0, top + 1, _step(top)))


def _polls(chart: Chart, times: Sequence[int], height: float, colour: str, *, dashed: bool = False) -> None:
    for at in times:
        chart.line([(at, 0), (at, height)], colour, dashed=dashed)
        chart.mark(at, height, colour)


def _told(waits: Sequence[int]) -> str:
    shown = ", ".join(map(str, waits[:12]))
    return f"{shown} s" if len(waits) <= 12 else f"{shown}, … s"


def _step(top: int) -> int:
    return max(1, 5 * math.ceil(top / 40)) if top > 5 else 1
