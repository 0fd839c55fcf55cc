"""Compare: hold each result of a run against the others of its row and column; an error means unchecked."""

# First of all: it says when the layers are for another processor.
import tryon  # noqa: F401

# isort: split
import os

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.parser import event_parser
from aws_lambda_powertools.utilities.typing import LambdaContext

from tryon.checks.comparing import compare_run
from tryon.events import CompareEvent
from tryon.wiring.state import Wiring

logger, metrics = Logger(), Metrics()
wiring = Wiring(os.environ)


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
@event_parser(model=CompareEvent)
def handler(event: CompareEvent, context: LambdaContext) -> dict[str, int]:
    logger.append_keys(run_id=event.run_id)
    flagged = compare_run(wiring.s3, wiring.ledger, wiring.looks, run_id=event.run_id, bucket=event.bucket)
    logger.info("compared", flagged=len(flagged))
    metrics.add_metric("ResultsFlagged", MetricUnit.Count, len(flagged))
    return {"flagged": len(flagged)}
