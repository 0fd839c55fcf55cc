"""Handlers' log lines for the page: what each says first, then what else it knows."""

import json
from collections.abc import Iterable, Mapping

from tryon.json_types import Json
from tryon_local.aws.lines import Line

_LEFT_OUT = frozenset(
    {
        "level", "message", "location", "timestamp", "service", "cold_start", "run_id", "combination",
        "function_name", "function_memory_size", "function_arn", "function_request_id",
    }
)  # fmt: skip
"""Fields that stand elsewhere on the page, or are the same in every line of a function."""


def told_lines(lines: Iterable[Line]) -> list[dict[str, Json]]:
    """Lines for the page: time, function, level, message, all other fields; `event` leads to the visit."""
    return [
        {
            "at": round(line.at, 3),
            "event": line.event,
            "function": line.function.removesuffix("Function"),
            "request_id": line.request_id,
            **_said(line.text),
        }
        for line in lines
    ]


def _said(text: str) -> dict[str, Json]:
    fields = _fields(text)
    if fields is None:
        return {"level": "", "message": text, "fields": {}}
    more = {name: value for name, value in fields.items() if name not in _LEFT_OUT and value is not None}
    return {"level": str(fields.get("level", "")), "message": str(fields.get("message", "")), "fields": more}


def _fields(text: str) -> Mapping[str, Json] | None:
    try:
        fields = json.loads(text)
    except ValueError:
        return None
    return fields if isinstance(fields, dict) else None
