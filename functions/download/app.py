"""Download: stream a task's result pictures from the service into S3."""

# First of all: it says when the layers are for another processor.
import tryon  # noqa: F401

# isort: split
import os
from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING

import boto3
import requests
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.parser import event_parser
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel

from tryon import results, thumbnails
from tryon.clock import Clock, SystemClock
from tryon.entry import Status
from tryon.fetch import guarded_session
from tryon.ledger import Ledger
from tryon.plan import RunFolder
from tryon.service import TryOnService
from tryon.settings import DownloadSettings, LedgerSettings, ServiceSettings
from tryon.task import collect

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

logger, metrics = Logger(), Metrics()
clock: Clock = SystemClock()
download_settings = DownloadSettings.model_validate(os.environ)
ledger_settings = LedgerSettings.model_validate(os.environ)
service_settings = ServiceSettings.model_validate(os.environ)
session = guarded_session(download_settings.policy)
service_session = requests.Session()
clients = cache(boto3.client)

THUMBNAIL_MILLISECONDS = 20_000
"""What must be left of the call for a thumbnail to be begun: the largest takes a few seconds."""

SETTLING_SECONDS = 30
"""What must be left of the call when the last result is stored: the outcome is written, thumbnails are begun."""


class DownloadEvent(BaseModel):
    """What the state machine passes: whose task has ended, and how many calls tried before."""

    run_id: str
    bucket: str
    n: int
    task_id: str
    tries: int = 0


@cache
def service() -> TryOnService:
    return service_settings.build(service_session, clients("secretsmanager"), clock)


@cache
def s3() -> "S3Client":
    return boto3.client("s3", config=results.client_config())


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
@event_parser(model=DownloadEvent)
def handler(event: DownloadEvent, context: LambdaContext) -> dict[str, int]:
    logger.append_keys(run_id=event.run_id, combination=event.n, task_id=event.task_id)
    ledger = Ledger(clients("dynamodb"), ledger_settings.table, clock)
    entry = ledger.entry(event.run_id, event.n)
    if entry.status is Status.SUCCEEDED:
        return {"pictures": len(entry.results)}  # an earlier try was cut off at its thumbnails
    collected = collect(
        entry,
        event.task_id,
        folder=RunFolder(event.run_id),
        bucket=event.bucket,
        service=service(),
        session=session,
        s3=s3(),
        policy=download_settings.policy,
        clock=clock,
        tries=event.tries,
        seconds=context.get_remaining_time_in_millis() / 1000 - SETTLING_SECONDS,
    )
    found, lost = collected.stored, collected.lost
    ledger.succeeded(event.run_id, event.n, found, lost)
    copied = sum(
        context.get_remaining_time_in_millis() > THUMBNAIL_MILLISECONDS
        and thumbnails.of_result(s3(), event.bucket, result)
        for result in found
    )
    logger.info("downloaded", pictures=len(found), bytes=sum(result.bytes for result in found), copied=copied)
    if lost:
        logger.warning("pictures lost", lost=[asdict(one) for one in lost])
        metrics.add_metric("PicturesLost", MetricUnit.Count, len(lost))
    metrics.add_metric("CombinationsSucceeded", MetricUnit.Count, 1)
    metrics.add_metric("PicturesStored", MetricUnit.Count, len(found))
    metrics.add_metric("PollsPerCombination", MetricUnit.Count, entry.polls)
    for name, seconds in (("Latency", entry.latency), ("Delay", entry.delay)):
        if seconds is not None:
            metrics.add_metric(name, MetricUnit.Seconds, seconds)
    return {"pictures": len(found)}
