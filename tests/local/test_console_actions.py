"""What the console does, with its price before; and that no other page has it done."""

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.workflow.pipeline import Pipeline, manifest, running
from tryon_cli.actions import ConsoleActions
from tryon_cli.target import LOCAL_STACK, Target
from tryon_local.app import LocalApp
from tryon_local.console.actions import RefusedError
from tryon_local.console.server import PROOF, serve
from tryon_local.service.faults import Answer, Fails, Fault


def target(app: LocalApp) -> Target:
    return Target(LOCAL_STACK, app.stack.outputs, app.stack.client, app.clock)


@pytest.fixture
def failed() -> Iterator[tuple[Pipeline, str]]:
    """A run of four of which the second task was refused."""
    with running(slots=2, faults=[Fault("task", Fails(50411), task=2)]) as pipeline:
        pipeline.put_pictures(2, 2)
        yield pipeline, pipeline.run(manifest(2, 2), "spring").run_id


# ---------------------------------------------------------------- the actions


def test_what_failed_is_run_again_for_the_price_that_was_shown(failed: tuple[Pipeline, str]) -> None:
    pipeline, run_id = failed
    actions = ConsoleActions(target(pipeline.app))
    pipeline.paid()
    offer = actions.price_of_retry(run_id)
    assert (offer.combinations, offer.tasks, offer.costs) == (1, 1, {"CNY": 1.0})
    assert pipeline.paid() == 0, "an offer pays nothing"
    ended = pipeline.ended(actions.retry(run_id, offer.mark))
    assert (ended.status, len(ended.entries), pipeline.paid()) == ("SUCCEEDED", 1, 1)
    nothing = actions.price_of_retry(run_id)
    assert (nothing.mark, nothing.costs) == ("", {})
    assert nothing.notes == ("Nothing is left to do.", f"What {ended.run_id} repaired or is repairing is left out.")


def test_an_offer_is_taken_once_and_only_while_it_holds(failed: tuple[Pipeline, str]) -> None:
    pipeline, run_id = failed
    actions = ConsoleActions(target(pipeline.app))
    offer = actions.price_of_retry(run_id)
    with pytest.raises(RefusedError, match="has changed"):
        actions.retry(run_id, "another")
    first = actions.retry(run_id, offer.mark)
    with pytest.raises(RefusedError, match="has changed"):
        actions.retry(run_id, offer.mark)
    pipeline.ended(first)
    assert len(pipeline.app.stack.executions()) == 2


def test_a_run_that_goes_on_is_stopped_after_what_it_leaves_was_shown() -> None:
    with running(slots=2) as pipeline:
        with pipeline.clock.attached():
            pipeline.put_pictures(1, 6)
            execution = pipeline.start(manifest(1, 6), "live")
            pipeline.clock.sleep(7.5)
            run_id = pipeline.run_of(execution)
            assert run_id is not None
            actions = ConsoleActions(target(pipeline.app))
            with pytest.raises(RefusedError, match="has not ended"):
                actions.price_of_retry(run_id)
            offer = actions.price_of_stop(run_id)
            assert (offer.combinations, offer.tasks, offer.costs) == (4, 2, {"CNY": 2.0})
            with pytest.raises(RefusedError, match="no offer"):
                actions.stop(run_id, "")
            assert actions.stop(run_id, offer.mark) == execution
        described = pipeline.app.stack.client("stepfunctions").describe_execution(executionArn=execution)
    assert (described["status"], described["cause"]) == ("ABORTED", "stopped in the console")


def test_what_cannot_be_done_is_refused_with_its_reason(failed: tuple[Pipeline, str]) -> None:
    pipeline, run_id = failed
    actions = ConsoleActions(target(pipeline.app))
    with pytest.raises(RefusedError, match="has ended"):
        actions.price_of_stop(run_id)
    with pytest.raises(RefusedError, match="not in this stack's ledger"):
        actions.price_of_retry("20260101T000000Z-none-00000000")
    wrong = pipeline.run({"models": [], "garmets": []}, "wrong")
    with pytest.raises(RefusedError, match="before anything was planned"):
        actions.price_of_retry(wrong.run_id)


def test_what_may_have_been_billed_unseen_is_left_out_and_said() -> None:
    lost = Fault("submit", Answer(500, http=500), each=True, nth=(1, 2, 3, 4, 5, 6, 7, 8))
    with running(slots=1, faults=[lost]) as pipeline:
        pipeline.put_pictures(1, 1)
        ended = pipeline.run(manifest(1, 1), "lost")
        unknown = sum(entry.outcome_unknown for entry in ended.entries)
        offer = ConsoleActions(target(pipeline.app)).price_of_retry(ended.run_id)
        assert bool(unknown) == any("may exist and be billed" in note for note in offer.notes)
        assert offer.combinations == len(ended.entries) - unknown


# ---------------------------------------------------------------- over HTTP


class Page:
    """What a browser's page sends: by itself as the console's own page does."""

    def __init__(self, port: int) -> None:
        self.port = port
        body = self.ask("GET", "/").decode()
        self.token = body.partition('name="tryon-token" content="')[2].partition('"')[0]

    def ask(self, method: str, path: str, body: str | None = None, **headers: str) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            self.status, self.headers = response.status, response.headers
            return response.read()
        finally:
            connection.close()

    def post(self, path: str, mark: Any, **headers: str | None) -> Any:
        own = {
            PROOF: self.token,
            "Content-Type": "application/json",
            "Origin": f"http://127.0.0.1:{self.port}",
            "Sec-Fetch-Site": "same-origin",
        }
        sent = {name: value for name, value in {**own, **headers}.items() if value is not None}
        return self.ask("POST", path, json.dumps({"mark": mark}), **sent)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Pipeline, str, Page]]:
    with running(slots=2, faults=[Fault("task", Fails(50411), task=2)]) as pipeline:
        pipeline.put_pictures(2, 2)
        run_id = pipeline.run(manifest(2, 2), "spring").run_id
        with serve(pipeline.app, 0, ConsoleActions(target(pipeline.app))) as one:
            yield pipeline, run_id, Page(int(one.url.rpartition(":")[2]))


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        pytest.param(403, {"Origin": "http://evil.example"}, id="another origin"),
        pytest.param(403, {"Origin": "http://127.0.0.1:1"}, id="another port of this machine"),
        pytest.param(403, {"Origin": "null"}, id="a page without an origin"),
        pytest.param(403, {"Sec-Fetch-Site": "cross-site"}, id="another site"),
        pytest.param(403, {"Host": "evil.example"}, id="a name made to mean this machine"),
        pytest.param(403, {PROOF: None}, id="no token"),
        pytest.param(403, {PROOF: ""}, id="an empty token"),
        pytest.param(403, {PROOF: "x" * 43}, id="a token of another start"),
        pytest.param(403, {PROOF: "é"}, id="a token that is no ASCII"),
        pytest.param(403, {PROOF: None, "Content-Type": "application/x-www-form-urlencoded"}, id="a form"),
        pytest.param(403, {PROOF: None, "Content-Type": "text/plain"}, id="a form that holds JSON"),
        pytest.param(415, {"Content-Type": "text/plain"}, id="no JSON"),
    ],
)
def test_nothing_else_has_it_done(
    served: tuple[Pipeline, str, Page], status: int, headers: dict[str, str | None]
) -> None:
    pipeline, run_id, page = served
    offer = json.loads(page.ask("GET", f"/api/runs/{run_id}/retry"))
    page.post(f"/api/runs/{run_id}/retry", offer["mark"], **headers)
    assert page.status == status
    assert len(pipeline.app.stack.executions()) == 1, "nothing was started"


def test_a_page_of_another_origin_is_never_told_that_it_may_ask(served: tuple[Pipeline, str, Page]) -> None:
    _, run_id, page = served
    asked = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": PROOF}
    page.ask("OPTIONS", f"/api/runs/{run_id}/retry", Origin="http://evil.example", **asked)
    assert page.status == 403
    page.ask("OPTIONS", f"/api/runs/{run_id}/retry", **asked)
    assert page.status == 501
    for method, path in (("GET", "/"), ("GET", "/api/runs"), ("GET", f"/api/runs/{run_id}/retry")):
        page.ask(method, path)
        assert not [name for name in page.headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"mark": 1}', "{", '"mark"'])
def test_a_body_that_is_no_mark_is_refused(served: tuple[Pipeline, str, Page], body: str) -> None:
    _, run_id, page = served
    own = {PROOF: page.token, "Content_Type": "application/json"}
    page.ask("POST", f"/api/runs/{run_id}/retry", body, **own)
    assert page.status == 400
    page.ask("POST", f"/api/runs/{run_id}/retry", "x" * 5000, **own)
    assert page.status == 413


def test_a_get_does_nothing_and_what_is_unknown_is_not_found(served: tuple[Pipeline, str, Page]) -> None:
    pipeline, run_id, page = served
    for _ in range(2):
        page.ask("GET", f"/api/runs/{run_id}/retry")
        assert page.status == 200
    assert len(pipeline.app.stack.executions()) == 1
    for path in ("/api/runs", f"/api/runs/{run_id}", f"/api/runs/{run_id}/delete", "/"):
        page.post(path, "stop")
        assert page.status == 404
    refused = json.loads(page.post(f"/api/runs/{run_id}/stop", "stop"))
    assert (page.status, refused) == (409, {"error": "the run has ended"})
    refused = json.loads(page.ask("GET", f"/api/runs/{run_id}/stop"))
    assert (page.status, refused) == (409, {"error": "the run has ended"})


def test_each_start_has_a_token_of_its_own(served: tuple[Pipeline, str, Page]) -> None:
    pipeline, _, page = served
    with serve(pipeline.app, 0, ConsoleActions(target(pipeline.app))) as other:
        another = Page(int(other.url.rpartition(":")[2]))
    assert len(page.token) == len(another.token) == 43
    assert page.token != another.token


def test_a_page_that_is_there_to_read_only_has_no_token_and_takes_none(served: tuple[Pipeline, str, Page]) -> None:
    pipeline, run_id, _ = served
    with serve(pipeline.app, 0) as one:
        page = Page(int(one.url.rpartition(":")[2]))
        assert page.token == ""
        page.ask("GET", f"/api/runs/{run_id}/retry")
        assert page.status == 404
        page.post(f"/api/runs/{run_id}/retry", "x")
        assert page.status == 403


def test_the_page_itself_has_it_done_once(served: tuple[Pipeline, str, Page]) -> None:
    pipeline, run_id, page = served
    path = f"/api/runs/{run_id}/retry"
    offer = json.loads(page.ask("GET", path))
    assert (offer["combinations"], offer["costs"]) == (1, {"CNY": 1.0})
    done = json.loads(page.post(path, offer["mark"]))
    assert page.status == 200
    (started,) = [arn for arn in pipeline.app.stack.executions() if arn.endswith(done["execution"])]
    assert pipeline.ended(started).status == "SUCCEEDED"
    page.post(path, offer["mark"])
    assert page.status == 409
