"""Check: measure a combination's results, which are safe in S3; an error means that they are unchecked."""

# First of all: it says when the layers are for another processor.
import tryon  # noqa: F401

# isort: split
import os

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.parser import event_parser
from aws_lambda_powertools.utilities.typing import LambdaContext

from tryon.checks.judge import SECONDS, judge
from tryon.checks.looking import look
from tryon.events import CheckEvent
from tryon.wiring.checks import CheckWiring

JUDGE_MS = 1000 * (SECONDS + 1)
"""Less time than this is too little for the owner's judge."""

logger, metrics = Logger(), Metrics()
wiring = CheckWiring(os.environ)


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
@event_parser(model=CheckEvent)
def handler(event: CheckEvent, context: LambdaContext) -> dict[str, int]:
    logger.append_keys(run_id=event.run_id, combination=event.combination.n)
    looked = look(
        event.run_id,
        event.combination,
        bucket=event.bucket,
        ledger=wiring.ledger,
        looks=wiring.looks,
        s3=wiring.s3,
        faces=(wiring.settings.faces, lambda: wiring.faces),
    )
    if wiring.ask is not None:
        judged = judge(
            event.run_id,
            event.combination,
            bucket=event.bucket,
            ledger=wiring.ledger,
            looks=wiring.looks,
            ask=wiring.ask,
            hurry=lambda: context.get_remaining_time_in_millis() < JUDGE_MS,
        )
        logger.info("judged", failed=[one.failed for one in judged.values() if one.failed])
    for candidate, why in looked.unchecked:
        logger.info("unchecked", candidate=candidate, reason=why)
    logger.info("checked", measured=looked.measured)
    metrics.add_metric("ResultsUnchecked", MetricUnit.Count, len(looked.unchecked))
    return {"measured": looked.measured}
