"""The golden copy: what runs leave and how their children went, with identifiers masked.

`python -m tests.golden` writes tests/data/golden/ anew, for a change that is meant to change it. A change of the code's
shape leaves it as it is.
"""

import json
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.workflow.pipeline import Ended, Pipeline, manifest, running
from tryon.state.items import from_item
from tryon_local.service.faults import Answer, Fails, Fault

FOLDER = Path(__file__).parent / "data" / "golden"

_MASKS = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "UUID"),
    (re.compile(r"(\d{8}T\d{6}Z-[a-z0-9-]+?)-[0-9a-f]{8}\b"), r"\1-RUN"),
    (re.compile(r"(tryon-[A-Za-z]+-)[A-Z0-9]{12}\b"), r"\1NAME"),
    (re.compile(r"\b[0-9a-f]{16}\b"), "CALL"),
)


def copies() -> Iterator[tuple[str, dict[str, Any]]]:
    """A name and what a run of it left: plain, with failures and their retry, with two variants."""
    for name, play in (("plain", _plain), ("retry", _retry), ("variants", _variants)):
        yield name, json.loads(masked(json.dumps(play(), sort_keys=True, default=str)))


def masked(text: str) -> str:
    """The text without what differs from run to run."""
    for pattern, word in _MASKS:
        text = pattern.sub(word, text)
    return text


def _plain() -> Any:
    with running(slots=1) as pipeline:
        pipeline.put_pictures(1, 2)
        return _left(pipeline, pipeline.run(manifest(1, 2)))


def _retry() -> Any:
    faults = [
        Fault("submit", Answer(50430), nth=(1,)),
        Fault("submit", Answer(50411), nth=(2,)),
        Fault("task", Fails(50520), nth=(1,)),
    ]
    with running(slots=1, faults=faults) as pipeline:
        pipeline.put_pictures(1, 3)
        first = pipeline.run(manifest(1, 3))
        again = pipeline.run(pipeline.app.get(f"runs/{first.run_id}/retry-manifest.json"))
        return {"first": _left(pipeline, first), "again": _left(pipeline, again)}


def _variants() -> Any:
    with running(slots=1) as pipeline:
        pipeline.put_pictures(1, 1)
        return _left(pipeline, pipeline.run(manifest(1, 1, variants={"a": {"seed": 7}, "b": {"seed": 8}})))


def _left(pipeline: Pipeline, ended: Ended) -> dict[str, Any]:
    prefix = f"runs/{ended.run_id}/"
    table = pipeline.app.stack.outputs["LedgerTableName"]
    items = pipeline.app.stack.client("dynamodb").query(
        TableName=table,
        KeyConditionExpression="pk = :run",
        ExpressionAttributeValues={":run": {"S": f"run#{ended.run_id}"}},
    )["Items"]
    page = pipeline.app.get(f"{prefix}index.html").decode()
    data = re.search(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.DOTALL)
    assert data is not None
    return {
        "keys": [key.removeprefix(prefix) for key in ended.keys if "/children/" not in key],
        "plan": json.loads(pipeline.app.get(f"{prefix}plan.json")),
        "ledger": [from_item(_readable(item)) for item in items],
        "summary": ended.summary,
        "csv": pipeline.app.get(f"{prefix}combinations.csv").decode("utf-8-sig").splitlines(),
        "gallery": json.loads(data[1]),
        "children": [_way(child) for child in pipeline.app.stack.children(str(ended.execution["executionArn"]))],
        "notifications": [json.loads(one["Message"]) for one in ended.notifications],
    }


def _readable(item: dict[str, Any]) -> dict[str, Any]:
    """An item whose bytes are counted: what Pillow makes of a picture may differ by a bit on another processor."""
    return {name: {"S": f"{len(value['B'])} bytes"} if "B" in value else value for name, value in item.items()}


def _way(child: Any) -> list[str]:
    """A child's events: what happened in which state, with an error's name, and when, in seconds since its start."""
    began = child.events[0]["timestamp"]
    lines = []
    for event in child.events:
        details: Any = next((value for name, value in event.items() if name.endswith("EventDetails")), {})
        seconds = round((event["timestamp"] - began).total_seconds(), 1)
        words = [f"{seconds:g}", event["type"], details.get("name", ""), details.get("error", "")]
        lines.append(" ".join(filter(None, words)))
    return lines


def _write(say: Callable[[str], None] = print) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, copy in copies():
        path = FOLDER / f"{name}.json"
        path.write_text(json.dumps(copy, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
        say(str(path.relative_to(FOLDER.parents[2])))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    _write()
