"""Two combinations through a deployed stack: one run to its end, one that is stopped. The service charges for both."""

import json
import sys
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.workflow.pipeline import picture
from tryon.keys import RunFolder
from tryon.state.items import to_item
from tryon.state.ledger import claim_key
from tryon.state.run import Run
from tryon_cli.drop import await_claim
from tryon_cli.target import Target
from tryon_cli.watch import SETTLE_SECONDS

MINUTES = 60.0


class Trial:
    """What one test puts into the stack, and takes out again."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.name = f"trial-{uuid.uuid4().hex[:12]}"
        self.runs: list[str] = []
        self.claims: list[tuple[str, str]] = []
        self.queue = ""
        self.subscription = ""

    def listen(self) -> None:
        sqs, sns = self.target.client("sqs"), self.target.client("sns")
        topic = self.target.outputs["TopicArn"]
        self.queue = sqs.create_queue(QueueName=self.name)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        policy = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "sns.amazonaws.com"},
                    "Action": "sqs:SendMessage",
                    "Resource": arn,
                    "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
                }
            ],
        }
        sqs.set_queue_attributes(QueueUrl=self.queue, Attributes={"Policy": json.dumps(policy)})
        told = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True)
        self.subscription = told["SubscriptionArn"]

    def start(self) -> Any:
        s3, bucket = self.target.s3, self.target.bucket
        for kind, number in (("model", 1), ("garment", 101)):
            s3.put_object(Bucket=bucket, Key=f"inputs/{self.name}/{kind}.jpg", Body=picture(number))
        content = {
            "name": self.name,
            "models": [{"id": "model", "image": f"inputs/{self.name}/model.jpg"}],
            "garments": [{"id": "garment", "image": f"inputs/{self.name}/garment.jpg", "type": "upper"}],
        }
        key = f"manifests/{self.name}.json"
        version = s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(content).encode())["VersionId"]
        self.claims.append((key, version))
        claim = await_claim(self.target, key, version)
        self.runs.append(claim.run_id)
        return claim

    def ended(self, run_id: str, seconds: float) -> Run:
        end = time.monotonic() + seconds / (self.target.speed or 1) + 30
        while time.monotonic() < end:
            run = self.target.ledger.run(run_id)
            if run is not None and not run.running:
                return run
            time.sleep(0.5)
        raise AssertionError(f"run {run_id} has not ended")

    def notification(self) -> Any:
        for _ in range(12):
            told = self.target.client("sqs").receive_message(QueueUrl=self.queue, WaitTimeSeconds=5)
            for message in told.get("Messages", ()):
                body = json.loads(json.loads(message["Body"])["Message"])
                if body["run_id"] in self.runs:
                    return body
        raise AssertionError("no notification came")

    def remove(self) -> None:
        """Delete what this trial made, and nothing else, also after a failure."""
        target = self.target
        if self.subscription:
            target.client("sns").unsubscribe(SubscriptionArn=self.subscription)
        if self.queue:
            target.client("sqs").delete_queue(QueueUrl=self.queue)
        prefixes = [
            f"inputs/{self.name}/",
            f"manifests/{self.name}.json",
            *(RunFolder(run).prefix for run in self.runs),
        ]
        for prefix in prefixes:
            for page in target.s3.get_paginator("list_object_versions").paginate(Bucket=target.bucket, Prefix=prefix):
                for one in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
                    target.s3.delete_object(Bucket=target.bucket, Key=one["Key"], VersionId=one["VersionId"])
        table, dynamodb = target.outputs["LedgerTableName"], target.client("dynamodb")
        for key, version in self.claims:
            dynamodb.delete_item(TableName=table, Key=claim_key(target.bucket, key, version))
        for run in self.runs:
            answer = dynamodb.query(
                TableName=table,
                KeyConditionExpression="pk = :run",
                ExpressionAttributeValues=to_item({":run": f"run#{run}"}),
            )
            for item in answer["Items"]:
                dynamodb.delete_item(TableName=table, Key={"pk": item["pk"], "sk": item["sk"]})


@pytest.fixture
def trial(target: Target, pays: None) -> Iterator[Trial]:
    made = Trial(target)
    if not target.is_local:
        told = target.parameters()
        sys.stderr.write(f"\none task at the service: {told.get('PricePerTask', '1')} {told.get('Currency', 'CNY')}\n")
    try:
        made.listen()
        yield made
    finally:
        made.remove()


def test_a_run_ends_with_its_picture_summary_notification_and_link(trial: Trial) -> None:
    claim = trial.start()
    run = trial.ended(claim.run_id, 15 * MINUTES)
    assert run.outcome is not None
    assert (run.status, run.outcome.succeeded, run.total) == ("SUCCEEDED", 1, 1)
    target, folder = trial.target, RunFolder(claim.run_id)
    summary = json.loads(target.s3.get_object(Bucket=target.bucket, Key=folder.summary)["Body"].read())
    assert (summary["tasks"], summary["status"]) == (1, "SUCCEEDED")
    (entry,) = target.ledger.entries(claim.run_id)
    assert entry.results
    assert trial.notification()["status"] == "SUCCEEDED"
    link = target.s3.generate_presigned_url(
        "get_object", Params={"Bucket": target.bucket, "Key": folder.gallery}, ExpiresIn=60
    )
    answer = requests.get(link, timeout=30)
    assert answer.status_code == 200
    assert claim.run_id in answer.text


def test_a_run_that_is_stopped_is_ended_reported_and_resumed_from(trial: Trial) -> None:
    claim = trial.start()
    end = time.monotonic() + 120
    while time.monotonic() < end:
        entries = list(trial.target.ledger.entries(claim.run_id))
        if entries and entries[0].task_id:
            break
        time.sleep(0.05)
    trial.target.client("stepfunctions").stop_execution(executionArn=claim.execution, cause="a trial")
    run = trial.ended(claim.run_id, SETTLE_SECONDS)
    assert run.status == "FAILED"
    assert trial.notification()["status"] == "FAILED"
    key = RunFolder(claim.run_id).retry_manifest
    assert trial.target.s3.get_object(Bucket=trial.target.bucket, Key=key)["ContentLength"] > 0
