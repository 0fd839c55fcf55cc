"""What becomes of a task's pictures in a whole run: some cannot be had, some are no PNG."""

import csv
import io
import json
import re
from typing import Any
from unittest.mock import patch

import pytest
from PIL import Image

from tests.workflow import pipeline
from tests.workflow.pipeline import Ended, Pipeline, manifest, running
from tryon.state.entry import Status
from tryon_local.service.faults import Candidates, Cut, Fault, Page, Redirect


def page_of(running_: Pipeline, ended: Ended) -> Any:
    page = running_.app.get(f"runs/{ended.run_id}/index.html").decode()
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


@pytest.mark.parametrize(
    ("action", "error"),
    [
        (Page(http=404, body="gone"), "ResultGoneError"),
        (Page(http=200, body="<html>later</html>"), "NotAnImageError"),
        (Page(http=503, body="busy"), "ResultUnavailableError"),
        (Redirect("http://169.254.169.254/"), "ResultRefusedError"),
        (Cut(keep=0.5), "ResultUnavailableError"),
    ],
    ids=["gone", "no picture", "busy", "redirect", "cut"],
)
def test_one_bad_candidate_costs_no_other_and_is_told_everywhere(action: Any, error: str) -> None:
    faults = [Fault("task", Candidates(2)), Fault("download", action, nth=tuple(range(2, 60)))]
    with running(slots=1, faults=faults) as run:
        run.put_pictures(1, 1)
        ended = run.run(manifest(1, 1))
        (entry,) = ended.entries
        assert (ended.status, entry.status) == ("SUCCEEDED", Status.SUCCEEDED)
        assert [key.rpartition("__")[2] for key in ended.results] == ["1.png"]
        assert [(result.candidate, result.key) for result in entry.results] == [(1, ended.results[0])]
        ((lost),) = entry.lost
        assert (lost.candidate, lost.error) == (2, error)
        assert lost.cause

        summary = json.loads(run.app.get(f"runs/{ended.run_id}/summary.json"))
        assert (summary["pictures"], summary["pictures_lost"], summary["tasks"]) == (1, 1, 1)
        table = io.StringIO(run.app.get(f"runs/{ended.run_id}/combinations.csv").decode())
        (line,) = csv.DictReader(table)
        assert line["lost"].startswith(f"2 {error}: ")
        (cell,) = page_of(run, ended)["cells"]
        assert [(one["candidate"], one["error"]) for one in cell["lost"]] == [(2, error)]
        assert json.loads(ended.notifications[0]["Message"])["pictures_lost"] == 1


def test_what_passes_is_waited_out_and_the_stored_picture_is_not_fetched_again() -> None:
    busy = Fault("download", Page(http=503, body="busy"), nth=(2, 3, 4, 5))
    with running(slots=1, faults=[Fault("task", Candidates(3)), busy]) as run:
        run.put_pictures(1, 1)
        ended = run.run(manifest(1, 1))
        assert [key.rpartition("__")[2] for key in ended.results] == ["1.png", "2.png", "3.png"]
        assert ended.entries[0].lost == ()
        assert ended.entries[0].results[0].candidate == 1


@pytest.mark.parametrize(("kind", "extension"), [("JPEG", "jpg"), ("WEBP", "webp"), ("PNG", "png")])
def test_a_result_is_named_after_what_it_is_wherever_it_is_named(kind: str, extension: str) -> None:
    def made(*_: Any, **__: Any) -> bytes:
        out = io.BytesIO()
        Image.effect_noise((300, 400), 90).convert("RGB").save(out, kind)
        return out.getvalue()

    with patch.object(pipeline, "pixel", made), running(slots=1) as run:
        run.put_pictures(1, 1)
        ended = run.run(manifest(1, 1))
        (key,) = ended.results
        assert key.endswith(f"__1.{extension}")
        assert run.app.stack.client("s3").head_object(Bucket=run.app.bucket, Key=key)["ContentType"] == (
            f"image/{kind.lower()}"
        )
        assert [result.key for result in ended.entries[0].results] == [key]
        (cell,) = page_of(run, ended)["cells"]
        assert cell["results"][0]["file"] == key.removeprefix(f"runs/{ended.run_id}/")
        assert "thumb" in cell["results"][0]
        copies = [name for name in ended.keys if "/thumbnails/results/" in name]
        assert copies == [key.replace("/results/", "/thumbnails/results/").rpartition(".")[0] + ".jpg"]
