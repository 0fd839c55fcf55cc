"""The cadences that the project learns from its own ledger, on seeds that no contest uses."""

from concurrent.futures import Executor

from benchmarks import project
from benchmarks.orders import Order
from tryon.cadence import DEADLINE
from tryon.learning.calibration import Distribution, fit, observations, optimal_cadence
from tryon.state.observed import Observation

SEEDS = (1001, 1002, 1003, 1004, 1005)
LESSON = Order(10, 10)

SPARING, FREQUENT = 2.0, 2.6
"""Mean polls a task that a learned cadence may take."""


def seen(seed: int) -> list[Observation]:
    """What a run with the default cadence says of its tasks."""
    (run,), _ = project.runs(LESSON, seed, slots=6)
    return observations(run.entries)


def learn(pool: Executor) -> tuple[Distribution, dict[float, tuple[int, ...]]]:
    """What all lessons say of latencies, and the cadence for each bound on polls."""
    distribution = fit([one for lesson in pool.map(seen, SEEDS) for one in lesson])
    return distribution, {
        most: tuple(optimal_cadence(distribution, deadline=DEADLINE, max_polls=most)) for most in (SPARING, FREQUENT)
    }
