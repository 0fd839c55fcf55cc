"""The handlers with the built layers in containers: one by one, and the whole pipeline."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sam.containers import HOST, ContainerFunctions, application, invoke
from sam.engine import Engine
from sam.image import Image
from sam.toolchain import Toolchain
from tests.sam.conftest import Report
from tryon.state.gate import Gate, GateLimits
from tryon.task.slots import holder
from tryon_local.app import ROOT, LocalApp
from tryon_local.clock import ScaledClock
from tryon_local.service.volcengine.standin import StandIn

PNG = b"\x89PNG\r\n\x1a\n"
FAST = {"PaceSeconds": "0", "RequestsPerSecond": "0"}
PICTURES = ROOT / "samples" / "inputs"
MODELS = ("anna", "maya")
GARMENTS = {"linen-shirt": "upper", "chinos": "lower"}


def event(name: str, **changes: Any) -> dict[str, Any]:
    """An event from `events/`, with what only this stack could know."""
    return {**json.loads((ROOT / "events" / f"{name}.json").read_text()), **changes}


def manifest(models: tuple[str, ...], garments: Mapping[str, str]) -> bytes:
    return json.dumps(
        {
            "name": "spring-lookbook",
            "models": [{"id": name, "image": f"inputs/models/{name}.jpg"} for name in models],
            "garments": [
                {"id": name, "image": f"inputs/garments/{name}.jpg", "type": kind} for name, kind in garments.items()
            ],
            "cadence": [1, 1, 1, 1],
        }
    ).encode()


@dataclass(frozen=True)
class Containers:
    """A running application whose functions run in containers."""

    app: LocalApp
    standin: StandIn
    template: Path
    functions: ContainerFunctions


@pytest.fixture(scope="module")
def containers(tools: Toolchain, running: Engine, image: Image, built: Path) -> Iterator[Containers]:
    standin = StandIn(
        ScaledClock(1), slots=2, requests_per_second=None, latency=lambda new: 1.0, download_seconds=(0.1, 0.2)
    )
    with application(standin, tools, running, image, built, slots=2, parameters=FAST) as (app, template, functions):
        for name in MODELS:
            app.put(f"inputs/models/{name}.jpg", (PICTURES / "models" / f"{name}.jpg").read_bytes())
        for name in GARMENTS:
            app.put(f"inputs/garments/{name}.jpg", (PICTURES / "garments" / f"{name}.jpg").read_bytes())
        yield Containers(app, standin, template, functions)
    left = running.run("ps", "--all", "--format", '{{.ID}} {{.Label "sam.cli.function.name"}}')
    assert "Function" not in left, f"containers outlived the application: {left}"


def test_a_manifest_becomes_pictures_with_every_lambda_task_in_a_container(
    containers: Containers, running: Engine, report: Report
) -> None:
    app = containers.app
    called: Counter[str] = Counter()
    app.stack.functions.before_invoke.append(lambda function, sent: called.update([function]))
    version = app.put("manifests/spring-lookbook.json", manifest(MODELS, GARMENTS))
    (execution,) = app.stack.executions()

    ended = app.stack.wait(execution, patience=300)

    assert ended["status"] == "SUCCEEDED", (ended.get("error"), ended.get("cause"), containers.functions.output)
    claim = app.claim("manifests/spring-lookbook.json", version)
    assert claim is not None
    entries = list(app.ledger.entries(claim.run_id))
    assert [entry.status for entry in entries] == ["SUCCEEDED"] * 4
    for entry in entries:
        assert [app.get(result.key)[:8] for result in entry.results] == [PNG]
    assert Counter(containers.standin.payments.values()) == {1: 4}
    assert containers.standin.most_running <= 2
    # The service's result addresses led through the bridge: nothing was fetched in this process.
    assert containers.standin.base_url.startswith(f"http://{HOST}:")
    assert {"PlanFunction", "SubmitFunction", "PollFunction", "DownloadFunction"} <= set(called)

    listed = running.run("ps", "--format", '{{.Label "sam.cli.function.name"}} {{.ID}} {{.Image}}')
    ran = dict(line.split(" ", 1) for line in listed.splitlines() if line.startswith(tuple(called)))
    assert set(ran) == set(called)
    report(f"pipeline: {execution} {ended['status']}, 4 combinations, calls {dict(called)}")
    for function, container in ran.items():
        report(f"  {function}: container {container}")


def test_every_function_answers_its_event_through_sam_local_invoke(
    containers: Containers, tools: Toolchain, running: Engine, image: Image, tmp_path: Path, report: Report
) -> None:
    app = containers.app
    ran: list[str] = []

    def run(function: str, sent: Mapping[str, Any]) -> Any:
        path = tmp_path / f"{function}.json"
        path.write_text(json.dumps(sent))
        answer, printed = invoke(tools, running, image, containers.template, function, path)
        assert not answer.failed, answer.payload.decode() + printed
        ran.extend(f"{function} {identity[:12]}" for identity in re.findall(r"SAM_CONTAINER_ID: (\w+)", printed))
        return json.loads(answer.payload)

    paid = sum(containers.standin.payments.values())
    # Another name than manifests/*.json, so that the rule starts nothing beside these calls.
    key = "elsewhere/spring-lookbook.json"
    version = app.put(key, manifest(MODELS[:1], {"linen-shirt": "upper"}))
    sent = event("plan", key=key, version=version)
    run_id = sent["run_id"]
    assert run("PlanFunction", sent)["total"] == 1
    (combination,) = json.loads(app.get(f"runs/{run_id}/plan.json"))

    # Its token wakes nobody here, so the gate takes the slot back: the handler ends well all the same.
    since = datetime.fromtimestamp(app.clock.now(), UTC).isoformat()
    run("ReserveFunction", event("reserve", combination=combination, waiting_since=since))
    gate = Gate(
        app.stack.client("dynamodb"),
        app.stack.outputs["GateTableName"],
        account="service",
        limits=GateLimits(slots=6, pace=0.0, lease=600.0),
        clock=app.clock,
        wake=lambda token, start, now: True,
    )
    gate.reserve(holder(run_id, combination["n"], 1), "a child that listens")
    task = run("SubmitFunction", event("submit", combination=combination))["task_id"]
    app.clock.sleep(1.5)
    assert run("PollFunction", event("poll", task_id=task)) == {"state": "done", "said": ""}
    assert run("DownloadFunction", event("download", task_id=task))["pictures"] == 1
    assert run("SummarizeFunction", event("summarize"))["status"] == "SUCCEEDED"

    (result,) = [stored for stored in app.keys(f"runs/{run_id}/results/") if stored.endswith(".png")]
    assert app.get(result).startswith(PNG)
    assert sum(containers.standin.payments.values()) == paid + 1
    assert len(ran) == 6
    report("sam local invoke: " + ", ".join(ran))


def test_a_handler_that_raises_is_known_by_its_answer(containers: Containers) -> None:
    answer = containers.functions.invoke("PollFunction", json.dumps(event("poll", run_id="nobody", n=9)).encode())
    assert answer.failed
    assert json.loads(answer.payload)["errorType"] == "KeyError"
