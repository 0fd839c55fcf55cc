"""What a manifest expands to: combinations, their ids and keys."""

import heapq
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Annotated

from botocore.exceptions import ClientError
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SerializeAsAny, ValidationInfo

from tryon import objects
from tryon.cadence import MAX_POLLS, ListeningCadence, waits
from tryon.keys import Picture
from tryon.objects import SPOOL_BYTES
from tryon.parameters import GarmentType, ServiceParameters
from tryon.planning.manifest import DEFAULT_VARIANT, Manifest, ManifestError, Problem
from tryon.planning.takes import take_of, take_seed, variant_of_take
from tryon.service import registry

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


Key = tuple[str, str, str]
"""Which combination of a manifest: its model, its garment or outfit, its variant. Numbers may shift, these do not.

A further take of it is another key: its variant is `variant_of_take`'s."""

_FROZEN = ConfigDict(frozen=True)


class WornGarment(BaseModel):
    """A garment of one combination."""

    model_config = _FROZEN

    id: str
    type: GarmentType
    picture: Picture


def _own_parameters(given: object, info: ValidationInfo) -> ServiceParameters:
    """The parameters of the combination's service, read as its own."""
    return registry.find(info.data["service"]).parameters.model_validate(given)


class Combination(BaseModel):
    """One model with one garment or outfit under one set of parameters: an item of the Map.

    `n` counts from 1 in the plan's order; `worn` is the garment's or outfit's number and id; `service` is the
    key of the one that makes it, whose own `parameters` it has; `task_id` names
    a task of an earlier run that is resumed instead of paying for a new one, `doubted_task` one that the service did
    not know then and is asked for once more before another is paid; `resubmissions` is how often a result that the
    service refused is tried again. `take` counts from 1: a further one is of what was rejected.
    """

    model_config = _FROZEN

    n: int
    model: str
    worn: str
    variant: str
    service: str = registry.FIRST
    model_picture: Picture
    garments: list[WornGarment]
    parameters: Annotated[SerializeAsAny[ServiceParameters], BeforeValidator(_own_parameters)] = Field(
        default_factory=lambda given: registry.find(given["service"]).parameters()
    )
    task_id: str | None = None
    doubted_task: str | None = None
    resubmissions: int = 0
    take: int = 1

    @property
    def id(self) -> str:
        """Unique in its run, and the result's file name without the candidate's number."""
        return f"{self.model}__{self.worn}__{self.variant}"


def count(manifest: Manifest, done: Set[Key] = frozenset()) -> int:
    """How many combinations a manifest asks for, without expanding it; `done` ones are not counted."""
    variants = [*manifest.variants] or [DEFAULT_VARIANT]
    if manifest.combinations == "all":
        models = {model.id for model in manifest.models}
        wearables = {garment.id for garment in manifest.garments} | {outfit.id for outfit in manifest.outfits}
        known = set(variants)
        left_out = sum(model in models and worn in wearables and variant in known for model, worn, variant in done)
        return len(models) * len(wearables) * len(variants) - left_out
    return sum(key not in done for _, key in named(manifest))


def check_size(manifest: Manifest, maximum: int, done: Set[Key] = frozenset()) -> int:
    """The number of combinations left to do, 0 where a retry has nothing left.

    Raises `ManifestError` for more than `maximum` and for one named twice.
    """
    total = count(manifest, done)
    if total > maximum:
        raise ManifestError(
            [
                Problem(
                    "combinations",
                    f"{total:,} are asked for, this stack runs at most {maximum:,} at once: split the manifest, "
                    "or raise the stack's parameter MaxCombinations",
                )
            ]
        )
    first: dict[Key, int] = {}
    for i, key in named(manifest):
        j = first.setdefault((*key[:2], take_of(key[2])[0]), i)
        if j != i:
            raise ManifestError([Problem(f"combinations[{i}]", f"is the same as combinations[{j}]")])
    return total


def named(manifest: Manifest) -> Iterator[tuple[int, Key]]:
    """Each combination that a manifest names one by one, with its place in the list."""
    if manifest.combinations == "all":
        return
    for i, wanted in enumerate(manifest.combinations):
        for variant in [wanted.variant] if wanted.variant else [*manifest.variants] or [DEFAULT_VARIANT]:
            yield i, (wanted.model, wanted.garment or wanted.outfit or "", variant_of_take(variant, wanted.take))


def keys(manifest: Manifest, done: Set[Key] = frozenset()) -> Iterator[Key]:
    """Each combination that a manifest asks for, in its order, without those in `done`."""
    if manifest.combinations == "all":
        worn = [*(garment.id for garment in manifest.garments), *(outfit.id for outfit in manifest.outfits)]
        variants = [*manifest.variants] or [DEFAULT_VARIANT]
        every = ((model.id, id_, variant) for model in manifest.models for id_ in worn for variant in variants)
        yield from (key for key in every if key not in done)
    else:
        yield from (key for _, key in named(manifest) if key not in done)


def check_polls(cadence: Sequence[int], deadline: int) -> None:
    """Raise `ManifestError` for a cadence that would ask more often until the deadline than a history can hold."""
    _check_most(sum(1 for _ in waits(cadence, deadline)), deadline)


def check_listening(cadence: ListeningCadence, deadline: int) -> None:
    """As `check_polls`, for one that listens."""
    _check_most(cadence.most_polls(deadline), deadline)


def _check_most(polls: int, deadline: int) -> None:
    if polls > MAX_POLLS:
        raise ManifestError(
            [
                Problem(
                    "cadence",
                    f"asks {polls:,} times until the deadline of {deadline:,} s, at most {MAX_POLLS:,} are possible: "
                    "make its last wait longer",
                )
            ]
        )


@dataclass(frozen=True)
class Share:
    """What an account gives a run: its slots, and the seconds that a task takes there as a rule."""

    slots: int
    seconds: float


Pictures = Mapping[str, Mapping[str, Picture]]
"""For each service's key, its pictures by id."""


def for_all(manifest: Manifest, pictures: Mapping[str, Picture]) -> Pictures:
    """The same pictures for each of the manifest's services."""
    return dict.fromkeys(manifest.services(), pictures)


def expand(
    manifest: Manifest,
    models: Pictures,
    garments: Pictures,
    *,
    done: Set[Key] = frozenset(),
    paid: Mapping[Key, str] | None = None,
    doubted: Mapping[Key, str] | None = None,
    first: str | None = None,
    shares: Mapping[str, Share] | None = None,
) -> Iterator[Combination]:
    """Yield the combinations in the order in which they start, numbered in the manifest's order.

    That is model by model, garment by garment, variant by variant. Where several accounts work, the k-th combination of
    each is due at k × seconds a task ÷ slots (`shares`, by account), so that a fast service does not wait for a slow
    one. Those in `done` are left out; `paid` gives combinations the tasks that an earlier run paid for, `doubted` those
    that are asked for once more before another is paid. `first` is the run that a retry goes back to, from which the
    seeds of further takes derive.
    """
    settings = manifest.settings()
    accounts = {name: registry.find(asked.service).account for name, asked in settings.items()}
    wearables = {key: _wearables(manifest, garments[key]) for key in manifest.services()}

    def one(n: int, key: Key) -> Combination:
        model_id, worn_id, named_variant = key
        variant, take = take_of(named_variant)
        asked = settings[variant]
        number, worn = wearables[asked.service][worn_id]
        combination = Combination(
            n=n,
            model=model_id,
            worn=f"{number}-{worn_id}",
            variant=variant,
            service=asked.service,
            model_picture=models[asked.service][model_id],
            garments=list(worn),
            parameters=asked.parameters,
            resubmissions=manifest.resubmissions,
        )
        if take > 1:
            seed = take_seed(first or "", model_id, worn_id, variant, take)
            own = asked.parameters.with_seed(seed)
            combination = combination.model_copy(update={"take": take, "parameters": own})
        tasks = {"task_id": (paid or {}).get(key), "doubted_task": (doubted or {}).get(key)}
        return combination.model_copy(update=tasks) if any(tasks.values()) else combination

    def of(account: str) -> Iterator[tuple[float, int, Key]]:
        share = (shares or {}).get(account, Share(1, 1.0))
        own = (
            (n, key) for n, key in enumerate(keys(manifest, done), start=1) if accounts[take_of(key[2])[0]] == account
        )
        return ((k * share.seconds / share.slots, n, key) for k, (n, key) in enumerate(own, start=1))

    for _, n, key in heapq.merge(*map(of, dict.fromkeys(accounts.values()))):
        yield one(n, key)


def _wearables(manifest: Manifest, pictures: Mapping[str, Picture]) -> dict[str, tuple[str, Sequence[WornGarment]]]:
    """Garments and outfits by id, each with its number, wide enough to sort."""
    garments = {g.id: WornGarment(id=g.id, type=g.type, picture=pictures[g.id]) for g in manifest.garments}
    worn: dict[str, Sequence[WornGarment]] = {garment.id: [garment] for garment in garments.values()}
    for outfit in manifest.outfits:
        worn[outfit.id] = [garments[outfit.upper], garments[outfit.lower]]
    width = max(2, len(str(len(worn))))
    return {id_: (str(i).zfill(width), parts) for i, (id_, parts) in enumerate(worn.items(), start=1)}


def encode(combinations: Iterator[Combination]) -> Iterator[bytes]:
    """The plan as one JSON array, in pieces: the Map reads it item by item."""
    separator = b"[\n"
    for combination in combinations:
        yield separator + _encoded(combination)
        separator = b",\n"
    yield b"\n]\n"


def _encoded(combination: Combination) -> bytes:
    """What is no default, and the service: who reads the plan need not know which one is meant where none is named."""
    item = combination.model_dump(mode="json", exclude_defaults=True) | {"service": combination.service}
    if not item.get("parameters"):
        item.pop("parameters", None)
    fields = {name: item[name] for name in Combination.model_fields if name in item}
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()


def write(s3: "S3Client", bucket: str, key: str, combinations: Iterator[Combination]) -> bool:
    """Write the plan where the Map reads it; False, and nothing is changed, where there is one already."""
    with tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES) as body:
        for piece in encode(combinations):
            body.write(piece)
        body.seek(0)
        try:
            s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json", IfNoneMatch="*")
        except ClientError as error:
            if error.response["Error"]["Code"] in ("PreconditionFailed", "412"):
                return False
            raise
    return True


def read(s3: "S3Client", bucket: str, key: str, first: int = 0) -> Iterator[Combination]:
    """Read a run's plan again, combination by combination, without the `first` ones: all of them are held nowhere."""
    with tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES) as body:
        for piece in objects.get(s3, bucket, key)["Body"].iter_chunks(1_000_000):
            body.write(piece)
        body.seek(0)
        lines = (line.strip().rstrip(b",") for line in body)
        for line in islice((line for line in lines if line.startswith(b"{")), first, None):
            yield Combination.model_validate_json(line)


def decode(data: bytes) -> list[Combination]:
    """Read a plan again."""
    return [Combination.model_validate(item) for item in json.loads(data)]
