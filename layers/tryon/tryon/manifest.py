"""What a user may write in a manifest, and errors that name the field."""

import difflib
import json
import re
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from tryon import objects
from tryon.cadence import MAX_WAIT, MAX_WAITS
from tryon.parameters import GarmentType, Parameters

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_BYTES = 8_000_000
"""Largest manifest read: 100,000 combinations named one by one fit, with ids of a usual length."""

MAX_RETRY_BYTES = 25_000_000
"""Largest manifest with `retry_of`: the same combinations fit however long their ids, so that whatever fails of the
largest run has one retry manifest."""

MAX_ENTRIES = 100_000
"""Most entries of one list: as many combinations as any stack runs. Millions of wrong ones would take more memory to
name than a function has."""

MAX_PROBLEMS = 20
"""Problems shown in one message: a person mends these first, and a cause holds 32 KiB."""

Id = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9-]{0,62}$",
        description="Lower-case letters, digits and hyphens, at most 63, the first not a hyphen.",
        examples=["linen-shirt"],
    ),
]


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a manifest: where (`garments[3].type`; empty for the whole) and what."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class ManifestError(Exception):
    """The manifest cannot be run; `problems` holds all that is wrong with it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        shown = [str(problem) for problem in problems[:MAX_PROBLEMS]]
        if len(problems) > MAX_PROBLEMS:
            shown.append(f"and {len(problems) - MAX_PROBLEMS} more")
        super().__init__("; ".join(shown))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class ImageSource:
    """Where a picture lies in S3."""

    bucket: str
    key: str


_TURNS_TEXT = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that make text run in the other direction: what is shown is then not what was written."""


def _on_one_line(value: str) -> str:
    for char in value:
        if unicodedata.category(char) in ("Cc", "Zl", "Zp") or char in _TURNS_TEXT:
            raise ValueError(f"must not hold the control character U+{ord(char):04X}")
    return value


def _checked_image(value: str) -> str:
    if not value.isprintable():
        raise ValueError("must not hold control characters")
    key = value
    if value.startswith("s3://"):
        bucket, _, key = value.removeprefix("s3://").partition("/")
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", bucket):
            raise ValueError("must look like s3://bucket/key")
    elif "://" in value:
        raise ValueError("must be a key in the manifest's bucket or an s3:// address")
    if not key or key.startswith("/") or {".", ".."} & set(key.split("/")):
        raise ValueError("must be a key such as inputs/anna.jpg, without a leading slash, '.' or '..'")
    if len(key.encode()) > 1024:
        raise ValueError("must be at most 1024 bytes")
    return value


Image = Annotated[
    str,
    Field(
        description="A key in the manifest's bucket, or an s3:// address in an allowed bucket.",
        examples=["inputs/anna.jpg"],
    ),
    AfterValidator(_checked_image),
]

Cadence = Annotated[list[Annotated[int, Field(ge=1, le=MAX_WAIT)]], Field(min_length=1, max_length=MAX_WAITS)]

_STRICT = ConfigDict(extra="forbid", frozen=True, strict=True)


class Model(BaseModel):
    """A person's photograph."""

    model_config = _STRICT
    id: Id
    image: Image


class Garment(BaseModel):
    """A photograph of clothing, and where on the body it is worn."""

    model_config = _STRICT
    id: Id
    image: Image
    type: GarmentType = Field(description="Where on the body it is worn.")


class Outfit(BaseModel):
    """An upper and a lower garment worn together."""

    model_config = _STRICT
    id: Id
    upper: Id = Field(description="The id of a garment of type upper.")
    lower: Id = Field(description="The id of a garment of type lower.")


class Wanted(BaseModel):
    """One combination asked for by name."""

    model_config = _STRICT
    model: Id
    garment: Id | None = Field(None, description="The id of a garment, unless an outfit is given.")
    outfit: Id | None = Field(None, description="The id of an outfit, unless a garment is given.")
    variant: Id | None = Field(None, description="One variant; every variant when left out.")

    @model_validator(mode="after")
    def _names_one(self) -> "Wanted":
        if (self.garment is None) == (self.outfit is None):
            raise ValueError("needs either a garment or an outfit")
        return self


class Manifest(BaseModel):
    """Every model wearing every garment and outfit, under every variant, unless `combinations` says fewer."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, title="tryon manifest")

    schema_: str | None = Field(None, alias="$schema", description="The address of this schema, for editors.")
    name: Annotated[str, Field(min_length=1, max_length=80), AfterValidator(_on_one_line)] | None = Field(
        None,
        description="What people call this run; the file's name when left out.",
        examples=["spring-lookbook"],
    )
    models: list[Model] = Field(min_length=1, description="The people who wear the garments.")
    garments: list[Garment] = Field(min_length=1, description="What they wear, one at a time.")
    outfits: list[Outfit] = Field(default_factory=list, description="What they wear, two at a time.")
    parameters: Parameters = Field(Parameters(), description="What holds for every combination.")
    variants: dict[Id, Parameters] = Field(
        default_factory=dict,
        description="Named changes to the parameters; two of them make an A/B test.",
        examples=[{"a": {}, "b": {"mask": "tight"}}],
    )
    combinations: Annotated[
        Annotated[Literal["all"], Tag("all")] | Annotated[list[Wanted], Field(min_length=1), Tag("list")],
        Discriminator(lambda value: "list" if isinstance(value, list) else "all"),
    ] = Field("all", description='"all", or the list of combinations wanted.')
    cadence: (
        Annotated[
            Annotated[Cadence, Tag("waits")] | Annotated[Id, Tag("name")],
            Discriminator(lambda value: "name" if isinstance(value, str) else "waits"),
        ]
        | None
    ) = Field(
        None,
        description="Seconds to wait before each poll, the last repeated until the deadline; "
        "or the name of a learned cadence.",
        examples=[[5, 8, 10, 8, 10], "spring"],
    )

    resubmissions: int = Field(
        0,
        ge=0,
        le=3,
        description="How often a combination whose result the service refused is submitted again, with another seed; "
        "every time is paid.",
    )
    retry_of: str | None = Field(
        None,
        pattern=r"^[0-9a-zA-Z][0-9a-zA-Z-]{0,99}$",
        description="The run whose unfinished combinations these are; tasks already paid for are resumed.",
    )

    def source(self, image: str, bucket: str) -> ImageSource:
        """Where `image` lies when the manifest lies in `bucket`."""
        if image.startswith("s3://"):
            other, _, key = image.removeprefix("s3://").partition("/")
            return ImageSource(other, key)
        return ImageSource(bucket, image)


def parse(data: bytes, *, bucket: str, allowed_buckets: Iterable[str] = (), any_bucket: bool = False) -> Manifest:
    """Read a manifest that lies in `bucket`; raises `ManifestError` with everything wrong with it.

    With `any_bucket` every bucket may be named: which ones may be read is a stack's to say.
    """
    raw = read_json(data)
    if not isinstance(raw, dict):
        raise ManifestError([Problem("", 'the manifest must be a JSON object, such as {"models": […], …}')])
    _check_bytes(len(data), retry="retry_of" in raw)
    for field, value in raw.items():
        if isinstance(value, list | dict) and len(value) > MAX_ENTRIES:
            raise ManifestError(
                [Problem(_shown(field), f"has {len(value):,} entries, at most {MAX_ENTRIES:,} are read")]
            )
    try:
        manifest = Manifest.model_validate(raw)
    except ValidationError as error:
        raise ManifestError([_problem(detail) for detail in error.errors(include_url=False)]) from None
    problems = list(_contradictions(manifest, None if any_bucket else {bucket, *allowed_buckets}, bucket))
    if problems:
        raise ManifestError(problems)
    return manifest


def fetch(s3: "S3Client", bucket: str, key: str, version: str = "", *, allowed_buckets: Iterable[str] = ()) -> Manifest:
    """Read and parse one version of a manifest in S3."""
    answer = objects.get(s3, bucket, key, version)
    if answer["ContentLength"] > MAX_RETRY_BYTES:
        answer["Body"].close()
        _check_bytes(answer["ContentLength"])
    return parse(answer["Body"].read(), bucket=bucket, allowed_buckets=allowed_buckets)


def _check_bytes(size: int, *, retry: bool = False) -> None:
    if size > (MAX_RETRY_BYTES if retry else MAX_BYTES):
        _refuse(f"the manifest has {size:,} bytes, at most {MAX_BYTES:,} are read, {MAX_RETRY_BYTES:,} with retry_of")


def read_json(data: bytes) -> Any:
    """The JSON of a manifest, before anything else of it is looked at; raises `ManifestError`."""
    if len(data) > MAX_RETRY_BYTES:
        _check_bytes(len(data))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        _refuse(f"the manifest is not UTF-8 text (byte {error.start})")
    try:
        raw = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_refuse_constant)
        json.dumps(raw, ensure_ascii=False).encode()
        return raw
    except UnicodeEncodeError:
        _refuse("the manifest holds half a surrogate pair, which no file can hold as text")
    except json.JSONDecodeError as error:
        _refuse(f"the manifest is not JSON: {error.msg} at line {error.lineno}, column {error.colno}")
    except RecursionError:
        _refuse("the manifest is nested too deeply")
    except ValueError:  # Python's own limit, so that reading one takes no minutes
        _refuse(f"the manifest holds a whole number of more than {sys.get_int_max_str_digits():,} digits")


def _refuse(message: str) -> NoReturn:
    raise ManifestError([Problem("", message)])


def _refuse_constant(name: str) -> NoReturn:
    _refuse(f"the manifest is not JSON: {name} is not a JSON number")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        given = " and ".join(_quoted(value) for name, value in pairs if name == twice)
        raise ManifestError([Problem(_shown(twice), f"is given twice in one object, as {given}")])
    return found


def _quoted(value: object) -> str:
    return f"'{_shown(value)}'" if isinstance(value, str) else _shown(value)


def _shown(value: object) -> str:
    """A user's value as it may stand in a message: short, on one line, nothing invisible."""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    text = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text[:80])
    return text if len(text) <= 60 else text[:59] + "…"


_MESSAGES = {
    "missing": "is missing",
    "string_type": "must be a string",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
}

_TAGS = {"combinations": ("all", "list"), "cadence": ("waits", "name")}
"""How pydantic names the forms that a field may take."""

_KNOWN_FIELDS: dict[str, type[BaseModel]] = {
    "": Manifest,
    "models": Model,
    "garments": Garment,
    "outfits": Outfit,
    "combinations": Wanted,
    "parameters": Parameters,
    "variants": Parameters,
}


def _problem(detail: ErrorDetails) -> Problem:
    """A validation error in the user's words."""
    tags = _TAGS.get(str(detail["loc"][0]), ()) if detail["loc"] else ()
    loc = [part for i, part in enumerate(detail["loc"]) if not (i == 1 and part in tags)]
    field = ""
    for part in loc:
        field += f"[{part}]" if isinstance(part, int) else f".{_shown(part)}" if field else _shown(part)
    kind, given = detail["type"], _quoted(detail["input"])
    if kind == "extra_forbidden":
        owner = _KNOWN_FIELDS[str(loc[0]) if len(loc) > 1 else ""]
        known = [info.alias or name for name, info in owner.model_fields.items()]
        near = difflib.get_close_matches(str(loc[-1])[:80], known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else "known are " + ", ".join(known)
        return Problem(field, f"is not a known field; {hint}")
    if field.endswith(".[key]") or (kind == "string_pattern_mismatch"):
        return Problem(
            field.removesuffix(".[key]"),
            f"{given} is not an id: lower-case letters, digits and hyphens, at most 63, the first not a hyphen",
        )
    if kind == "value_error":
        return Problem(
            field,
            f"{given} {detail['ctx']['error']}" if isinstance(detail["input"], str) else str(detail["ctx"]["error"]),
        )
    if kind == "literal_error":
        return Problem(field, f"must be {detail['ctx']['expected']}, not {given}")
    if kind in _MESSAGES:
        return Problem(field, _MESSAGES[kind] if kind == "missing" else f"{_MESSAGES[kind]}, not {given}")
    if kind == "too_short":
        return Problem(field, "must hold at least one entry")
    message = detail["msg"].replace("Input should be", "must be").replace("String should", "must")
    return Problem(field, f"{message}, not {given}")


def _contradictions(manifest: Manifest, buckets: set[str] | None, own: str) -> Iterable[Problem]:
    """What each field allows but the whole does not."""
    hints = iter(range(MAX_PROBLEMS))

    def unknown(value: str, what: str, known: Iterable[str]) -> str:
        # A likely id is looked for where it will be told: for each of 100,000 that takes minutes.
        near = difflib.get_close_matches(value, list(known), n=1) if next(hints, None) is not None else ()
        return f"{value!r} is not the id of a {what} here" + (f"; did you mean {near[0]!r}?" if near else "")

    garments = {garment.id: garment for garment in manifest.garments}
    for field, ids in (
        ("models", [model.id for model in manifest.models]),
        ("garments", [garment.id for garment in manifest.garments]),
        ("outfits", [outfit.id for outfit in manifest.outfits]),
    ):
        first: dict[str, int] = {}
        for i, id_ in enumerate(ids):
            if id_ in first:
                yield Problem(f"{field}[{i}].id", f"{id_!r} is already the id of {field}[{first[id_]}]")
            first.setdefault(id_, i)
    for field, images in (
        ("models", [model.image for model in manifest.models]),
        ("garments", [garment.image for garment in manifest.garments]),
    ):
        for i, image in enumerate(images):
            bucket = manifest.source(image, own).bucket
            if buckets is not None and bucket not in buckets:
                yield Problem(f"{field}[{i}].image", f"bucket {bucket!r} is not one that this stack may read")
    for i, outfit in enumerate(manifest.outfits):
        if outfit.id in garments:
            yield Problem(f"outfits[{i}].id", f"{outfit.id!r} is already the id of a garment")
        for part, garment_id in (("upper", outfit.upper), ("lower", outfit.lower)):
            garment = garments.get(garment_id)
            if garment is None:
                yield Problem(f"outfits[{i}].{part}", unknown(garment_id, "garment", garments))
            elif garment.type != part:
                yield Problem(
                    f"outfits[{i}].{part}",
                    f"{garment_id!r} is a garment of type {garment.type!r}, not {part!r}",
                )
    if manifest.combinations != "all":
        known: dict[str, Mapping[str, object]] = {
            "model": {model.id: None for model in manifest.models},
            "garment": garments,
            "outfit": {outfit.id: None for outfit in manifest.outfits},
            "variant": manifest.variants,
        }
        for i, wanted in enumerate(manifest.combinations):
            for part, choices in known.items():
                value = getattr(wanted, part)
                if value is not None and value not in choices:
                    yield Problem(f"combinations[{i}].{part}", unknown(value, part, choices))


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a manifest, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Manifest.model_json_schema(by_alias=True)}
