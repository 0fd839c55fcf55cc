"""`tryon plan`: the forecast, with a stack that answers and without one."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.doubles import outcome
from tests.unit.stack import BUCKET, FakeStack, fake_stack
from tryon.keys import Picture
from tryon.learning import learned
from tryon.planning import plan
from tryon.planning.manifest import ManifestError
from tryon.service import Submitted
from tryon.state.run import Run
from tryon_cli.drop import read
from tryon_cli.main import main
from tryon_cli.plan import MOST_BY_DEFAULT, Limits, forecast
from tryon_local.app import ROOT
from tryon_local.aws.template import load


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A manifest of ten combinations."""
    for n in range(2):
        Image.new("RGB", (300, 400), (n, 0, 0)).save(tmp_path / f"m{n}.jpg")
    for n in range(5):
        Image.new("RGB", (300, 400), (0, n, 9)).save(tmp_path / f"g{n}.jpg")
    return write(tmp_path / "manifest.json")


def write(path: Path, models: int = 2, garments: int = 5, **more: Any) -> Path:
    content = {
        "models": [{"id": f"m{n}", "image": f"m{n % 2}.jpg"} for n in range(models)],
        "garments": [{"id": f"g{n}", "image": f"g{n % 5}.jpg", "type": "upper"} for n in range(garments)],
    }
    path.write_text(json.dumps(content | more))
    return path


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tryon_cli.plan.listens", lambda port: False)


def answered(monkeypatch: pytest.MonkeyPatch, stack: FakeStack) -> None:
    monkeypatch.setattr("tryon_cli.plan.listens", lambda port: True)
    monkeypatch.setattr("tryon_cli.plan.target", lambda arguments: stack)


def told(path: Path, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert main(["plan", str(path), "--json", *words]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.usefixtures("alone")
def test_without_a_stack_it_says_what_it_assumed(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(path)]) == 0
    said = capsys.readouterr().out
    assert "10 combinations, about 5 min 12 s with 1 slot (4 polls each), 10.00 CNY to the service\n" in said
    assert "  a task takes 27 s as a rule; the slots decide how long the run takes\n" in said
    assert (
        "no local stack answers on port 4577; assumed are 1 slot, 1 CNY a task, 2 requests a second, "
        "the cadence 5/8/10/8/10 s\n"
    ) in said
    assert main(["plan", str(path), "--slots", "2", "--price", "3"]) == 0
    said = capsys.readouterr().out
    assert "assumed are 2 requests a second, the cadence" in said
    assert "30.00 CNY" in said


@pytest.mark.usefixtures("alone")
def test_one_combination_has_no_plural_and_no_empty_minutes(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["plan", str(write(path, 1, 1))])
    assert "1 combination, about 33 s with 1 slot (4 polls each" in capsys.readouterr().out


@pytest.mark.usefixtures("alone")
def test_a_dry_run_tells_combinations_time_and_cost(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(write(path, 1, 2), capsys, "--slots", "2", "--price", "1.5")
    assert found["combinations"] == ["m0__01-g0__default", "m0__02-g1__default"]
    assert (found["cost"], found["polls"], found["seconds"]) == (3.0, 4, 33.0)


def test_a_dry_run_tells_every_mistake_at_once(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (path.parent / "g1.jpg").write_bytes(b"no picture")
    (path.parent / "m0.jpg").write_bytes(b"neither")
    assert main(["plan", str(path)]) == 2
    said = capsys.readouterr().err
    assert "models[0].image" in said
    assert "garments[1].image" in said


@pytest.mark.usefixtures("alone")
def test_deployed_insists_on_an_answer(path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    from tryon_cli.target import TargetError

    def silent(_: object) -> None:
        raise TargetError("stack 'prod' cannot be read: no credentials")

    monkeypatch.setattr("tryon_cli.plan.target", silent)
    assert main(["plan", str(path), "--stack", "prod"]) == 0
    assert "stack 'prod' cannot be read: no credentials; assumed are 1 slot" in capsys.readouterr().out
    assert main(["plan", str(path), "--stack", "prod", "--deployed"]) == 2
    assert main(["plan", str(path), "--deployed"]) == 2


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(("garments", "said"), [(200, False), (201, True)])
def test_more_than_a_stack_takes_by_default_is_said_with_the_forecast(
    garments: int, said: bool, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", str(write(path, 1, garments))]) == 0
    words = f"a MaxCombinations of {garments} or more (200 by default)"
    assert (words in capsys.readouterr().out) == said


def test_the_default_is_the_templates() -> None:
    assert load(ROOT / "template.yaml")["Parameters"]["MaxCombinations"]["Default"] == MOST_BY_DEFAULT


def test_the_stacks_own_numbers_decide(path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    parameters = {
        "Slots": "5", "PricePerTask": "0.5", "Currency": "EUR", "Cadence": "20, 12", "DeadlineSeconds": "60",
        "RequestsPerSecond": "0", "PaceSeconds": "0",
    }  # fmt: skip
    with fake_stack(**parameters) as stack:
        answered(monkeypatch, stack)
        found = told(path, capsys)
        assert (found["slots"], found["cost"], found["currency"]) == (5, 5.0, "EUR")
        assert (found["polls"], found["seconds"], found["bound"]) == (2, 2 * 32 + 2.0, "slots")
        assert (found["stack"], found["assumed"]) == ("local", [])
        assert told(path, capsys, "--slots", "1")["seconds"] == 10 * 32 + 2.0
        assert told(write(path, cadence=[27]), capsys)["seconds"] == 2 * 27 + 2.0


def test_a_stacks_deadline_and_limits_refuse_what_it_would(path: Path, capsys: Any, monkeypatch: Any) -> None:
    with fake_stack(DeadlineSeconds="3600", MaxCombinations="9", Slots="5") as stack:
        answered(monkeypatch, stack)
        assert main(["plan", str(path)]) == 2
        assert "combinations: 10 are asked for, this stack runs at most 9 at once" in capsys.readouterr().err
        assert main(["plan", str(write(path, 1, 5, cadence=[1]))]) == 2
        assert "cadence: asks 3,600 times until the deadline of 3,600 s" in capsys.readouterr().err


def test_a_learned_cadence_is_asked_for(path: Path, capsys: Any, monkeypatch: Any) -> None:
    with fake_stack(Slots="1") as stack:
        answered(monkeypatch, stack)
        cadence = learned.LearnedCadence(
            name="spring", cadence=[40, 5], deadline=300, created=0.0, runs=[], samples=9, exact=9, polls=1.0,
            delay=1.0, mean=39.5, quantiles=[39.5] * len(learned.SHARES),
        )  # fmt: skip
        learned.store(stack.s3, BUCKET, cadence)
        found = told(write(path, cadence="spring"), capsys)
        assert (found["polls"], found["latency"], found["seconds"]) == (1, 39.5, 402.0)
        assert main(["plan", str(write(path, cadence="sprung"))]) == 2
        assert "did you mean 'spring'?" in capsys.readouterr().err


@pytest.mark.usefixtures("alone")
def test_a_learned_cadence_without_a_stack_is_assumed_to_be_the_usual(path: Path, capsys: Any) -> None:
    assert main(["plan", str(write(path, cadence="spring"))]) == 0
    assert "the cadence 5/8/10/8/10 s for 'spring'" in capsys.readouterr().out


def test_the_rate_of_requests_bounds_a_run_with_many_slots(path: Path) -> None:
    draft = read(write(path, 10, 30))
    found = forecast(draft, Limits(slots=20, rate=2))
    # 300 submits and 1,200 polls at two a second, kept a tenth longer than asked.
    assert (found.seconds, found.bound) == (pytest.approx(1.1 * 1500 / 2 + 2), "requests")
    assert forecast(draft, Limits(slots=20, rate=0)).bound == "pace"
    assert forecast(draft, Limits(slots=20, rate=0, pace=0)).seconds == 15 * 31 + 2
    assert forecast(draft, Limits(slots=1, rate=2)).bound == "slots"


def test_a_retry_pays_only_for_what_has_neither_a_picture_nor_a_task(path: Path, capsys: Any, monkeypatch: Any) -> None:
    with fake_stack(PricePerTask="2") as stack:
        answered(monkeypatch, stack)
        ledger, draft = stack.ledger, read(path)
        pictures = {
            name: Picture(bucket=BUCKET, key=name)
            for name in (*(f"m{n}" for n in range(2)), *(f"g{n}" for n in range(5)))
        }
        ledger.open_run(Run("run-1", execution="e", name="spring", total=10))
        ledger.add("run-1", plan.expand(draft.manifest, *[plan.for_all(draft.manifest, pictures)] * 2))
        for n in (1, 2, 3):
            ledger.begin_submit("run-1", n, 1)
            ledger.submitted("run-1", n, 1, Submitted(f"task-{n}", "request"))
        for n in (4, 5):
            ledger.failed("run-1", n, "InputRefusedError", "because")
        ledger.report("run-1", outcome("PARTIAL"))
        found = told(write(path, retry_of="run-1"), capsys)
        assert (len(found["combinations"]), found["resumed"], found["cost"]) == (10, 3, 14.0)
        assert main(["plan", str(path)]) == 0
        said = capsys.readouterr().out
        assert "14.00 CNY to the stand-in, not real\n" in said
        assert "  3 of them were paid for by an earlier run and are resumed\n" in said
        assert main(["plan", str(write(path, retry_of="run-2"))]) == 2
        assert "retry_of: 'run-2' is no run of this stack" in capsys.readouterr().err


@pytest.mark.usefixtures("alone")
def test_a_retry_without_a_stack_is_assumed_to_pay_for_all(path: Path, capsys: Any) -> None:
    assert main(["plan", str(write(path, retry_of="run-1"))]) == 0
    said = capsys.readouterr().out
    assert "that nothing of run-1 is resumed, so that all is paid" in said
    assert "10.00 CNY" in said


@pytest.mark.usefixtures("alone")
def test_any_bucket_may_be_named_while_no_stack_says_which_it_reads(path: Path, capsys: Any) -> None:
    content = json.loads(path.read_text())
    content["models"][0]["image"] = "s3://catalogue/the s3:// folder/may read.jpg"
    path.write_text(json.dumps(content))
    assert told(path, capsys)["unchecked"] == ["s3://catalogue/the s3:// folder/may read.jpg"]
    with pytest.raises(ManifestError, match="did you mean 'name'"):
        read(write(path, nam="may read"))


def test_json_is_all_that_standard_output_has(path: Path, capsys: Any, monkeypatch: Any) -> None:
    with fake_stack() as stack:
        answered(monkeypatch, stack)
        told(path, capsys, "--keys")


def test_a_picture_is_a_picture(path: Path) -> None:
    out = BytesIO()
    Image.open(path.parent / "m0.jpg").convert("CMYK").save(out, "JPEG")
    (path.parent / "m0.jpg").write_bytes(out.getvalue())
    assert list(read(path).converted) == ["m0.jpg"]
