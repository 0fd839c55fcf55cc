"""What the page shows of a running application: its workflow, its runs, their combinations and their files."""

import json
import re
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import IO, Any

from botocore.exceptions import ClientError

from tryon.errors import ADVICE
from tryon.json_types import Json
from tryon.keys import RunFolder, result_copy
from tryon.pictures.thumbnails import obstacle
from tryon.planning import plan
from tryon.reporting.summary import billed
from tryon.service import registry
from tryon.state.entry import Entry, Status
from tryon.state.run import Price, Run
from tryon.stored import Stored
from tryon.wiring import parameters
from tryon_local.app import LocalApp
from tryon_local.aws.stack import Child
from tryon_local.console.history import Visit, lines, told, visits
from tryon_local.console.layout import layout
from tryon_local.console.log import told_lines
from tryon_local.estimate import seconds_left

MAX_RUNS = 100
"""Runs that are listed, the newest of all."""

MAX_ARRIVED = 24
"""Combinations whose pictures are shown while a run goes on, the newest of all."""

RATE_SECONDS = 60.0
"""Seconds of workflow over which it is counted how many pictures arrive in a minute."""

_GOES_ON = ("WAITING", "RUNNING")

_FILES = re.compile(
    r"runs/[\w.-]+/(?:"
    r"(?:index|gallery-\d+)\.html|contact-sheet\.jpg|combinations\.csv|(?:plan|summary|retry-manifest)\.json"
    r"|(?:inputs|results|thumbnails|previews)/[\w./-]+\.(?:png|jpg|jpeg|webp)"
    r")",
    re.ASCII,
)
"""Keys of the files that a run has: nothing else in the bucket is handed to a browser."""


class NotFoundError(LookupError):
    """There is no such execution, combination or file."""


@dataclass(frozen=True)
class StoredFile:
    """A file of a run as it is in the bucket."""

    body: IO[bytes]
    size: int


class Runs:
    """The executions of an application's workflow, read anew whenever they are asked for; safe to share."""

    def __init__(self, app: LocalApp) -> None:
        self._app = app
        described = self._step_functions.describe_state_machine(stateMachineArn=app.stack.outputs["StateMachineArn"])
        self._definition: Mapping[str, Any] = json.loads(described["definition"])
        self._layout = layout(self._definition)
        self._folded = layout(self._definition, fold=True)
        self._states = [node.name for node in self._layout.nodes]
        described = app.stack.client("cloudformation").describe_stacks(StackName=app.stack.name)["Stacks"][0]
        self._parameters = {one["ParameterKey"]: one["ParameterValue"] for one in described["Parameters"]}
        self._lock = threading.Lock()
        self._known: dict[str, _Run] = {}

    @property
    def now(self) -> float:
        """The application's time, in seconds since the epoch."""
        return self._app.clock.now()

    @property
    def _step_functions(self) -> Any:
        return self._app.stack.client("stepfunctions")

    def machine(self) -> dict[str, Json]:
        """The workflow's drawing, whole and without the ways of failure, each state's definition, the stack's speed.

        Visits name a state by its number in `states`.
        """
        definitions: dict[str, Any] = {}
        _collect(self._definition, definitions)
        return {
            "speed": getattr(self._app.clock, "speed", None),
            "bucket": self._app.bucket,
            "states": self._states,
            "definitions": definitions,
            "layout": asdict(self._layout),
            "folded": asdict(self._folded),
        }

    def newest(self) -> list[dict[str, Json]]:
        """The newest runs in short, the newest first."""
        return [run.short() for run in self._runs()[: -MAX_RUNS - 1 : -1]]

    def run(self, execution: str, after: int = 0) -> dict[str, Json]:
        """A run by its execution's name, with those combinations that changed after a version told before."""
        return self._find(execution).told(after)

    def events(self, execution: str) -> dict[str, Json]:
        """The events of the run's own execution, and what handlers wrote for it."""
        run = self._find(execution)
        return {"events": told(run.history()), "log": run.log(run.arn)}

    def combination(self, execution: str, n: int) -> dict[str, Json]:
        """One combination: its way, its events, its line in the ledger and its pictures."""
        return self._find(execution).combination(n)

    def file(self, key: str) -> StoredFile:
        """A run's file by its key in the bucket."""
        if not _FILES.fullmatch(key):
            raise NotFoundError(key)
        try:
            answer = self._app.stack.client("s3").get_object(Bucket=self._app.bucket, Key=key)
        except ClientError as error:
            raise NotFoundError(key) from error
        return StoredFile(answer["Body"], answer["ContentLength"])

    def _runs(self) -> list["_Run"]:
        with self._lock:
            for arn in self._app.stack.executions():
                name = arn.rpartition(":")[2]
                if name not in self._known:
                    self._known[name] = _Run(self._app, arn, self._states, self._parameters)
            return list(self._known.values())

    def _find(self, execution: str) -> "_Run":
        if execution not in self._known:
            self._runs()
        try:
            return self._known[execution]
        except KeyError:
            raise NotFoundError(execution) from None


def _ends_another(event: str) -> bool:
    """Whether an execution's input is the event that an execution was stopped, not that a manifest was put."""
    return bool(json.loads(event)["source"] == "aws.states")


def _manifest(event: str) -> tuple[str, str]:
    """The key and version (ETag where there are none) of the manifest that an execution is about, from its input."""
    while _ends_another(event):
        event = json.loads(event)["detail"]["input"]
    put = json.loads(event)["detail"]["object"]
    return str(put["key"]), str(put.get("version-id") or put["etag"])


def _collect(definition: Mapping[str, Any], into: dict[str, Any]) -> None:
    for name, state in definition["States"].items():
        into[name] = {field: value for field, value in state.items() if field not in ("Comment", "ItemProcessor")}
        if "ItemProcessor" in state:
            _collect(state["ItemProcessor"], into)


@dataclass
class _Combination:
    """A combination as last seen. `version` is the run's when it changed."""

    n: int
    id: str
    version: int
    status: str = "WAITING"
    path: Sequence[Visit] = ()
    error: str | None = None

    @property
    def over(self) -> bool:
        return self.status not in _GOES_ON


@dataclass
class _Tally:
    """How often states and lines were passed, and by how many combinations."""

    visits: Counter[str] = field(default_factory=Counter)
    passed: Counter[str] = field(default_factory=Counter)
    present: Counter[str] = field(default_factory=Counter)
    lines: Counter[str] = field(default_factory=Counter)

    def add(self, path: Sequence[Visit]) -> None:
        self.visits.update(visit.state for visit in path)
        self.passed.update({visit.state for visit in path if visit.left is not None})
        self.present.update(visit.state for visit in path if visit.left is None)
        self.lines.update(lines(path))

    def including(self, other: "_Tally") -> "_Tally":
        return _Tally(
            self.visits + other.visits,
            self.passed + other.passed,
            self.present + other.present,
            self.lines + other.lines,
        )


class _Run:
    """One execution of the workflow; what has ended is remembered and not read again."""

    def __init__(self, app: LocalApp, arn: str, states: Sequence[str], parameters: Mapping[str, str]) -> None:
        self._app = app
        self._parameters = parameters
        self.arn = arn
        self._numbers = {state: number for number, state in enumerate(states)}
        self._lock = threading.Lock()
        self._version = 0
        self._execution: dict[str, Any] = {}
        self._started = 0.0
        self._claimed: str | None = None
        self._item: Run | None = None
        self._path: Sequence[Visit] = ()
        self._combinations: dict[int, _Combination] = {}
        self._children: dict[int, Child] = {}
        self._ended = _Tally()
        self._planned = False
        self._files: list[dict[str, str]] = []
        self._entries: list[Entry] = []
        self._final = False

    # ------------------------------------------------------------ reading

    def _refresh(self) -> None:
        if self._final:
            return
        # The end is looked for first: what is read after it is final.
        described = self._step_functions.describe_execution(executionArn=self.arn)
        before = (self._execution, self._claimed, self._item, self._path, self._files)
        self._started = described["startDate"].timestamp()
        self._execution = _execution(described)
        self._claimed, self._item = self._read_run(described)
        self._path = visits(self.history())
        version = self._version + 1
        changed = self._read_plan(version) | self._read_children(version)
        if changed and self._own:
            self._entries = list(self._app.ledger.entries(self._run_id))
        if described["status"] != "RUNNING":
            self._files = self._read_files()
            # The run of an execution that was stopped is ended by another one, minutes later.
            self._final = not self._own or self._item is None or not self._item.running
        if changed or before != (self._execution, self._claimed, self._item, self._path, self._files):
            self._version = version

    @property
    def _step_functions(self) -> Any:
        return self._app.stack.client("stepfunctions")

    def history(self) -> list[dict[str, Json]]:
        """The events of the execution itself."""
        pages = self._step_functions.get_paginator("get_execution_history")
        return [
            event
            for page in pages.paginate(executionArn=self.arn, PaginationConfig={"PageSize": 1000})
            for event in page["events"]
        ]

    def log(self, arn: str) -> list[dict[str, Json]]:
        """What handlers wrote for the execution, or for one of its children."""
        return told_lines(self._app.stack.functions.lines.of(arn))

    def _read_run(self, described: Mapping[str, Any]) -> tuple[str | None, Run | None]:
        """The id of the run that claimed the manifest, and the run, None before it is in the ledger."""
        claim = self._app.claim(*_manifest(described["input"]))
        return (claim.run_id, self._app.ledger.run(claim.run_id)) if claim else (None, None)

    @property
    def _own(self) -> bool:
        """Whether the run is this execution's, not that whose event came again."""
        if self._claimed is None:
            return False
        return self._item is None or self._item.execution in (None, self.arn)

    def _read_plan(self, version: int) -> bool:
        if self._planned or not self._own or self._item is None or not self._item.planned:
            return False
        try:
            data = self._app.get(RunFolder(self._run_id).plan)
        except ClientError:
            return False
        for combination in plan.decode(data):
            self._combinations[combination.n] = _Combination(combination.n, combination.id, version)
        self._planned = True
        return True

    @property
    def _run_id(self) -> str:
        return str(self._claimed)

    def _read_children(self, version: int) -> bool:
        changed = False
        for child in self._app.stack.children(self.arn):
            n = child.input["combination"]["n"]
            known = self._combinations.get(n)
            if known is None or known.over:
                continue
            self._children[n] = child
            # The status first, as above.
            status, error = child.status, child.error
            path = visits(child.events)
            if status not in _GOES_ON and path and path[-1].left is None:
                # One that was stopped while it waited to be woken leaves no event of its end.
                path[-1] = replace(path[-1], left=(child.stop or child.start).timestamp())
            if (status, path) == (known.status, known.path):
                continue
            known.status, known.error, known.path, known.version = status, error, path, version
            changed = True
            if known.over:
                self._ended.add(path)
        return changed

    def _read_files(self) -> list[dict[str, str]]:
        if not self._own:
            return []
        folder = RunFolder(self._run_id)
        found = []
        for name, key in (
            ("Gallery", folder.gallery),
            ("Contact sheet", folder.contact_sheet),
            ("Table", folder.csv),
            ("Summary", folder.summary),
            ("Retry manifest", folder.retry_manifest),
        ):
            try:
                self._app.stack.client("s3").head_object(Bucket=self._app.bucket, Key=key)
            except ClientError:
                continue
            found.append({"name": name, "href": f"/{key}"})
        return found

    # ------------------------------------------------------------ telling

    def short(self) -> dict[str, Json]:
        """The run in a line: what it is called, how it stands, how far it is, what it cost."""
        with self._lock:
            self._refresh()
            return self._head()

    def _head(self) -> dict[str, Json]:
        item = self._item
        outcome = item.outcome if item and self._own else None
        statuses = Counter(combination.status for combination in self._combinations.values())
        manifest, _ = _manifest(self._execution["input"])
        over = sum(count for status, count in statuses.items() if status not in _GOES_ON)
        return {
            "execution": self.arn.rpartition(":")[2],
            "run_id": self._claimed,
            "name": (item and item.name) or manifest.rpartition("/")[2].removesuffix(".json"),
            "retry_of": item.retry_of if item and self._own else None,
            "manifest": manifest,
            "status": self._status(),
            "started": self._execution["started"],
            "ended": self._execution["ended"],
            "total": item.total if item and self._own else None,
            "running": statuses["RUNNING"],
            # The record counts what never started as failed, as the gallery and `tryon list` do.
            "succeeded": outcome.succeeded if outcome else statuses["SUCCEEDED"],
            "failed": outcome.failed if outcome else over - statuses["SUCCEEDED"],
            "cost": asdict(outcome.cost) if outcome else None,
            "checks": outcome.checks.line if outcome and outcome.checks else "",
        }

    def _status(self) -> str:
        """The run's status; the execution's own where the ledger has nothing to say about it."""
        status = str(self._execution["status"])
        if not self._own:
            if self._claimed is None:
                return status
            return "ENDS_ANOTHER" if _ends_another(self._execution["input"]) else "REPEATED"
        # The ledger has the outcome a moment before the execution's end.
        if status == "RUNNING" or self._item is None:
            return status
        # One that was stopped is recorded by another execution, minutes later.
        return "RECORDING" if self._item.running else self._item.status.value

    def told(self, after: int) -> dict[str, Json]:
        """Everything about the run but the combinations that did not change since `after`."""
        with self._lock:
            self._refresh()
            present = _Tally()
            present.add(self._path)
            for combination in self._combinations.values():
                if not combination.over:
                    present.add(combination.path)
            tally = self._ended.including(present)
            return {
                "version": self._version,
                **self._head(),
                "arn": self.arn,
                "error": self._execution["error"],
                "cause": self._execution["cause"],
                "files": self._files,
                "causes": self._causes(),
                "live": self._live(),
                "arrived": self._arrived(),
                "path": [self._visit(visit) for visit in self._path],
                "states": {
                    state: [tally.present[state], tally.passed[state], tally.visits[state]] for state in tally.visits
                },
                "lines": dict(tally.lines),
                "combinations": [
                    {
                        "n": combination.n,
                        "id": combination.id,
                        "status": combination.status,
                        "error": combination.error,
                        "path": [self._visit(visit) for visit in combination.path],
                    }
                    for combination in self._combinations.values()
                    if combination.version > after
                ],
            }

    def _live(self) -> dict[str, Json] | None:
        """What a run that goes on does now: its tasks at the services, what it paid, its pace; None after its end."""
        if self._execution["ended"] is not None or not self._entries:
            return None
        now = self._app.clock.now()
        services = dict.fromkeys(entry.service for entry in self._entries)
        slots = {registry.find(key).account: parameters.slots(self._parameters, key, 0) for key in services}
        paid: dict[str, float] = {}
        for entry in self._entries:
            price = parameters.price(self._parameters, entry.service, Price(0.0, ""))
            paid[price.currency] = paid.get(price.currency, 0.0) + price.amount * billed(entry)
        recent = sum(
            entry.status is Status.SUCCEEDED and (entry.finished_at or 0.0) > now - RATE_SECONDS
            for entry in self._entries
        )
        left = seconds_left(self._entries, now)
        return {
            "at_service": sum(entry.status is Status.SUBMITTED and entry.ended_at is None for entry in self._entries),
            "slots": sum(slots.values()),
            "paid": {currency: round(amount, 4) for currency, amount in paid.items()},
            "a_minute": recent,
            "seconds_left": None if left is None else round(left),
        }

    def _causes(self) -> list[dict[str, Json]]:
        """Why combinations failed, the most frequent cause first, each with what can be done about it."""
        errors = Counter(one.error or one.status for one in self._combinations.values() if one.over)
        del errors["SUCCEEDED"]
        return [
            {"error": error, "count": count, "advice": ADVICE.get(error)}
            for error, count in sorted(errors.items(), key=lambda one: (-one[1], one[0]))
        ]

    def _arrived(self) -> list[dict[str, Json]]:
        """The newest results of a run that goes on, each with the combination that it belongs to."""
        if self._execution["ended"] is not None:
            return []
        done = [entry for entry in self._entries if entry.status is Status.SUCCEEDED and entry.results]
        newest = sorted(done, key=lambda entry: entry.finished_at or 0.0, reverse=True)[:MAX_ARRIVED]
        return [{"n": entry.n, "id": entry.id, **_result(entry.results[0])} for entry in newest]

    def _visit(self, visit: Visit) -> list[Any]:
        """A state's number, when it was entered and left in seconds from the run's start, and its error, if any."""
        entered = round(visit.entered - self._started, 3)
        left = None if visit.left is None else round(visit.left - self._started, 3)
        told_visit = [self._numbers[visit.state], entered, left]
        return [*told_visit, visit.error] if visit.error else told_visit

    def combination(self, n: int) -> dict[str, Json]:
        with self._lock:
            self._refresh()
            combination = self._combinations.get(n)
            child = self._children.get(n)
        if combination is None:
            raise NotFoundError(n)
        entry = self._app.ledger.entry(self._run_id, n)
        return {
            "n": n,
            "id": combination.id,
            "model": entry.model,
            "worn": entry.worn,
            "variant": entry.variant,
            "status": combination.status,
            "arn": child.arn if child else None,
            "error": child.error if child else None,
            "path": [asdict(visit) for visit in combination.path],
            "events": told(child.events) if child else [],
            "log": self.log(child.arn) if child else [],
            "ledger": _facts(entry),
            "pictures": self._pictures(entry),
        }

    def _pictures(self, entry: Entry) -> list[dict[str, str]]:
        folder = RunFolder(self._run_id)
        inputs = [("models", entry.model), *(("garments", garment) for garment in entry.garments)]
        shown = [
            {
                "name": name,
                "kind": kind.removesuffix("s"),
                "small": f"/{folder.input_copy('thumbnails', kind, name)}",
                "large": f"/{folder.input_copy('previews', kind, name)}",
            }
            for kind, name in inputs
        ]
        if entry.status is not Status.SUCCEEDED:
            return shown
        return shown + [
            {"name": result.key.rpartition("/")[2], "kind": "result", **_result(result)} for result in entry.results
        ]


def _execution(described: Mapping[str, Any]) -> dict[str, Json]:
    stop = described.get("stopDate")
    return {
        "status": described["status"],
        "started": round(described["startDate"].timestamp(), 3),
        "ended": None if stop is None else round(stop.timestamp(), 3),
        "input": described["input"],
        "error": described.get("error"),
        "cause": described.get("cause"),
    }


def _result(result: Stored) -> dict[str, str]:
    small = result.key if obstacle(result) else result_copy("thumbnails", result.key)
    return {"small": f"/{small}", "large": f"/{result.key}"}


_FACTS = ("status", "task_id", "submits", "polls", "latency", "delay", "bytes", "resumed", "step", "error", "cause")


def _facts(entry: Entry) -> dict[str, Json]:
    """What the ledger says, without what is empty."""
    known = {name: getattr(entry, name) for name in _FACTS}
    known["advice"] = ADVICE.get(entry.error or "")
    known["request_ids"] = ", ".join(entry.request_ids)
    return {name: value for name, value in known.items() if value}
