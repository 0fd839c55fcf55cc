"""What a user may write in a manifest, and errors that name the field."""

import difflib
import json
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PrivateAttr,
    Tag,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from tryon import objects
from tryon.cadence import MAX_WAIT, MAX_WAITS
from tryon.json_types import Json
from tryon.parameters import GarmentType, ServiceParameters
from tryon.planning.takes import MAX_TAKES
from tryon.service import registry
from tryon.service.capabilities import Capabilities
from tryon.text import cut, escaped_bytes, misleads, on_one_line, quoted, shown

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

MAX_VALUES = 1_500_000
"""Most values of the whole: the largest retry has a third of them. Each may be a mistake, and each mistake takes
memory before it is counted."""

MAX_PROBLEMS = 20
"""Problems shown in one message: a person mends these first."""

MAX_DESCRIBED = 1_000
"""Problems put into words; more are only counted, so that a file of nothing but mistakes is refused in seconds."""

MAX_PROBLEM_TEXT = 1_500
"""Most bytes of one problem's text, as `escaped_bytes` counts them."""

MAX_NAME = 80
"""Most characters of a run's name."""

MAX_SHOWN_KEY = 200
"""Most characters of a key in a message: enough to find it by, of 1,024."""

MAX_TEXT = 8_000
"""Most bytes of a whole refusal, as `escaped_bytes` counts them: an execution's cause holds 32 KiB, and a function's
traceback comes with it."""

ENDINGS = (".json.txt", ".json", ".json5", ".jsonl", ".txt", ".yaml", ".yml", ".csv", ".xlsx")
"""How the files end that the stack looks at, in lower case: manifests, and what people put in a manifest's place."""

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
    """The manifest cannot be run; `problems` holds what is wrong with it, `more` counts what was not put into words."""

    def __init__(self, problems: Sequence[Problem], more: int = 0) -> None:
        super().__init__(_told(problems, more))
        self.problems = tuple(problems)


def _told(problems: Sequence[Problem], more: int) -> str:
    """As many problems as one message holds, and how many there are besides."""
    told: list[str] = []
    size = 0
    for problem in problems[:MAX_PROBLEMS]:
        text = cut(str(problem), MAX_PROBLEM_TEXT)
        size += escaped_bytes(text) + 2
        if size > MAX_TEXT - 100:
            break
        told.append(text)
    left = len(problems) + more - len(told)
    if left:
        told.append(f"and {left:,} more problem{'s' if left > 1 else ''}")
    return "; ".join(told)


class PicturesMissingError(ManifestError):
    """Nothing is wrong but that some pictures are not there, which may be on their way still.

    Its text is the names of their fields, for whoever looks again; `missing` reads it.
    """

    def __str__(self) -> str:
        return ", ".join(problem.field for problem in self.problems[:MAX_DESCRIBED])

    @staticmethod
    def missing(text: str) -> frozenset[str]:
        """The fields that such an error's text names."""
        return frozenset(filter(None, text.split(", ")))


@dataclass(frozen=True)
class ImageSource:
    """Where a picture is in S3."""

    bucket: str
    key: str


_BUCKET = re.compile(r"[A-Za-z0-9._-]{3,255}")
"""Names of buckets, those too that were made in us-east-1 before March 2018: with capitals, underscores, 255 long."""

_NO_BUCKET = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
"""How names end that S3 keeps for other things than buckets of general purpose."""


def _checked_image(value: str) -> str:
    key = on_one_line(value)
    if value.startswith("s3://arn:"):
        raise ValueError("names an access point by its ARN, which is not supported: name the bucket itself")
    if value.startswith("s3://"):
        bucket, _, key = value.removeprefix("s3://").partition("/")
        if not _BUCKET.fullmatch(bucket):
            raise ValueError("must look like s3://bucket/key")
        if bucket.endswith(_NO_BUCKET):
            raise ValueError(
                "names an access point, a directory bucket or a table bucket, which are not supported: "
                "name a bucket of general purpose"
            )
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

ImageKind = Literal["models", "garments"]
"""Whom or what a picture shows, by the manifest's list that names it."""


@dataclass(frozen=True)
class NamedImage:
    """A picture that a manifest names: the field, its list, the id that it belongs to, and the name itself."""

    field: str
    kind: ImageKind
    id: str
    image: str


DisplayName = Annotated[str, Field(min_length=1, max_length=MAX_NAME), AfterValidator(on_one_line)]
"""What people call something, in any script; ids stay what keys are made of."""

_CALLED = "What people call it, in any script; its id when left out."
_SHOWN_NAME = Field(None, description=_CALLED)


class Model(BaseModel):
    """A person's photograph."""

    model_config = _STRICT
    id: Id
    image: Image
    name: DisplayName | None = _SHOWN_NAME


class Garment(BaseModel):
    """A photograph of clothing, and where on the body it is worn."""

    model_config = _STRICT
    id: Id
    image: Image
    type: GarmentType = Field(description="Where on the body it is worn.")
    name: DisplayName | None = _SHOWN_NAME


class Outfit(BaseModel):
    """An upper and a lower garment worn together."""

    model_config = _STRICT
    id: Id
    upper: Id = Field(description="The id of a garment of type upper.")
    lower: Id = Field(description="The id of a garment of type lower.")
    name: DisplayName | None = _SHOWN_NAME


class Wanted(BaseModel):
    """One combination asked for by name."""

    model_config = _STRICT
    model: Id
    garment: Id | None = Field(None, description="The id of a garment, unless an outfit is given.")
    outfit: Id | None = Field(None, description="The id of an outfit, unless a garment is given.")
    variant: Id | None = Field(None, description="One variant; every variant when left out.")
    take: int = Field(
        1,
        ge=1,
        le=MAX_TAKES,
        description="With retry_of: from 2 on, what was rejected is made again, with another seed; each is paid once.",
    )

    @model_validator(mode="after")
    def _names_one(self) -> "Wanted":
        if (self.garment is None) == (self.outfit is None):
            raise ValueError("needs either a garment or an outfit")
        return self


SERVICE = "service"
"""The field of a variant that names its service, beside the parameters."""

VARIANT_NAME = "name"
"""The field of a variant that says what people call it, beside the parameters."""

_OWN_FIELDS = frozenset({SERVICE, VARIANT_NAME})
"""The fields of a variant that are no parameters of a service."""

DEFAULT_VARIANT = "default"
"""The variant's name in keys and ledger when a manifest names none."""


def _known_service(value: str) -> str:
    registry.find(value)
    return value


Service = Annotated[str, AfterValidator(_known_service)]


_Value = TypeVar("_Value")


def _changed_parameters(changes: Mapping[str, _Value]) -> dict[str, _Value]:
    """A variant's changes without its service and its display name."""
    return {field: value for field, value in changes.items() if field not in _OWN_FIELDS}


@dataclass(frozen=True)
class VariantSettings:
    """What a variant asks of which service: the service's key, and its own parameters."""

    service: str
    parameters: ServiceParameters


class Manifest(BaseModel):
    """Every model wearing every garment and outfit, under every variant, unless `combinations` says fewer."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, title="tryon manifest")

    schema_: Annotated[str, Field(max_length=2048), AfterValidator(on_one_line)] | None = Field(
        None, alias="$schema", description="The address of this schema, for editors."
    )
    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME), AfterValidator(on_one_line)] | None = Field(
        None,
        description="What people call this run; the file's name when left out.",
        examples=["spring-lookbook"],
    )
    models: list[Model] = Field(min_length=1, description="The people who wear the garments.")
    garments: list[Garment] = Field(min_length=1, description="What they wear, one at a time.")
    outfits: list[Outfit] = Field(default_factory=list, description="What they wear, two at a time.")
    service: Service | None = Field(
        None,
        description="The try-on service, or one of its models as service/model; the stack's own when left out.",
        examples=["volcengine", "fashn/tryon-v1.6"],
    )
    parameters: dict[str, object] = Field(
        default_factory=dict, description="What holds for every combination: parameters of the service."
    )
    variants: dict[Id, dict[str, object]] = Field(
        default_factory=dict,
        description="Named changes to the parameters; two of them make an A/B test. One that names another service "
        "has that service's parameters, and none of the manifest's.",
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
    new_pictures: bool = Field(
        False,
        description="With retry_of: whether the newest pictures are taken, instead of those that the run was made of.",
    )

    def images(self) -> Iterator[NamedImage]:
        """Every picture that the manifest names: the models', then the garments'."""
        for i, model in enumerate(self.models):
            yield NamedImage(f"models[{i}].image", "models", model.id, model.image)
        for i, garment in enumerate(self.garments):
            yield NamedImage(f"garments[{i}].image", "garments", garment.id, garment.image)

    _default: str = PrivateAttr(registry.FIRST)

    @property
    def own_service(self) -> str:
        """The key of the service of variants that name none, and of a manifest without variants."""
        return registry.find(self.service or self._default).key

    def with_default(self, service: str) -> "Manifest":
        """The same where manifests that name no service mean this one."""
        copy = self.model_copy()
        copy._default = service
        return copy

    def settings(self) -> dict[str, VariantSettings]:
        """What each variant asks of which service, by the variant's name; one of no name in a manifest without any.

        Raises `ValidationError` for parameters that `parse` would refuse.
        """
        own = self.own_service
        found = {}
        for name, changes in (self.variants or {DEFAULT_VARIANT: {}}).items():
            given = _changed_parameters(changes)
            key = registry.find(str(changes[SERVICE])).key if SERVICE in changes else own
            # Nothing is inherited across services: what one calls a mask, another has not.
            told = {**self.parameters, **given} if key == own else given
            found[name] = VariantSettings(key, registry.find(key).parameters.model_validate(told))
        return found

    def variant_names(self) -> dict[str, str]:
        """What people call variants, by their ids, of those that have a display name."""
        return {id_: str(changes[VARIANT_NAME]) for id_, changes in self.variants.items() if VARIANT_NAME in changes}

    def services(self) -> tuple[str, ...]:
        """The keys of all services that the manifest's combinations use, in the variants' order."""
        settings = self.settings()
        named = list(settings)
        if self.combinations != "all" and all(wanted.variant for wanted in self.combinations):
            used = {wanted.variant for wanted in self.combinations}
            named = [name for name in named if name in used]
        return tuple(dict.fromkeys(settings[name].service for name in named if name in settings))

    def encode(self, *, leaving_out: Set[str] = frozenset()) -> str:
        """The manifest as a file's text, with what was given in it and nothing else; some fields may be left out."""
        given = self.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude=set(leaving_out))
        return json.dumps(given, indent=1, ensure_ascii=False)

    def source(self, image: str, bucket: str) -> ImageSource:
        """Where `image` is when the manifest is in `bucket`."""
        if image.startswith("s3://"):
            other, _, key = image.removeprefix("s3://").partition("/")
            return ImageSource(other, key)
        return ImageSource(bucket, image)


def parse(
    data: bytes,
    *,
    bucket: str,
    allowed_buckets: Iterable[str] = (),
    any_bucket: bool = False,
    default_service: str = registry.FIRST,
) -> Manifest:
    """Read a manifest that is in `bucket`; raises `ManifestError` with everything wrong with it.

    With `any_bucket` every bucket may be named: which ones may be read is a stack's to say. So is `default_service`,
    the key of the service that a manifest means which names none.
    """
    raw = _read_object(data)
    _check_bytes(len(data), retry="retry_of" in raw)
    for field, value in raw.items():
        if isinstance(value, list | dict) and len(value) > MAX_ENTRIES:
            raise ManifestError(
                [Problem(shown(field), f"has {len(value):,} entries, at most {MAX_ENTRIES:,} are read")]
            )
    manifest = _validated(raw, default_service)
    found = _contradictions(manifest, None if any_bucket else {bucket, *allowed_buckets}, bucket)
    problems = list(islice(found, MAX_DESCRIBED))
    if problems:
        raise ManifestError(problems, sum(1 for _ in found))
    return manifest


def read_again(
    s3: "S3Client", bucket: str, key: str, version: str = "", *, default_service: str = registry.FIRST
) -> Manifest:
    """A manifest from S3 that was accepted before: what only a stack can say of it is not looked at again.

    `default_service` is the one that its run took for it.

    Raises `ManifestError` for one that this version does not understand.
    """
    return _validated(_read_object(objects.read(s3, bucket, key, version)), default_service)


def _read_object(data: bytes) -> Mapping[str, Json]:
    raw = read_json(data)
    if not isinstance(raw, dict):
        _refuse('the manifest must be a JSON object, such as {"models": […], …}')
    return raw


def _validated(raw: Mapping[str, Json], default_service: str) -> Manifest:
    problems: list[Problem] = []
    more = 0
    try:
        manifest = Manifest.model_validate(raw).with_default(default_service)
    except ValidationError as error:
        details = _first_mistakes(raw, error)
        problems = [_problem(detail, hint=i < MAX_PROBLEMS) for i, detail in enumerate(details)]
        more = error.error_count() - len(problems)
    found = parameter_problems(raw, default_service)
    own = list(islice(found, max(0, MAX_DESCRIBED - len(problems))))
    more += sum(1 for _ in found)
    if problems or own:
        raise ManifestError([*problems, *own], more)
    return manifest


def parameter_problems(raw: Mapping[str, Json], default_service: str) -> Iterator[Problem]:
    """What is wrong with the parameters and the variants of a manifest, each read as its own service's."""
    own = _found(raw.get(SERVICE) or default_service)
    parameters, variants = raw.get("parameters", {}), raw.get("variants", {})
    hints = iter(range(MAX_PROBLEMS))
    if own is not None and isinstance(parameters, dict):
        yield from _wrong_parameters("parameters", parameters, own, hints, named=own.key != registry.FIRST)
    if not isinstance(variants, dict):
        return
    for name, changes in variants.items():
        if not isinstance(changes, dict):
            continue
        field = f"variants.{shown(name)}"
        service = own
        if VARIANT_NAME in changes:
            yield from _wrong_name(f"{field}.{VARIANT_NAME}", changes[VARIANT_NAME])
        if SERVICE in changes:
            service = _found(changes[SERVICE])
            if service is None:
                yield Problem(f"{field}.{SERVICE}", _no_service(changes[SERVICE]))
        if service is not None:
            given = _changed_parameters(changes)
            named = SERVICE in changes or service.key != registry.FIRST
            yield from _wrong_parameters(field, given, service, hints, named=named)


def _found(service: Json) -> Capabilities | None:
    try:
        return registry.find(service) if isinstance(service, str) else None
    except registry.UnknownServiceError:
        return None


def _no_service(service: Json) -> str:
    """What is wrong with the name of a service."""
    if not isinstance(service, str):
        return f"must be a string, not {quoted(service)}"
    try:
        registry.find(service)
    except registry.UnknownServiceError as error:
        return cut(str(error), MAX_PROBLEM_TEXT)
    return ""


_DISPLAY_NAME: TypeAdapter[str] = TypeAdapter(DisplayName, config=ConfigDict(strict=True))


def _wrong_name(field: str, name: Json) -> Iterator[Problem]:
    """What is wrong with a variant's display name."""
    try:
        _DISPLAY_NAME.validate_python(name)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            yield Problem(field, _problem(detail, hint=False, owner=Manifest).message)


def _wrong_parameters(
    field: str, given: Mapping[str, Json], service: Capabilities, hints: Iterator[int], *, named: bool
) -> Iterator[Problem]:
    """What is wrong with an object of a service's parameters; `named` says which service is meant."""
    try:
        service.parameters.model_validate(given)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            problem = _problem(detail, hint=next(hints, None) is not None, owner=service.parameters)
            message = problem.message
            if named and detail["type"] == "extra_forbidden":
                known = ", ".join(sorted(service.parameters.model_fields))
                message = f"{service.service} has no {shown(str(detail['loc'][0]))}; it has {known}"
            yield Problem(f"{field}.{problem.field}" if problem.field else field, message)


@dataclass(frozen=True)
class Fetched:
    """A manifest from S3; `complete` when its pictures were put before it, so that none is on its way still."""

    manifest: Manifest
    complete: bool


COMPLETE = {"pictures": "complete"}
"""The metadata of a manifest's object whose pictures were put before it."""


def fetch(
    s3: "S3Client",
    bucket: str,
    key: str,
    version: str = "",
    *,
    allowed_buckets: Iterable[str] = (),
    default_service: str = registry.FIRST,
) -> Fetched:
    """Read and parse one version of a manifest in S3.

    Raises `ManifestError` for what is wrong with it, in one line for a file that is no JSON and has another
    ending: a spreadsheet's first wrong byte says nothing to whoever put it there.
    """
    answer = objects.get(s3, bucket, key, version)
    named_json = key.lower().endswith(".json")
    if answer["ContentLength"] > MAX_RETRY_BYTES:
        answer["Body"].close()
        _check_bytes(answer["ContentLength"]) if named_json else _refuse_file(key)
    data = answer["Body"].read()
    if not named_json and not _is_object(data):
        _refuse_file(key)
    return Fetched(
        parse(data, bucket=bucket, allowed_buckets=allowed_buckets, default_service=default_service),
        complete=COMPLETE.items() <= answer.get("Metadata", {}).items(),
    )


def _is_object(data: bytes) -> bool:
    try:
        return isinstance(json.loads(data.decode("utf-8-sig")), dict)
    except (ValueError, RecursionError):
        return False


def _refuse_file(key: str) -> NoReturn:
    _refuse(
        f"{shown(key, MAX_SHOWN_KEY)} is no JSON file: a manifest is one JSON object, such as "
        '{"models": […], "garments": […]}, in a file whose name ends in .json'
    )


def default_name(key: str) -> str:
    """What a run is called whose manifest has no name: its file's, without the ending."""
    name = PurePosixPath(key).name
    ending = next((ending for ending in ENDINGS if name.lower().endswith(ending)), "")
    plain = "".join("_" if misleads(char) else char for char in name[: len(name) - len(ending)])
    return plain[:MAX_NAME] or "manifest"


def _check_bytes(size: int, *, retry: bool = False) -> None:
    if size > (MAX_RETRY_BYTES if retry else MAX_BYTES):
        _refuse(f"the manifest has {size:,} bytes, at most {MAX_BYTES:,} are read, {MAX_RETRY_BYTES:,} with retry_of")


_MAYBE_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
"""What JSON writes half a surrogate pair with; a whole one too, for characters that few manifests hold."""


def read_json(data: bytes) -> Json:
    """The JSON of a manifest, before anything else of it is looked at; raises `ManifestError`."""
    if len(data) > MAX_RETRY_BYTES:
        _check_bytes(len(data))
    if data.count(b",") > MAX_VALUES:
        _refuse(f"the manifest holds more than {MAX_VALUES:,} values, which no run needs")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        _refuse(f"the manifest is not UTF-8 text (byte {error.start})")
    try:
        raw: Json = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_refuse_constant)
        if _MAYBE_HALF.search(data):
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


def _unique_keys(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        values = [value for name, value in pairs if name == twice]
        given = " and ".join(quoted(value) for value in values[:3])
        more = f" and {len(values) - 3:,} more" if len(values) > 3 else ""
        times = "twice" if len(values) == 2 else f"{len(values):,} times"
        raise ManifestError([Problem(shown(twice), f"is given {times} in one object, as {given}{more}")])
    return found


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
}

_FIELD_NAMES = frozenset(
    info.alias or name for model in _KNOWN_FIELDS.values() for name, info in model.model_fields.items()
)


def _first_mistakes(raw: Mapping[str, Json], error: ValidationError) -> list[ErrorDetails]:
    """The first `MAX_DESCRIBED` mistakes of a manifest.

    pydantic makes all of them or none, a million in half a minute: of that many, those at the beginning of each list
    are found by validating the beginnings alone.
    """
    for size in (100, 3_000):
        if error.error_count() <= 10 * MAX_DESCRIBED:
            break
        try:
            Manifest.model_validate(_beginnings(raw, size))
        except ValidationError as fewer:
            error = fewer if fewer.error_count() >= MAX_DESCRIBED else error
    return error.errors(include_url=False)[:MAX_DESCRIBED]


def _beginnings(value: Json, size: int, depth: int = 4) -> Json:
    """A value with the first entries of each list alone, and of each object the first besides the fields we know."""
    if depth and isinstance(value, list):
        return [_beginnings(entry, size, depth - 1) for entry in value[:size]]
    if depth and isinstance(value, dict):
        kept = dict(islice(value.items(), size)) | {name: value[name] for name in _FIELD_NAMES & value.keys()}
        return {name: _beginnings(entry, size, depth - 1) for name, entry in kept.items()}
    return value


def _problem(detail: ErrorDetails, *, hint: bool, owner: type[BaseModel] | None = None) -> Problem:
    """A validation error in the user's words; with a `hint` at what was meant, which takes a while to find.

    `owner` is the model that refused it, where that is not one of the manifest's own.
    """
    tags = _TAGS.get(str(detail["loc"][0]), ()) if detail["loc"] else ()
    loc = [part for i, part in enumerate(detail["loc"]) if not (i == 1 and part in tags)]
    field = ""
    for part in loc:
        field += f"[{part}]" if isinstance(part, int) else f".{shown(part)}" if field else shown(part)
    kind, given = detail["type"], quoted(detail["input"])
    if kind == "extra_forbidden":
        owner = owner or _KNOWN_FIELDS[str(loc[0]) if len(loc) > 1 else ""]
        known = [info.alias or name for name, info in owner.model_fields.items()]
        near = difflib.get_close_matches(str(loc[-1])[:80], known, n=1, cutoff=0.5) if hint else ()
        likely = f"did you mean {near[0]!r}?" if near else "known are " + ", ".join(known)
        return Problem(field, f"is not a known field; {likely}")
    if field.endswith(".[key]") or (kind == "string_pattern_mismatch"):
        return Problem(
            field.removesuffix(".[key]"),
            f"{given} is not an id: lower-case letters, digits and hyphens, at most 63, the first not a hyphen",
        )
    if kind == "value_error":
        error = detail["ctx"]["error"]
        # The registry's own words name what was given already.
        whole = isinstance(error, registry.UnknownServiceError) or not isinstance(detail["input"], str)
        return Problem(field, cut(str(error), MAX_PROBLEM_TEXT) if whole else f"{given} {error}")
    if kind == "literal_error":
        return Problem(field, f"must be {detail['ctx']['expected']}, not {given}")
    if kind in _MESSAGES:
        return Problem(field, _MESSAGES[kind] if kind == "missing" else f"{_MESSAGES[kind]}, not {given}")
    if kind == "too_short":
        return Problem(field, "must hold at least one entry")
    message = detail["msg"].replace("Input should be", "must be").replace("String should", "must")
    return Problem(field, f"{message}, not {given}")


def _contradictions(manifest: Manifest, buckets: set[str] | None, own: str) -> Iterator[Problem]:  # noqa: C901 - a branch for each thing that a manifest can contradict, read from top to bottom
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
    for named in manifest.images():
        bucket = manifest.source(named.image, own).bucket
        if buckets is not None and bucket not in buckets:
            yield Problem(named.field, f"bucket {bucket!r} is not one that this stack may read")
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
    yield from _beyond_services(manifest)
    if manifest.combinations != "all":
        known: dict[str, Collection[str]] = {
            "model": {model.id for model in manifest.models},
            "garment": garments,
            "outfit": {outfit.id for outfit in manifest.outfits},
            "variant": manifest.variants,
        }
        for i, wanted in enumerate(manifest.combinations):
            if wanted.take > 1 and manifest.retry_of is None:
                yield Problem(f"combinations[{i}].take", "is for a retry: name the run that it repeats in retry_of")
            for part, choices in known.items():
                value = getattr(wanted, part)
                if value is not None and value not in choices:
                    yield Problem(f"combinations[{i}].{part}", unknown(value, part, choices))


def _beyond_services(manifest: Manifest) -> Iterator[Problem]:
    """What is asked of a service that cannot do it: outfits, types of garments."""
    types = {garment.id: garment.type for garment in manifest.garments}
    for name, asked in manifest.settings().items():
        one = registry.find(asked.service)
        told = f"variant {name}'s service {one.service}" if manifest.variants else one.service
        if manifest.combinations == "all":
            if manifest.outfits and not one.outfits:
                yield Problem("outfits[0]", f"{told} {_ONE_GARMENT}; list combinations for the variants that can")
            places = ((f"garments[{i}].type", garment.type) for i, garment in enumerate(manifest.garments))
        else:
            wanted = [(i, one) for i, one in enumerate(manifest.combinations) if one.variant in (None, name)]
            outfits = [i for i, choice in wanted if choice.outfit is not None and not one.outfits]
            yield from (Problem(f"combinations[{i}].outfit", f"{told} {_ONE_GARMENT}") for i in outfits)
            places = ((f"combinations[{i}].garment", types[c.garment]) for i, c in wanted if c.garment in types)
        for place, type_ in places:
            if type_ not in one.garments:
                yield Problem(place, f"{told} {_NO_TYPE} {type_!r}")


_ONE_GARMENT = "wears one garment at a time"
_NO_TYPE = "takes no garment of type"


def json_schema() -> dict[str, Json]:
    """The JSON Schema of a manifest, for editors: parameters are those of any one service."""
    schema: dict[str, Any] = Manifest.model_json_schema(by_alias=True)
    models = {registry.models(name)[0].parameters: name for name in registry.SERVICES}
    shown_name = {**_DISPLAY_NAME.json_schema(), "description": _CALLED}
    for kind, name in models.items():
        own = kind.model_json_schema()
        schema["$defs"] |= own.pop("$defs", {})
        schema["$defs"][f"{name} parameters"] = own
        keys = [name, *(one.key for one in registry.models(name))]
        beside = {SERVICE: {"enum": keys, "description": "The try-on service."}, VARIANT_NAME: shown_name}
        schema["$defs"][f"{name} variant"] = {**own, "properties": {**beside, **own["properties"]}}
    of = {what: [{"$ref": f"#/$defs/{name} {what}"} for name in models.values()] for what in ("parameters", "variant")}
    told = {name: schema["properties"]["parameters"][name] for name in ("description", "title")}
    schema["properties"]["parameters"] = {"anyOf": of["parameters"], **told}
    schema["properties"]["variants"]["additionalProperties"] = {"anyOf": of["variant"]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
