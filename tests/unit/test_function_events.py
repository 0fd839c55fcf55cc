"""The events that are kept for trying out each function are what its handler reads."""

import json
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from tryon import events

ROOT = Path(__file__).parents[2]
FILES: dict[str, type[BaseModel]] = {
    "plan": events.PlanEvent,
    "reserve": events.ReserveEvent,
    "give-slot-back": events.ReserveEvent,
    "submit": events.SubmitEvent,
    "poll": events.PollEvent,
    "download": events.DownloadEvent,
    "check": events.CheckEvent,
    "compare": events.CompareEvent,
    "gallery": events.GalleryEvent,
    "summarize": events.SummarizeEvent,
}


@pytest.mark.parametrize("name", FILES)
def test_an_event_is_read_as_its_function_reads_it(name: str) -> None:
    raw = json.loads((ROOT / "events" / f"{name}.json").read_text("utf-8"))
    event = FILES[name].model_validate(raw)
    assert event.model_dump(include={"run_id"}) == {"run_id": raw["run_id"]}
    with pytest.raises(ValidationError, match="run_id"):
        FILES[name].model_validate({field: value for field, value in raw.items() if field != "run_id"})


def test_what_broke_the_map_is_read_in_step_functions_own_names() -> None:
    event = events.SummarizeEvent.model_validate(
        {"run_id": "r", "bucket": "b", "failure": {"Error": "States.Runtime", "Cause": "because", "More": 1}}
    )
    assert (event.failure.error, event.failure.cause) == ("States.Runtime", "because")
    assert events.SummarizeEvent(run_id="r", bucket="b").failure.error is None
