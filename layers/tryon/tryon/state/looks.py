"""What was seen of a run's pictures, in DynamoDB: items of their own, so that readers of entries stay as fast.

Nothing here decides anything or reads what it keeps: a picture's own numbers, as `Signature` and `Measurements` store
them, which `tryon.checks` holds against others.
Each write sets its own attributes, so that any of them may come twice, late, or before another.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from tryon.json_types import Json
from tryon.planning.manifest import ImageKind
from tryon.state.items import to_item
from tryon.state.ledger import TRANSACTION

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef


@dataclass(frozen=True)
class Look:
    """What was seen of candidate `candidate` of combination `n`.

    `signature` and `measurements` are as their classes store them, None where nothing made them; `unchecked` says why
    there are no measurements. `judged` is the answer of the owner's own judge, JSON.
    """

    n: int
    candidate: int
    signature: bytes | None = None
    measurements: bytes | None = None
    unchecked: str | None = None
    judged: str | None = None


class Looks:
    """The looks in the ledger's table."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def keep_signature(self, run_id: str, n: int, candidate: int, signature: bytes) -> None:
        """Keep a result's signature."""
        self._keep(run_id, _look_key(n, candidate), {"signature": signature})

    def keep_inputs(self, run_id: str, signatures: Mapping[tuple[ImageKind, str], bytes]) -> None:
        """Keep the signatures of models' and garments' photographs, by kind and id."""
        items = iter(
            to_item({"pk": f"run#{run_id}", "sk": f"input#{kind}#{id_}", "signature": signature})
            for (kind, id_), signature in signatures.items()
        )
        while batch := list(islice(items, TRANSACTION)):
            self._client.transact_write_items(
                TransactItems=[{"Put": {"TableName": self._table, "Item": item}} for item in batch]
            )

    def keep_measurements(self, run_id: str, n: int, candidate: int, measurements: bytes) -> None:
        """Keep what was measured of a result."""
        self._keep(run_id, _look_key(n, candidate), {"measurements": measurements})

    def keep_unchecked(self, run_id: str, n: int, candidate: int, why: str) -> None:
        """Keep why a result was not measured."""
        self._keep(run_id, _look_key(n, candidate), {"unchecked": why})

    def keep_judged(self, run_id: str, n: int, candidate: int, answer: str) -> None:
        """Keep what the owner's own judge said of a result."""
        self._keep(run_id, _look_key(n, candidate), {"judged": answer})

    def of_results(self, run_id: str) -> Iterator[Look]:
        """A run's looks in the plan's order, candidate by candidate, read page by page."""
        for name, item in self._read(run_id, "look#"):
            _, n, candidate = name.split("#")
            yield Look(
                int(n),
                int(candidate),
                signature=item.get("signature", {}).get("B"),
                measurements=item.get("measurements", {}).get("B"),
                unchecked=item.get("unchecked", {}).get("S"),
                judged=item.get("judged", {}).get("S"),
            )

    def of_inputs(self, run_id: str, kind: ImageKind) -> Iterator[tuple[str, bytes]]:
        """The ids of a run's models or garments, each with its signature."""
        for name, item in self._read(run_id, f"input#{kind}#"):
            yield name.rpartition("#")[2], item.get("signature", {}).get("B", b"")

    def _keep(self, run_id: str, name: str, attributes: "Mapping[str, Json | bytes]") -> None:
        self._client.update_item(
            TableName=self._table,
            Key=to_item({"pk": f"run#{run_id}", "sk": name}),
            UpdateExpression="SET " + ", ".join(f"#{attribute} = :{attribute}" for attribute in attributes),
            ExpressionAttributeNames={f"#{attribute}": attribute for attribute in attributes},
            ExpressionAttributeValues=to_item({f":{attribute}": value for attribute, value in attributes.items()}),
        )

    def _read(self, run_id: str, beginning: str) -> "Iterator[tuple[str, Mapping[str, AttributeValueTypeDef]]]":
        for page in self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :run AND begins_with(sk, :beginning)",
            ExpressionAttributeValues=to_item({":run": f"run#{run_id}", ":beginning": beginning}),
            ConsistentRead=True,
        ):
            for stored in page["Items"]:
                yield stored["sk"]["S"], stored


def _look_key(n: int, candidate: int) -> str:
    return f"look#{n:06d}#{candidate:03d}"
