"""What can be had of a task's pictures is had, whatever becomes of the others."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import requests
import urllib3
from moto import mock_aws
from requests.adapters import BaseAdapter, HTTPAdapter

from tests.doubles import RUN, FakeService, HandClock
from tests.result_pictures import jpeg, png, webp
from tryon.keys import RunFolder
from tryon.pictures import thumbnails
from tryon.service import Candidate, TaskResult, TaskStatus
from tryon.service.errors import ServiceError, ServiceUnavailableError, TaskExpiredError
from tryon.state.entry import Entry, Status
from tryon.state.looks import Looks
from tryon.task import download, results
from tryon.task.fetch.errors import NotAnImageError, ResultGoneError, ResultRefusedError, ResultUnavailableError
from tryon.task.fetch.origins import OriginPolicy
from tryon.task.fetch.session import guarded_session

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "results"
LOOKS = Looks(None, "")  # type: ignore[arg-type]  # keeping anything in it fails
PNG, JPEG, WEBP = png(), jpeg(), webp()
Answer = bytes | int


@dataclass
class Hosts(BaseAdapter):
    """Answers each address with a picture or a status, one after the other and the last one for ever."""

    answers: dict[str, list[Answer]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        name = str(request.url).rpartition("/")[2]
        self.asked.append(name)
        waiting = self.answers[name]
        answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        body, status = (b"<html>", answer) if isinstance(answer, int) else (answer, 200)
        raw = urllib3.HTTPResponse(
            body=BytesIO(body),
            headers={"Content-Length": str(len(body))},
            status=status,
            preload_content=False,
            enforce_content_length=False,
        )
        return HTTPAdapter().build_response(request, raw)

    def close(self) -> None:
        pass


def at(name: str) -> str:
    return f"https://cdn.example.com/{name}"


@dataclass
class Bench:
    s3: "S3Client"
    clock: HandClock
    hosts: Hosts = field(default_factory=Hosts)
    service: FakeService = field(default_factory=FakeService)

    def collect(self, *addresses: str | Candidate | None, **options: Any) -> download.Collected:
        policy = OriginPolicy.parse("https://*.example.com")
        session = guarded_session(policy)
        session.mount("https://", self.hosts)
        known = tuple(one if isinstance(one, Candidate) else Candidate(url=one) for one in addresses)
        return download.collect(
            Entry(n=1, id="anna__01-shirt__a", model="anna", worn="01-shirt", variant="a", candidates=known),
            "task-1",
            folder=RunFolder(RUN),
            bucket=BUCKET,
            service=self.service,
            session=session,
            s3=self.s3,
            policy=policy,
            clock=self.clock,
            **options,
        )

    @property
    def files(self) -> list[str]:
        return [
            found["Key"].rpartition("__")[2] for found in self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        ]


def numbers(collected: download.Collected) -> set[int | None]:
    return {stored.candidate for stored in collected.stored}


def done(*candidates: Candidate) -> TaskResult:
    return TaskResult(TaskStatus.DONE, "r", candidates)


@pytest.fixture
def bench(clock: HandClock) -> Iterator[Bench]:
    with mock_aws():
        s3 = boto3.client("s3", config=results.client_config())
        s3.create_bucket(Bucket=BUCKET)
        made = Bench(s3, clock)
        made.service.answer = TaskExpiredError("24 hours have passed")
        yield made


def lost(collected: download.Collected) -> list[tuple[int, str]]:
    return [(one.candidate, one.error) for one in collected.lost]


def test_each_picture_lies_under_its_number_and_its_own_extension(bench: Bench) -> None:
    bench.hosts.answers = {"a": [PNG], "b": [JPEG], "c": [WEBP]}
    collected = bench.collect(at("a"), at("b"), at("c"))
    assert bench.files == ["1.png", "2.jpg", "3.webp"]
    assert (numbers(collected), collected.lost) == ({1, 2, 3}, ())
    assert bench.hosts.asked == ["a", "b", "c"]


def test_what_the_service_said_of_a_candidate_stays_with_its_picture(bench: Bench) -> None:
    bench.hosts.answers = {"a": [404], "b": [PNG]}
    bench.service.answer = done(Candidate(url=at("a")), Candidate(url=at("b"), score=0.4))
    first = bench.collect(Candidate(url=at("a")), Candidate(url=at("b"), score=0.83, reason="hands"))
    assert [(one.candidate, one.score, one.reason) for one in first.stored] == [(2, 0.83, "hands")]


BAD: list[tuple[list[Answer], str]] = [
    ([404], "ResultGoneError"),
    ([403], "ResultGoneError"),
    ([302], "ResultRefusedError"),
    ([b"<html>"], "NotAnImageError"),
    ([b""], "NotAnImageError"),
    ([PNG[:-1]], "ResultUnavailableError"),
    ([503], "ResultUnavailableError"),
]


@pytest.mark.parametrize(("answers", "error"), BAD)
@pytest.mark.parametrize("place", [0, 1])
def test_one_bad_candidate_costs_no_other_and_is_named(
    bench: Bench, answers: list[Answer], error: str, place: int
) -> None:
    bench.hosts.answers = {"bad": answers, "good": [PNG]}
    addresses = [at("good"), at("good")]
    addresses[place] = at("bad")
    collected = bench.collect(*addresses)
    assert numbers(collected) == {2 - place}
    assert lost(collected) == [(place + 1, error)]
    assert collected.lost[0].cause
    assert bench.hosts.asked.count("good") == 1


@pytest.mark.parametrize(
    "address", ["https://elsewhere.example.org/a", "http://cdn.example.com:8080/a", "not an address", "ftp://x/a"]
)
def test_an_address_that_may_not_be_asked_costs_no_other(bench: Bench, address: str) -> None:
    bench.hosts.answers = {"good": [PNG]}
    assert lost(bench.collect(address, at("good"))) == [(1, "ResultRefusedError")]


def test_a_candidate_without_an_address_is_asked_for_anew_and_costs_no_other(bench: Bench) -> None:
    bench.hosts.answers = {"good": [PNG], "new": [JPEG]}
    bench.service.answer = done(Candidate(url=at("other")), Candidate(url=at("new")), Candidate())
    collected = bench.collect(at("good"), None, None)
    assert bench.files == ["1.png", "2.jpg"]
    assert lost(collected) == [(3, "ResultGoneError")]
    assert bench.hosts.asked == ["good", "new"]


def test_pictures_inside_the_answer_are_taken_from_it(bench: Bench) -> None:
    bench.service.answer = done(Candidate(data=PNG), Candidate(data=JPEG[:-1]), Candidate(data=b"<html>"))
    collected = bench.collect(None, None, None)
    assert lost(collected) == [(2, "ResultUnavailableError"), (3, "NotAnImageError")]


def test_a_new_address_heals_what_the_old_one_no_longer_gives(bench: Bench) -> None:
    bench.hosts.answers = {"old": [403], "new": [PNG]}
    bench.service.answer = done(Candidate(url=at("new")))
    assert numbers(bench.collect(at("old"))) == {1}
    assert bench.hosts.asked == ["old", "new"]


def test_what_may_pass_is_tried_again_and_what_is_stored_is_not(bench: Bench) -> None:
    bench.hosts.answers = {"good": [PNG], "weak": [503, PNG[:100], PNG], "slow": [500, 500, JPEG]}
    collected = bench.collect(at("good"), at("weak"), at("slow"))
    assert collected.lost == ()
    assert bench.files == ["1.png", "2.png", "3.jpg"]
    assert [bench.hosts.asked.count(name) for name in ("good", "weak", "slow")] == [1, 3, 3]
    assert bench.clock.slept == [2.0, 5.0]


def test_without_a_single_picture_another_call_tries_again(bench: Bench) -> None:
    bench.hosts.answers = {"gone": [404], "weak": [503]}
    with pytest.raises(ResultUnavailableError):
        bench.collect(at("gone"), at("weak"))
    assert bench.hosts.asked.count("weak") == 3
    assert bench.clock.slept == [2.0, 5.0]


@pytest.mark.parametrize(
    ("answer", "error"), [(404, TaskExpiredError), (b"<html>", TaskExpiredError), (307, TaskExpiredError)]
)
def test_without_a_single_picture_the_services_own_word_is_the_reason(
    bench: Bench, answer: Answer, error: type[ServiceError]
) -> None:
    bench.hosts.answers = {"a": [answer]}
    with pytest.raises(error):
        bench.collect(at("a"))


@pytest.mark.parametrize(
    ("answer", "error"), [(404, ResultGoneError), (b"<html>", NotAnImageError), (307, ResultRefusedError)]
)
def test_without_a_single_picture_and_with_the_same_address_again_its_failure_is_the_reason(
    bench: Bench, answer: Answer, error: type[Exception]
) -> None:
    bench.hosts.answers = {"a": [answer]}
    bench.service.answer = done(Candidate(url=at("a")))
    with pytest.raises(error):
        bench.collect(at("a"))
    assert bench.hosts.asked == ["a", "a"]


def test_a_service_that_cannot_be_asked_anew_costs_no_picture(bench: Bench) -> None:
    bench.hosts.answers = {"good": [PNG], "gone": [404]}
    bench.service.answer = ServiceUnavailableError("502")
    assert lost(bench.collect(at("good"), at("gone"))) == [(2, "ResultGoneError")]


def test_a_done_task_that_names_nothing_is_told_as_that(bench: Bench) -> None:
    bench.service.answer = done()
    with pytest.raises(ResultGoneError, match="names no picture"):
        bench.collect()


@pytest.mark.parametrize("second", [PNG, JPEG, WEBP])
def test_a_call_after_a_call_that_died_fetches_only_what_is_missing(bench: Bench, second: bytes) -> None:
    """Also when the host sends another format now: no second file of one picture comes to lie there."""
    bench.hosts.answers = {"a": [JPEG], "b": [503]}
    first = bench.collect(at("a"), at("b"))
    bench.hosts.answers = {"a": [second], "b": [PNG]}
    bench.hosts.asked.clear()
    again = bench.collect(at("a"), at("b"))
    assert bench.hosts.asked == ["b"]
    assert again.stored[:1] == first.stored
    assert bench.files == ["1.jpg", "2.png"]
    assert again.lost == ()


def test_a_candidate_whose_trouble_may_pass_is_waited_for_between_calls_and_not_for_ever(bench: Bench) -> None:
    """The waits between calls are the state machine's: no function sleeps for long."""
    bench.hosts.answers = {"a": [PNG], "b": [503]}
    began = bench.clock.now()
    for tries in range(download.PATIENT_TRIES):
        with pytest.raises(ResultUnavailableError):
            bench.collect(at("a"), at("b"), tries=tries)
    assert bench.clock.now() - began < 40
    assert lost(bench.collect(at("a"), at("b"), tries=download.PATIENT_TRIES)) == [(2, "ResultUnavailableError")]


class Slow(Hosts):
    """Every answer costs its time on the clock."""

    clock: HandClock

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        self.clock.time += 50
        return super().send(request, *args, **kwargs)


def test_a_call_that_runs_out_of_time_leaves_the_rest_to_the_next_one(bench: Bench) -> None:
    bench.hosts = Slow({name: [PNG] for name in "abcdef"})
    bench.hosts.clock = bench.clock
    addresses = [at(name) for name in "abcdef"]
    with pytest.raises(ResultUnavailableError, match=r"too long|no time"):
        bench.collect(*addresses, seconds=115)
    assert bench.hosts.asked == ["a", "b", "c"]
    assert numbers(bench.collect(*addresses, seconds=300)) == {1, 2, 3, 4, 5, 6}
    assert bench.hosts.asked == ["a", "b", "c", "c", "d", "e", "f"]


def test_one_that_hangs_does_not_keep_the_others_from_being_tried(bench: Bench) -> None:
    hosts = Slow({"slow": [503], "good": [PNG]})
    hosts.clock, bench.hosts = bench.clock, hosts
    collected = bench.collect(at("slow"), at("good"), seconds=120)
    assert (numbers(collected), lost(collected)) == ({2}, [(1, "ResultUnavailableError")])


# --- the whole of Download ---


@dataclass
class OneEntry:
    """A ledger of one entry; what was stored of it is kept."""

    entry_: Entry
    stored: tuple[Any, ...] = ()

    def entry(self, run_id: str, n: int) -> Entry:
        assert (run_id, n) == (RUN, 1)
        return self.entry_

    def succeeded(self, run_id: str, n: int, stored: Any, lost: Any) -> None:
        self.stored = (*stored, *lost)


@pytest.mark.parametrize(("left", "copies"), [(300.0, 2), (19.0, 0)], ids=["time for copies", "none"])
def test_the_outcome_is_written_before_copies_are_made_while_there_is_time(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, left: float, copies: int
) -> None:
    bench.hosts.answers = {"a": [PNG], "b": [JPEG], "c": [404]}
    entry = Entry(
        1, "anna__01-shirt__a", "anna", "01-shirt", "a", candidates=tuple(Candidate(url=at(n)) for n in "abc")
    )
    ledger, copied = OneEntry(entry), []
    monkeypatch.setattr(
        thumbnails, "of_result", lambda s3, bucket, one, keep: bool(ledger.stored) and not copied.append(one)
    )
    session = guarded_session(policy := OriginPolicy.parse("https://*.example.com"))
    session.mount("https://", bench.hosts)
    clock = iter([290.0])  # for the pictures; what is left after them is the case's
    brought = download.bring(
        RUN, 1, "task-1", bucket=BUCKET, ledger=ledger, looks=LOOKS, service=bench.service,  # type: ignore[arg-type]
        session=session, s3=bench.s3, policy=policy, clock=bench.clock, seconds_left=lambda: next(clock, left),
    )  # fmt: skip
    assert brought.collected is not None
    assert (brought.copies, len(copied)) == (copies, copies)
    assert [getattr(one, "candidate", None) for one in ledger.stored] == [1, 2, 3]
    assert brought.entry is entry


def test_what_has_its_outcome_already_is_not_fetched_again(bench: Bench) -> None:
    entry = Entry(1, "id", "anna", "01-shirt", "a", status=Status.SUCCEEDED)
    brought = download.bring(
        RUN, 1, "task-1", bucket=BUCKET, ledger=OneEntry(entry), looks=LOOKS,  # type: ignore[arg-type]
        service=bench.service, session=requests.Session(), s3=bench.s3,
        policy=OriginPolicy.parse("https://x.example.com"), clock=bench.clock, seconds_left=lambda: 300.0,
    )  # fmt: skip
    assert (brought.collected, brought.copies, bench.hosts.asked, bench.service.asked) == (None, 0, [], [])
