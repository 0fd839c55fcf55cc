"""What every service in the registry must do, whoever it is: the same tests over each one's answers."""

import socket
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import pytest
import requests

from tests import toy
from tests.doubles import HandClock
from tests.service.contract.case import Case
from tests.service.contract.wire import Action, Cut, Reply, Silence, Wire, wire
from tryon.service import GarmentPicture, Submission, TaskStatus, TryOnService, registry
from tryon.service import errors as e
from tryon.service.secret import Secret

CASES: dict[str, Case] = {
    case.key: case for name in registry.SERVICES for case in import_module(f"tests.service.contract.of_{name}").CASES
}


class Same:
    """Keys that nobody changes."""

    def __init__(self, keys: Secret) -> None:
        self._keys = keys

    def __call__(self) -> Secret:
        return self._keys

    def renew(self, refused: Secret) -> Secret:
        return refused


@dataclass
class Bench:
    """A service's client and the wire that it speaks into."""

    case: Case
    wire: Wire
    client: TryOnService
    make: Callable[..., TryOnService]

    @property
    def submission(self) -> Submission:
        capabilities = registry.find(self.case.key)
        worn = sorted(capabilities.garments)[0]
        return Submission(b"\xff\xd8model\xff\xd9", (GarmentPicture(b"\xff\xd8shirt", worn),), self.case.parameters)


@pytest.fixture(params=[*registry.keys(), toy.KEY])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    added = request.param == toy.KEY
    case = toy.CASES[0] if added else CASES[request.param]
    with toy.installed() if added else nullcontext(), wire() as server, requests.Session() as session:

        def make(endpoint: str = server.endpoint, timeout: tuple[float, float] = (3.05, 10.0)) -> TryOnService:
            return registry.build(
                registry.find(case.key),
                session,
                credentials=Same(case.keys),
                clock=HandClock(1_790_000_000.0, patient=False),
                endpoint=endpoint,
                timeout=timeout,
                options=case.options(endpoint),
            )

        yield Bench(case, server, make(), make)


def texts(error: BaseException) -> str:
    """All that an error and its causes say."""
    said, one = "", error
    while one is not None:
        said += f"{one!s} {one!r} {getattr(one, 'code', '')} {getattr(one, 'request_id', '')}"
        one = one.__cause__  # type: ignore[assignment]
    return said


def refusal(bench: Bench, kind: type[e.ServiceError], call: Callable[[], object]) -> e.ServiceError:
    """The error that a call ends with, exactly of this kind, and with no key and no address in its text."""
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind
    said = texts(caught.value)
    assert not [value for value in vars(bench.case.keys).values() if value and value in said]
    assert "://" not in said
    assert bench.case.done_address not in said
    return caught.value


def test_each_model_has_its_answers() -> None:
    assert CASES.keys() == set(registry.keys())


def test_a_client_says_what_it_can_do(bench: Bench) -> None:
    assert bench.client.capabilities is registry.find(bench.case.key)
    assert isinstance(bench.case.keys, bench.client.capabilities.secret)
    assert isinstance(bench.case.parameters, bench.client.capabilities.parameters)
    assert "service" not in bench.client.capabilities.parameters.model_fields
    assert bench.wire.came == [], "nothing is sent before it is asked for"


def test_what_is_accepted_is_one_post_and_its_id_is_kept(bench: Bench) -> None:
    bench.wire.say(bench.case.accepted)
    assert bench.client.submit(bench.submission).task_id == bench.case.task_id
    assert [request.method for request in bench.wire.came] == ["POST"]
    # One that was kept over a pause may be dead: what is sent into it gets no answer, and counts as paid perhaps.
    assert bench.wire.came[0].headers["connection"] == "close"


def test_each_refusal_is_told_apart_and_posted_once(bench: Bench, subtests: pytest.Subtests) -> None:
    for name, (reply, kind) in bench.case.refused.items():
        with subtests.test(refusal=name):
            bench.wire.say(reply)
            before = bench.wire.posts
            refusal(bench, kind, lambda: bench.client.submit(bench.submission))
            assert bench.wire.posts == before + 1


def accidents(case: Case) -> dict[str, Action]:
    """Answers after which a task may exist, whichever the service."""
    page = {"Content-Type": "text/html"}
    return {
        "silence": Silence(),
        "no answer": Cut(case.accepted, 0.0),
        "a reset": Cut(case.accepted, 0.0, reset=True),
        "cut after accepting": Cut(case.accepted, 0.3),
        "cut by a reset": Cut(case.accepted, 0.3, reset=True),
        "a page": Reply(b"<html>hello</html>", headers=page),
        "a proxy's 502": Reply(b"<html>bad gateway</html>", 502, page),
        "a proxy's 504": Reply(b"", 504),
        "an empty body": Reply(),
        "null": Reply(b"null"),
        "nested without end": Reply(b"[" * 50_000),
        "a redirect": Reply(b"", 307, {"Location": "/elsewhere"}),
        **case.doubtful,
    }


def test_a_submission_whose_answer_proves_nothing_may_have_been_paid(bench: Bench, subtests: pytest.Subtests) -> None:
    for name, action in accidents(bench.case).items():
        with subtests.test(accident=name):
            bench.wire.say(action)
            before = bench.wire.posts
            client = bench.make(timeout=(3.05, 0.3)) if isinstance(action, Silence) else bench.client
            refusal(bench, e.SubmitOutcomeUnknownError, lambda client=client: client.submit(bench.submission))  # type: ignore[misc]
            bench.wire.wait_until(lambda before=before: bench.wire.posts > before)  # type: ignore[misc]
            assert bench.wire.posts == before + 1, "never sent again"


def test_a_connection_that_was_never_made_is_no_payment(bench: Bench) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        client = bench.make(f"http://127.0.0.1:{nobody.getsockname()[1]}")
        refusal(bench, e.ServiceUnreachableError, lambda: client.submit(bench.submission))
        refusal(bench, e.ServiceUnavailableError, lambda: client.result(bench.case.task_id))


def test_a_redirect_is_not_followed_and_the_keys_go_nowhere_else(bench: Bench) -> None:
    with wire() as elsewhere:
        bench.wire.say(Reply(b"", 308, {"Location": elsewhere.endpoint}))
        refusal(bench, e.SubmitOutcomeUnknownError, lambda: bench.client.submit(bench.submission))
        refusal(bench, e.ServiceUnavailableError, lambda: bench.client.result(bench.case.task_id))
        with pytest.raises(e.ServiceError):
            bench.client.check()
        assert elsewhere.came == []


def test_a_host_that_an_answer_names_is_never_asked(bench: Bench) -> None:
    if bench.case.foreign is None:
        pytest.skip("this service's answers name no address to ask")
    with wire() as elsewhere:
        elsewhere.say(*bench.case.done)
        bench.wire.say(bench.case.foreign(elsewhere.endpoint))
        task_id = bench.client.submit(bench.submission).task_id
        bench.wire.say(*bench.case.done)
        assert bench.client.result(task_id).status is TaskStatus.DONE
        assert elsewhere.came == []


def test_a_task_is_watched_to_its_picture(bench: Bench) -> None:
    bench.wire.say(*bench.case.pending)
    assert bench.client.result(bench.case.task_id).status in (TaskStatus.IN_QUEUE, TaskStatus.GENERATING)
    bench.wire.say(*bench.case.unknown)
    assert bench.client.result(bench.case.task_id).status is TaskStatus.NOT_FOUND
    bench.wire.say(*bench.case.done)
    result = bench.client.result(bench.case.task_id)
    assert result.status is TaskStatus.DONE
    assert result.candidates[0].url == bench.case.done_address
    assert bench.case.done_address not in repr(result)


def test_each_bad_end_is_told_apart(bench: Bench, subtests: pytest.Subtests) -> None:
    for name, (replies, kind) in bench.case.ended.items():
        with subtests.test(end=name):
            bench.wire.say(*replies)
            assert isinstance(refusal(bench, kind, lambda: bench.client.result(bench.case.task_id)), e.TaskError)


def test_a_question_without_an_answer_says_nothing_about_the_task(bench: Bench, subtests: pytest.Subtests) -> None:
    page = Reply(b"<html>hello</html>", headers={"Content-Type": "text/html"})
    cases: dict[str, tuple[tuple[Any, ...], type[e.ServiceError]]] = {
        "silence": ((Silence(),), e.ServiceUnavailableError),
        "no answer": ((Cut(page, 0.0),), e.ServiceUnavailableError),
        "cut": ((Cut(bench.case.done[0], 0.5),), e.ServiceUnavailableError),
        "a page": ((page,), e.ServiceUnavailableError),
        "an empty body": ((Reply(),), e.ServiceUnavailableError),
        "null": ((Reply(b"null"),), e.ServiceUnavailableError),
        "a proxy's 502": ((Reply(b"<html>", 502),), e.ServiceUnavailableError),
        "nested without end": ((Reply(b"[" * 50_000),), e.ServiceUnavailableError),
        **{f"lie: {name}": (replies, e.ServiceUnavailableError) for name, replies in bench.case.lies.items()},
        **bench.case.unanswered,
    }
    for name, (replies, kind) in cases.items():
        with subtests.test(answer=name):
            bench.wire.say(*replies)
            client = bench.make(timeout=(3.05, 0.3)) if isinstance(replies[0], Silence) else bench.client
            refusal(bench, kind, lambda client=client: client.result(bench.case.task_id))  # type: ignore[misc]


def test_the_free_question_lets_a_run_begin_or_stops_it(bench: Bench, subtests: pytest.Subtests) -> None:
    bench.wire.say(*bench.case.answers_check)
    bench.client.check()
    for name, replies in bench.case.refused_check.items():
        with subtests.test(refused=name):
            bench.wire.say(*replies)
            refusal(bench, e.ServiceAccessError, bench.client.check)
    bench.wire.say(Reply(b"<html>", 502))
    refusal(bench, e.ServiceUnavailableError, bench.client.check)


def test_a_service_that_quotes_a_key_or_an_address_is_not_quoted(bench: Bench) -> None:
    for secret in [*filter(None, vars(bench.case.keys).values()), "https://cdn.example.com/one.png?signature=dummy"]:
        bench.wire.say(bench.case.quoting(secret))
        with pytest.raises(e.ServiceError) as caught:
            bench.client.submit(bench.submission)
        assert secret not in texts(caught.value)
