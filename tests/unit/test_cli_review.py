"""`tryon pick`, `tryon retry --review`, `tryon share`: what reviewers said becomes files, takes and a link."""

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
import pytest
from botocore.config import Config
from rich.console import Console

from tests.doubles import outcome, read_manifest
from tests.unit.stack import BUCKET, FakeStack, fake_stack
from tryon import objects
from tryon.checks import verdict_file
from tryon.checks.records import Finding, Verdict
from tryon.checks.vocabulary import Check, State
from tryon.keys import Picture, RunFolder
from tryon.planning import plan
from tryon.planning.manifest import Manifest
from tryon.planning.takes import take_seed
from tryon.reporting import retry, summary
from tryon.state.ledger import Claim
from tryon.state.run import Price, Run
from tryon.stored import Stored
from tryon_cli.main import main
from tryon_cli.pick import Names
from tryon_cli.remake import ask_price

WHOLE: dict[str, Any] = {
    "models": [{"id": "anna", "image": "inputs/anna.jpg", "name": "Anna"}],
    "garments": [
        {"id": "shirt", "image": "inputs/g0.jpg", "type": "upper", "name": "Leinenhemd, weiß"},
        {"id": "coat", "image": "inputs/g1.jpg", "type": "upper"},
        {"id": "skirt", "image": "inputs/g2.jpg", "type": "lower"},
    ],
}
RUN = "run-1"
WORN = {"shirt": "01-shirt", "coat": "02-coat", "skirt": "03-skirt"}


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeStack]:
    with fake_stack() as found:
        for module in ("run", "pick", "remake", "share"):
            monkeypatch.setattr(f"tryon_cli.{module}.target", lambda arguments: found)
        yield found


def run(stack: FakeStack, run_id: str = RUN, *, candidates: int = 1, ended: bool = True, **more: Any) -> None:
    """A run whose every combination has that many pictures."""
    ledger, key = stack.ledger, f"manifests/{run_id}.json"
    content = {**WHOLE, **more}
    version = stack.s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(content).encode())["VersionId"]
    manifest = Manifest.model_validate(content)
    ledger.open_run(
        Run(
            run_id,
            execution=f"e-{run_id}",
            name=run_id,
            bucket=BUCKET,
            manifest_key=key,
            manifest_version=version,
            started_at=stack.clock.now(),
            retry_of=more.get("retry_of"),
        )
    )
    pictures = {name: Picture(bucket=BUCKET, key=name) for name in ("anna", *WORN)}
    ledger.add(run_id, plan.expand(manifest, *[plan.for_all(manifest, pictures)] * 2, first=RUN))
    if not ended:
        return
    for entry in list(ledger.entries(run_id)):
        ledger.succeeded(run_id, entry.n, [stored(stack, run_id, entry.id, n + 1) for n in range(candidates)])
    ledger.report(run_id, outcome("SUCCEEDED", succeeded=3, total=3))
    told = ledger.run(run_id)
    assert told is not None
    entries = list(ledger.entries(run_id))
    found = summary.summarize(told, entries, now=stack.clock.now(), prices=lambda _: Price(1.0, "CNY"))
    objects.put_text(stack.s3, BUCKET, RunFolder(run_id).summary, found.encode(), "application/json")


def stored(stack: FakeStack, run_id: str, id_: str, candidate: int) -> Stored:
    data = f"{run_id} {id_} {candidate}".encode()
    key = RunFolder(run_id).result("anna", id_, candidate)
    stack.s3.put_object(Bucket=BUCKET, Key=key, Body=data)
    return Stored(key, len(data), hashlib.sha256(data).hexdigest(), "png", 1440, 1920, candidate)


def file(folder: Path, who: str = "Lin", run_id: str = RUN, **garments: str) -> str:
    """A review file: `shirt="pick"`, `coat="reject hands"`, `coat2_1="reject"` for the second take's first picture."""
    marks = []
    for name, said in garments.items():
        found = re.fullmatch(r"([a-z]+)(\d?)_?(\d*)", name)
        assert found
        mark, _, reason = said.partition(" ")
        marks.append(
            {
                "model": "anna", "worn": WORN[found[1]], "type": "upper", "variant": "default",
                "take": int(found[2] or 1), "candidate": int(found[3] or 1),
                "mark": mark, "reason": reason or None, "at": "2026-11-27T09:00:00.000Z",
            }
        )  # fmt: skip
    whole = {"format": "tryon-review", "version": 2, "run_id": run_id, "review": f"r{who}", "reviewer": who}
    path = folder / f"{who}.json"
    path.write_text(json.dumps(whole | {"marks": marks}))
    return str(path)


def test_the_chosen_files_are_saved_under_readable_names_with_a_list(
    stack: FakeStack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(stack, candidates=2)
    reviews = [file(tmp_path, shirt1_2="pick", coat="pick", skirt="reject"), file(tmp_path, "Mo", coat="reject")]
    assert main(["pick", *reviews, "--save", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert "1 picture saved" in out
    assert "1 picture left out: reviewers differ" in out
    (name,) = (path.name for path in (tmp_path / "out").iterdir() if path.suffix == ".png")
    assert name == "Leinenhemd, weiß - Anna.png"
    assert (tmp_path / "out" / name).read_text() == f"{RUN} anna__01-shirt__default 2"
    (row,) = csv.DictReader(io.StringIO((tmp_path / "out" / "chosen.csv").read_text("utf-8-sig")))
    assert (row["file"], row["candidate"], row["approved"]) == (name, "2", "1")


def test_what_was_picked_before_is_not_overwritten(
    stack: FakeStack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two reviewers' choices of one product, in two candidates, have one readable name; so have their lists."""
    run(stack, candidates=2)
    out = tmp_path / "out"
    words = ["--save", str(out)]
    assert main(["pick", file(tmp_path, shirt1_1="pick"), *words]) == 0
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    assert main(["pick", file(tmp_path, "Mo", shirt1_2="pick"), *words]) == 0
    assert "listed in chosen (2).csv beside what was there" in capsys.readouterr().out
    assert {name: (out / name).read_bytes() for name in first} == first
    (row,) = csv.DictReader(io.StringIO((out / "chosen (2).csv").read_text("utf-8-sig")))
    assert row["file"] == "Leinenhemd, weiß - Anna (2).png"
    assert (out / row["file"]).read_text() == f"{RUN} anna__01-shirt__default 2"
    # The same choice once more is the same files.
    assert main(["pick", file(tmp_path, shirt1_1="pick"), *words]) == 0
    assert len(list(out.iterdir())) == 4


def test_a_chosen_file_that_is_gone_or_another_is_named_and_not_saved(
    stack: FakeStack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(stack)
    reviews = file(tmp_path, shirt="pick", coat="pick", skirt="pick")
    stack.s3.put_object(Bucket=BUCKET, Key=RunFolder(RUN).result("anna", "anna__02-coat__default", 1), Body=b"x")
    stack.s3.delete_object(Bucket=BUCKET, Key=RunFolder(RUN).result("anna", "anna__03-skirt__default", 1))
    assert main(["pick", reviews, "--save", str(tmp_path / "out"), "--json"]) == 1
    said = capsys.readouterr()
    assert [one["file"] for one in json.loads(said.out)["saved"]] == ["Leinenhemd, weiß - Anna.png"]
    assert said.err.count("not there any more") == 2


def test_what_is_no_review_ends_with_two(stack: FakeStack, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.json").write_text("{}")
    assert main(["pick", str(tmp_path / "x.json"), "--save", str(tmp_path)]) == 2
    assert main(["retry", "--review", str(tmp_path / "x.json")]) == 2
    assert "is no review" in capsys.readouterr().err


def test_names_of_files_suit_every_system() -> None:
    names = Names()
    assert names.free('a/b:"c"', ".png") == "a_b__c_.png"
    assert names.free('A/b:"c"', ".png") == "A_b__c_ (2).png"
    assert names.free("con", ".jpg") == "_con.jpg"
    assert names.free("../..", ".png") == "_.png"
    assert len(names.free("衬" * 200, ".png").encode()) <= 255


def takes(text: str) -> dict[str, int]:
    return {one["garment"]: one["take"] for one in json.loads(text)["combinations"]}


def test_what_is_rejected_is_a_manifest_of_further_takes_with_its_price(
    stack: FakeStack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(stack)
    review = file(tmp_path, shirt="pick", coat="reject hands")
    assert main(["retry", "--review", review, "--print"]) == 0
    assert takes(capsys.readouterr().out) == {"coat": 2}
    # Without a terminal nobody could be asked.
    assert main(["retry", "--review", review]) == 2
    said = capsys.readouterr()
    assert "1 combination will be made again, for 1.00 CNY to the service" in said.out
    assert "nothing was started" in said.err
    assert not [key for key in stack.objects() if key.endswith("-takes.json")]


def test_the_price_of_takes_is_each_services_own(stack: FakeStack, capsys: pytest.CaptureFixture[str]) -> None:
    told = {
        "FashnSlots": "6",
        "FashnPrice": "0.075",
        "FashnCurrency": "USD",
        "FalSlots": "2",
        "FalPrice": "google=0.125",
    }
    content = {
        "models": [{"id": "anna", "image": "inputs/anna.jpg"}],
        "garments": [{"id": "shirt", "image": "inputs/shirt.jpg", "type": "upper"}],
        "variants": {"a": {}, "b": {"service": "fashn"}, "c": {"service": "fal/google"}},
    }
    found = replace(stack, told={**told, "FalCurrency": "USD"})
    ask_price(found, read_manifest(content), Console(), yes=True)
    said = capsys.readouterr().out
    assert "3 combinations will be made again, for 1.00 CNY and 0.20 USD to the service" in said.replace("\n", " "), (
        said
    )
    assert "fal/google takes no seed" in said
    assert "fashn/tryon-v1.6 takes no seed" not in said


def test_yes_drops_the_manifest_and_the_same_review_again_finds_nothing_to_do(
    stack: FakeStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(stack)
    review = file(tmp_path, coat="reject")
    claim = Claim("run-2", "arn")
    monkeypatch.setattr("tryon_cli.run.await_claim", lambda *_: claim)
    assert main(["retry", "--review", review, "--yes", "--detach"]) == 0
    key = f"manifests/{RUN}-takes.json"
    dropped = json.loads(stack.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    assert dropped["retry_of"] == RUN
    run(stack, "run-2", retry_of=RUN, combinations=dropped["combinations"], ended=False)
    assert main(["retry", "--review", review, "--yes"]) == 0
    assert "1 left out: being made again already" in capsys.readouterr().out
    (entry,) = stack.ledger.entries("run-2")
    assert entry.take == 2


def test_a_take_that_is_rejected_too_is_followed_by_the_next(
    stack: FakeStack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(stack)
    run(stack, "run-2", retry_of=RUN, combinations=[{"model": "anna", "garment": "coat", "take": 2}])
    assert main(["retry", "--review", file(tmp_path, coat="reject"), "--print"]) == 0
    assert capsys.readouterr().out == "nothing is to be made again\n", "the second take is not judged yet"
    assert main(["retry", "--review", file(tmp_path, coat="reject", coat2_1="reject"), "--print"]) == 0
    assert takes(capsys.readouterr().out) == {"coat": 3}
    assert main(["pick", file(tmp_path, coat2_1="pick"), "--save", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "coat - Anna.png").read_text().startswith("run-2")


def test_one_candidate_that_is_not_rejected_keeps_a_combination(
    stack: FakeStack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(stack, candidates=2)
    assert main(["retry", "--review", file(tmp_path, coat="reject"), "--print"]) == 0
    assert "nothing is to be made again" in capsys.readouterr().out


def test_a_product_with_an_approved_variant_needs_no_other(
    stack: FakeStack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(stack, variants={"a": {}, "b": {}})
    whole = json.loads(Path(file(tmp_path, coat="reject", shirt="reject")).read_text())
    (coat, shirt) = whole["marks"]
    whole["marks"] = [
        coat | {"variant": "a"},
        coat | {"variant": "b", "mark": "pick", "reason": None},
        shirt | {"variant": "a"},
    ]
    path = tmp_path / "x.json"
    path.write_text(json.dumps(whole))
    assert main(["retry", "--review", str(path), "--print"]) == 0
    out = capsys.readouterr().out
    assert "1 left out: rejected, but another variant of the same product is approved" in out
    assert takes(out[out.index("{") :]) == {"shirt": 2}


def test_reviews_that_were_sent_are_taken_from_the_bucket(
    stack: FakeStack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(stack)
    for n, data in enumerate((Path(file(tmp_path, coat="reject")).read_bytes(),)):
        stack.s3.put_object(Bucket=BUCKET, Key=f"reviews/{RUN}/r{n}.json", Body=data)
    for named in (RUN, RUN[:4]):
        assert main(["retry", named, "--review", "sent", "--print"]) == 0
        assert takes(capsys.readouterr().out) == {"coat": 2}
    assert main(["pick", "sent", "--run", "nobody", "--save", str(tmp_path)]) == 2
    assert "has no run nobody" in capsys.readouterr().err
    assert main(["pick", "sent", "--save", str(tmp_path)]) == 2
    assert "'sent' needs the run" in capsys.readouterr().err


def test_a_seed_depends_on_the_first_run_whatever_retry_asks() -> None:
    manifest = Manifest.model_validate({**WHOLE, "retry_of": "run-2", "combinations": [
        {"model": "anna", "garment": "coat", "take": 2}
    ]})  # fmt: skip
    pictures = {name: Picture(bucket=BUCKET, key=name) for name in ("anna", *WORN)}
    (one,) = plan.expand(manifest, *[plan.for_all(manifest, pictures)] * 2, first=RUN)
    assert one.parameters.model_dump()["seed"] == take_seed(RUN, "anna", "coat", "default", 2)


# --- what the checks flagged ---


def verdicts(stack: FakeStack, run_id: str = RUN, *wrong: str) -> None:
    """What Compare leaves of a run: the pictures of the garments named are flagged, `coat_2` the second candidate's."""
    found = []
    for entry in stack.ledger.entries(run_id):
        garment = retry.worn_id(entry)
        for result in entry.results:
            odd = {garment, f"{garment}_{result.candidate}"} & set(wrong)
            state = State.FLAGGED if odd else State.CLEAR
            finding = Finding(Check.BLANK, 4.0, flagged=bool(odd))
            found.append((result.key, Verdict(entry.n, result.candidate or 1, state, (finding,), of=3)))
    out = io.StringIO()
    list(verdict_file.write(verdict_file.Head(run_id=run_id), found, out))
    objects.put_text(stack.s3, BUCKET, RunFolder(run_id).checks, out.getvalue(), "application/x-ndjson")


def test_what_is_flagged_is_made_again_once_it_is_asked_for_with_its_price(
    stack: FakeStack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(stack)
    verdicts(stack, RUN, "coat")
    # Without a terminal nobody could be asked, and without a yes nothing is paid.
    assert main(["retry", RUN, "--flagged"]) == 2
    assert "1 combination will be made again, for 1.00 CNY to the service" in capsys.readouterr().out
    assert not [key for key in stack.objects() if key.endswith("-takes.json")]
    monkeypatch.setattr("tryon_cli.run.await_claim", lambda *_: Claim("run-2", "arn"))
    assert main(["retry", "--flagged", "--yes", "--detach"]) == 0
    dropped = json.loads(stack.s3.get_object(Bucket=BUCKET, Key=f"manifests/{RUN}-takes.json")["Body"].read())
    assert takes(json.dumps(dropped)) == {"coat": 2}
    # Asked for twice it is paid once: the take is on its way, or has its picture, under the same seed.
    run(stack, "run-2", retry_of=RUN, combinations=dropped["combinations"], ended=False)
    assert main(["retry", RUN, "--flagged", "--yes"]) == 0
    assert "1 left out: being made again already" in capsys.readouterr().out
    (entry,) = stack.ledger.entries("run-2")
    assert entry.take == 2


def test_a_take_that_is_not_flagged_ends_it_and_one_that_is_leads_to_the_next(
    stack: FakeStack, capsys: pytest.CaptureFixture[str]
) -> None:
    run(stack)
    verdicts(stack, RUN, "coat")
    run(stack, "run-2", retry_of=RUN, combinations=[{"model": "anna", "garment": "coat", "take": 2}])
    assert main(["retry", RUN, "--flagged", "--print"]) == 0
    assert capsys.readouterr().out == "nothing is to be made again\n", "the second take was not checked"
    verdicts(stack, "run-2", "coat")
    assert main(["retry", RUN, "--flagged", "--print"]) == 0
    assert takes(capsys.readouterr().out) == {"coat": 3}


def test_a_candidate_that_is_not_flagged_and_a_reviewers_approval_keep_a_combination(
    stack: FakeStack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(stack, candidates=2)
    verdicts(stack, RUN, "coat_2", "shirt", "skirt")
    assert main(["retry", RUN, "--flagged", "--print"]) == 0
    assert takes(capsys.readouterr().out) == {"shirt": 2, "skirt": 2}
    review = file(tmp_path, shirt1_1="pick", coat="reject")
    assert main(["retry", RUN, "--flagged", "--review", review, "--print"]) == 0
    assert takes(capsys.readouterr().out) == {"skirt": 2, "coat": 2}


def test_a_run_whose_results_were_not_checked_has_nothing_flagged(
    stack: FakeStack, capsys: pytest.CaptureFixture[str]
) -> None:
    run(stack)
    assert main(["retry", RUN, "--flagged", "--yes"]) == 2
    assert f"the results of run {RUN} were not checked" in capsys.readouterr().err


# --- share ---


def page(stack: FakeStack) -> str:
    text: str = stack.s3.get_object(Bucket=BUCKET, Key=RunFolder(RUN).shared)["Body"].read().decode()
    return text


def data(text: str) -> Any:
    found = re.search(r'id="data">(.*?)</script>', text, re.DOTALL)
    assert found
    return json.loads(found[1])


def test_a_shared_page_has_signed_files_one_upload_and_names_one_host(
    stack: FakeStack, capsys: pytest.CaptureFixture[str]
) -> None:
    run(stack)
    assert main(["share", RUN, "--print"]) == 0
    said = capsys.readouterr()
    address = said.out.strip()
    assert len(address) < 2000
    assert urlsplit(address).path.endswith("/shared.html")
    assert re.search(r"the link works until \d{4}-\d\d-\d\d \d\d:\d\d UTC", said.err)
    text = page(stack)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    host = f"https://{urlsplit(address).netloc}"
    assert f"img-src data: {host};" in policy
    assert f"connect-src {host};" in policy
    assert {word for word in policy.split() if "://" in word} == {host, f"{host};"} or policy.count("://") == 2
    share = data(text)["share"]
    assert [*share["full"]] == [f"results/anna/anna__{worn}__default__1.png" for worn in WORN.values()]
    signed = parse_qs(urlsplit(share["full"]["results/anna/anna__01-shirt__default__1.png"]).query)
    assert unquote(signed["response-content-disposition"][0].partition("''")[2]) == "Leinenhemd, weiß - Anna.png"
    assert share["send"]["prefix"] == f"reviews/{RUN}/"
    assert "key" not in share["send"]["fields"]


def test_a_link_that_a_session_signed_says_that_it_ends_with_it(
    stack: FakeStack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(stack)
    session = boto3.Session("id", "secret", "token" * 60)
    signer = session.client("s3", config=Config(signature_version="s3v4"))
    monkeypatch.setattr(FakeStack, "s3", property(lambda _: signer))
    assert main(["share", RUN, "--print", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert "until the session that signed it ends" in told["until"]


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "cn-north-1"])
def test_links_and_uploads_go_to_one_host_in_every_region(region: str) -> None:
    client = boto3.client("s3", region_name=region, config=Config(signature_version="s3v4"))
    link = client.generate_presigned_url("get_object", Params={"Bucket": "pictures", "Key": "k"})
    form = client.generate_presigned_post("pictures", "reviews/r/${filename}")
    assert urlsplit(link).netloc == urlsplit(form["url"]).netloc


def test_takes_of_a_run_are_shown_beside_what_was_rejected(stack: FakeStack) -> None:
    run(stack)
    run(stack, "run-2", retry_of=RUN, combinations=[{"model": "anna", "garment": "coat", "take": 2}])
    assert main(["share", RUN, "--print"]) == 0
    found = data(page(stack))
    (coat,) = (cell for cell in found["cells"] if "02-coat" in cell["id"])
    assert [(one.get("take", 1), one["file"]) for one in coat["results"]] == [
        (1, "results/anna/anna__02-coat__default__1.png"),
        (2, "../run-2/results/anna/anna__02-coat__default__1.png"),
    ]
    assert found["run"]["family"] == RUN
    assert retry.further_takes(stack.ledger, "run-2", stack.ledger.entries)
