"""The service's language: what is asked, and what each answer means."""

import base64
import json
import math
import textwrap
import time
import tracemalloc
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import product
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tryon.parameters import GarmentType
from tryon.service import Candidate, GarmentPicture, Submission, Submitted, TaskResult, TaskStatus, TaskTimes
from tryon.service import errors as e
from tryon.service.volcengine.parameters import Parameters
from tryon.service.volcengine.vendor import (
    RESULT_ANSWER_LIMIT,
    encode_query,
    encode_submission,
    read_result_answer,
    read_submit_answer,
    submission_body,
)

NOW = 1_800_000_000.0
HTML = b"<html><body><h1>502 Bad Gateway</h1></body></html>"


def coded(code: object, data: object = None, message: str = "words") -> bytes:
    return json.dumps({"code": code, "data": data, "message": message, "request_id": "R-1"}).encode()


def refused_by_gateway(error: Mapping[str, object]) -> bytes:
    return json.dumps({"ResponseMetadata": {"RequestId": "G-1", "Error": error}}).encode()


def submitted(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> Submitted:
    return read_submit_answer(status, headers or {}, body, now=NOW)


def result(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> TaskResult:
    return read_result_answer(status, headers or {}, body, now=NOW)


def submit_error(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> e.ServiceError:
    with pytest.raises(e.ServiceError) as caught:
        submitted(status, body, headers)
    return caught.value


def result_error(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> e.ServiceError:
    with pytest.raises(e.ServiceError) as caught:
        result(status, body, headers)
    return caught.value


def done(**data: object) -> bytes:
    return coded(10000, {"status": "done", "image_urls": ["https://r.example/0.png"]} | data)


# What is asked


def test_a_submission_says_what_the_vendors_page_asks_for() -> None:
    submission = Submission(
        b"model",
        (GarmentPicture(b"shirt", "upper"), GarmentPicture(b"skirt", "lower")),
        Parameters(
            super_resolution=False,
            keep_head=False,
            keep_hands=True,
            keep_feet=True,
            keep_upper=True,
            keep_lower=True,
            mask="bbox",
            seed=7,
            steps=20,
            box_overlap=0.5,
            box_expansion=1.25,
            max_side=2048,
        ),
    )
    assert encode_submission(submission) == {
        "req_key": "dressing_diffusionV2",
        "req_image_store_type": 0,
        "binary_data_base64": [base64.b64encode(p).decode() for p in (b"model", b"shirt", b"skirt")],
        "garment": {"data": [{"type": "upper"}, {"type": "bottom"}]},
        "inference_config": {
            "do_sr": False,
            "keep_head": False,
            "keep_hand": True,
            "keep_foot": True,
            "keep_upper": True,
            "keep_lower": True,
            "tight_mask": "bbox",
            "seed": 7,
            "num_steps": 20,
            "p_bbox_iou_ratio": 0.5,
            "p_bbox_expand_ratio": 1.25,
            "max_process_side_length": 2048,
        },
    }


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("super_resolution", "do_sr"),
        ("keep_head", "keep_head"),
        ("keep_hands", "keep_hand"),
        ("keep_feet", "keep_foot"),
        ("keep_upper", "keep_upper"),
        ("keep_lower", "keep_lower"),
    ],
)
def test_each_switch_turns_its_own_and_no_other(ours: str, theirs: str) -> None:
    usual = Parameters()
    turned = usual.model_copy(update={ours: not getattr(usual, ours)})
    encode: Any = encode_submission
    before, after = (
        encode(Submission(b"", (GarmentPicture(b"", "full"),), parameters))["inference_config"]
        for parameters in (usual, turned)
    )
    assert {name for name in after if after[name] != before[name]} == {theirs}


def test_the_calibrated_defaults_are_said_aloud() -> None:
    encode: Any = encode_submission
    config = encode(Submission(b"m", (GarmentPicture(b"g", "full"),), Parameters()))["inference_config"]
    assert (config["do_sr"], config["keep_head"], config["keep_hand"], config["tight_mask"]) == (
        True,
        True,
        False,
        "loose",
    )


def test_every_garment_type_has_the_services_word() -> None:
    encode: Any = encode_submission
    words = {
        kind: encode(Submission(b"", (GarmentPicture(b"", kind),), Parameters()))["garment"]["data"]
        for kind in get_args(GarmentType)
    }
    assert words == {"upper": [{"type": "upper"}], "lower": [{"type": "bottom"}], "full": [{"type": "full"}]}


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=90), st.lists(st.binary(max_size=90), min_size=1, max_size=2))
def test_the_body_in_bytes_says_the_same_as_the_json_object(model: bytes, garments: list[bytes]) -> None:
    submission = Submission(model, tuple(GarmentPicture(data, "lower") for data in garments), Parameters())
    assert json.loads(submission_body(submission)) == encode_submission(submission)


@pytest.mark.parametrize("size", [49150, 49151, 49152, 49153, 98304, 100001])
def test_a_picture_larger_than_one_block_is_encoded_without_a_seam(size: int) -> None:
    picture = bytes(range(256)) * 400
    body = json.loads(submission_body(Submission(picture[:size], (GarmentPicture(b"g", "full"),), Parameters())))
    assert base64.b64decode(body["binary_data_base64"][0], validate=True) == picture[:size]


def test_the_body_is_made_without_a_second_copy_of_the_pictures() -> None:
    pictures = [bytes(2_000_000) for _ in range(3)]
    submission = Submission(pictures[0], tuple(GarmentPicture(data, "upper") for data in pictures[1:]), Parameters())
    tracemalloc.start()
    try:
        body = submission_body(submission)
        assert tracemalloc.get_traced_memory()[1] < 1.2 * len(body)
    finally:
        tracemalloc.stop()


def test_the_question_asks_for_addresses_in_a_string_of_json() -> None:
    query = encode_query("7392616336519610409")
    assert query.keys() == {"req_key", "task_id", "req_json"}
    assert (query["req_key"], query["task_id"]) == ("dressing_diffusionV2", "7392616336519610409")
    assert json.loads(str(query["req_json"])) == {"return_url": True}


# The codes


CODES = [
    # HTTP, code, on submit, on result
    (400, 50411, e.InputRefusedError, e.InputRefusedError),
    (400, 50511, e.OutputRefusedError, e.OutputRefusedError),
    (400, 50412, e.InputRefusedError, e.InputRefusedError),
    (400, 50413, e.InputRefusedError, e.InputRefusedError),
    (400, 50512, e.TaskFailedError, e.TaskFailedError),
    (400, 50518, e.InputRefusedError, e.InputRefusedError),
    (400, 50519, e.OutputRefusedError, e.OutputRefusedError),
    (400, 50520, e.TaskFailedError, e.TaskFailedError),
    (400, 50521, e.TaskFailedError, e.TaskFailedError),
    (400, 50522, e.TaskFailedError, e.TaskFailedError),
    (429, 50429, e.ServiceThrottledError, e.ServiceThrottledError),
    (429, 50430, e.ServiceBusyError, e.ServiceThrottledError),
    (500, 50500, e.ServiceUnavailableError, e.ServiceUnavailableError),
    (500, 50501, e.ServiceUnavailableError, e.ServiceUnavailableError),
    (401, 50400, e.ServiceAccessError, e.ServiceAccessError),
    (200, 50400, e.ServiceAccessError, e.ServiceAccessError),
    (400, 50205, e.InputRefusedError, e.InputRefusedError),
    (400, 50207, e.InputRefusedError, e.InputRefusedError),
    (400, 50213, e.InputRefusedError, e.InputRefusedError),
    (400, 50215, e.InputRefusedError, e.InputRefusedError),
    (400, 50218, e.InputRefusedError, e.InputRefusedError),
    (400, 50220, e.ServiceUnavailableError, e.TaskFailedError),
    # A code nobody has told us of: the HTTP status decides.
    (400, 59999, e.UnknownRefusalError, e.TaskFailedError),
    (200, 59999, e.UnknownRefusalError, e.ServiceUnavailableError),
    (404, 59999, e.UnknownRefusalError, e.ServiceUnavailableError),
    (401, 59999, e.ServiceAccessError, e.ServiceAccessError),
    (403, 59999, e.ServiceAccessError, e.ServiceAccessError),
    (429, 59999, e.ServiceThrottledError, e.ServiceThrottledError),
    (503, 59999, e.ServiceUnavailableError, e.ServiceUnavailableError),
]


@pytest.mark.parametrize(("status", "code", "on_submit", "on_result"), CODES)
def test_every_code_becomes_the_error_that_says_what_to_do(
    status: int, code: int, on_submit: type[e.ServiceError], on_result: type[e.ServiceError]
) -> None:
    for error, kind in (
        (submit_error(status, coded(code)), on_submit),
        (result_error(status, coded(code)), on_result),
        (submit_error(status, coded(str(code))), on_submit),
    ):
        assert type(error) is kind
        assert (error.code, error.request_id, error.http_status) == (code, "R-1", status)
        assert f"code {code}" in str(error)
        assert f"HTTP {status}" in str(error)
        assert "words" in str(error)


def test_a_code_unknown_to_us_is_called_that() -> None:
    assert "unknown" in str(submit_error(400, coded(59999)))
    assert "unknown" in str(result_error(400, coded(59999)))


@pytest.mark.parametrize("code", [50500, 50501, 50220, 59999])
def test_an_internal_error_ends_the_task_only_when_the_answer_is_about_the_task(code: int) -> None:
    done_badly = coded(code, {"status": "done", "image_urls": []})
    assert type(result_error(200, done_badly)) is e.TaskFailedError
    assert type(result_error(500, done_badly)) is e.TaskFailedError
    assert type(result_error(400, coded(code))) is e.TaskFailedError
    assert type(result_error(500, coded(code))) is e.ServiceUnavailableError


def test_done_with_a_failing_code_is_a_failure_whatever_pictures_it_names() -> None:
    body = coded(50511, {"status": "done", "image_urls": ["https://r.example/0.png"]})
    assert type(result_error(200, body)) is e.OutputRefusedError


GATEWAY = [
    (400, 100006, "InvalidTimestamp", e.ServiceAccessError),
    (401, 100009, "InvalidAccessKey", e.ServiceAccessError),
    (401, 100010, "SignatureDoesNotMatch", e.ServiceAccessError),
    (403, 100013, "AccessDenied", e.ServiceAccessError),
    (429, 100018, "FlowLimitExceeded", e.ServiceThrottledError),
]


@pytest.mark.parametrize(("status", "number", "name", "kind"), GATEWAY)
def test_the_gateways_refusals_are_known_by_number_and_by_name(
    status: int, number: int, name: str, kind: type[e.ServiceError]
) -> None:
    for fields in ({"CodeN": number, "Code": name}, {"Code": str(number)}, {"Code": name}):
        for error in (
            submit_error(status, refused_by_gateway({"Message": "words", **fields})),
            result_error(status, refused_by_gateway({"Message": "words", **fields})),
        ):
            assert type(error) is kind
            assert (error.code, error.request_id) == (number, "G-1")


@pytest.mark.parametrize(
    ("status", "on_submit", "on_result"),
    [
        (400, e.UnknownRefusalError, e.ServiceUnavailableError),
        (401, e.ServiceAccessError, e.ServiceAccessError),
        (403, e.ServiceAccessError, e.ServiceAccessError),
        (429, e.ServiceThrottledError, e.ServiceThrottledError),
        (502, e.SubmitOutcomeUnknownError, e.ServiceUnavailableError),
        (200, e.SubmitOutcomeUnknownError, e.ServiceUnavailableError),
    ],
)
def test_a_refusal_of_the_gateway_that_nobody_knows_goes_by_its_status(
    status: int, on_submit: type[e.ServiceError], on_result: type[e.ServiceError]
) -> None:
    body = refused_by_gateway({"CodeN": 109999, "Code": "Whatever", "Message": "words"})
    assert type(submit_error(status, body)) is on_submit
    assert type(result_error(status, body)) is on_result


def test_a_gateway_that_timed_out_behind_itself_leaves_the_submission_open() -> None:
    body = refused_by_gateway({"CodeN": 100015, "Code": "InternalServiceTimeout", "Message": "timeout"})
    assert type(submit_error(504, body)) is e.SubmitOutcomeUnknownError
    assert type(result_error(504, body)) is e.ServiceUnavailableError


# A submit's answer


def test_the_receipt_is_read() -> None:
    assert submitted(200, coded(10000, {"task_id": "7392616336519610409"})) == Submitted("7392616336519610409", "R-1")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b'{"code": "10000", "data": {"task_id": "T-1"}}'),
        (200, b'{"code": 10000, "data": {"task_id": "T-1", "more": [1, {"a": null}]}}'),
        (200, b'{"data": {"task_id": "T-1"}}'),
        (500, b'{"code": 10000, "data": {"task_id": "T-1"}}'),
        (429, b'{"code": 10000, "data": {"task_id": "T-1"}}'),
    ],
)
def test_a_task_id_that_came_is_never_thrown_away(status: int, body: bytes) -> None:
    assert submitted(status, body).task_id == "T-1"


RECEIPT = '{"code": 10000, "data": {"task_id": "T-1"}, "message": "words", "request_id": "R-1"}'
ODD_RECEIPTS = [
    RECEIPT.replace("words", "two\nlines\tand\x01more"),
    RECEIPT.replace("words", "\xff\xfe").encode("latin-1"),
    "\ufeff" + RECEIPT,
    "\r\n\x00" + RECEIPT + "\x00\n<!-- edge-7 -->",
    RECEIPT.encode("utf-16"),
    ("\ufeff" + RECEIPT).encode("utf-16-be"),
    RECEIPT.replace("10000", "10000.0"),
    RECEIPT.replace("10000", '" 10000 "'),
    RECEIPT.replace('"T-1"', '" T-1\n"'),
    RECEIPT.replace(
        ', "message"', ', "ResponseMetadata": {"Error": {"Code": "", "Message": "", "CodeN": 0}}, "message"'
    ),
    RECEIPT.replace(', "message"', ', "ResponseMetadata": {"Error": {}}, "message"'),
    RECEIPT.replace(', "message"', ', "ResponseMetadata": {"Error": {"Code": "Late", "CodeN": 5}}, "message"'),
    RECEIPT.replace(', "message"', ', "ResponseMetadata": [1], "message"'),
    RECEIPT.replace('{"task_id": "T-1"}', '[{"task_id": "T-1"}]'),
    RECEIPT.replace('{"task_id": "T-1"}', '"{\\"task_id\\": \\"T-1\\"}"'),
    RECEIPT.replace('{"task_id": "T-1"}', '"T-1 {"').replace("words", '\\"task_id\\": \\"T-1\\"'),
    '{"code": 10000, "task_id": "T-1", "data": null}',
    '{"code": 10000, "data": {"task_id": "T-1"}, "data": null}',
    '{"code": 10000, "data": {"task_id": "T-1"},}',
    '{"code": 10000, "data": {"task_id": "T-1", "message": "it brea',
    '{"code": 10000, "data": {"task_id": "T-1"}, "message": "a "quoted" word"}',
    '{\'code\': 10000, "task_id": "T-1"}',
    '{"code": 10000, "data": {"task_id": "T-1", "number": ' + "9" * 10_000 + "}}",
    '{"code": 10000, "data": {"task_id": "T-1", "deep": ' + "[" * 100_000,
    RECEIPT.replace("words", "[,{" * 300_000),
]


@pytest.mark.parametrize("receipt", ODD_RECEIPTS, ids=range(len(ODD_RECEIPTS)))
def test_a_task_id_is_read_whatever_else_is_broken(receipt: str | bytes) -> None:
    assert submitted(200, receipt if isinstance(receipt, bytes) else receipt.encode()).task_id == "T-1"


@pytest.mark.parametrize(
    "receipt",
    [
        '{"code": 50430, "data": {"task_id": "T-1"},}',
        '{"code": 10000, "data": [{"task_id": "T-1"}, {"task_id": "T-2"}]}',
        '{"code": 10000, "data": {"task_id": "T-1',
        '{"code": 10000, "data": {"task_id": 7392616336519',
        '{"code": 10000, "message": "no task_id: T-1"}',
    ],
)
def test_an_id_that_is_not_surely_the_tasks_leaves_the_outcome_open(receipt: str) -> None:
    assert type(submit_error(200, receipt.encode())) is e.SubmitOutcomeUnknownError


@pytest.mark.parametrize(
    "odd",
    [
        lambda body: body.replace(b"words", b"two\nlines\t\xff\xfe"),
        lambda body: b"\xef\xbb\xbf" + body + b"\n\x00",
        lambda body: body.decode().encode("utf-16"),
        lambda body: body.replace(b'"message"', b'"ResponseMetadata": {"Error": {"Code": ""}}, "message"'),
        lambda body: body.replace(b'"message"', b'"ResponseMetadata": {"Error": {"Code": "Late"}}, "message"'),
        lambda body: body.replace(b"10000", b'"10000"'),
    ],
)
def test_an_odd_answer_about_a_task_is_read_too(odd: Callable[[bytes], bytes]) -> None:
    assert result(200, odd(done())).candidates == (Candidate(url="https://r.example/0.png"),)


@pytest.mark.parametrize(
    "piece",
    [b"{},", b"[],", b'{"a":1},', b'"ab",', b"[[],{},", b"1.5,"],
    ids=["{}", "[]", "{a}", "text", "deep", "1.5"],
)
def test_no_answer_takes_many_times_its_size_in_memory(piece: bytes) -> None:
    more = (piece * (RESULT_ANSWER_LIMIT // len(piece) // 4)).removesuffix(b",")
    body = done().replace(b'"words"', b"[" + more + b"]")
    tracemalloc.start()
    try:
        with suppress(e.ServiceUnavailableError):
            result(200, body)
        assert tracemalloc.get_traced_memory()[1] < 2.5 * len(body) + (64 << 20)
    finally:
        tracemalloc.stop()


def test_data_that_is_json_in_a_string_is_read() -> None:
    assert result(200, json.dumps({"code": 10000, "data": '{"status": "generating"}'}).encode()).status == "generating"


def test_a_task_id_written_as_a_number_is_kept() -> None:
    assert submitted(200, coded(10000, {"task_id": 7392616336519610409})).task_id == "7392616336519610409"


@pytest.mark.parametrize(
    "task_id", ["", " ", "a b", "../x", "x" * 129, "é", "a\nb", -1, 1.5, True, None, [], {}, ["T-1"], 10**30]
)
def test_a_task_id_that_cannot_be_one_leaves_the_outcome_unknown(task_id: object) -> None:
    error = submit_error(200, coded(10000, {"task_id": task_id}))
    assert type(error) is e.SubmitOutcomeUnknownError
    assert error.request_id == "R-1"


UNREADABLE = [
    b"",
    HTML,
    b"null",
    b"[]",
    b'"10000"',
    b"{",
    b'{"code": 10000, "data": {"task_id": "73926163365',
    b"\xff\xfe\x00",
    b"[" * 200_000,
    b'{"code": ' + b"9" * 10_000 + b"}",
    b'{"code": NaN}',
    b'{"code": true}',
    b'{"code": null, "data": null}',
    b'{"code": -1}',
]


@pytest.mark.parametrize("body", UNREADABLE)
@pytest.mark.parametrize("status", [200, 302, 400, 404, 500, 502, 504])
def test_an_unreadable_answer_leaves_a_submission_open_and_says_nothing_of_a_task(status: int, body: bytes) -> None:
    assert type(submit_error(status, body)) is e.SubmitOutcomeUnknownError
    assert type(result_error(status, body)) is e.ServiceUnavailableError


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (429, e.ServiceThrottledError),
        (413, e.InputRefusedError),
        (401, e.ServiceAccessError),
        (403, e.ServiceAccessError),
    ],
)
def test_some_statuses_prove_without_any_body_that_no_task_was_made(status: int, kind: type[e.ServiceError]) -> None:
    assert type(submit_error(status, HTML)) is kind


def test_a_bare_429_asks_to_slow_down_on_a_poll_too() -> None:
    assert type(result_error(429, HTML)) is e.ServiceThrottledError


@pytest.mark.parametrize("zone", ["UTC", "America/St_Johns", "Asia/Kolkata"])
def test_a_date_without_a_zone_is_gmt_in_every_zone(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        for value in ("Fri, 15 Jan 2027 08:00:30", "Fri, 15 Jan 2027 08:00:30 -0000", "Fri Jan 15 08:00:30 2027"):
            error: Any = submit_error(429, HTML, {"Retry-After": value})
            assert error.retry_after == 30.0
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 120 ", 120.0),
        ("0", 0.0),
        ("300", 300.0),
        ("301", 300.0),
        ("60000", 300.0),
        ("999999999", 300.0),
        ("Fri, 15 Jan 2027 08:05:01 GMT", 300.0),
        ("Wed, 15 Jan 2098 08:00:00 GMT", 300.0),
        ("Fri, 15 Jan 2027 08:00:30 GMT", 30.0),
        ("Fri, 15 Jan 2027 07:00:00 GMT", 0.0),
        ("Fri, 15 Jan 2027 08:00:30", 30.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("9" * 400, None),
        ("Fri, 99 Jan 2027 08:00:30 GMT", None),
        ("Fri, 15 Jan 99999 08:00:30 GMT", None),
    ],
)
def test_retry_after_is_read_as_seconds_and_as_a_date(value: str, seconds: float | None) -> None:
    for error in (
        submit_error(429, coded(50429), {"retry-AFTER": value}),
        submit_error(429, HTML, {"Retry-After": value}),
        result_error(429, refused_by_gateway({"CodeN": 100018}), {"Retry-After": value}),
    ):
        assert isinstance(error, e.ServiceThrottledError)
        assert error.retry_after == seconds


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("86400", "asks to wait 86,400 s, 300 s are waited"),
        ("Fri, 15 Jan 2027 09:00:00 GMT", "asks to wait 3,600 s, 300 s are waited"),
    ],
)
def test_a_wait_that_was_cut_is_told(value: str, told: str) -> None:
    assert told in str(submit_error(429, coded(50429), {"Retry-After": value}))
    assert told in str(result_error(429, coded(50430), {"Retry-After": value}))
    for error in (
        submit_error(429, coded(50429), {"Retry-After": "300"}),
        # A wait that nobody heeds is not cut either.
        submit_error(429, coded(50430), {"Retry-After": value}),
        submit_error(503, coded(50500), {"Retry-After": value}),
    ):
        assert "asks to wait" not in str(error)


# A result's answer


@pytest.mark.parametrize("word", ["in_queue", "generating", "not_found", "expired"])
def test_a_task_that_is_not_done_has_a_status_and_no_pictures(word: str) -> None:
    body = coded(10000, {"status": word, "image_urls": ["https://r.example/0.png"], "binary_data_base64": None})
    assert result(200, body) == TaskResult(TaskStatus(word), "R-1")


@pytest.mark.parametrize("word", [" In_Queue", "GENERATING\n", "Not_Found ", "\texpired"])
def test_a_status_word_is_read_without_case_and_blanks(word: str) -> None:
    assert result(200, coded(10000, {"status": word})) == TaskResult(TaskStatus(word.strip().lower()), "R-1")
    assert result(200, done(status=" Done ")).status is TaskStatus.DONE


@pytest.mark.parametrize("word", [" Canceled ", "CANCELLED", "cancel", "FAILED", "Failure", "Error", "aborted"])
def test_a_word_that_means_an_end_ends_the_task(word: str) -> None:
    error = result_error(200, coded(10000, {"status": word}))
    assert type(error) is e.TaskFailedError
    assert repr(word.strip()) in str(error)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("processing", "'processing'"),
        ("Paused by operator", "'Paused by operator'"),
        ("", "''"),
        (None, "''"),
        (3, "'3'"),
        (["done"], "['done']"),
        ({"status": "done"}, "{'status': 'done'}"),
        (True, "'True'"),
        ("x" * 1000, "'xxx"),
    ],
)
def test_a_status_nobody_knows_is_no_answer_and_kept_as_said(word: object, said: str) -> None:
    error = result_error(200, coded(10000, {"status": word}))
    assert type(error) is e.ServiceUnavailableError
    assert said in str(error)
    assert len(str(error)) < 400


def test_every_candidate_is_taken_with_its_seed_and_the_tasks_times() -> None:
    details = {
        "received_at": 1747915233.5144498,
        "processed_at": 1747915233,
        "finished_at": 1747915311,
        "results": [
            {"inference_config": {"seed": 2636286795}, "score": 7},
            {"inference_config": {"seed": 5}},
        ],
    }
    answer = result(
        200,
        done(image_urls=["https://r.example/0.png", "https://r.example/1.png"], resp_data=json.dumps(details)),
    )
    assert answer == TaskResult(
        TaskStatus.DONE,
        "R-1",
        (
            Candidate(url="https://r.example/0.png", seed=2636286795, score=7.0),
            Candidate(url="https://r.example/1.png", seed=5),
        ),
        TaskTimes(1747915233.5144498, 1747915233.0, 1747915311.0),
    )
    assert answer.times
    assert answer.times.latency == pytest.approx(77.5, abs=0.1)


@pytest.mark.parametrize(
    ("said", "score", "reason"),
    [
        ({"score": 0.83, "reason": " face redrawn "}, 0.83, "face redrawn"),
        ({"score": 1, "reason": ""}, 1.0, None),
        ({"score": "0.9", "reason": 4}, None, None),
        ({"score": True}, None, None),
        ({"score": float("nan")}, None, None),
        ({"score": 1e300}, None, None),
        ({"reason": "x" * 5000}, None, "x" * 199 + "…"),
        ("no object", None, None),
        (None, None, None),
    ],
)
def test_what_the_service_says_of_a_candidate_is_taken_where_it_is_understood(
    said: object, score: float | None, reason: str | None
) -> None:
    (candidate,) = result(200, done(resp_data=json.dumps({"results": [said]}))).candidates
    assert (candidate.score, candidate.reason) == (score, reason)
    assert candidate.url is not None


def test_pictures_in_base64_are_taken_when_there_are_no_addresses() -> None:
    encoded = [base64.b64encode(picture).decode() for picture in (b"one", b"two")]
    for absent in ([], None, ["", ""]):
        answer = result(200, done(image_urls=absent, binary_data_base64=encoded))
        assert [candidate.data for candidate in answer.candidates] == [b"one", b"two"]
        assert [candidate.url for candidate in answer.candidates] == [None, None]


def test_an_address_is_preferred_to_the_same_picture_in_base64() -> None:
    answer = result(200, done(binary_data_base64=[base64.b64encode(b"one").decode()]))
    assert answer.candidates == (Candidate(url="https://r.example/0.png"),)


@pytest.mark.parametrize(
    "nothing", [{"image_urls": []}, {"image_urls": None, "binary_data_base64": []}, {"image_urls": ["", None]}]
)
def test_done_without_a_picture_is_a_failed_task(nothing: dict[str, object]) -> None:
    assert type(result_error(200, done(**nothing))) is e.TaskFailedError


@pytest.mark.parametrize(
    "pictures",
    [
        {"image_urls": "https://r.example/0.png"},
        {"image_urls": {"0": "https://r.example/0.png"}},
        {"image_urls": [1]},
        {"image_urls": ["https://r.example/\n0.png"]},
        {"image_urls": ["https://r.example/" + "x" * 9000]},
        {"image_urls": ["https://r.example/0.png"] * 65},
        {"image_urls": [], "binary_data_base64": ["not base64!"]},
        {"image_urls": [], "binary_data_base64": ["é"]},
        {"image_urls": [], "binary_data_base64": ["QUJD!"]},
        {"image_urls": [], "binary_data_base64": [7]},
        {"image_urls": [], "binary_data_base64": 7},
    ],
)
def test_pictures_that_make_no_sense_are_asked_for_again(pictures: dict[str, object]) -> None:
    assert type(result_error(200, done(**pictures))) is e.ServiceUnavailableError


def test_one_unreadable_picture_does_not_cost_the_others() -> None:
    details = {"results": [{"inference_config": {"seed": seed}} for seed in (1, 2, 3)]}
    urls = ["https://r.example/0.png", {}, "https://r.example/2.png"]
    answer = result(200, done(image_urls=urls, resp_data=json.dumps(details)))
    assert answer.candidates == (
        Candidate(url="https://r.example/0.png", seed=1),
        Candidate(seed=2),
        Candidate(url="https://r.example/2.png", seed=3),
    )


@pytest.mark.parametrize("bad", [None, "", 7, {}, ["https://r.example/0.png"], "a\nb", "x" * 9000, True])
def test_an_entry_that_is_no_address_keeps_its_number_and_costs_no_other(bad: object) -> None:
    good = "https://r.example/good.png"
    assert result(200, done(image_urls=[bad, good])).candidates == (Candidate(), Candidate(url=good))
    assert result(200, done(image_urls=[good, bad])).candidates == (Candidate(url=good), Candidate())
    pictures = [base64.b64encode(b"one").decode(), "not base64!"]
    both = result(200, done(image_urls=[bad, bad, good], binary_data_base64=pictures))
    assert both.candidates == (Candidate(data=b"one"), Candidate(), Candidate(url=good))


def test_blanks_around_an_address_are_not_part_of_it() -> None:
    assert result(200, done(image_urls=[" https://r.example/0.png\r\n"])).candidates[0].url == "https://r.example/0.png"


@pytest.mark.parametrize("written", ["data:image/png;base64,{}", "{}\n", " {} "])
def test_base64_is_read_however_it_is_written(written: str) -> None:
    data = b"\xfb\xef\xbe picture"
    for text in (base64.b64encode(data), base64.b64encode(data).rstrip(b"="), base64.urlsafe_b64encode(data)):
        encoded = written.format("\n".join(textwrap.wrap(text.decode(), 7)))
        (candidate,) = result(200, done(image_urls=[], binary_data_base64=[encoded])).candidates
        assert candidate.data == data


@pytest.mark.parametrize(
    "details",
    [
        None,
        "",
        "not JSON",
        "[]",
        "[" * 100_000,
        7,
        {"received_at": 1},
        '{"received_at": 1747915233, "processed_at": 1747915233}',
        '{"received_at": 1747915233, "processed_at": 1747915233, "finished_at": 1747915200}',
        '{"received_at": 1747915233, "processed_at": 1747915233, "finished_at": NaN}',
        '{"received_at": 1747915233, "processed_at": 1747915233, "finished_at": Infinity}',
        '{"received_at": 1747915233, "processed_at": 1747915233, "finished_at": 1e400}',
        '{"received_at": 1747915233, "processed_at": 1747915233, "finished_at": 1747915311000}',
        '{"received_at": "1747915233", "processed_at": 1747915233, "finished_at": 1747915311}',
        '{"received_at": true, "processed_at": true, "finished_at": true}',
        f'{{"received_at": 1, "processed_at": 1, "finished_at": 1{"0" * 400}}}',
    ],
)
def test_times_that_do_not_parse_are_done_without(details: object) -> None:
    answer = result(200, done(resp_data=details))
    assert answer.candidates == (Candidate(url="https://r.example/0.png"),)
    assert answer.times is None


@pytest.mark.parametrize(
    "results", [None, [], {}, [{}, {}], [7], [{"inference_config": 7}], [{"inference_config": {"seed": "7"}}]]
)
def test_a_seed_that_cannot_be_told_is_left_out(results: object) -> None:
    assert result(200, done(resp_data=json.dumps({"results": results}))).candidates[0].seed is None


# What errors say


@pytest.mark.parametrize(
    "secret",
    [
        "AKLTEXAMPLEDUMMY",
        "AKLTMzk4ZTk2YTQ4NmZkNDZlN2E3ODZk",
        "https://r.example/results/0.png?signature=abc",
        "4727041c4b794c8eb86c828e3316060f4727041c4b794c8eb86c828e3316060f",
        "STS2eyJMVEFjY2Vzc0tleUlkIjoiQUtMVE16azRaVGsy",
        "Signature=4727041c4b794c8eb86c828e3316060f",
    ],
)
def test_a_secret_that_the_server_quotes_is_not_repeated(secret: str) -> None:
    message = f"The accesskey [{secret}] included in the request is invalid."
    for body in (coded(50400, message=message), refused_by_gateway({"CodeN": 100009, "Message": message})):
        for error in (submit_error(401, body), result_error(401, body)):
            assert secret not in str(error)
            assert "is invalid" in str(error)


def test_the_servers_words_are_shortened_and_cannot_forge_lines() -> None:
    error = submit_error(400, coded(50411, message="bad\r\n\x1b[31mERROR\x00 forged\u2028line " + "long " * 2000))
    assert str(error).isprintable()
    assert len(str(error)) < 300
    assert "ERROR forged line" in str(error)


@pytest.mark.parametrize("request_id", ["a b", "x" * 129, "é", 7, None, "a\nb", {}])
def test_a_request_id_that_cannot_be_one_is_dropped(request_id: object) -> None:
    body = json.dumps({"code": 10000, "data": {"task_id": "T-1"}, "request_id": request_id}).encode()
    assert submitted(200, body).request_id == ""


def test_the_logs_id_in_the_headers_stands_in_for_a_missing_request_id() -> None:
    assert submit_error(502, HTML, {"X-Tt-Logid": "L-1"}).request_id == "L-1"


# Whatever comes


WORDS = st.sampled_from(
    [
        *("code", "data", "status", "task_id", "image_urls", "binary_data_base64", "resp_data", "results", "seed"),
        *("ResponseMetadata", "Error", "CodeN", "Code", "Message", "RequestId", "message", "request_id", "done"),
    ]
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([10000, 50411, 50429, 50430, 50500, 100009, 10**30, -1]),
    st.floats(),
    st.integers(),
    WORDS,
    st.text(max_size=20),
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.one_of(WORDS, st.text(max_size=5)), inner)),
    max_leaves=25,
)


@settings(max_examples=200, deadline=None)
@given(
    status=st.one_of(st.sampled_from([200, 302, 400, 401, 413, 429, 500, 502]), st.integers(100, 599)),
    headers=st.dictionaries(st.sampled_from(["Retry-After", "X-Tt-Logid", "Date"]), st.text(max_size=40)),
    body=st.one_of(
        st.binary(max_size=200),
        JSON.map(lambda value: json.dumps(value).encode()),
        st.fixed_dictionaries({"code": st.sampled_from([10000, 50511, None]), "data": JSON}).map(
            lambda value: json.dumps(value).encode()
        ),
        st.dictionaries(WORDS, JSON, min_size=3).map(lambda value: json.dumps(value).encode()),
    ),
)
def test_no_answer_escapes_as_anything_but_the_named_errors(status: int, headers: dict[str, str], body: bytes) -> None:
    outcomes: list[Submitted | TaskResult | e.ServiceError] = []
    for read in (read_submit_answer, read_result_answer):
        try:
            outcomes.append(read(status, headers, body, now=NOW))
        except e.ServiceError as error:
            outcomes.append(error)
    for outcome in outcomes:
        if isinstance(outcome, e.ServiceError):
            assert type(outcome) is not e.ServiceError
            assert str(outcome).isprintable()
            assert len(str(outcome)) < 400
        if isinstance(outcome, e.ServiceThrottledError):
            assert outcome.retry_after is None or 0 <= outcome.retry_after < math.inf


def test_a_submission_is_never_called_refused_without_a_code_or_a_status_that_says_so() -> None:
    proofs = {401, 403, 413, 429}
    for status, body in product(range(200, 600), (b"", HTML, b"{}")):
        assert isinstance(submit_error(status, body), e.SubmitOutcomeUnknownError) == (status not in proofs)
