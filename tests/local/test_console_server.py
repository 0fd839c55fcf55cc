"""The page's server and what it says of runs that have ended: all of it, and only to this machine."""

import http.client
import json
import threading
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest

from tests.workflow.pipeline import Pipeline, manifest, running
from tryon_local.console.layout import edge_id, layout
from tryon_local.console.runs import NotFoundError, Runs
from tryon_local.console.server import serve
from tryon_local.graph import DEFINITION
from tryon_local.service.faults import Fails, Fault

SLOTS = 2


@pytest.fixture(scope="module")
def ended() -> Iterator[Pipeline]:
    """Four combinations, of which the second was refused; then a manifest that cannot be run."""
    with running(slots=SLOTS, faults=[Fault("task", Fails(50411), task=2)]) as pipeline:
        pipeline.put_pictures(2, 2)
        assert pipeline.run(manifest(2, 2), "spring").status == "PARTIAL"
        assert pipeline.run({"models": [], "garmets": []}, "wrong").status == "REJECTED"
        yield pipeline


@pytest.fixture(scope="module")
def runs(ended: Pipeline) -> Runs:
    return Runs(ended.app)


def execution(runs: Any, name: str) -> str:
    (found,) = [str(run["execution"]) for run in runs.newest() if run["name"] == name]
    return found


def way(runs: Any, combination: dict[str, Any]) -> list[tuple[str, float, float | None]]:
    states = runs.machine()["states"]
    return [(states[number], entered, left) for number, entered, left, *_ in combination["path"]]


# ---------------------------------------------------------------- a run that has ended


def test_the_newest_run_comes_first_with_its_counts_and_cost(runs: Any) -> None:
    wrong, spring = runs.newest()
    assert (wrong["name"], wrong["status"], wrong["total"]) == ("wrong", "REJECTED", None)
    assert (spring["name"], spring["status"]) == ("spring", "PARTIAL")
    assert (spring["total"], spring["succeeded"], spring["failed"], spring["running"]) == (4, 3, 1, 0)
    assert spring["cost"]["service"] == 4
    # The pictures of workflow tests are too small to have copies.
    assert spring["checks"] == "none of 3 was checked; unchecked: 3 (no small copy was made of it)"
    assert wrong["checks"] == ""
    assert spring["run_id"].endswith(f"-spring-{spring['run_id'][-8:]}")


def test_an_ended_run_leaves_nothing_behind_in_any_state(runs: Any) -> None:
    told = runs.run(execution(runs, "spring"))
    assert all(present == 0 for present, _, _ in told["states"].values())
    assert told["states"]["Submit"] == [0, 4, 4]
    assert told["states"]["Download"][1] == 3
    assert told["states"]["Failed"] == [0, 1, 1]
    assert told["states"]["RunEnded"] == [0, 1, 1]
    names = [file["name"] for file in told["files"]]
    assert names == ["Gallery", "Contact sheet", "Table", "Summary", "Retry manifest"]


def test_every_line_that_a_run_went_along_is_a_line_of_the_graph(runs: Any) -> None:
    drawn = {edge["id"] for edge in runs.machine()["layout"]["edges"]}
    for name in ("spring", "wrong"):
        taken = runs.run(execution(runs, name))["lines"]
        assert taken
        assert taken.keys() <= drawn


def test_a_failed_combination_shows_where_it_went_wrong_and_why(runs: Any, ended: Pipeline) -> None:
    spring = execution(runs, "spring")
    (failed,) = [one for one in runs.run(spring)["combinations"] if one["status"] == "FAILED"]
    assert failed["error"] == "InputRefusedError"
    passed = [state for state, _, _ in way(runs, failed)]
    assert passed[-4:] == ["Passes?", "Explain", "RecordFailure", "Failed"]
    assert passed[-6:-4] == ["Poll", "GiveSlotBack"]
    assert runs.run(spring)["lines"][edge_id("Poll", "GiveSlotBack", caught=True)] == 1
    detail = runs.combination(spring, failed["n"])
    assert (detail["ledger"]["step"], detail["ledger"]["error"]) == ("Poll", "InputRefusedError")
    assert detail["path"][-6]["error"] == "InputRefusedError"
    (event,) = [event for event in detail["events"] if event["type"] == "TaskFailed"]
    assert (event["state"], event["error"]) == ("Poll", "InputRefusedError")
    # The message itself, not the JSON that Lambda wraps around it.
    assert event["cause"].startswith("an input picture was refused")
    assert "result" not in {picture["kind"] for picture in detail["pictures"]}


def test_a_combination_shows_its_events_times_and_pictures(runs: Any, ended: Pipeline) -> None:
    spring = execution(runs, "spring")
    detail = runs.combination(spring, 1)
    waits = [visit["left"] - visit["entered"] for visit in detail["path"] if visit["state"] == "Wait"]
    assert waits == [5, 8, 10, 8]
    assert (detail["ledger"]["polls"], detail["ledger"]["latency"]) == (4, 27)
    assert [event["id"] for event in detail["events"]] == list(range(1, len(detail["events"]) + 1))
    assert detail["events"][-1]["type"] == "ExecutionSucceeded"
    assert [picture["kind"] for picture in detail["pictures"]] == ["model", "garment", "result"]
    for picture in detail["pictures"][:2]:
        assert runs.file(picture["small"].removeprefix("/")).body.read(3) == b"\xff\xd8\xff"
    assert runs.file(detail["pictures"][2]["large"].removeprefix("/")).body.read(4) == b"\x89PNG"


def test_every_visit_has_what_its_handler_wrote(runs: Any) -> None:
    spring = execution(runs, "spring")
    for n in (1, 2):
        detail = runs.combination(spring, n)
        entered = [event for event in detail["events"] if event["type"].endswith("StateEntered")]
        at = {
            id_: [event["state"] for event in entered if event["id"] <= id_][-1]
            for id_ in {line["event"] for line in detail["log"]}
        }
        states = [at[line["event"]] for line in detail["log"]]
        polled = [line for line in detail["log"] if line["message"] == "polled"]
        assert {line["function"] for line in polled} == {"Poll"}
        # Each poll is a call of its own, in a visit of its own.
        assert len({line["event"] for line in polled}) == len({line["request_id"] for line in polled}) == len(polled)
        assert states[0] == "Submit"
        assert {at[line["event"]] for line in polled} == {"Poll"}
        tasks = {line["fields"]["task_id"] for line in detail["log"] if "task_id" in line["fields"]}
        assert tasks == {detail["ledger"]["task_id"]}, "no other combination's"
    (refused,) = [line for line in detail["log"] if line["level"] == "WARNING"]
    assert (refused["function"], refused["fields"]["error"]) == ("Poll", "InputRefusedError")
    own = runs.events(spring)["log"]
    said = [(line["function"], line["message"]) for line in own]
    assert (said[0], said[-1]) == (("Plan", "planned"), ("Summarize", "summarized"))
    assert own[-1]["fields"] == {"status": "PARTIAL"}


def test_a_visit_shows_the_variables_that_it_set(runs: Any) -> None:
    detail = runs.combination(execution(runs, "spring"), 1)
    (left,) = [one for one in detail["events"] if one["state"] == "Submit" and one["type"] == "TaskStateExited"]
    assert left["assigned"]["task_id"] == detail["ledger"]["task_id"]
    assert left["assigned"]["wait"] == "5"
    assert "assignedVariables" not in left["details"]


def test_what_was_caught_is_shown_as_json_once(runs: Any) -> None:
    detail = runs.combination(execution(runs, "spring"), 2)
    (caught,) = [one for one in detail["events"] if one["state"] == "Poll" and "failure" in one["assigned"]]
    shown = json.loads(caught["assigned"]["failure"])
    assert shown["Cause"]["errorType"] == shown["Error"] == "InputRefusedError"


def test_a_rejected_manifest_shows_the_field_and_the_way_to_it(runs: Any) -> None:
    wrong = execution(runs, "wrong")
    told = runs.run(wrong)
    assert told["error"] == "ManifestError"
    assert "did you mean 'garments'" in told["cause"]
    assert [state for state, _, _ in way(runs, told)] == [
        "Manifest?",
        "Name",
        "Claim",
        "Plan",
        "ExplainRun",
        "RecordFailedRun",
        "NotifyFailedRun",
        "Rejected?",
        "Rejected",
    ]
    assert told["lines"][edge_id("Plan", "ExplainRun", caught=True)] == 1
    assert told["files"] == []
    assert any(event["error"] == "ManifestError" for event in runs.events(wrong)["events"])


def test_an_ended_run_is_not_read_again(ended: Pipeline) -> None:
    runs: Any = Runs(ended.app)
    spring = execution(runs, "spring")
    whole = runs.run(spring)
    calls: list[str] = []

    def count(model: Any, **_: Any) -> None:
        calls.append(model.name)

    with ended.app.stack.watched("before-call", count):
        assert runs.run(spring) == whole
        assert calls == []
        runs.newest()
        assert set(calls) == {"ListStateMachines", "ListExecutions"}


# ---------------------------------------------------------------- what may be asked for


def test_the_graph_is_the_deployed_workflows_and_the_files_alike(runs: Any) -> None:
    machine = runs.machine()
    definition = json.loads(DEFINITION.read_text())
    drawn = layout(definition)
    assert machine["states"] == [node.name for node in drawn.nodes]
    assert machine["layout"] == asdict(drawn)
    assert machine["definitions"]["Wait"]["Seconds"] == "{% $wait %}"
    assert machine["definitions"].keys() == set(machine["states"])


def test_what_does_not_exist_is_not_found(runs: Any) -> None:
    spring = execution(runs, "spring")
    for ask in (
        lambda: runs.run("nothing"),
        lambda: runs.events("nothing"),
        lambda: runs.combination(spring, 5),
        lambda: runs.combination(spring, 0),
        lambda: runs.file("runs/none/index.html"),
    ):
        with pytest.raises(NotFoundError):
            ask()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    "key",
    [
        "inputs/m0.jpg",
        "manifests/spring.json",
        "runs/{run}/../../inputs/m0.jpg",
        "runs/{run}/notes.html",
        "runs/{run}/results/m0/page.html",
        "runs/{run}/index.html/x.svg",
    ],
)
def test_only_files_that_a_run_writes_are_handed_out(runs: Any, ended: Pipeline, key: str) -> None:
    run_id = next(run["run_id"] for run in runs.newest() if run["name"] == "spring")
    key = key.format(run=run_id)
    if key.startswith("runs/") and ".." not in key:
        ended.app.put(key, b"<script>alert(1)</script>")
    with pytest.raises(NotFoundError):
        runs.file(key)


# ---------------------------------------------------------------- over HTTP


@pytest.fixture(scope="module")
def port(ended: Pipeline) -> Iterator[int]:
    with serve(ended.app, 0) as served:
        yield int(served.url.rpartition(":")[2])


class Got:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def get(port: int, path: str, *, method: str = "GET", **headers: str) -> Got:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, headers=headers)
        return Got(connection.getresponse())
    finally:
        connection.close()


def test_the_page_may_run_its_own_script_and_nothing_else(port: int) -> None:
    page = get(port, "/")
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    for path, kind in (("/page.js", "text/javascript"), ("/page.css", "text/css")):
        assert f'"{path}"'.encode() in page.body
        assert get(port, path).headers["Content-Type"].startswith(kind)
        assert get(port, path).headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("host", ["evil.example:{port}", "localhost.evil.example:{port}", ""])
def test_a_name_that_is_not_this_machines_gets_nothing(port: int, host: str) -> None:
    for path in ("/", "/api/runs"):
        got = get(port, path, Host=host.format(port=port))
        assert got.status == 403
        assert b"spring" not in got.body


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_there_is_nothing_to_write_to(port: int, method: str) -> None:
    assert get(port, "/api/runs", method=method).status == 501


def test_what_did_not_change_is_not_sent_again_but_the_time_is(port: int, ended: Pipeline) -> None:
    (run, _) = get(port, "/api/runs").json
    path = f"/api/runs/{run['execution']}"
    first = get(port, path)
    again = get(port, path, **{"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
    assert float(again.headers["Workflow-Time"]) == pytest.approx(ended.clock.now(), abs=0.001)
    assert get(port, path + "?after=0", **{"If-None-Match": '"other"'}).json == first.json


def test_every_answer_of_the_server_is_the_datas(port: int, runs: Any) -> None:
    spring = execution(runs, "spring")
    assert get(port, "/api/machine").json == json.loads(json.dumps(runs.machine()))
    assert get(port, "/api/runs").json == json.loads(json.dumps(runs.newest()))
    assert get(port, f"/api/runs/{spring}").json["states"] == runs.run(spring)["states"]
    assert get(port, f"/api/runs/{spring}?after=99999").json["combinations"] == []
    assert get(port, f"/api/runs/{spring}/events").json == runs.events(spring)
    assert get(port, f"/api/runs/{spring}/combinations/1").json == runs.combination(spring, 1)


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/api/runs/nothing",
        "/api/runs/x/combinations/1",
        "/api/runs/x/combinations/-1",
        "/runs/x",
        "/%ff",
        "/../page.html",
    ],
)
def test_an_unknown_address_is_not_found(port: int, path: str) -> None:
    assert get(port, path).status == 404


def test_the_gallery_and_the_pictures_come_from_the_bucket(port: int, runs: Any, ended: Pipeline) -> None:
    spring = execution(runs, "spring")
    files = {file["name"]: file["href"] for file in runs.run(spring)["files"]}
    gallery = get(port, files["Gallery"])
    assert gallery.body == ended.app.get(files["Gallery"].removeprefix("/"))
    assert gallery.headers["Content-Type"] == "text/html; charset=utf-8"
    # Whatever somebody writes into a page of the bucket, it reads nothing of this server.
    assert "connect-src 'none'" in gallery.headers["Content-Security-Policy"]
    result = runs.combination(spring, 1)["pictures"][-1]["large"]
    picture = get(port, result)
    assert (picture.headers["Content-Type"], picture.body[:4]) == ("image/png", b"\x89PNG")
    assert "sandbox" in picture.headers["Content-Security-Policy"]
    assert get(port, files["Gallery"], method="HEAD").body == b""


def test_a_port_in_use_is_named(port: int, ended: Pipeline) -> None:
    with pytest.raises(OSError, match=f"127.0.0.1:{port}"), serve(ended.app, port):
        pass


def test_nothing_of_the_server_is_left_when_it_ends(ended: Pipeline) -> None:
    before = set(threading.enumerate())
    with serve(ended.app, 0) as served:
        number = int(served.url.rpartition(":")[2])
        assert get(number, "/api/runs").status == 200
    assert not [thread for thread in set(threading.enumerate()) - before if thread.name == "console"]
    with pytest.raises(ConnectionRefusedError):
        get(number, "/api/runs")
