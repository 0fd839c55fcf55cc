"""What a run leaves for those who look at it: copies made on the way, a gallery and a contact sheet at its end."""

import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from PIL import Image

from tests.workflow.pipeline import START, Pipeline, manifest
from tryon.state.entry import Status
from tryon_local.app import LocalApp
from tryon_local.aws.functions import KilledError
from tryon_local.clock import VirtualClock
from tryon_local.service.volcengine.standin import StandIn


def portrait(
    model: bytes, garments: Sequence[tuple[bytes, str]], *, seed: int, parameters: Mapping[str, object]
) -> bytes:
    """A result large enough to look at."""
    out = io.BytesIO()
    Image.new("RGB", (300, 400), (len(model) % 256, len(garments[0][0]) % 256, seed % 256)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def pipeline() -> Iterator[Pipeline]:
    clock = VirtualClock(START)
    standin = StandIn(clock, slots=6, picture=portrait, latency=lambda new: 27.0)
    with LocalApp(standin, clock=clock, slots=6) as app:
        queue = app.stack.client("sqs").create_queue(QueueName="listener")["QueueUrl"]
        running = Pipeline(app, standin, clock, queue)
        running.put_pictures(2, 3)
        yield running


def data_of(pipeline: Pipeline, run_id: str) -> Any:
    page = pipeline.app.get(f"runs/{run_id}/index.html").decode()
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


def test_every_picture_of_a_run_is_in_its_gallery(pipeline: Pipeline) -> None:
    ended = pipeline.run(manifest(2, 3), "looks")
    copies = {key for key in ended.keys if "/thumbnails/" in key or "/previews/" in key}
    assert len(copies) == 2 * (2 + 3 + 6)
    data = data_of(pipeline, ended.run_id)
    assert [cell["id"] for cell in data["cells"]] == [entry.id for entry in ended.entries]
    assert all({"thumb", "large"} <= set(cell["results"][0]) for cell in data["cells"])
    assert all({"thumb", "large"} <= set(model) for model in data["models"])
    assert [worn["type"] for worn in data["worn"]] == ["upper", "lower", "full"]
    thumb = Image.open(io.BytesIO(pipeline.app.get(sorted(copies)[-1])))
    assert (thumb.format, thumb.size) == ("JPEG", (240, 320))
    sheet = Image.open(io.BytesIO(pipeline.app.get(f"runs/{ended.run_id}/contact-sheet.jpg")))
    assert sheet.width > 600


def test_a_download_killed_at_its_thumbnail_costs_the_thumbnail_alone(pipeline: Pipeline) -> None:
    killed: list[int] = []

    def kill_once(function: str, event: Mapping[str, Any], result: object) -> None:
        if function == "DownloadFunction" and event["n"] not in killed:
            killed.append(event["n"])
            raise KilledError

    pipeline.app.stack.functions.after_invoke.append(kill_once)
    ended = pipeline.run(manifest(2, 3), "looks")
    assert len(killed) == 6
    assert ended.status == "SUCCEEDED"
    assert all(entry.status is Status.SUCCEEDED for entry in ended.entries)
    assert all(task.downloads == 1 for task in pipeline.standin.tasks), "nothing was fetched twice"
    assert pipeline.payments == 6
