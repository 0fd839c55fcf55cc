"""Summarize: the ledger becomes summary, table, gallery, retry manifest and notification."""

# First of all: it says when the layers are for another processor.
import tryon  # noqa: F401

# isort: split
import os
from dataclasses import asdict
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.parser import event_parser
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel, ConfigDict, Field

from tryon.clock import Clock, SystemClock
from tryon.ledger import Ledger
from tryon.report import Failure, write_report
from tryon.settings import GateSettings, LedgerSettings, SummarizeSettings

logger, metrics = Logger(), Metrics()
clock: Clock = SystemClock()
settings = SummarizeSettings.model_validate(os.environ)
gate_settings = GateSettings.model_validate(os.environ)
ledger_settings = LedgerSettings.model_validate(os.environ)
clients = cache(boto3.client)

HURRY_MS = 120_000
"""Time left at which the rest of a gallery is written without pictures: five hundred pages take half of it."""


class ErrorOutput(BaseModel):
    """What broke the Map, as the state machine caught it; empty when nothing did."""

    model_config = ConfigDict(extra="ignore")

    error: str | None = Field(None, alias="Error")
    cause: str = Field("", alias="Cause")


class SummarizeEvent(BaseModel):
    """What the state machine passes when every child has ended."""

    run_id: str
    bucket: str
    failure: ErrorOutput = ErrorOutput()


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
@event_parser(model=SummarizeEvent)
def handler(event: SummarizeEvent, context: LambdaContext) -> dict[str, Any]:
    logger.append_keys(run_id=event.run_id)
    failure = event.failure
    report = write_report(
        clients("s3"),
        Ledger(clients("dynamodb"), ledger_settings.table, clock),
        gate_settings.build(clients("dynamodb"), clients("stepfunctions"), clock),
        run_id=event.run_id,
        bucket=event.bucket,
        clock=clock,
        price=settings.price,
        currency=settings.currency,
        failure=Failure(failure.error, failure.cause) if failure.error else None,
        hurry=lambda: context.get_remaining_time_in_millis() < HURRY_MS,
    )
    if report.gallery_error:
        logger.error("no gallery", reason=report.gallery_error)
        metrics.add_metric("GalleriesFailed", MetricUnit.Count, 1)
    logger.info("summarized", status=report.status)
    metrics.add_metric(f"Runs{report.status.capitalize()}", MetricUnit.Count, 1)
    metrics.add_metric("CombinationsFailed", MetricUnit.Count, report.failed)
    metrics.add_metric("Cost", MetricUnit.NoUnit, report.cost)
    return asdict(report)
