"""A judge of one's own: what it gets and answers fits the schema, and whatever else it does means unchecked."""

import importlib.util
import json
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest
from botocore.exceptions import ReadTimeoutError
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from tests.doubles import combination, stored
from tryon.checks import judge
from tryon.checks.compare import compare
from tryon.checks.evidence import gather
from tryon.checks.judge import FAILED, NO_TIME, Answer, JudgeError, Judgement, Question
from tryon.checks.records import Judged, Objection
from tryon.checks.vocabulary import Check, State
from tryon.keys import RunFolder
from tryon.state.entry import Entry, Status
from tryon.state.ledger import Ledger
from tryon.state.looks import Look, Looks
from tryon.wiring.checks import CheckWiring

ROOT = Path(__file__).resolve().parents[2]
RUN = "run-1"
RESULT = stored(RunFolder(RUN).result("anna", "anna__01-shirt__default", 1))
FLAGGED = b'{"scores": {"likeness": 0.4}, "flags": [{"reason": "six fingers", "score": 0.9, "box": [0, 0, 1, 1]}]}'


def schema(name: str) -> Draft202012Validator:
    """One of the two that docs/judge.schema.json has."""
    whole = json.loads((ROOT / "docs" / "judge.schema.json").read_text())
    return Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": whole["$defs"]})


@dataclass
class Kept:
    """What a judge's answers leave in the ledger, by candidate."""

    answers: dict[int, str] = field(default_factory=dict)

    def keep_judged(self, run_id: str, n: int, candidate: int, answer: str) -> None:
        self.answers[candidate] = answer


def judged(ask: judge.Ask, *, results: int = 1, hurry: bool = False) -> dict[int, Judgement]:
    """The judgements of a combination with so many results, which are those that are kept."""
    kept = Kept()
    entry = SimpleNamespace(results=[stored(RunFolder(RUN).result("anna", "a", n + 1)) for n in range(results)])
    found = judge.judge(
        RUN,
        combination(),
        bucket="b",
        ledger=cast("Ledger", SimpleNamespace(entry=lambda run_id, n: entry)),
        looks=cast("Looks", kept),
        ask=ask,
        hurry=lambda: hurry,
    )
    assert {candidate: judge.read(text) for candidate, text in kept.answers.items()} == found
    return found


def asked() -> Question:
    return judge.question(RUN, combination(), "b", 1, RESULT)


def test_a_question_fits_the_schema_and_names_pictures_and_their_copies() -> None:
    told = json.loads(asked().model_dump_json())
    schema("Question").validate(told)
    assert told["result"] == {
        "bucket": "b",
        "key": RESULT.key,
        "version": None,
        "copy_key": f"runs/{RUN}/previews/results/anna/anna__01-shirt__default__1.jpg",
    }
    assert told["model_picture"]["copy_key"].startswith(f"runs/{RUN}/previews/models/")


def test_an_answer_is_kept_for_each_candidate() -> None:
    schema("Answer").validate(json.loads(FLAGGED))
    found = judged(lambda _: FLAGGED, results=2)
    assert [one.answer and one.answer.flags[0].reason for one in found.values()] == ["six fingers"] * 2


def raising(error: Exception) -> judge.Ask:
    def ask(question: bytes) -> bytes:
        raise error

    return ask


@pytest.mark.parametrize(
    ("ask", "why"),
    [
        (raising(ReadTimeoutError(endpoint_url="https://lambda")), f"{FAILED} (ReadTimeoutError)"),
        (raising(JudgeError("Unhandled")), f"{FAILED} (JudgeError)"),
        (lambda _: b"no json", "your judge's answer does not fit the schema: it"),
        (lambda _: b'{"flags": [{"reason": ""}]}', "your judge's answer does not fit the schema: flags.0.reason"),
        (lambda _: b'{"scores": {"likeness": NaN}}', "your judge's answer does not fit the schema: scores.likeness"),
        (
            lambda _: b'{"flags": [{"reason": "a tag", "box": [0.5, 0.1, 0.2, 0.4]}]}',
            "your judge's answer does not fit the schema: flags.0.box",
        ),
        (lambda _: b'{"verdict": 1}', "your judge's answer does not fit the schema: verdict"),
        (lambda _: b" " * 20_001, "your judge's answer has 20,001 bytes, 20,000 at most are read"),
    ],
)
def test_whatever_a_judge_does_wrong_means_unchecked_in_a_few_words(ask: judge.Ask, why: str) -> None:
    assert judged(ask) == {1: Judgement(failed=why)}


def test_a_judge_that_takes_too_long_is_not_asked_about_the_next_result() -> None:
    assert judged(raising(AssertionError("it was asked")), hurry=True) == {1: Judgement(failed=NO_TIME)}


@pytest.mark.parametrize(
    ("kept", "state", "note"),
    [
        (Judgement(answer=Answer.model_validate_json(FLAGGED)), State.FLAGGED, "six fingers"),
        (Judgement(answer=Answer()), State.UNCHECKED, ""),
        (Judgement(failed=FAILED), State.UNCHECKED, ""),
    ],
)
def test_a_flag_of_the_judge_is_a_reason_like_any_other(kept: Judgement, state: State, note: str) -> None:
    entry = Entry(
        n=1, id="a", model="anna", worn="01-shirt", variant="default", garments=("shirt",), status=Status.SUCCEEDED,
        results=(RESULT,),
    )  # fmt: skip
    look = Look(1, 1, unchecked="no vision layer", judged=kept.model_dump_json())
    evidence = [one for _, one in gather([entry], iter([look]), {"shirt": "upper"})]
    (verdict,) = compare(evidence, models={})
    assert (verdict.state, verdict.unchecked) == (state, "no vision layer")
    assert [one.note for one in verdict.findings if one.check is Check.JUDGED and one.flagged] == [note] * bool(note)
    given = Judged({"likeness": 0.4}, (Objection("six fingers", 0.9, (0, 0, 1, 1)),)) if note else Judged()
    assert verdict.judge == (given if kept.answer else None)


def test_a_stack_without_a_judge_asks_none_and_one_with_it_asks_once_and_not_for_long() -> None:
    given = {"FACE_CHECKS": "off", "FACE_WEIGHTS": "/opt", "JUDGE_FUNCTION": ""}
    assert CheckWiring(given).ask is None
    made: dict[str, Any] = {}

    class Payload:
        def read(self, most: int) -> bytes:
            return FLAGGED[:most]

    def client(service: str, *, config: Any) -> Any:
        made.update(service=service, config=config)

        def invoke(**call: Any) -> dict[str, Any]:
            made.update(call)
            return {"Payload": Payload(), **({"FunctionError": "Unhandled"} if call["Payload"] == b"fail" else {})}

        return SimpleNamespace(invoke=invoke)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boto3, "client", client)
        ask = CheckWiring(given | {"JUDGE_FUNCTION": "arn:judge"}).ask
        assert ask is not None
        assert ask(b"{}") == FLAGGED
        with pytest.raises(JudgeError):
            ask(b"fail")
    assert (made["service"], made["FunctionName"]) == ("lambda", "arn:judge")
    assert made["config"].read_timeout == judge.SECONDS
    assert made["config"].retries["total_max_attempts"] == 1


# --- the example ---


class NoFaceError(Exception):
    """What Rekognition raises where the model's photograph has no face."""


def example(answer: dict[str, Any] | None, seen: list[dict[str, Any]]) -> Any:
    """The example, with a Rekognition that answers this, or finds no face."""
    path = ROOT / "examples" / "judge" / "app.py"
    spec = importlib.util.spec_from_file_location("judge_example", path)
    assert spec
    assert spec.loader
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def compare_faces(**call: Any) -> dict[str, Any]:
        seen.append(call)
        if answer is None:
            raise NoFaceError
        return answer

    exceptions = SimpleNamespace(InvalidParameterException=NoFaceError)
    module.rekognition = lambda: SimpleNamespace(compare_faces=compare_faces, exceptions=exceptions)
    return module.handler


UNLIKE = {
    "FaceMatches": [],
    "UnmatchedFaces": [{"BoundingBox": {"Left": 0.9, "Top": 0.1, "Width": 0.2, "Height": 0.2}}],
}


@pytest.mark.parametrize(
    ("answer", "flags"),
    [
        ({"FaceMatches": [{"Similarity": 98.0}], "UnmatchedFaces": []}, []),
        ({"FaceMatches": [{"Similarity": 40.0}], "UnmatchedFaces": []}, ["the face is 40 % like the model's"]),
        (UNLIKE, ["the face is 0 % like the model's"]),
        ({"FaceMatches": [], "UnmatchedFaces": []}, ["no face is seen in the result"]),
        (None, []),
    ],
)
def test_the_example_keeps_to_the_contract(answer: dict[str, Any] | None, flags: list[str]) -> None:
    seen: list[dict[str, Any]] = []
    told = example(answer, seen)(json.loads(asked().model_dump_json()), None)
    schema("Answer").validate(told)
    assert [one.reason for one in Answer.model_validate_json(json.dumps(told)).flags] == flags
    assert seen[0]["TargetImage"]["S3Object"]["Name"].startswith(f"runs/{RUN}/previews/results/anna/")
