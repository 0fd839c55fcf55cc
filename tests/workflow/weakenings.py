"""The safeguards that the faults of the reliability matrix meet, and how to build the application without one.

`WITHOUT` names for every fault the safeguard whose absence it must break: a test plays each fault on a build
weakened so, and the matrix in docs/reliability.md names the safeguard beside the fault.
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import pytest
import requests

from tests.workflow.histories import Theatre
from tryon import objects
from tryon.checks import judge
from tryon.reporting import galleries, retry
from tryon.service import TaskResult, TaskStatus, transport
from tryon.service.capabilities import Capabilities
from tryon.service.errors import (
    ServiceError,
    ServiceUnavailableError,
    SubmitOutcomeUnknownError,
    TaskError,
    TaskFailedError,
)
from tryon.service.renewing import RenewingService
from tryon.service.volcengine import signed, vendor
from tryon.state.entry import Entry
from tryon.state.gate import Gate
from tryon.state.ledger import Ledger, LedgerConflictError, _run_key
from tryon.state.run import Run, RunStatus
from tryon.task import download, poll, slots, submit
from tryon.task.fetch import download as fetch_download
from tryon.task.fetch import session as fetch_session
from tryon.task.fetch import stream

States = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Safeguard:
    """What keeps a fault from doing harm: its name in the matrix and how it is taken away."""

    name: str
    machine: Callable[[States], None] | None = None
    code: Callable[[pytest.MonkeyPatch], None] | None = None


@contextmanager
def without(safeguard: Safeguard, stage: Theatre) -> Iterator[None]:
    """The application on the stage without the safeguard within the block."""
    stack = stage.pipeline.app.stack
    client, arn = stack.client("stepfunctions"), stack.outputs["StateMachineArn"]
    whole = client.describe_state_machine(stateMachineArn=arn)["definition"]
    with pytest.MonkeyPatch.context() as patch:
        if safeguard.machine is not None:
            weak = json.loads(whole)
            inside = [state["ItemProcessor"]["States"] for state in weak["States"].values() if "ItemProcessor" in state]
            safeguard.machine({name: state for states in (weak["States"], *inside) for name, state in states.items()})
            assert weak != json.loads(whole), f"the state machine has no {safeguard.name}"
            client.update_state_machine(stateMachineArn=arn, definition=json.dumps(weak))
        if safeguard.code is not None:
            safeguard.code(patch)
        try:
            yield
        finally:
            client.update_state_machine(stateMachineArn=arn, definition=whole)


def _retry(state: str) -> Safeguard:
    def drop(states: States) -> None:
        del states[state]["Retry"]

    return Safeguard(f"`Retry` of {state}", drop)


def _catch(state: str) -> Safeguard:
    def unrecorded(states: States) -> None:
        for catcher in states[state]["Catch"]:
            if catcher["Next"] == "Explain":
                catcher["Next"] = "Failed"

    return Safeguard(f"`Catch` of {state}", unrecorded)


def _sends_back(states: States) -> None:
    states["SubmitAgain?"]["Choices"][0]["Next"] = "Explain"
    for catcher in states["Submit"]["Catch"]:
        if catcher["Next"] == "ReserveSlot":
            catcher["Next"] = "Explain"
            catcher["Assign"] = {"step": "Submit", "failure": "{% $states.errorOutput %}"}


def _passes(states: States) -> None:
    for state in ("ReserveSlot", "Submit"):
        for catcher in states[state]["Catch"]:
            if "passes" in catcher.get("Assign", {}):
                catcher["Assign"]["passes"] = False
        del states[state]["Retry"]


def _polls_on(states: States) -> None:
    """A poll that fails ends its combination."""
    del states["Poll"]["Retry"]
    (lenient,) = [catcher for catcher in states["Poll"]["Catch"] if catcher["Next"] == "Done?"]
    lenient["Next"] = "Explain"
    lenient["Assign"] = {"step": "Poll", "failure": "{% $states.errorOutput %}"}


def _awaited(states: States) -> None:
    states["AwaitAnswer"]["Seconds"] = 0


def _deadline(states: States) -> None:
    states["Done?"]["Choices"][1]["Condition"] = "{% $millis() < $late_at + 300000 %}"
    states["Poll"]["Assign"]["wait"] = "{% $job.cadence[-1] %}"


def _deadline_recorded(states: States) -> None:
    states["Done?"]["Default"] = "Failed"


def _asked_first(states: States) -> None:
    states["AnotherSeed?"]["Choices"][0]["Condition"] = "{% $states.input.resubmissions <= 2 %}"


def _claim(states: States) -> None:
    for name in ("ConditionExpression", "ExpressionAttributeNames", "ExpressionAttributeValues"):
        del states["Claim"]["Arguments"][name]
    states["Name"]["Assign"]["run_id"] = "{% 'run-' & $replace($states.context.Execution.Name, /[^a-z0-9]/, '') %}"


def _own_claim(states: States) -> None:
    arguments = states["Claim"]["Arguments"]
    arguments["ConditionExpression"] = "attribute_not_exists(pk)"
    del arguments["ExpressionAttributeNames"], arguments["ExpressionAttributeValues"]


def _stopped_rule(states: States) -> None:
    states["Manifest?"]["Choices"] = [one for one in states["Manifest?"]["Choices"] if one["Next"] != "FindRun"]


def _success_kept(states: States) -> None:
    _second_download(states)
    record = states["RecordFailure"]["Arguments"]
    del record["ConditionExpression"]
    for name in (":planned", ":submitting", ":submitted"):
        del record["ExpressionAttributeValues"][name]


def _check_counts(states: States) -> None:
    """A check that fails ends its combination, as the other steps do."""
    catcher = states["Check"]["Catch"][0]
    catcher["Assign"] = {"step": "Check", "failure": "{% $states.errorOutput %}"}
    catcher["Next"] = "Explain"
    record = states["RecordFailure"]["Arguments"]
    del record["ConditionExpression"]
    for name in (":planned", ":submitting", ":submitted"):
        del record["ExpressionAttributeValues"][name]


def _judge_counts(patch: pytest.MonkeyPatch) -> None:
    """A judge that gives no answer ends the call that asked it."""

    def asked(one: judge.Question, ask: judge.Ask) -> judge.Judgement:
        return judge.Judgement(answer=judge.Answer.model_validate_json(ask(one.model_dump_json().encode())))

    patch.setattr(judge, "_asked", asked)


def _uncompared(states: States) -> None:
    del states["Compare"]["Catch"]


def _untaken_counts(states: States) -> None:
    """Pictures that no call of their own took in break their run."""
    del states["TakePart"]["Catch"]
    states["TakePictures"]["Catch"][0]["Next"] = "RunFailed"
    states["TakePictures"]["Catch"][0]["Assign"] = {"error": "PicturesError", "cause": ""}


def _undrawn_counts(states: States) -> None:
    """Parts that cannot be drawn break their run."""
    del states["DrawParts"]["Catch"]
    states["DrawGallery"]["Catch"][0]["Next"] = "RunFailed"
    states["DrawGallery"]["Catch"][0]["Assign"] = {"error": "GalleryError", "cause": ""}


def _drawn_once(states: States) -> None:
    del states["DrawParts"]["Retry"]


def _left_undrawn(patch: pytest.MonkeyPatch) -> None:
    """What no call could draw stays away."""
    draw = galleries.draw

    def with_time(*arguments: Any, hurry: Callable[[], bool]) -> int:
        return 0 if hurry() else draw(*arguments, hurry=hurry)

    patch.setattr(galleries, "draw", with_time)


def _giving_up(states: States) -> None:
    states["Passes?"]["Default"] = "Failed"


def _unnotified(states: States) -> None:
    states["Notify"]["Catch"][0]["Next"] = "Whole?"


def _returned_counts(states: States) -> None:
    states["TryOn"]["Catch"].pop(0)


def _own_submit(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Ledger, "_began", lambda *_: False)


def _begin_submit(patch: pytest.MonkeyPatch) -> None:
    begin = Ledger.begin_submit

    def regardless(ledger: Ledger, run_id: str, n: int, *visits: int) -> None:
        with suppress(LedgerConflictError):
            begin(ledger, run_id, n, *visits)

    patch.setattr(Ledger, "begin_submit", regardless)
    patch.setattr(submit, "_found", lambda *_: None)


def _doubt(patch: pytest.MonkeyPatch) -> None:
    start = submit.start

    def sure(*args: Any, **kwargs: Any) -> submit.Started:
        try:
            return start(*args, **kwargs)
        except SubmitOutcomeUnknownError as error:
            kwargs["ledger"].withdraw_submit(kwargs["run_id"], args[0].n, kwargs["visit"])
            raise ServiceUnavailableError(str(error)) from error

    patch.setattr(submit, "start", sure)


def _doubt_told(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Entry, "outcome_unknown", False)


def _sent(patch: pytest.MonkeyPatch) -> None:
    failure = transport.submit_failure

    def unread(error: transport.NoAnswerError) -> ServiceError:
        return failure(transport.NoAnswerError(str(error), sent=True))

    patch.setattr(signed, "submit_failure", unread)


def _content(patch: pytest.MonkeyPatch) -> None:
    read = vendor.read_submit_answer

    def by_type(status: int, headers: Any, body: bytes, *, now: float) -> Any:
        if "json" not in headers.get("Content-Type", ""):
            body = b""
        return read(status, headers, body, now=now)

    patch.setattr(vendor, "read_submit_answer", by_type)


def _id_that_came(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(vendor, "_loose_task_id", lambda text: "")


def _refusal(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(vendor._CODES, 50411, (ServiceUnavailableError, "a refusal taken for a passing failure"))


class _Asked:
    """A service whose answers to a poll are taken otherwise."""

    def __init__(self, service: Any, taken: Callable[[Callable[[], TaskResult]], TaskResult]) -> None:
        self._service = service
        self._taken = taken

    def result(self, task_id: str) -> TaskResult:
        return self._taken(lambda: self._service.result(task_id))


def _answers_taken(taken: Callable[[Callable[[], TaskResult]], TaskResult]) -> Callable[[pytest.MonkeyPatch], None]:
    def weaken(patch: pytest.MonkeyPatch) -> None:
        look = poll.look

        def other(*args: Any, **kwargs: Any) -> poll.Look:
            kwargs["service"] = _Asked(kwargs["service"], taken)
            return look(*args, **kwargs)

        patch.setattr(poll, "look", other)

    return weaken


def _no_answer_is_a_failure(ask: Callable[[], TaskResult]) -> TaskResult:
    try:
        return ask()
    except TaskError:
        raise
    except ServiceError as error:
        raise TaskFailedError(str(error)) from error


def _expired_is_pending(ask: Callable[[], TaskResult]) -> TaskResult:
    result = ask()
    if result.status in (TaskStatus.EXPIRED, TaskStatus.NOT_FOUND):
        return TaskResult(TaskStatus.GENERATING, result.request_id)
    return result


def _empty_is_pending(ask: Callable[[], TaskResult]) -> TaskResult:
    try:
        return ask()
    except TaskFailedError as error:
        raise ServiceUnavailableError(str(error)) from error


def _grace(patch: pytest.MonkeyPatch) -> None:
    def hasty(service: RenewingService) -> Capabilities:
        return replace(service._service.capabilities, filed_within=0.0)

    patch.setattr(RenewingService, "capabilities", property(hasty))


def _release(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Gate, "release", lambda *_, **__: None)
    patch.setattr(Gate, "release_run", lambda *_, **__: None)


def _second_download(states: States) -> None:
    del states["Download"]["Retry"]


def _second_try(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(download.collect.__kwdefaults__, "delays", ())  # type: ignore[arg-type]


def _format(patch: pytest.MonkeyPatch) -> None:
    for module in (stream, fetch_download):
        patch.setattr(module, "format_of", lambda head: "png")
        patch.setattr(module, "whole", lambda stream, *_: stream.chunks)
    patch.setattr(stream, "size_of", lambda found, head: (1, 1))


def _redirects(patch: pytest.MonkeyPatch) -> None:
    def follow(session: requests.Session, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        return requests.Session.send(session, request, **{**kwargs, "allow_redirects": True})

    patch.setattr(fetch_session._GuardedSession, "send", follow)
    patch.setattr(fetch_session._GuardedSession, "get_redirect_target", requests.Session.get_redirect_target)


def _renewal(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(RenewingService, "_with_newest_keys", lambda self, call: call())


def _conflict(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("tryon.state.gate.MAX_WRITES", 3)


_BACK_TO_THE_GATE = Safeguard("the way back to the gate", _sends_back)
_DOUBT = Safeguard("no second submit after one in doubt", code=_doubt)
_BEGIN_SUBMIT = Safeguard("the ledger's word before a submit", code=_begin_submit)
_PENDING = Safeguard("a poll without answer counts as pending", code=_answers_taken(_no_answer_is_a_failure))
_PASSES = Safeguard("trouble of AWS passes", _passes)
_POLLS_ON = Safeguard("a poll that fails is not a task that failed", _polls_on)
_TRIES = Safeguard("Download tries again", _second_download, _second_try)
_CLAIM = Safeguard("the claim", _claim)
_RESERVE = _retry("ReserveSlot")

_UNDRAWN = Safeguard("a gallery that cannot be drawn fails no run", _undrawn_counts)
_UNCHECKED = Safeguard("a check that fails leaves results unchecked, and nothing else", _check_counts)

WITHOUT: dict[str, Safeguard] = {
    "submit: 429 without Retry-After, twice": _BACK_TO_THE_GATE,
    "submit: 429 with Retry-After, twice": _BACK_TO_THE_GATE,
    "submit: too many tasks (50430), three times": _BACK_TO_THE_GATE,
    "submit: 500, once": _BACK_TO_THE_GATE,
    "submit: 500, always": Safeguard("giving up is recorded", _giving_up),
    "submit: no connection, once": _BACK_TO_THE_GATE,
    "submit: reset while being sent": Safeguard("how far a submit was sent", code=_sent),
    "submit: reset before it was carried out": _DOUBT,
    "submit: reset after the task was made": _DOUBT,
    "submit: silence, no task made": Safeguard("doubt is told", code=_doubt_told),
    "submit: silence, task made": _DOUBT,
    "submit: HTML with 200, task made": _DOUBT,
    "submit: answer cut in half": Safeguard("an id that came is kept", code=_id_that_came),
    "submit: wrong content type": Safeguard("an answer is read by its content", code=_content),
    "submit: input refused": Safeguard("a refusal is final", code=_refusal),
    "poll: 500, twice": _PENDING,
    "poll: HTML with 502": _PENDING,
    "poll: silence": _PENDING,
    "task: not found just after submit": Safeguard("not found must be said for a minute", code=_grace),
    "task: expired": Safeguard("an expired task has ended", code=_answers_taken(_expired_is_pending)),
    "task: never done": Safeguard("the deadline's failure is recorded", _deadline_recorded),
    "task: done after the deadline": Safeguard("the deadline", _deadline),
    "task: done with a failing code": Safeguard("the end of a task frees its slot", code=_release),
    "task: result refused by the service": Safeguard("only the manifest allows to pay again", _asked_first),
    "task: done without a picture": Safeguard("done is the end", code=_answers_taken(_empty_is_pending)),
    "download: 503, once": _TRIES,
    "download: 503, always": _catch("Download"),
    "download: HTML with 200": Safeguard("a result must be a picture", code=_format),
    "download: redirect into the network": Safeguard("no redirect is followed", code=_redirects),
    "download: body cut, once": _TRIES,
    "download: body trickles for 200 s": _TRIES,
    "event delivered twice at once": _CLAIM,
    "event delivered again late": _CLAIM,
    "keys rotated in mid-run": Safeguard("refused keys are read anew", code=_renewal),
    "keys refused for 30 s, then rotated": _PENDING,
    "execution stopped by hand": Safeguard("another execution ends a stopped one's run", _stopped_rule),
    "plan: function killed before": _retry("Plan"),
    "plan: function killed after": _retry("Plan"),
    "reserve: function killed before": _RESERVE,
    "reserve: function killed after": _RESERVE,
    "submit: function killed before": _retry("Submit"),
    "submit: function killed after": _BEGIN_SUBMIT,
    "poll: function killed before": _POLLS_ON,
    "poll: function killed after": _POLLS_ON,
    "download: function killed before": _retry("Download"),
    "download: function killed after": Safeguard("a success is never overwritten", _success_kept),
    "summarize: function killed before": _retry("Summarize"),
    "summarize: function killed after": _retry("Summarize"),
    "submit: function killed between payment and ledger": _BEGIN_SUBMIT,
    "submit: function throttled": _PASSES,
    "poll: function throttled": _POLLS_ON,
    "download: function throttled": _retry("Download"),
    "plan: DynamoDB throttles a write": _retry("Plan"),
    "submit: DynamoDB throttles a write": _PASSES,
    "poll: DynamoDB throttles a write": _POLLS_ON,
    "download: DynamoDB throttles a write": _retry("Download"),
    "summarize: DynamoDB throttles a write": _retry("Summarize"),
    "reserve: DynamoDB throttles a write": _PASSES,
    "gate: a condition fails three times": Safeguard("the gate outlasts lost races", _PASSES.machine, _conflict),
    "submit: DynamoDB's answer to the first write lost": Safeguard("a submit knows its own write", None, _own_submit),
    "claim: DynamoDB's answer lost": Safeguard("a claim knows its own execution", _own_claim),
    "plan: S3 says slow down": _retry("Plan"),
    "map: S3 says slow down": _retry("TryOn"),
    "map: S3 takes nothing that children returned": Safeguard("the ledger is what counts", _returned_counts),
    "submit: S3 says slow down": _PASSES,
    "download: S3 says slow down, once": _TRIES,
    "download: S3 says slow down, always": _catch("Download"),
    "wake-up refused by Step Functions": _PASSES,
    "notify: SNS down, once": _retry("Notify"),
    "notify: SNS down, always": Safeguard("an unsent notification fails the execution", _unnotified),
    "check: function killed, always": _UNCHECKED,
    "check: DynamoDB takes nothing of it": _UNCHECKED,
    "compare: function killed, always": Safeguard("`Catch` of Compare", _uncompared),
    "plan: a part's function killed, always": Safeguard("Plan looks at what no part's call took in", _untaken_counts),
    "plan: function killed after it wrote an entry": _retry("Plan"),
    "gallery: function killed, once": Safeguard("`Retry` of DrawParts", _drawn_once, _left_undrawn),
    "gallery: function killed, always": _UNDRAWN,
    "gallery: S3 takes nothing of it": Safeguard("what no call draws, the last one writes", code=_left_undrawn),
    "end: function killed before": _retry("End"),
    "end: function killed after": _retry("End"),
    "judge of one's own: gives no answer": Safeguard(
        "a judge that gives no answer leaves its result unchecked, and nothing else", _check_counts, _judge_counts
    ),
}
"""By fault of the matrix: the safeguard without which it breaks a rule, or comes to something worse."""


def _no_visits(patch: pytest.MonkeyPatch) -> None:
    for module in (slots, submit, poll):
        patch.setattr(module, "holder", lambda run_id, n, visit: f"{run_id}#{n}")


def _unconditional(patch: pytest.MonkeyPatch) -> None:
    def regardless(ledger: Ledger, run_id: str, attributes: Any, **_: Any) -> None:
        ledger._update(_run_key(run_id), attributes)

    patch.setattr(Ledger, "_update_run", regardless)


def _as_if_new(patch: pytest.MonkeyPatch, reader: str, shown: Callable[[Any], Any]) -> None:
    """One function reads a run's item as it was before it ended."""
    run = Ledger.run

    def read(ledger: Ledger, run_id: str) -> Any:
        item = run(ledger, run_id)
        return shown(item) if item and sys._getframe(1).f_code.co_name == reader else item

    patch.setattr(Ledger, "run", read)
    _unconditional(patch)


def _opened_again(patch: pytest.MonkeyPatch) -> None:
    _as_if_new(patch, "plan_run", lambda item: None)


def _reported_again(patch: pytest.MonkeyPatch) -> None:
    def running(run: Run) -> Run:
        return replace(run, status=RunStatus.RUNNING, outcome=None)

    _as_if_new(patch, "write_report", running)

    def put(*arguments: Any) -> bool:
        objects.put_text(*arguments)
        return True

    patch.setattr(objects, "put_new_text", put)


def _no_claims(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Ledger, "claim_repairs", lambda *_: frozenset())
    patch.setattr(Ledger, "repair_claims", lambda *_: {})
    # The index shows a run of the last seconds late, which the local one does not.
    patch.setattr(Ledger, "retries_since", lambda *_: iter(()))


def _no_descendants(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(retry, "descendants", lambda *_: [])


def _halts_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(submit, "CONFIRM_SECONDS", 0.0)
    patch.setattr(submit, "CONFIRM_SUBMITS", 1)


def _unknown_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(submit, "SUBMIT_DEAD_SECONDS", 0.0)


def _slot_kept(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(slots, "give_slot_back", lambda run_id, n, visit, *, ledger, gate: ledger.entry(run_id, n))


def _only_the_first(states: States) -> None:
    (stopped,) = [one for one in states["Manifest?"]["Choices"] if one["Next"] == "FindRun"]
    stopped["Condition"] = "{% $parse($states.input.detail.input).source = 'aws.s3' %}"


def _no_pauses(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("tryon.state.gate.pause_after", lambda *_: 5.0)


MENDS: dict[str, Safeguard] = {
    name: Safeguard(name, machine, code)
    for name, machine, code in (
        ("a slot belongs to one visit", None, _no_visits),
        ("a run is not opened again", None, _opened_again),
        ("a run is reported once", None, _reported_again),
        ("retries claim what they do", None, _no_claims),
        ("a retry sees the retries after it", None, _no_descendants),
        ("a refusal is confirmed before it ends a run", None, _halts_at_once),
        ("a repeated submit waits for the first", None, _unknown_at_once),
        ("a visit that failed gives its slot back", None, _slot_kept),
        ("an execution that ends a run may be stopped too", _only_the_first, None),
        ("pauses of the gate grow", None, _no_pauses),
    )
}
"""Safeguards that the matrix's faults do not need: each has a history of its own, and the rule that it keeps."""
