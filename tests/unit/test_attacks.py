"""What a hostile manifest, picture or service writes stays data, wherever it comes out again."""

import csv
import io
import json
import logging
from dataclasses import replace

import pytest
from aws_lambda_powertools import Logger

from tests.doubles import table_of
from tryon.keys import RunFolder
from tryon.pictures import images
from tryon.planning import manifest
from tryon.reporting import notification, summary
from tryon.state.entry import Entry, Status
from tryon.state.run import Price, Run

GOOD = {
    "models": [{"id": "anna", "image": "inputs/anna.jpg"}],
    "garments": [{"id": "shirt", "image": "inputs/shirt.png", "type": "upper"}],
}


def refused(data: bytes) -> str:
    with pytest.raises(manifest.ManifestError) as raised:
        manifest.parse(data, bucket="pictures")
    return str(raised.value)


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 200_000 + b"]" * 200_000,
        b'{"models":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"models": ' + b"9" * 1_000_000 + b"}",
        b'{"cadence": [1e999999]}',
        b'{"cadence": [NaN]}',
        b'{"cadence": [-Infinity]}',
        b'{"models": [], "models": []}',
        b'{"models": [{"id": "a", "id": "b", "image": "a.jpg"}]}',
        b"\xff\xfe{\x00}\x00",
        b'{"name": "\\ud800"}',
    ],
    ids=["lists", "objects", "digits", "overflow", "nan", "infinity", "twice", "twice within", "utf-16", "half"],
)
def test_json_made_to_hurt_its_reader_is_refused_in_a_short_message(data: bytes) -> None:
    assert len(refused(data)) < 3_000


@pytest.mark.parametrize(
    "identifier",
    [
        "аnna",  # noqa: RUF001 - the first letter is Cyrillic
        "anna\u200b",
        "anna\u202egnp",
        "ａnna",  # noqa: RUF001 - a full-width letter
        "anna\n",
        "anna\x00",
        "../anna",
        "anna/../../runs",
        "%2e%2e",
        "anna__shirt",
        "ANNA",
        "<script>",
        "=1+1",
        "-anna",
    ],
)
def test_an_id_that_only_looks_like_one_is_refused(identifier: str) -> None:
    content = {**GOOD, "models": [{"id": identifier, "image": "inputs/anna.jpg"}]}
    assert "models[0].id" in refused(json.dumps(content).encode())


def test_half_a_surrogate_pair_is_told() -> None:
    # With all that a manifest needs, so that nothing else can refuse it.
    assert "surrogate" in refused(json.dumps({**GOOD, "name": "\ud800"}).encode())


@pytest.mark.parametrize("entry", [b"{}", b"0", b"[]"])
def test_hosts_of_wrong_entries_are_counted_and_not_named_one_by_one(entry: bytes) -> None:
    data = b'{"garments": [], "models": [' + b",".join([entry] * 300_000) + b"]}"
    assert refused(data) == "models: has 300,000 entries, at most 100,000 are read"


def test_a_likely_id_is_looked_for_only_where_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    def look(word: str, *_: object, **__: object) -> list[str]:
        looked.append(word)
        return []

    monkeypatch.setattr("difflib.get_close_matches", look)
    refused(
        json.dumps({**GOOD, "outfits": [{"id": f"o{i}", "upper": f"u{i}", "lower": "l"} for i in range(99)]}).encode()
    )
    assert len(looked) == manifest.MAX_PROBLEMS


@pytest.mark.parametrize("cadence", [[0], [-1], [1e308], [10**30], [True], ["5"], [5] * 100_000])
def test_a_cadence_that_would_never_end_or_never_wait_is_refused(cadence: list[object]) -> None:
    assert "cadence" in refused(json.dumps({**GOOD, "cadence": cadence}).encode())


def test_no_key_leaves_its_runs_folder() -> None:
    key = RunFolder("run-1").result("anna", "anna__01-shirt__default", 1)
    assert key.startswith("runs/run-1/results/anna/")
    assert ".." not in key


@pytest.mark.parametrize(
    "head",
    [b"GIF89a", b"%PDF-1.7\n", b"PK\x03\x04", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"MZ", b"#!/bin/sh\n"],
)
def test_a_file_of_another_kind_with_a_picture_behind_it_is_refused(head: bytes) -> None:
    with pytest.raises(images.ImageError):
        images.prepare(head + b"\xff\xd8\xff\xe0" + bytes(100), name="inputs/anna.jpg")


def failed(cause: str, error: str = "TaskFailedError") -> Entry:
    return Entry(
        n=1, id="anna__01-shirt__default", model="anna", worn="01-shirt", variant="default", status=Status.FAILED,
        error=error, cause=cause,
    )  # fmt: skip


@pytest.mark.parametrize("cause", ['=HYPERLINK("http://x")', "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_what_the_service_says_is_no_formula_in_the_table(cause: str) -> None:
    (row,) = csv.DictReader(io.StringIO(table_of([failed(cause)])))
    assert row["cause"].startswith("'")


def test_line_breaks_in_a_cause_make_no_second_row_in_the_table() -> None:
    entry = failed('x"\n2,forged,anna,SUCCEEDED')
    rows = list(csv.DictReader(io.StringIO(table_of([entry, replace(entry, n=2)]))))
    assert [row["n"] for row in rows] == ["1", "2"]


@pytest.mark.parametrize(
    "cause", ['x\n{"level":"ERROR","message":"forged"}', "\x1b[2J\x1b[31mred", "a\r\nb", "a\u2028b"]
)
def test_a_message_forges_no_second_line_in_the_log(cause: str) -> None:
    out = io.StringIO()
    # A logger of a name keeps the stream that it was first given.
    logger = Logger(service=f"attacks-{id(out)}-{cause!r}", stream=out, level=logging.INFO)
    logger.warning("task failed", error=cause)
    assert "\x1b" not in out.getvalue()
    (line,) = out.getvalue().removesuffix("\n").split("\n")
    assert json.loads(line)["error"] == cause


def test_a_runs_name_adds_no_line_to_a_subject() -> None:
    run = Run("run-1", name="spring\nBcc: all@example.com", bucket="b", manifest_key="k")
    told = summary.summarize(run, [failed("x")], now=1.0, prices=lambda _: Price(0.2, "CNY"))
    subject = notification.subject(told)
    assert "\n" not in subject
    assert len(subject) < 100
