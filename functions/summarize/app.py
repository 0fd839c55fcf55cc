"""Summarize: the ledger becomes summary, table, gallery, retry manifest and notification."""

# First of all: it says when the layers are for another processor.
import tryon  # noqa: F401

# isort: split
import os
from dataclasses import asdict
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.parser import event_parser
from aws_lambda_powertools.utilities.typing import LambdaContext

from tryon.events import SummarizeEvent
from tryon.reporting.report import Failure, Report, end_report, write_report
from tryon.wiring.state import Wiring

logger, metrics = Logger(), Metrics()
wiring = Wiring(os.environ)

HURRY_MS = 120_000
"""Time left at which the rest of a gallery is written without pictures: five hundred pages take half of it."""


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
@event_parser(model=SummarizeEvent)
def handler(event: SummarizeEvent, context: LambdaContext) -> dict[str, Any]:
    logger.append_keys(run_id=event.run_id)
    run = {"run_id": event.run_id, "bucket": event.bucket}
    if event.undrawn is not None:
        return _told(end_report(wiring.s3, wiring.ledger, **run, undrawn=event.undrawn))
    report = write_report(
        wiring.s3,
        wiring.ledger,
        wiring.gate,
        **run,
        clock=wiring.clock,
        prices=wiring.price,
        failure=Failure(event.failure.error, event.failure.cause) if event.failure.error else None,
        uncompared=event.uncompared,
        parts_later=event.parts_later,
        hurry=lambda: context.get_remaining_time_in_millis() < HURRY_MS,
    )
    return _told(report)


def _told(report: Report) -> dict[str, Any]:
    if report.gallery_error:
        logger.error("no gallery", reason=report.gallery_error)
        metrics.add_metric("GalleriesFailed", MetricUnit.Count, 1)
    if not report.batches:  # while parts are left to draw the run has not ended
        logger.info("summarized", status=report.status)
        metrics.add_metric(f"Runs{report.status.capitalize()}", MetricUnit.Count, 1)
        metrics.add_metric("CombinationsFailed", MetricUnit.Count, report.failed)
        for name, amount in report.costs.items():
            metrics.add_metric(name, MetricUnit.NoUnit, amount)
    return asdict(report)
