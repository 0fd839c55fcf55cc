import csv
import io
import json
from dataclasses import replace
from typing import Any

import pytest

from tests.doubles import stored, table_of
from tryon.reporting import notification, summary
from tryon.reporting.summary import Summary
from tryon.state.entry import Entry, Status
from tryon.state.run import Price, Run, Spread
from tryon.stored import Lost
from tryon_local.app import ROOT
from tryon_local.aws.template import load

RUN = Run("run-1", name="Spring", bucket="b", manifest_key="manifests/s.json", started_at=1000.0)


def entry(n: int, **changes: Any) -> Entry:
    base = Entry(n=n, id=f"anna__{n:02d}-g__default", model="anna", worn=f"{n:02d}-g", variant="default")
    return replace(base, **changes)


def good(n: int, **changes: Any) -> Entry:
    return entry(
        n,
        **{
            "status": Status.SUCCEEDED,
            "task_id": f"t{n}",
            "submitted_at": 1010.0,
            "ended_at": 1041.0,
            "polls": 4,
            "latency": 27.0,
            "delay": 4.0,
            "bytes": 100,
            "results": (stored(f"runs/run-1/results/anna/{n}.png", bytes=100),),
            **changes,
        },
    )


def bad(n: int, error: str, **changes: Any) -> Entry:
    return entry(n, status=Status.FAILED, error=error, cause=f"because of {error}", **changes)


def told(entries: list[Entry], **more: Any) -> Summary:
    return summary.summarize(RUN, entries, now=1100.0, prices=lambda _: Price(1.5, "CNY"), **more)


def test_successes_and_failures_add_up_and_money_counts_tasks() -> None:
    found = told(
        [
            good(1),
            good(2, resumed=True, adopted_task="t2"),
            bad(3, "InputRefusedError", task_id="t3"),
            bad(4, "NotStartedError"),
        ]
    )
    assert (found.total, found.succeeded, found.failed, found.status) == (4, 2, 2, "PARTIAL")
    assert found.tasks == 2
    assert found.cost.service == 3.0
    assert found.seconds == 100.0


def test_a_task_whose_result_was_refused_is_paid_too() -> None:
    again = good(1, refused_tasks=("t0", "t00"))
    adopted = good(2, refused_tasks=("t4",), adopted_task="t4")
    assert told([again, adopted]).tasks == 4


def test_an_unknown_outcome_is_counted_apart() -> None:
    found = told([good(1), replace(bad(2, "SubmitOutcomeUnknownError"), submitting_at=1.0)])
    assert (found.tasks, found.tasks_unknown) == (1, 1)


@pytest.mark.parametrize(
    ("entries", "error", "status"),
    [
        ([good(1)], None, "SUCCEEDED"),
        ([good(1), bad(2, "TaskFailedError")], None, "PARTIAL"),
        ([bad(1, "TaskFailedError")], None, "FAILED"),
        ([good(1)], "States.DataLimitExceeded", "PARTIAL"),
    ],
)
def test_a_runs_status_says_whether_it_is_whole(entries: list[Entry], error: str | None, status: str) -> None:
    assert told(entries, error=error, cause="").status == status


def test_nothing_succeeding_has_an_error_of_its_own() -> None:
    assert told([bad(1, "TaskFailedError")]).error == "AllFailedError"


def test_reasons_are_told_commonest_first_with_the_first_that_they_cost() -> None:
    found = told([bad(1, "A"), *(bad(n, "B") for n in range(2, 20))]).reasons
    assert [(r.error, r.count, r.examples) for r in found] == [
        ("B", 18, tuple(f"anna__{n:02d}-g__default" for n in range(2, 12))),
        ("A", 1, ("anna__01-g__default",)),
    ]


def test_spreads_are_measured_not_guessed() -> None:
    found = told([good(n, polls=n, delay=float(n)) for n in range(1, 22)])
    assert found.polls == Spread(mean=11.0, p50=11.0, p95=20.0, max=21)
    assert told([bad(1, "A")]).latency is None


def test_the_table_runs_no_formula_in_a_spreadsheet() -> None:
    text = table_of([good(1), bad(2, '=HYPERLINK("http://x","y")', submits=1), bad(3, "@SUM(1)")])
    rows = list(csv.DictReader(io.StringIO(text)))
    assert rows[1]["error"].startswith("'=HYPERLINK")
    assert rows[2]["error"] == "'@SUM(1)"
    assert rows[0]["latency"] == "27"


def test_a_repaired_runs_counts_follow_its_entries_and_its_measurements_stay() -> None:
    first = told([good(1), bad(2, "TaskFailedError")])
    found = summary.recount(first, [good(1), good(2)])
    assert (found.status, found.succeeded, found.failed, found.reasons) == ("SUCCEEDED", 2, 0, ())
    assert found.seconds == first.seconds


def test_a_subject_fits_sns_whatever_the_name() -> None:
    long = replace(told([good(1)]), name="Frühling\n" + "x" * 300)
    subject = notification.subject(long)
    assert len(subject) < 100
    assert subject.isascii()
    assert subject.isprintable()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("x" * 80, "x" * 69 + "..."),
        ("Frühling in Łódź – Ærø", "Fruhling in Lodz Aero"),
        ("春季外套", "run-1"),
        ("Лето 2026", "run-1"),
        ("spring 🌸", "spring"),
        ("🌸", "run-1"),
        ("a\x07b\x1b[31m\u202e", "a b [31m"),
        ("two\r\nlines\x7f", "two lines"),
        ("\u200b", "run-1"),
    ],
)
def test_a_subject_names_the_run_and_keeps_its_counts(name: str, shown: str) -> None:
    entries = [*(good(n) for n in range(1, 11)), bad(11, "A")]
    subject = notification.subject(replace(told(entries), name=name))
    assert subject == f"tryon: {shown}: 10 of 11, 1 failed"
    assert len(subject) < 100
    assert subject.isascii()
    assert subject.isprintable()


def test_the_message_says_what_failed_and_what_to_do_next() -> None:
    found = told([good(1), bad(2, "InputRefusedError"), bad(3, "InputRefusedError")])
    text = notification.body(replace(found, retry_manifest="key"), bucket="pictures", prefix="runs/run-1/")
    assert "1 of 3 combinations have a picture" in text
    assert "2 × InputRefusedError (anna__02-g__default, anna__03-g__default): because of InputRefusedError" in text
    assert "s3://pictures/runs/run-1/index.html" in text
    assert "retry-manifest.json" in text


def test_the_message_names_ten_and_counts_the_rest_and_offers_no_retry_that_is_not_there() -> None:
    text = notification.body(told([bad(n, "A") for n in range(1, 13)]), bucket="pictures", prefix="runs/run-1/")
    assert "anna__10-g__default and 2 more): " in text
    assert "retry-manifest.json" not in text


def test_queues_get_json_and_people_get_text() -> None:
    found = told([good(1), bad(2, "InputRefusedError")])
    message = json.loads(notification.message(found, bucket="pictures", prefix="runs/run-1/"))
    assert json.loads(message["sqs"])["failed"] == 1
    assert message["default"] == message["email"]
    assert "combinations have a picture" in message["default"]


def test_pictures_that_could_not_be_had_are_counted_and_named() -> None:
    gone = (Lost(2, "ResultGoneError", "answered 404"),)
    entries = [good(1, lost=gone * 2), good(2), bad(3, "TaskFailedError")]
    found = told(entries)
    assert (found.status, found.succeeded, found.pictures, found.pictures_lost) == ("PARTIAL", 2, 2, 2)
    assert "2 ResultGoneError: answered 404; 2 ResultGoneError: answered 404" in table_of(entries)
    text = notification.body(found, bucket="b", prefix="p/")
    assert "Pictures that could not be had beside others of their combination: 2." in text


@pytest.mark.parametrize(("text", "kept"), [("plain ", 30), ("衣服 ", 30), ('"\\\\" ', 5), ("\x01 ", 5)])
def test_a_message_about_many_different_errors_fits_sns_and_keeps_what_matters(text: str, kept: int) -> None:
    found = told([good(1), *(bad(n, f"Error{n}" + text * 20) for n in range(2, 62))])
    long = "garment-" * 7
    examples = tuple(f"{long}__{i}-{long}__{long}" for i in range(10))
    reasons = tuple(replace(reason, cause=text * 300, count=1000, examples=examples) for reason in found.reasons)
    found = replace(found, reasons=reasons, error="States.Runtime", cause=text * 5_000)
    message = notification.message(found, bucket="pictures", prefix="runs/run-1/")
    assert len(json.dumps({"Payload": {"notification": {"message": message}}})) < 262_144
    for channel, content in json.loads(message).items():
        assert len(content.encode()) < 262_144
        if channel not in ("default", "email"):
            machine = json.loads(content)
            assert (machine["status"], machine["succeeded"], machine["failed"]) == ("PARTIAL", 1, 60)
            assert (machine["bucket"], machine["prefix"]) == ("pictures", "runs/run-1/")
            assert kept <= len(machine["reasons"]) == 60 - machine.get("reasons_left_out", 0)
    assert "1 of 61 combinations have a picture" in json.loads(message)["default"]
    assert "Gallery: s3://pictures/runs/run-1/index.html" in json.loads(message)["default"]


@pytest.mark.parametrize(
    ("partition", "region", "host"),
    [
        ("aws", "eu-west-1", "eu-west-1.console.aws.amazon.com"),
        ("aws-cn", "cn-north-1", "cn-north-1.console.amazonaws.cn"),
        ("aws-us-gov", "us-gov-west-1", "us-gov-west-1.console.amazonaws-us-gov.com"),
    ],
)
def test_a_mail_links_to_the_runs_folder_and_execution_in_the_console(partition: str, region: str, host: str) -> None:
    execution = f"arn:{partition}:states:{region}:123456789012:execution:tryon:run-1"
    run = replace(told([good(1)]), execution=execution)
    text = notification.body(run, bucket="pictures", prefix="runs/run-1/")
    assert f"Folder in the console: https://{host}/s3/buckets/pictures?region={region}&prefix=runs/run-1/\n" in text
    assert f"Execution: https://{host}/states/home?region={region}#/v2/executions/details/{execution}" in text
    assert "Open it: tryon open run-1\n" in text
    assert "Signature" not in text


@pytest.mark.parametrize("execution", [None, "", "execution", "arn:other:states:r:1:execution:m:x"])
def test_a_mail_without_a_known_execution_has_no_link(execution: str | None) -> None:
    run = replace(told([good(1)]), execution=execution)
    assert "https://" not in notification.body(run, bucket="pictures", prefix="runs/run-1/")


def test_the_consoles_are_the_templates() -> None:
    partitions = load(ROOT / "template.yaml")["Mappings"]["Partitions"]
    assert {name: one["Console"] for name, one in partitions.items()} == notification.CONSOLES


FASHN = "fashn/tryon-v1.6"


def made(**different: Any) -> Entry:
    """A combination with two pictures that FASHN made."""
    usual = {"task_id": "t", "service": FASHN, "status": Status.SUCCEEDED, "results": (stored("a"), stored("b"))}
    return Entry(1, "c", "m", "g", "v", **{**usual, **different})


@pytest.mark.parametrize(
    ("entry", "units"),
    [
        (made(), 2.0),
        (made(billed=3.0), 3.0),
        (made(resumed=True, adopted_task="t"), 0.0),
        (made(lost=(Lost(3, "ResultRefusedError", "late"),)), 3.0),
        (made(status=Status.FAILED, results=()), 0.0),
        (made(task_id=None, status=Status.FAILED, results=()), 0.0),
        (made(service="volcengine/dressing-diffusion-v2", status=Status.FAILED, results=()), 1.0),
        (made(service="nobody/any-more"), 1.0),
    ],
    ids=["pictures", "as the service says", "resumed", "lost", "failed", "none", "by task", "gone"],
)
def test_each_service_is_billed_for_what_it_bills(entry: Entry, units: float) -> None:
    assert summary.billed(entry) == units
