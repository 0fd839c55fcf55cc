"""The events in `events/`: each is what its function or rule really gets."""

import hashlib
import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from moto.events.models import EventPattern
from pydantic import BaseModel

from tests.workflow.pipeline import drawn_in_parts
from tryon.planning import manifest
from tryon_local.app import ROOT, LocalApp
from tryon_local.aws.template import expand
from tryon_local.clock import VirtualClock
from tryon_local.service.pixel import pixel
from tryon_local.service.volcengine.standin import StandIn

FUNCTIONS = ("plan", "reserve", "submit", "poll", "download", "check", "compare", "summarize", "gallery")
PICTURES = ROOT / "samples" / "inputs"


def event(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((ROOT / "events" / f"{name}.json").read_text())
    return loaded


def shape(value: Any) -> Any:
    """The names in an event at every depth, without what they hold."""
    if isinstance(value, Mapping):
        return {name: shape(inner) for name, inner in value.items()}
    return [shape(value[0])] if isinstance(value, list) and value else type(value).__name__


@pytest.fixture(scope="module")
def passed() -> dict[str, Any]:
    """What the state machine passed to each function in a run of one combination, and the execution's input."""
    clock = VirtualClock(1_790_000_000.0)
    standin = StandIn(clock, picture=pixel, base_url="https://results.standin.test")
    seen: dict[str, Any] = {}
    with drawn_in_parts(), LocalApp(standin, clock=clock) as app:
        app.stack.functions.before_invoke.append(lambda function, sent: seen.setdefault(function, sent))
        for key in ("models/anna.jpg", "garments/linen-shirt.jpg"):
            app.put(f"inputs/{key}", (PICTURES / key).read_bytes())
        wanted = {
            "models": [{"id": "anna", "image": "inputs/models/anna.jpg"}],
            "garments": [{"id": "linen-shirt", "image": "inputs/garments/linen-shirt.jpg", "type": "upper"}],
        }
        app.put("manifests/spring-lookbook.json", json.dumps(wanted).encode())
        (execution,) = app.stack.executions()
        ended = app.stack.wait(execution)
    assert ended["status"] == "SUCCEEDED"
    return {**seen, "s3-object-created": json.loads(ended["input"])}


@pytest.mark.parametrize("name", [*FUNCTIONS, "s3-object-created"])
def test_an_event_has_the_shape_that_the_workflow_passes(name: str, passed: Mapping[str, Any]) -> None:
    assert shape(event(name)) == shape(passed.get(f"{name.capitalize()}Function", passed.get(name)))


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    functions = expand(ROOT / "template.yaml")["Resources"]
    for name in FUNCTIONS:
        variables = functions[f"{name.capitalize()}Function"]["Properties"]["Environment"]["Variables"]
        for variable, value in variables.items():
            monkeypatch.setenv(variable, value if isinstance(value, str) else "1")
    monkeypatch.setenv("RESULT_ORIGINS", "https://*.example.com")


def module_of(name: str) -> Any:
    """A function's handler module, loaded anew."""
    spec = importlib.util.spec_from_file_location(f"events_{name}", Path(ROOT / "functions" / name / "app.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_event_parses_with_its_handlers_model(name: str, environment: None) -> None:
    model: type[BaseModel] = getattr(module_of(name), f"{name.capitalize()}Event")
    assert shape(model.model_validate(event(name)).model_dump(exclude_unset=True)).keys() == event(name).keys()


def test_a_slot_is_given_back_with_an_event_without_token(passed: Mapping[str, Any], environment: None) -> None:
    """As GiveSlotBack passes it: nobody waits for an answer."""
    arguments = json.loads((ROOT / "statemachine" / "tryon.asl.json").read_text())["States"]["TryOn"]["ItemProcessor"]
    names = arguments["States"]["GiveSlotBack"]["Arguments"]["Payload"]
    sent, reserve = event("give-slot-back"), event("reserve")
    assert sent.keys() == names.keys()
    assert sent == {name: reserve[name] for name in sent}
    model = module_of("reserve").ReserveEvent.model_validate(sent)
    assert (model.token, model.visit, model.waiting_since) == ("", 1, None)


def matching(sent: Mapping[str, Any]) -> list[str]:
    """The rules that take an event."""
    found = []
    for name, rule in expand(ROOT / "template.yaml")["Resources"].items():
        if rule["Type"] != "AWS::Events::Rule":
            continue
        pattern = json.loads(json.dumps(rule["Properties"]["EventPattern"]))
        if "bucket" in pattern["detail"]:
            pattern["detail"]["bucket"]["name"] = ["tryon-123456789012-us-east-1"]
        else:
            pattern["detail"]["stateMachineArn"] = ["arn:aws:states:us-east-1:123456789012:stateMachine:tryon"]
        if EventPattern.load(json.dumps(pattern)).matches_event(dict(sent)):
            found.append(name)
    return found


def changed(sent: Mapping[str, Any], **detail: Any) -> dict[str, Any]:
    return {**sent, "detail": {**sent["detail"], **detail}}


STARTING = {
    "StateMachineManifestCreated": (".json", ".JSON", ".Json"),
    "StateMachineTextCreated": (".txt", ".TXT", ".json5", ".jsonl", ".json.txt", ".JSON.TXT"),
    "StateMachineYamlCreated": (".yaml", ".yml", ".YAML", ".YML"),
    "StateMachineSpreadsheetCreated": (".csv", ".CSV", ".xlsx", ".XLSX"),
}
"""The rules that start a run, and how the keys that they take end."""

QUIET = (
    "manifests/",
    "manifests/x/",
    "manifests/spring.json/",
    "manifests/.DS_Store",
    "manifests/anna.jpg",
    "manifests/shirt.PNG",
    "manifests/look.webp",
    "manifests/spring",
    "manifests/spring.json.bak",
    "manifests",
    "manifests.json",
    "Manifests/spring.json",
    "old/manifests/spring.json",
    "inputs/anna.jpg",
    "inputs/notes.txt",
    "cadences/spring.json",
    "runs/x/summary.json",
    "runs/x/combinations.csv",
    "runs/x/retry-manifest.json",
)
"""Keys that no rule takes."""


def of_key(key: str) -> dict[str, Any]:
    sent = event("s3-object-created")
    return changed(sent, object={**sent["detail"]["object"], "key": key})


def wildcards(name: str) -> list[str]:
    """The wildcards that a rule asks an object's key for."""
    pattern = expand(ROOT / "template.yaml")["Resources"][name]["Properties"]["EventPattern"]
    return [one["wildcard"] for one in pattern["detail"]["object"]["key"]]


def wildcard_fits(pattern: str, text: str) -> bool:
    """What EventBridge's documentation says of a wildcard, again: a star is any number of any characters."""
    first, *others = pattern.split("*")
    if not text.startswith(first):
        return False
    text = text.removeprefix(first)
    for i, part in enumerate(others):
        if i == len(others) - 1:
            return text.endswith(part)
        _, found, text = text.partition(part)
        if not found and part:
            return False
    return text == ""


@pytest.mark.parametrize(
    ("key", "rules"),
    [
        *(
            (f"manifests/{path}{ending}", [rule])
            for rule, endings in STARTING.items()
            for ending in endings
            for path in ("spring", "2026/Frühling \u202f1", "a*b\\c", "x.png")
        ),
        *((key, []) for key in QUIET),
    ],
)
def test_a_key_starts_one_execution_or_none(key: str, rules: list[str]) -> None:
    assert matching(of_key(key)) == rules
    assert [name for name in STARTING if any(wildcard_fits(one, key) for one in wildcards(name))] == rules


def test_the_rules_take_no_other_event_of_the_bucket() -> None:
    sent = event("s3-object-created")
    assert matching(sent) == ["StateMachineManifestCreated"]
    assert not matching(changed(sent, bucket={"name": "another"}))
    assert not matching({**sent, "detail-type": "Object Deleted"})


@pytest.mark.parametrize("name", STARTING)
def test_a_rule_is_simple_and_short_enough_for_eventbridge(name: str) -> None:
    # A rule of three wildcards that event-ruler's MachineComplexityEvaluator counts as 9 was created, one of four that
    # it counts as 12 was refused as too complex. It counts each wildcard here as 2.
    asked = wildcards(name)
    assert len(asked) <= 4
    assert all(one.count("*") == 1 and one.startswith("manifests/*.") for one in asked)
    pattern = expand(ROOT / "template.yaml")["Resources"][name]["Properties"]["EventPattern"]
    # A bucket's name has at most 63 characters; EventBridge takes patterns of up to 2,048.
    assert len(json.dumps(pattern)) + 63 <= 2048


def test_code_and_rules_agree_on_the_endings() -> None:
    ruled = {one.removeprefix("manifests/*").lower() for name in STARTING for one in wildcards(name)}
    assert ruled == {*manifest.ENDINGS} - {".json.txt"}
    for ending in (ending for endings in STARTING.values() for ending in endings):
        assert manifest.default_name(f"manifests/2026/My Spring{ending}") == "My Spring"


def test_the_other_takes_an_execution_that_did_not_end_by_itself() -> None:
    sent = event("execution-stopped")
    assert json.loads(sent["detail"]["input"]) == event("s3-object-created")
    assert matching(sent) == matching(changed(sent, status="TIMED_OUT")) == ["StateMachineExecutionStopped"]
    for status in ("RUNNING", "SUCCEEDED", "FAILED"):
        assert not matching(changed(sent, status=status))
    machine = sent["detail"]["stateMachineArn"]
    assert not matching(changed(sent, stateMachineArn=f"{machine}/TryOn")), "a child of the Map"
    assert not matching(changed(sent, stateMachineArn=f"{machine}-other"))


def test_the_events_belong_to_one_run_named_after_its_manifest() -> None:
    created = event("s3-object-created")
    stored = created["detail"]["object"]
    bucket = created["detail"]["bucket"]["name"]
    digest = hashlib.sha256(f"{bucket}/{stored['key']}#{stored['version-id']}".encode()).hexdigest()[:8]
    assert {event(name)["run_id"] for name in FUNCTIONS} == {f"20261123T101530Z-spring-lookbook-{digest}"}
    plan = event("plan")
    assert (plan["bucket"], plan["key"], plan["version"]) == (bucket, stored["key"], stored["version-id"])
