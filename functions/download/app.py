"""Download: stream a task's result pictures from the service into S3."""

# First of all: it says when the layers are for another processor.
import tryon  # noqa: F401

# isort: split
import os
from dataclasses import asdict

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.parser import event_parser
from aws_lambda_powertools.utilities.typing import LambdaContext

from tryon.events import DownloadEvent
from tryon.task.download import bring
from tryon.wiring.results import ResultWiring

logger, metrics = Logger(), Metrics()
wiring = ResultWiring(os.environ)


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
@event_parser(model=DownloadEvent)
def handler(event: DownloadEvent, context: LambdaContext) -> dict[str, int]:
    logger.append_keys(run_id=event.run_id, combination=event.n, task_id=event.task_id)
    brought = bring(
        event.run_id,
        event.n,
        event.task_id,
        bucket=event.bucket,
        ledger=wiring.ledger,
        looks=wiring.looks,
        service=wiring.service(event.service),
        session=wiring.session(event.service),
        s3=wiring.s3,
        policy=wiring.policy(event.service),
        clock=wiring.clock,
        tries=event.tries,
        seconds_left=lambda: context.get_remaining_time_in_millis() / 1000,
    )
    if brought.collected is None:
        return {"pictures": len(brought.entry.results)}  # an earlier try was cut off at its copies
    found, lost = brought.collected.stored, brought.collected.lost
    logger.info("downloaded", pictures=len(found), bytes=sum(one.bytes for one in found), copied=brought.copies)
    if lost:
        logger.warning("pictures lost", lost=[asdict(one) for one in lost])
        metrics.add_metric("PicturesLost", MetricUnit.Count, len(lost))
    metrics.add_metric("CombinationsSucceeded", MetricUnit.Count, 1)
    metrics.add_metric("PicturesStored", MetricUnit.Count, len(found))
    metrics.add_metric("PollsPerCombination", MetricUnit.Count, brought.entry.polls)
    for name, seconds in (("Latency", brought.entry.latency), ("Delay", brought.entry.delay)):
        if seconds is not None:
            metrics.add_metric(name, MetricUnit.Seconds, seconds)
    return {"pictures": len(found)}
