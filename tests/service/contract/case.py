"""What a service's folder of tests gives to the contract: its answers as bytes, and what each must become.

A service called `x` has a module `tests/service/contract/of_x.py` with `CASES`, one `Case` for each of its models.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.service.contract.wire import Reply
from tryon.parameters import ServiceParameters
from tryon.service.errors import ServiceError
from tryon.service.secret import Secret

Replies = tuple[Reply, ...]
"""The answers to one call of the client, one for each request that it makes."""


@dataclass(frozen=True)
class Case:
    """One model of one service, by its `key`.

    `keys` are obvious dummies of its secret's kind. `accepted` takes a submit as task `task_id`. `refused` are answers
    to a submit that prove that no task was made, by a name, with what each becomes; `doubtful` those that prove
    nothing besides the accidents that every service has (a page that is no JSON, an empty body, a 502 of a proxy).
    `pending`, `done` and `unknown` answer the question after a task; `ended` are those of tasks that ended without a
    picture, `unanswered` answers that say nothing about the task. `answers_check` lets the free question pass,
    `refused_check` are those that must stop a run. `done_address` is the address in `done`.

    `quoting` makes a refusal of a submit that quotes a text in the service's own words. `foreign` makes an accepting
    answer that names another host, whose address it is given, wherever the service's answers name addresses: None for
    a service whose answers name none. `options` makes the client's options from the wire's address.
    """

    key: str
    keys: Secret
    parameters: ServiceParameters
    accepted: Reply
    task_id: str
    refused: Mapping[str, tuple[Reply, type[ServiceError]]]
    pending: Replies
    done: Replies
    done_address: str
    unknown: Replies
    ended: Mapping[str, tuple[Replies, type[ServiceError]]]
    unanswered: Mapping[str, tuple[Replies, type[ServiceError]]]
    answers_check: Replies
    refused_check: Mapping[str, Replies]
    quoting: Callable[[str], Reply]
    doubtful: Mapping[str, Reply] = field(default_factory=dict)
    lies: Mapping[str, Replies] = field(default_factory=dict)
    foreign: Callable[[str], Reply] | None = None
    options: Callable[[str], Mapping[str, str]] = lambda _: {}
