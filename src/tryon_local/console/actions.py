"""What can be done from the page: to stop a run, to run again what failed. Whoever serves the page brings the doing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


class RefusedError(Exception):
    """An action cannot be done, or its offer no longer holds; the message says why."""


@dataclass(frozen=True)
class Offer:
    """What an action would do, shown before it is done.

    `combinations` it concerns, `tasks` are paid for, by currency in `costs`; `seconds` of workflow it takes. `notes`
    are sentences. `mark` stands for exactly this offer; an empty one says that there is nothing to do.
    """

    mark: str
    combinations: int = 0
    tasks: int = 0
    costs: Mapping[str, float] = field(default_factory=dict)
    seconds: float | None = None
    notes: tuple[str, ...] = ()


class Actions(Protocol):
    """The two actions, each with its price; runs are named by their ids. All raise `RefusedError`."""

    def price_of_stop(self, run_id: str) -> Offer: ...

    def stop(self, run_id: str, mark: str) -> str:
        """Stop a run whose offer had that mark; returns its execution's ARN."""

    def price_of_retry(self, run_id: str) -> Offer: ...

    def retry(self, run_id: str, mark: str) -> str:
        """Run again what failed, if its offer still has that mark; returns the new execution's ARN."""
