"""A judge of one's own: what a function of the stack's owner is asked about a result, and what it may answer.

`docs/judge.schema.json` is written from these models. The judge is asked after the picture is in S3 and its outcome is
written: whatever it does, or does not, costs nothing but its own words.
"""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from tryon.keys import RunFolder, result_copy
from tryon.planning.plan import Combination
from tryon.state.ledger import Ledger
from tryon.state.looks import Looks
from tryon.stored import Stored

SECONDS = 8.0
"""How long a judge may take for one result."""

MAX_BYTES = 20_000
"""Longest answer in bytes."""

FAILED = "your judge gave no answer"
NO_TIME = "there was no time left for your judge"


class JudgeError(Exception):
    """The judge's own code failed."""


_Share = Annotated[float, Field(ge=0, le=1)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class File(_Model):
    """A picture in S3: the file itself, and its small copy (JPEG, 900 pixels at most), null where there is none."""

    bucket: str
    key: str
    version: str | None = None
    copy_key: str | None = None


class Worn(_Model):
    """A garment: its id, where it is worn, and its photograph."""

    id: str
    type: str
    picture: File


class Question(_Model):
    """What the judge gets: one result, and the photographs that it was made of."""

    run_id: str
    combination: int
    candidate: int
    model: str
    model_picture: File
    garments: tuple[Worn, ...]
    result: File


class Flag(_Model):
    """Why the result deserves a look: a few words, how odd it is, and where (left, top, right, bottom; shares)."""

    reason: Annotated[str, Field(min_length=1, max_length=120)]
    score: float | None = None
    box: tuple[_Share, _Share, _Share, _Share] | None = None

    @field_validator("box")
    @classmethod
    def _has_room(cls, box: tuple[float, float, float, float] | None) -> tuple[float, float, float, float] | None:
        if box is not None and not (box[0] < box[2] and box[1] < box[3]):
            raise ValueError("the right side must be right of the left one, the bottom below the top")
        return box


class Answer(_Model):
    """What the judge answers: numbers by name, kept as they are, and flags; none where nothing is odd."""

    scores: Annotated[dict[str, float], Field(max_length=50)] = {}
    flags: Annotated[tuple[Flag, ...], Field(max_length=10)] = ()


class Judgement(_Model):
    """What is kept of a judge: its answer, or why there is none."""

    answer: Answer | None = None
    failed: str = ""


Ask = Callable[[bytes], bytes]
"""Puts a question to the judge, JSON for JSON, within `SECONDS`; may raise anything."""


def judge(
    run_id: str,
    combination: Combination,
    *,
    bucket: str,
    ledger: Ledger,
    looks: Looks,
    ask: Ask,
    hurry: Callable[[], bool] = lambda: False,
) -> dict[int, Judgement]:
    """Ask about each of a combination's results and keep what is answered, by candidate.

    `hurry` says when there is no time for another question. Raises what DynamoDB does.
    """
    kept = {}
    for place, result in enumerate(ledger.entry(run_id, combination.n).results, start=1):
        candidate = result.candidate or place
        if hurry():
            kept[candidate] = Judgement(failed=NO_TIME)
        else:
            kept[candidate] = _asked(question(run_id, combination, bucket, candidate, result), ask)
        looks.keep_judged(run_id, combination.n, candidate, kept[candidate].model_dump_json())
    return kept


def _asked(one: Question, ask: Ask) -> Judgement:
    try:
        data = ask(one.model_dump_json().encode())
        if len(data) > MAX_BYTES:
            return Judgement(failed=f"your judge's answer has {len(data):,} bytes, {MAX_BYTES:,} at most are read")
        return Judgement(answer=Answer.model_validate_json(data))
    except ValidationError as error:
        where = ".".join(map(str, error.errors(include_url=False)[0]["loc"])) or "it"
        return Judgement(failed=f"your judge's answer does not fit the schema: {where[:80]}")
    except Exception as error:  # noqa: BLE001 - a judge that fails costs its own words and nothing else
        return Judgement(failed=f"{FAILED} ({type(error).__name__})")


def question(run_id: str, combination: Combination, bucket: str, candidate: int, result: Stored) -> Question:
    """What is asked of a result."""
    folder = RunFolder(run_id)

    def input_copy(kind: str, id_: str) -> str:
        return folder.input_copy("previews", kind, id_)

    model = combination.model_picture
    return Question(
        run_id=run_id,
        combination=combination.n,
        candidate=candidate,
        model=combination.model,
        model_picture=File(
            bucket=model.bucket,
            key=model.key,
            version=model.version,
            copy_key=input_copy("models", combination.model),
        ),
        garments=tuple(
            Worn(
                id=worn.id,
                type=worn.type,
                picture=File(
                    bucket=worn.picture.bucket,
                    key=worn.picture.key,
                    version=worn.picture.version,
                    copy_key=input_copy("garments", worn.id),
                ),
            )
            for worn in combination.garments
        ),
        result=File(bucket=bucket, key=result.key, copy_key=result_copy("previews", result.key)),
    )


def read(text: str) -> Judgement:
    """What was kept. Raises `ValidationError`."""
    return Judgement.model_validate_json(text)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of what the judge gets (`Question`) and of what it answers (`Answer`)."""
    _, schema = TypeAdapter.json_schemas(
        [(Question, "validation", TypeAdapter(Question)), (Answer, "validation", TypeAdapter(Answer))],
        title="tryon judge",
    )
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
