"""The table of errors knows every name that a combination or a run can end with, and no other."""

import json
import re

import botocore.exceptions
import pytest

from benchmarks.errors import PAGE, page
from lint.rules.workflow import error_classes, library_error_classes, states
from tryon.errors import ADVICE, COMBINATION, ENDS_TASK, PROVE_NO_TASK, RUN, Paid
from tryon.reporting import summary
from tryon.service import errors as of_service
from tryon_local.app import ROOT

MACHINE = json.loads((ROOT / "statemachine" / "tryon.asl.json").read_text())

NEVER_AN_END = {
    "TurnLaterError": "the state machine waits for the turn",
    "ServiceError": "the base of those that have a name",
    "TaskError": "the base of those that have a name",
    "NoAnswerError": "turned into one of the service's errors where it is raised",
    "LedgerConflictError": "turned into an outcome where it is raised",
    "LedgerWriteError": "Plan is tried again; the run then ends with its name and cause",
    "UnknownServiceError": "a field of the manifest, which is rejected",
    "UnusableError": "a field of the manifest, which is rejected",
    "ImageError": "a field of the manifest, which is rejected",
    "InflateError": "turned into one of the fetch's errors where it is raised",
    "TooFewSamplesError": "calibration, in the command",
    "LimitError": "calibration, in the command",
    "ExportError": "reviews, in the command",
    "SignatureError": "a check: the result is unchecked",
    "MeasurementsError": "a check: the result is unchecked",
    "NoGalleryError": "parts of a gallery: they are written without pictures",
    "NothingToCompareError": "a check: the results are not compared",
    "JudgeError": "a check: the result is unchecked",
    "TooFewApprovedError": "limits of checks, in the command",
    "NoTimeError": "a manifest, which is planned in parts, or rejected",
}
"""Names of classes that no combination and no run ends with, each with its reason."""


def test_every_class_has_its_meaning_or_is_never_an_end() -> None:
    known = COMBINATION.keys() | RUN.keys() | NEVER_AN_END.keys()
    public = {name for name in error_classes(ROOT) if not name.startswith("_")}
    assert public - known == set()


def test_every_error_of_the_state_machine_has_its_meaning() -> None:
    text = json.dumps([{k: v for k, v in state.items() if k != "ItemProcessor"} for _, state in states(MACHINE)])
    named = set(re.findall(r'(?<=")[A-Z]\w+Error(?=")', text)) | set(re.findall(r"(?<=')[A-Z]\w+Error(?=')", text))
    foreign = library_error_classes() | set(vars(botocore.exceptions))
    assert named - foreign - COMBINATION.keys() - RUN.keys() - NEVER_AN_END.keys() == set()


def test_every_entry_is_used() -> None:
    text = (ROOT / "statemachine" / "tryon.asl.json").read_text()
    given = {error for error, _ in summary.OUTCOME_OF_UNFINISHED.values()}
    used = error_classes(ROOT) | given | set(re.findall(r"[A-Z]\w+Error", text))
    assert COMBINATION.keys() | RUN.keys() <= used


def test_what_ends_a_task_was_paid_or_may_have_been() -> None:
    assert {"InputRefusedError", "OutputRefusedError", "TaskFailedError", "TaskExpiredError"} == ENDS_TASK
    assert all(COMBINATION[name].paid is not Paid.NO for name in ENDS_TASK)


def test_what_proves_that_there_is_no_task_is_an_answer_of_the_service() -> None:
    assert all(hasattr(of_service, name) for name in PROVE_NO_TASK)
    unpaid = {name for name in PROVE_NO_TASK if COMBINATION[name].paid is Paid.NO}
    # A refused input may be found by the submit, which is free, or by the task.
    assert PROVE_NO_TASK - unpaid == {"InputRefusedError"}


@pytest.mark.parametrize("name", ADVICE)
def test_advice_never_promises_what_the_payment_contradicts(name: str) -> None:
    advice, paid = ADVICE[name], COMBINATION[name].paid
    assert ("nothing was paid" in advice) <= (paid is Paid.NO)


def test_the_page_is_the_tables() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m benchmarks.errors"
