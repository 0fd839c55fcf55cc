"""A stack for tests of the command that opens no socket: moto's S3 and DynamoDB, and parameters as they were given."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import boto3

from tests.doubles import HandClock, ledger_and_gate
from tryon_cli.target import Target

BUCKET = "pictures"


@dataclass(frozen=True)
class FakeStack(Target):
    """A target whose stack was deployed with `told`."""

    told: Mapping[str, str] = field(default_factory=dict)

    def parameters(self) -> dict[str, str]:
        return dict(self.told)

    def objects(self) -> list[str]:
        """Everything in the bucket."""
        return [item["Key"] for item in self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


@contextmanager
def fake_stack(name: str = "local", options: str = "", **told: str) -> Iterator[FakeStack]:
    """A running stack."""
    clock = HandClock()
    with ledger_and_gate(clock):
        s3 = boto3.client("s3")
        for bucket in (BUCKET, "catalogue"):
            s3.create_bucket(Bucket=bucket)
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        outputs = {"BucketName": BUCKET, "LedgerTableName": "ledger"}
        yield FakeStack(name, outputs, lambda service: boto3.client(service), clock, options=options, told=told)  # type: ignore[call-overload]
