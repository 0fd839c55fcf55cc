"""The samples through the whole stack: nothing stands out of what is right, and of what is wrong the right thing."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from tests.workflow.pipeline import running
from tryon.checks import verdict_file
from tryon.checks.comparing import store_limits
from tryon.checks.limits import DEFAULT, Limits
from tryon.checks.records import Verdict
from tryon.checks.vocabulary import State
from tryon.state.run import Checks
from tryon_local.app import ROOT
from tryon_local.service.faults import Fault, read_faults
from tryon_local.service.picture import compose

SAMPLES = ROOT / "samples"
FAULTS = read_faults(SAMPLES / "faults-pictures.json")


@cache
def _drawn(model: bytes, garments: tuple[tuple[bytes, str], ...], seed: int, parameters: str) -> bytes:
    return compose(model, list(garments), seed=seed, parameters=json.loads(parameters))


def draw(model: bytes, garments: Sequence[tuple[bytes, str]], *, seed: int, parameters: Mapping[str, object]) -> bytes:
    """The stand-in's picture, drawn once however many runs ask for it."""
    return _drawn(model, tuple(garments), seed, json.dumps(dict(parameters)))


def checked(manifest: str, *faults: Fault, limits: Limits | None = None) -> tuple[Checks, dict[str, Verdict]]:
    """A run of a sample manifest that ended whole: the sum of its checks, and the verdicts by combination.

    `limits` are those that reviewers set before.
    """
    with running(slots=6, faults=faults, picture=draw) as pipeline:
        for path in SAMPLES.glob("inputs/*/*"):
            pipeline.app.put(path.relative_to(SAMPLES).as_posix(), path.read_bytes())
        if limits is not None:
            store_limits(pipeline.app.stack.client("s3"), pipeline.app.bucket, limits)
        ended = pipeline.run((SAMPLES / manifest).read_bytes())
        assert ended.status == "SUCCEEDED", ended.errors
        found = verdict_file.loads(pipeline.app.get(f"runs/{ended.run_id}/checks.jsonl"))
        run = pipeline.app.ledger.run(ended.run_id)
    (notification,) = ended.notifications
    assert run is not None
    assert run.outcome is not None
    assert run.outcome.checks is not None
    assert json.loads(notification["Message"])["flagged"] == run.outcome.checks.flagged
    return run.outcome.checks, {Path(key).stem.removesuffix("__1"): verdict for key, verdict in found.all()}


def flagged(verdicts: dict[str, Verdict]) -> dict[str, list[str]]:
    """What is flagged, with the checks that flag it."""
    return {
        name: [check.value for check in verdict.reasons]
        for name, verdict in verdicts.items()
        if verdict.state is State.FLAGGED
    }


def test_nothing_stands_out_of_the_eighteen() -> None:
    checks, verdicts = checked("manifest.json")
    assert flagged(verdicts) == {}
    assert checks.line == "nothing stands out in 18 of 18"


def test_limits_that_reviewers_set_are_what_the_next_run_is_held_against() -> None:
    # So strict that what is least odd is flagged too.
    limits = DEFAULT.model_copy(update={"most_surprise": 0.1, "created": 1_790_000_000.0, "share": 0.5})
    checks, _ = checked("manifest.json", limits=limits)
    assert (checks.flagged, checks.learned) == (18, 1_790_000_000.0)


def test_of_eight_wrong_pictures_among_eighteen_six_are_flagged_and_the_others_come_next() -> None:
    checks, verdicts = checked("manifest.json", *FAULTS)
    assert flagged(verdicts) == {
        "anna__01-linen-shirt__default": ["same_file"],
        "anna__02-striped-tee__default": ["same_file"],
        "anna__04-chinos__default": ["nothing_applied"],
        "anna__07-summer-dress__default": ["blank"],
        "anna__09-trench-coat__default": ["changed_beside"],
        "maya__05-pleated-skirt__default": ["cropped"],
        "maya__06-jeans__default": ["face_differs"],
    }
    assert checks.line.startswith("7 of 18 deserve a look: 2 × the same file as another result")
    by_rank = sorted(verdicts, key=lambda name: -verdicts[name].odder_than)
    assert set(by_rank[7:9]) == {"maya__01-linen-shirt__default", "maya__03-denim-jacket__default"}
    for name in by_rank[7:9]:
        assert "2 in this column" in {one.why for one in verdicts[name].not_comparable}


def test_all_eight_are_flagged_where_rows_and_columns_are_large_enough() -> None:
    checks, verdicts = checked("manifest-checks.json", *FAULTS)
    assert flagged(verdicts) == {
        "anna__01-linen-shirt__a": ["same_file"],
        "anna__02-striped-tee__a": ["other_garment", "same_file"],
        "anna__04-chinos__a": ["nothing_applied"],
        "anna__07-summer-dress__a": ["blank"],
        "anna__09-trench-coat__a": ["changed_beside"],
        "maya__01-linen-shirt__a": ["other_garment"],
        # The other garment that the jacket's picture shows is this one, drawn with the same seed.
        "maya__02-striped-tee__a": ["same_file"],
        "maya__03-denim-jacket__a": ["other_garment", "same_file"],
        "maya__05-pleated-skirt__a": ["cropped"],
        "maya__06-jeans__a": ["face_differs"],
    }
    assert (checks.results, checks.checked, checks.flagged) == (54, 54, 10)
