"""What may go wrong on demand: with one call on its way, or with a task for good."""

import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Annotated, Literal, get_args

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from tryon_local.service.orders import Combination

Kind = Literal["submit", "result", "download", "task"]

Flaw = Literal[
    "unchanged",
    "another garment",
    "another head",
    "blank",
    "cropped",
    "object added",
    "colours shifted",
    "the same file",
]
"""What is wrong. `another garment` and `the same file` are drawn as such; the rest is done to the right picture."""

_STRICT = ConfigDict(extra="forbid")
_PAGE = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


@dataclass(frozen=True)
class Answer:
    """An error in the service's form, or in its gateway's for codes from 100000.

    `http` is the status, that of the code when None; `retry_after` is the header's text; `processed` carries
    the call out first.
    """

    __pydantic_config__ = _STRICT
    code: int
    http: int | None = None
    retry_after: str | None = None
    detail: str = ""
    processed: bool = False
    type: Literal["answer"] = "answer"


@dataclass(frozen=True)
class Page:
    """A body that is no answer of the service: a proxy's HTML, nothing at all, a bare status."""

    __pydantic_config__ = _STRICT
    http: int = 200
    body: str = _PAGE
    content_type: str = "text/html"
    retry_after: str | None = None
    processed: bool = False
    type: Literal["page"] = "page"


@dataclass(frozen=True)
class Redirect:
    """A redirect to `location`."""

    __pydantic_config__ = _STRICT
    location: str
    http: int = 302
    type: Literal["redirect"] = "redirect"


@dataclass(frozen=True)
class NoConnection:
    """No connection is made: refused, or timed out; on a real socket it is reset unread instead."""

    __pydantic_config__ = _STRICT
    timeout: bool = False
    type: Literal["no connection"] = "no connection"


@dataclass(frozen=True)
class Reset:
    """The connection is reset without an answer, before the call was carried out or after.

    With `unread` that happens while the request is still being sent, so that its sender knows that it never
    arrived; on a real socket a body must exceed the system's buffers for that.
    """

    __pydantic_config__ = _STRICT
    processed: bool = False
    unread: bool = False
    type: Literal["reset"] = "reset"

    def __post_init__(self) -> None:
        if self.processed and self.unread:
            raise ValueError("an unread request cannot be carried out")


@dataclass(frozen=True)
class Silence:
    """No answer ever comes, so that the client's read times out; the call was carried out or not."""

    __pydantic_config__ = _STRICT
    processed: bool = False
    type: Literal["silence"] = "silence"


@dataclass(frozen=True)
class Cut:
    """The share `keep` of the true answer; `declared` leaves the whole length in the header."""

    __pydantic_config__ = _STRICT
    keep: float = 0.5
    declared: bool = True
    type: Literal["cut"] = "cut"


@dataclass(frozen=True)
class Slow:
    """The true answer, its body trickling in `pieces` over `seconds` of the clock."""

    __pydantic_config__ = _STRICT
    seconds: float
    pieces: int = 8
    type: Literal["slow"] = "slow"


@dataclass(frozen=True)
class Late:
    """The true answer, `seconds` of the clock late; the call is carried out at once."""

    __pydantic_config__ = _STRICT
    seconds: float
    type: Literal["late"] = "late"


@dataclass(frozen=True)
class Mislabel:
    """The true answer under a wrong content type."""

    __pydantic_config__ = _STRICT
    content_type: str = "text/plain"
    type: Literal["mislabel"] = "mislabel"


@dataclass(frozen=True)
class Takes:
    """The task takes that many seconds from submit to its end."""

    __pydantic_config__ = _STRICT
    seconds: float
    type: Literal["takes"] = "takes"


@dataclass(frozen=True)
class NeverDone:
    """The task is generated until the service forgets it, and holds its slot as long."""

    __pydantic_config__ = _STRICT
    type: Literal["never done"] = "never done"


@dataclass(frozen=True)
class Expires:
    """The task is `expired` from that many seconds after the submit on."""

    __pydantic_config__ = _STRICT
    after: float = 0.0
    type: Literal["expires"] = "expires"


@dataclass(frozen=True)
class Fails:
    """The task ends `done` with a failing code, which the result call answers with the status `http`."""

    __pydantic_config__ = _STRICT
    code: int
    http: int = 400
    type: Literal["fails"] = "fails"


@dataclass(frozen=True)
class Candidates:
    """The task yields that many pictures; none at all is possible."""

    __pydantic_config__ = _STRICT
    count: int
    type: Literal["candidates"] = "candidates"


@dataclass(frozen=True)
class InBase64:
    """The result comes as base64 although addresses were asked for."""

    __pydantic_config__ = _STRICT
    type: Literal["in base64"] = "in base64"


@dataclass(frozen=True)
class HiddenAtFirst:
    """The task is `not_found` for its first `polls` and its first `seconds`."""

    __pydantic_config__ = _STRICT
    polls: int = 0
    seconds: float = 0.0
    type: Literal["hidden at first"] = "hidden at first"


@dataclass(frozen=True)
class RespData:
    """The done answer's `resp_data` is this text instead."""

    __pydantic_config__ = _STRICT
    text: str = ""
    type: Literal["resp data"] = "resp data"


@dataclass(frozen=True)
class Addresses:
    """The done answer's `image_urls` are these instead, such as an address that nobody should fetch."""

    __pydantic_config__ = _STRICT
    urls: tuple[str, ...]
    type: Literal["addresses"] = "addresses"


@dataclass(frozen=True)
class Draws:
    """The task's pictures have a flaw: `flaw` says which.

    `another garment` and `another head` take them from what the stand-in was sent in other tasks, the one whose
    SHA-256 is `picture` where that is given; `the same file` is the picture of the earliest other task of the model.
    """

    __pydantic_config__ = _STRICT
    flaw: Flaw
    picture: Annotated[str, Field(pattern="^([0-9a-f]{64})?$")] = ""
    type: Literal["draws"] = "draws"


Wire = Answer | Page | Redirect | NoConnection | Reset | Silence | Cut | Slow | Late | Mislabel
Fate = Takes | NeverDone | Expires | Fails | Candidates | InBase64 | HiddenAtFirst | RespData | Addresses | Draws


@dataclass(frozen=True)
class Call:
    """One call, or the making of one task, as a fault's conditions see it.

    `task` is the task's number in the order of making, from 1, None while there is no task; `combination` is
    None when the call names none that can be read.
    """

    kind: Kind
    task: int | None
    look: Callable[[], Combination | None]

    @cached_property
    def combination(self) -> Combination | None:
        return self.look()


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong, and when.

    `call` is the call it strikes; "task" is the making of a task, for actions that are its fate. Of the calls
    that meet `task` (the task's number), `image` (SHA-256 of one of the combination's pictures), `images` (all of
    them its own) and `when`, it strikes those whose count from 1 is in `nth`, all when that is empty, each with the
    probability `chance`. With `each` the count starts anew for every combination.
    """

    __pydantic_config__ = _STRICT
    call: Kind
    action: Annotated[Wire | Fate, Field(discriminator="type")]
    nth: tuple[int, ...] = ()
    each: bool = False
    task: int | None = None
    image: Annotated[str, Field(pattern="^([0-9a-f]{64})?$")] = ""
    images: tuple[str, ...] = ()
    chance: Annotated[float, Field(ge=0, le=1)] = 1.0
    when: Annotated[Callable[[Call], bool] | None, Field(exclude=True)] = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if (self.call == "task") != isinstance(self.action, get_args(Fate)):
            raise ValueError(f"{self.action.type!r} cannot happen to a {self.call}")

    def concerns(self, call: Call) -> bool:
        """Whether the call meets every condition but the count and the chance."""
        if self.call != call.kind or (self.task is not None and self.task != call.task):
            return False
        wanted = {*self.images, *([self.image] if self.image else [])}
        if wanted and (call.combination is None or not wanted <= set(call.combination.images)):
            return False
        return self.when is None or self.when(call)


FAULTS: TypeAdapter[tuple[Fault, ...]] = TypeAdapter(tuple[Fault, ...])


class FaultFileError(ValueError):
    """A file that is no list of faults; each line of the message names the file, the field and the problem."""


def read_faults(path: Path) -> tuple[Fault, ...]:
    """The faults of a JSON file, a list as `POST /_standin/faults` takes it; `FaultFileError`, `OSError`."""
    try:
        entries = json.loads(path.read_bytes())
    except ValueError as error:
        raise FaultFileError(f"{path} is not JSON: {error}") from error
    if not isinstance(entries, list):
        raise FaultFileError(f"{path} is not a list of faults")
    try:
        return FAULTS.validate_python(entries)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        lines = [f"{path}: {_field(found['loc'])}: {found['msg'].removeprefix('Value error, ')}" for found in problems]
        raise FaultFileError("\n".join(lines)) from error


def _field(location: tuple[str | int, ...]) -> str:
    """Such as `[0].action.code`: what a person wrote, without the action's type, which pydantic puts in between."""
    written = (*location[:2], *location[3:]) if location[1:2] == ("action",) else location
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in written)


class FaultPlan:
    """The faults in force; it can be changed while calls are under way.

    Every fault counts on its own the calls that concern it. Of the faults that strike one call the first
    acts; all that strike one task act together.
    """

    def __init__(self, *faults: Fault, seed: int = 0) -> None:
        self._lock = threading.Lock()
        self._seed = seed
        self._faults: list[_Counted] = [_Counted(fault) for fault in faults]

    def add(self, *faults: Fault) -> None:
        with self._lock:
            self._faults.extend(_Counted(fault) for fault in faults)

    def remove(self, fault: Fault) -> None:
        """Take one fault out of force; the others go on counting."""
        with self._lock:
            self._faults = [counted for counted in self._faults if counted.fault is not fault]

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    @property
    def faults(self) -> tuple[Fault, ...]:
        with self._lock:
            return tuple(counted.fault for counted in self._faults)

    @property
    def struck(self) -> tuple[int, ...]:
        """How often each fault has struck, in their order."""
        with self._lock:
            return tuple(counted.struck for counted in self._faults)

    def on_the_wire(self, call: Call) -> Wire | None:
        """What happens to the call, None when nothing does."""
        striking = self._striking(call)
        return next((action for action in striking if isinstance(action, get_args(Wire))), None)

    def fates(self, call: Call) -> tuple[Fate, ...]:
        """What becomes of the task that is being made."""
        return tuple(action for action in self._striking(call) if isinstance(action, get_args(Fate)))

    def _striking(self, call: Call) -> list[Wire | Fate]:
        with self._lock:
            plan = list(enumerate(self._faults))
        # Conditions may read a request's body, so they run outside the lock.
        concerned = [(number, counted) for number, counted in plan if counted.fault.concerns(call)]
        actions = []
        for number, counted in concerned:
            with self._lock:
                if counted.strikes(call, f"{self._seed}:{number}"):
                    actions.append(counted.fault.action)
        return actions


class _Counted:
    """A fault with its counts."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.struck = 0
        self._counts: Counter[Combination | None] = Counter()

    def strikes(self, call: Call, seed: str) -> bool:
        fault = self.fault
        # Chance hangs on the combination, not on the order of arrival, which threads would shuffle.
        key = call.combination if fault.each or fault.chance < 1 else None
        self._counts[key] += 1
        count = self._counts[key] if fault.each or fault.chance == 1 else self._counts.total()
        if fault.nth and count not in fault.nth:
            return False
        if fault.chance < 1 and Random(f"{seed}:{key}:{self._counts[key]}").random() >= fault.chance:
            return False
        self.struck += 1
        return True
