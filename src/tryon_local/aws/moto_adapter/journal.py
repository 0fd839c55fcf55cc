"""What a map's child executions did: moto itself keeps only their number."""

import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tryon_local.aws.shelf import Shelf


@dataclass
class Child:
    """One child execution of a distributed map, as `DescribeExecution` would tell it.

    `start` and `stop` are in UTC.
    """

    arn: str
    name: str
    map_run_arn: str
    state_machine_arn: str
    parent_arn: str
    index: int
    start: datetime
    input: Any
    history: Any = field(repr=False)
    status: str = "RUNNING"
    output: Any = None
    error: str | None = None
    cause: str | None = None
    stop: datetime | None = None

    @property
    def events(self) -> list[dict[str, Any]]:
        """The history so far: `type` as text, `timestamp` in UTC, the details under their names of the API."""
        return [
            {**event, "type": str.__str__(event["type"]), "timestamp": datetime.fromisoformat(event["timestamp"])}
            for event in self.history.get_event_history()
        ]


class PastHistory:
    """The history of a child that has ended, on disk: the interpreter's own takes more memory than all else of it."""

    def __init__(self, shelf: Shelf, events: list[dict[str, Any]]) -> None:
        self._shelf, self._place = shelf, shelf.put(events)

    def get_event_history(self) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = self._shelf.get(self._place)
        return events


class Journal:
    """Every child execution of one stack, by its parent, its map run and its own ARN."""

    def __init__(self) -> None:
        self._shelf = Shelf()
        self._lock = threading.Lock()
        self._children: dict[str, Child] = {}
        self._by_parent: dict[str, dict[str, list[Child]]] = {}

    def add(self, child: Child) -> None:
        with self._lock:
            self._children[child.arn] = child
            runs = self._by_parent.setdefault(child.parent_arn, {})
            runs.setdefault(child.map_run_arn, []).append(child)

    def close(self, child: Child) -> None:
        """Put the history of a child that has ended where it needs no memory."""
        child.history = PastHistory(self._shelf, child.history.get_event_history())

    def get(self, arn: str) -> Child | None:
        return self._children.get(arn)

    def of_parent(self, execution_arn: str) -> list[Child]:
        with self._lock:
            runs = self._by_parent.get(execution_arn, {}).values()
            return [child for run in runs for child in sorted(run, key=lambda child: child.index)]

    def of_map_run(self, map_run_arn: str) -> list[Child]:
        with self._lock:
            runs = [runs[map_run_arn] for runs in self._by_parent.values() if map_run_arn in runs]
            return [child for run in runs for child in sorted(run, key=lambda child: child.index)]
