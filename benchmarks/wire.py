"""AWS as a function that sees all of a run finds it on the wire: requests are counted and answered, little is kept.

botocore signs, sends and parses as ever; only the socket is missing. The ledger's entries are made while a page of
them is written, so that a process's memory is the function's own.
"""

import hashlib
import io
import json
import math
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import unquote, urlsplit

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from PIL import Image

from tryon.checks import verdict_file
from tryon.checks.records import Finding, Verdict
from tryon.checks.vocabulary import Check, FaceState, State
from tryon.json_types import Json
from tryon.state.entry import read_entry
from tryon.state.items import from_item, to_item

RUN = "20261123T090000Z-large-1a2b3c4d"
BUCKET = "tryon-bucket"
MANIFEST = "manifests/large.json"
PAGE_BYTES = 1_000_000
"""What DynamoDB answers a query with at once: 1 MB."""

FAILED = 20
"""One combination in so many has failed."""

LATENCY_MS: Mapping[str, float] = {
    "TransactWriteItems": 100.0,
    "Query": 100.0,
    "GetItem": 5.0,
    "PutItem": 8.0,
    "UpdateItem": 8.0,
    "GetObject": 30.0,
    "PutObject": 100.0,
}
"""Assumed, on the side of the slow: what a call takes in the region, in milliseconds."""

S3_BYTES_PER_SECOND = 50_000_000
"""Assumed: what a function writes to S3."""


@dataclass(frozen=True)
class Size:
    """A run of `models` by `garments`, as near to a square as so many combinations make, or of that many models."""

    models: int
    garments: int

    @classmethod
    def of(cls, combinations: int, models: int | None = None) -> "Size":
        models = models or next(n for n in range(math.isqrt(combinations), 0, -1) if combinations % n == 0)
        return cls(models, combinations // models)

    @property
    def total(self) -> int:
        return self.models * self.garments

    def manifest(self) -> bytes:
        garments = [{"id": f"g{i}", "image": f"inputs/g{i}.jpg", "type": "upper"} for i in range(self.garments)]
        models = [{"id": f"m{i}", "image": f"inputs/m{i}.jpg"} for i in range(self.models)]
        return json.dumps({"name": "large", "models": models, "garments": garments}).encode()


@dataclass
class Traffic:
    """What a function asked of AWS, by operation: calls, and the largest request and answer in bytes."""

    calls: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    largest_request: Counter[str] = field(default_factory=Counter)
    largest_answer: Counter[str] = field(default_factory=Counter)

    def count(self, operation: str, request: int, answer: int) -> None:
        self.calls[operation] += 1
        self.sent[operation] += request
        self.largest_request[operation] = max(self.largest_request[operation], request)
        self.largest_answer[operation] = max(self.largest_answer[operation], answer)

    def seconds(self, parallel: int) -> float:
        """How long the calls take by `LATENCY_MS`, with so many reads of S3 at a time."""
        waited = sum(
            count * LATENCY_MS[operation] / 1000 / (parallel if operation == "GetObject" else 1)
            for operation, count in self.calls.items()
        )
        return waited + self.sent["PutObject"] / S3_BYTES_PER_SECOND


KEPT = re.compile(r"summary\.json|gallery\.json|[0-9]{6}\.json")
"""Names of objects that the run's later calls read again, and that are small."""


class Wire:
    """Answers as AWS would hold a run of that size: with its outcomes, or not there before its plan is.

    `kept` are objects, by the end of their keys, that earlier calls wrote.
    """

    def __init__(self, size: Size, *, planned: bool = True, kept: Mapping[str, bytes] | None = None) -> None:
        self.size = size
        self.planned = planned
        self.kept = dict(kept or {})
        self.traffic = Traffic()

    def __call__(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        target = request.headers.get("X-Amz-Target")
        if target is not None:
            operation = (target.decode() if isinstance(target, bytes) else str(target)).rpartition(".")[2]
            asked = request.body if isinstance(request.body, bytes) else str(request.body).encode()
            body = json.dumps(_DYNAMODB[operation](self, json.loads(asked))).encode()
            self.traffic.count(operation, len(asked), len(body))
            return _answer(request.url, body, "application/x-amz-json-1.0")
        if request.method == "PUT":
            name = urlsplit(request.url).path.rpartition("/")[2]
            sent: Any = request.body
            if KEPT.fullmatch(name):
                sent = sent if isinstance(sent, bytes) else bytes(sent.read())
                self.kept[name] = _whole(sent)
            self.traffic.count("PutObject", _length(sent), 0)
            return _answer(request.url, b"", "text/plain", ETag='"e"')
        body = self._object(unquote(urlsplit(request.url).path))
        self.traffic.count("GetObject", 0, len(body))
        return _answer(request.url, body, "application/octet-stream")

    def _object(self, path: str) -> bytes:
        if path.endswith(MANIFEST):
            return self.size.manifest()
        if path.endswith("/checks.jsonl"):
            return verdicts(self.size)
        if (name := path.rpartition("/")[2]) in self.kept:
            return self.kept[name]
        if "/thumbnails/" in path:
            return photograph(240, 320)
        return photograph(675, 900) if "/previews/" in path else photograph(1500, 2000)

    def _get_item(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        if asked["Key"].get("sk", {}).get("S") != "run" or not self.planned:
            return {}
        run: dict[str, Json] = {
            "run_id": RUN, "name": "large", "bucket": BUCKET, "manifest_key": MANIFEST, "manifest_version": "v",
            "execution": "e", "started_at": 1.0, "planned_at": 2.0, "total": self.size.total, "status": "RUNNING",
            "cadence": [5, 8, 10, 8, 10],
        }  # fmt: skip
        return {"Item": to_item(run)}

    def _update_item(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        # The last thing that Plan writes.
        self.planned = self.planned or "#planned_at" in asked["UpdateExpression"]
        return {}

    def _query(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        values = asked["ExpressionAttributeValues"]
        if not values.get(":first", {}).get("S", "").startswith("combination#"):
            return {"Items": [], "Count": 0}  # other runs: there is none
        first = _number(values[":first"]["S"], 1)
        end = min(self.size.total, _number(values.get(":last", {}).get("S", ""), self.size.total))
        if "ExclusiveStartKey" in asked:
            first = _number(asked["ExclusiveStartKey"]["sk"]["S"], 0) + 1
        items: list[dict[str, Any]] = []
        size = 0
        for n in range(first, end + 1):
            item = entry(n, self.size)
            size += _stored_bytes(item)
            if size > PAGE_BYTES:
                last = {name: items[-1][name] for name in ("pk", "sk")}
                return {"Items": items, "Count": len(items), "LastEvaluatedKey": last}
            items.append(item)
        return {"Items": items, "Count": len(items)}


_DYNAMODB: Mapping[str, Callable[[Wire, Mapping[str, Any]], dict[str, Any]]] = {
    "GetItem": Wire._get_item,
    "Query": Wire._query,
    "TransactWriteItems": lambda wire, asked: {},
    "PutItem": lambda wire, asked: {},
    "UpdateItem": Wire._update_item,
}


def entry(n: int, size: Size) -> dict[str, Any]:
    """A combination's item as a run leaves it, of the size that real ones have."""
    model, garment = f"m{(n - 1) // size.garments}", (n - 1) % size.garments
    worn = f"{garment + 1:0{max(2, len(str(size.garments)))}d}-g{garment}"
    id_ = f"{model}__{worn}__default"
    at = 1_790_000_000.0 + n
    known: dict[str, Any] = {
        "pk": f"run#{RUN}", "sk": f"combination#{n:06d}",
        "n": n, "id": id_, "model": model, "worn": worn, "variant": "default", "garments": [f"g{garment}"],
        "task_id": f"{7_400_000_000_000_000_000 + n}", "submits": 1, "submitting_at": at, "submitted_at": at + 0.9,
        "request_ids": ["20261123170000" + "0" * 20], "polls": 4, "pending_at": at + 24, "ended_at": at + 32,
        "latency": 25.0 + n % 97 / 10, "delay": n % 60 / 10,
    }  # fmt: skip
    if n % FAILED == 0:
        cause = "the service could not finish the task (50500): " + "x" * 160
        return to_item({**known, "status": "FAILED", "error": "TaskFailedError", "cause": cause, "step": "Poll"})
    result: dict[str, Json] = {
        "key": f"runs/{RUN}/results/{model}/{id_}__1.png", "bytes": 1_500_000 + n, "format": "png", "width": 1440,
        "height": 1920, "sha256": hashlib.sha256(id_.encode()).hexdigest(), "seed": n,
    }  # fmt: skip
    return to_item(
        {**known, "status": "SUCCEEDED", "results": [result], "bytes": 1_500_000 + n, "finished_at": at + 34}
    )


def _number(name: str, otherwise: int) -> int:
    """The number in an entry's key."""
    return int(name.partition("#")[2] or otherwise)


@cache
def verdicts(size: Size) -> bytes:
    """What Compare leaves of a run of that size: a line for each result, the one in fifty flagged."""
    out = io.StringIO()
    scores = dict.fromkeys(list(Check)[:14], 0.5)

    def every() -> Iterator[tuple[str, Verdict]]:
        for n in range(1, size.total + 1):
            for result in read_entry(from_item(entry(n, size))).results:
                odd = n % 50 == 0
                findings = tuple(Finding(check, 0.5, flagged=odd) for check in list(Check)[:3])
                state = State.FLAGGED if odd else State.CLEAR
                one = Verdict(n, 1, state, findings, odder_than=n, of=size.total, face=FaceState.OFF, scores=scores)
                yield result.key, one

    for _ in verdict_file.write(verdict_file.Head(run_id=RUN), every(), out):
        pass
    return out.getvalue().encode()


@cache
def photograph(width: int, height: int) -> bytes:
    """A JPEG with so much grain that it is as large as a photograph's."""
    grain = Image.frombytes("L", (width, height), random.Random(1).randbytes(width * height))
    out = io.BytesIO()
    Image.blend(Image.new("L", (width, height), 128), grain, 0.14).convert("RGB").save(out, "JPEG", quality=80)
    return out.getvalue()


def _stored_bytes(value: Any) -> int:
    """About what DynamoDB counts of an item: names and values, without the types' letters."""
    if isinstance(value, dict):
        return sum((len(name) if len(name) > 2 else 0) + _stored_bytes(part) for name, part in value.items())
    return sum(map(_stored_bytes, value)) + 3 if isinstance(value, list) else len(str(value))


def _length(body: Any) -> int:
    """Bytes of a body, which is read as a socket would read it and not kept."""
    if isinstance(body, bytes | bytearray):
        return len(body)
    return sum(map(len, iter(lambda: body.read(65_536), b"")))


def _whole(sent: bytes) -> bytes:
    """A small body without the chunks that botocore sends it in, each behind its length in hexadecimal digits."""
    if sent.startswith(b"{"):
        return sent
    found = b""
    while (length := int(sent[: sent.index(b"\r\n")], 16)) > 0:
        start = sent.index(b"\r\n") + 2
        found += sent[start : start + length]
        sent = sent[start + length + 2 :]
    return found


class _Raw(io.BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


def _answer(url: str, body: bytes, content_type: str, **headers: str) -> AWSResponse:
    told = {"content-type": content_type, "content-length": str(len(body)), **headers}
    return AWSResponse(url, 200, told, _Raw(body))  # type: ignore[arg-type]
