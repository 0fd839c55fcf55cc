"""The stand-in's own addresses, for whoever runs it: what it saw, what it shall do.

| call | body or answer |
|---|---|
| `GET /_standin/settings` | the settings; `POST` a part of them to change it: `{"slots": 3}` |
| `GET /_standin/tasks` | every task made, newest last |
| `GET /_standin/requests` | answers by kind and code, tasks by count, the most that ran at once |
| `GET /_standin/faults` | the faults in force, each with how often it struck |
| `POST /_standin/faults` | one fault or a list of them, added to the plan (fields: `tryon_local.service.faults`) |
| `DELETE /_standin/faults` | none from now on |

They need no signature: the server listens on the loopback only. Two faults as they are posted:

    {"call": "result", "nth": [1], "each": true, "action": {"type": "answer", "code": 50500}}
    {"call": "task", "task": 2, "action": {"type": "fails", "code": 50511}}
"""

import json
from dataclasses import asdict
from typing import Any

from pydantic import TypeAdapter, ValidationError

from tryon_local.service.faults import FAULTS
from tryon_local.service.kernel import Kernel
from tryon_local.service.tasks import TaskRecord
from tryon_local.service.wire import NoAnswer, Request, Response, json_response

PREFIX = "/_standin/"

AnyStandIn = Kernel[Any, Any]


def handle(standin: AnyStandIn, request: Request) -> Response | NoAnswer:
    """Answer a request to the service or to the stand-in itself."""
    if not request.path.startswith(PREFIX):
        return standin.handle(request)
    try:
        body = _administer(standin, request.method, request.path.removeprefix(PREFIX), request.body)
    except ValidationError as error:
        return json_response(400, {"errors": error.errors(include_url=False, include_context=False)})
    except ValueError as error:
        return json_response(400, {"errors": [str(error)]})
    return json_response(404, {"errors": ["no such address"]}) if body is None else json_response(200, body)


def _administer(standin: AnyStandIn, method: str, name: str, body: bytes) -> object | None:
    match method, name:
        case "GET", "settings":
            return asdict(standin.settings)
        case "POST", "settings":
            # Checked as a whole: a change must fit what it leaves as it is.
            changes = json.loads(body)
            if not isinstance(changes, dict):
                raise ValueError("settings are an object")
            unknown = sorted(changes.keys() - asdict(standin.settings).keys())
            if unknown:
                raise ValueError(f"no such setting: {', '.join(unknown)}")
            checked = TypeAdapter(type(standin.settings)).validate_python({**asdict(standin.settings), **changes})
            return asdict(standin.change(**asdict(checked)))
        case "GET", "tasks":
            return [_task(record) for record in standin.tasks]
        case "GET", "requests":
            return {
                **vars(standin.requests),
                "tasks": len(standin.tasks),
                "most_running": standin.most_running,
            }
        case "GET", "faults":
            return _faults(standin)
        case "POST", "faults":
            entries = json.loads(body)
            standin.faults.add(*FAULTS.validate_python(entries if isinstance(entries, list) else [entries]))
            return _faults(standin)
        case "DELETE", "faults":
            standin.faults.clear()
            return _faults(standin)
    return None


def _task(record: TaskRecord) -> dict[str, object]:
    # Field by field: `asdict` copies deeply and cannot copy the read-only parameters.
    return {
        **vars(record),
        "parameters": dict(record.parameters),
        "combination": asdict(record.combination),
    }


def _faults(standin: AnyStandIn) -> list[dict[str, object]]:
    plan = standin.faults
    return [
        {**entry, "struck": struck}
        for entry, struck in zip(FAULTS.dump_python(plan.faults, mode="json"), plan.struck, strict=True)
    ]
