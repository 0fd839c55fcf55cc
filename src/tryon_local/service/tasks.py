"""The service's tasks: how long they take, what becomes of them, what is remembered of them."""

import heapq
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from types import MappingProxyType

from tryon.service import TaskStatus
from tryon_local.service.faults import (
    Addresses,
    Candidates,
    Draws,
    Expires,
    Fails,
    Fate,
    HiddenAtFirst,
    InBase64,
    NeverDone,
    RespData,
    Takes,
)
from tryon_local.service.orders import Combination


@dataclass(frozen=True)
class NewTask:
    """What a latency may hang on: the task's number, its combination, which task of that it is."""

    number: int
    combination: Combination
    attempt: int


Latency = Callable[[NewTask], float]


@dataclass(frozen=True)
class TypicalLatency:
    """Seconds from submit to the end: normal around `mean`, for the share `tail` an exponential delay on top.

    Drawn from the combination and its attempt, so that the order in which threads arrive changes nothing.
    """

    seed: int = 0
    mean: float = 27.0
    deviation: float = 2.5
    tail: float = 0.05
    tail_delay: float = 30.0

    def __call__(self, task: NewTask) -> float:
        random = Random(f"{self.seed}:{task.combination}:{task.attempt}")
        seconds = random.gauss(self.mean, self.deviation)
        if random.random() < self.tail:
            seconds += random.expovariate(1 / self.tail_delay)
        return max(1.0, seconds)


@dataclass(frozen=True)
class Queue:
    """Seconds that a task waits before it is worked on: for the share `share` exponential around `mean`, else none.

    With the work's own latency it is the latency of a service whose customers queue.
    """

    work: Latency
    mean: float
    share: float = 1.0
    seed: int = 0

    def waits(self, task: NewTask) -> float:
        """The seconds in the queue alone."""
        random = Random(f"queue {self.seed}:{task.combination}:{task.attempt}")
        return random.expovariate(1 / self.mean) if random.random() < self.share else 0.0

    def __call__(self, task: NewTask) -> float:
        return self.waits(task) + self.work(task)


@dataclass(frozen=True)
class TaskRecord:
    """What the stand-in remembers of one task; each is one payment.

    Times are the clock's seconds; `finished_at` is when the task frees its slot, planned while `outcome` is
    "pending". `outcome` is also "done", "failed" (then `code` says why), "expired", or "forgotten" when the
    service forgot it without an end.
    """

    id: str
    number: int
    attempt: int
    submitted_at: float
    finished_at: float
    combination: Combination
    parameters: Mapping[str, object]
    polls: tuple[float, ...]
    downloads: int
    outcome: str
    code: int


@dataclass
class Task:
    """One task with its fate; guarded by the stand-in's lock."""

    id: str
    number: int
    attempt: int
    combination: Combination
    parameters: Mapping[str, object]
    submitted_at: float
    latency: float
    candidates: int
    seed: int
    remembered: float
    queued: float = 0.0
    scores: tuple[float, ...] = ()
    expires_after: float = math.inf
    code: int = 10000
    http: int = 200
    in_base64: bool = False
    hidden_polls: int = 0
    hidden_seconds: float = 0.0
    resp_data: str | None = None
    addresses: tuple[str, ...] | None = None
    draws: Draws | None = None
    polls: list[float] = field(default_factory=list)
    downloads: int = 0

    def meet(self, fates: Iterable[Fate]) -> None:  # noqa: C901 - a branch for each action of a fault
        """Take on what the fault plan holds for this task."""
        for fate in fates:
            match fate:
                case Takes(seconds=seconds):
                    self.latency = seconds
                case NeverDone():
                    self.latency = math.inf
                case Expires(after=after):
                    self.expires_after = after
                case Fails(code=code, http=http):
                    self.code, self.http = code, http
                case Candidates(count=count):
                    self.candidates = count
                case InBase64():
                    self.in_base64 = True
                case HiddenAtFirst(polls=polls, seconds=seconds):
                    self.hidden_polls, self.hidden_seconds = polls, seconds
                case RespData(text=text):
                    self.resp_data = text
                case Addresses(urls=urls):
                    self.addresses = urls
                case Draws():
                    self.draws = fate

    @property
    def processed_at(self) -> float:
        """What it waits for others is spent in the queue, and of the rest of its latency a tenth, at most 2 s."""
        return self.submitted_at + self.queued + min(2.0, 0.1 * (self.latency - self.queued))

    @property
    def finished_at(self) -> float:
        return self.submitted_at + self.latency

    @property
    def ends_at(self) -> float:
        """When the task stops to count against the limit."""
        return self.submitted_at + min(self.latency, self.expires_after, self.remembered)

    def seeds(self) -> tuple[int, ...]:
        return tuple(self.seed + number for number in range(self.candidates))

    def status(self, now: float) -> TaskStatus:
        """The status that a poll at this time sees; call it before the poll is noted."""
        age = now - self.submitted_at
        if age > self.remembered or age < self.hidden_seconds or len(self.polls) < self.hidden_polls:
            return TaskStatus.NOT_FOUND
        if age >= self.expires_after:
            return TaskStatus.EXPIRED
        if age >= self.latency:
            return TaskStatus.DONE
        return TaskStatus.IN_QUEUE if now < self.processed_at else TaskStatus.GENERATING

    def record(self, now: float) -> TaskRecord:
        return TaskRecord(
            id=self.id,
            number=self.number,
            attempt=self.attempt,
            submitted_at=self.submitted_at,
            finished_at=self.ends_at,
            combination=self.combination,
            parameters=self.parameters,
            polls=tuple(self.polls),
            downloads=self.downloads,
            outcome=self._outcome(now),
            code=self.code,
        )

    def _outcome(self, now: float) -> str:
        if now < self.ends_at:
            return "pending"
        if now >= self.submitted_at + self.expires_after:
            return "expired"
        if self.latency > self.remembered:
            return "forgotten"
        return "done" if self.code == 10000 else "failed"


class TaskBook:
    """All tasks, and how many run; guarded by the stand-in's lock."""

    def __init__(self, seed: int, remembered: float) -> None:
        self._seed = seed
        self._remembered = remembered
        self._tasks: dict[str, Task] = {}
        self._attempts: Counter[Combination] = Counter()
        self._ends: dict[str, list[float]] = {}
        self.most_running = 0

    @property
    def every(self) -> tuple[Task, ...]:
        """All tasks, in the order of making."""
        return tuple(self._tasks.values())

    def running(self, req_key: str, now: float) -> int:
        """Tasks between submit and end under that key."""
        ends = self._ends.setdefault(req_key, [])
        while ends and ends[0] <= now:
            heapq.heappop(ends)
        return len(ends)

    def running_in_all(self, now: float) -> int:
        """Tasks between submit and end under any key."""
        return sum(self.running(key, now) for key in self._ends)

    def wait(self, queue: str, now: float, places: int) -> float:
        """Seconds until one of so many places is free."""
        running = self.running(queue, now)
        if running < places:
            return 0.0
        return sorted(self._ends[queue])[running - places] - now

    def next(self, combination: Combination) -> NewTask:
        """The task that would be made now."""
        return NewTask(len(self._tasks) + 1, combination, self._attempts[combination] + 1)

    def make(
        self,
        req_key: str,
        new: NewTask,
        now: float,
        *,
        latency: float,
        candidates: int,
        fates: Iterable[Fate],
        parameters: Mapping[str, object],
        queued: float = 0.0,
    ) -> Task:
        """Begin a task: one payment. `queued` are the seconds that it waits for others, on top of its latency."""
        random = Random(f"{self._seed}:{new.combination}:{new.attempt}")
        asked = parameters.get("seed")
        drawn = random.randrange(2**31 - 64)
        task = Task(
            id=f"{random.randrange(10**14, 10**15)}{new.number:04d}",
            number=new.number,
            attempt=new.attempt,
            combination=new.combination,
            parameters=MappingProxyType(dict(parameters)),
            submitted_at=now,
            latency=queued + latency,
            queued=queued,
            candidates=candidates,
            seed=asked if isinstance(asked, int) and asked >= 0 else drawn,
            remembered=self._remembered,
        )
        task.meet(fates)
        task.scores = tuple(round(random.uniform(0.5, 1.0), 4) for _ in range(task.candidates))
        self._tasks[task.id] = task
        self._attempts[new.combination] += 1
        heapq.heappush(self._ends.setdefault(req_key, []), task.ends_at)
        self.most_running = max(self.most_running, self.running(req_key, now))
        return task

    def __iter__(self) -> Iterator[Task]:
        return iter(self._tasks.values())

    def find(self, task_id: str) -> Task | None:
        return self._tasks.get(task_id)

    def records(self, now: float) -> tuple[TaskRecord, ...]:
        return tuple(task.record(now) for task in self._tasks.values())

    def payments(self) -> Counter[Combination]:
        return Counter(self._attempts)
