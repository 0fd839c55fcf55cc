"""Submit: start a combination's task at the service, once."""

# First of all: it says when the layers are for another processor.
import tryon  # noqa: F401

# isort: split
import os
from functools import partial

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.parser import event_parser
from aws_lambda_powertools.utilities.typing import LambdaContext

from tryon.events import SubmitEvent
from tryon.service.errors import ServiceAccessError, ServiceError
from tryon.task import submit
from tryon.wiring.service import ServiceWiring

logger, metrics = Logger(), Metrics()
wiring = ServiceWiring(os.environ)


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
@event_parser(model=SubmitEvent)
def handler(event: SubmitEvent, context: LambdaContext) -> dict[str, str | float]:
    logger.append_keys(run_id=event.run_id, combination=event.combination.id, visit=event.visit)
    service = event.combination.service
    try:
        started = submit.start(
            event.combination,
            run_id=event.run_id,
            visit=event.visit,
            ledger=wiring.ledger,
            gate=wiring.gate(service),
            service=wiring.service(service),
            load=partial(submit.load, wiring.s3),
            now=wiring.clock.now,
            refusals=event.refusals,
            refused_visit=event.refused_visit,
            refused_task=event.refused_task or None,
            start_at=event.start_at,
        )
    except ServiceError as error:
        _warn(error)
        raise
    logger.info("submitted", task_id=started.task_id)
    metrics.add_metric("TasksSubmitted", MetricUnit.Count, 1)
    for word in filter(None, (started.oddity, "CadenceOutgrown" if started.outgrown else "")):
        metrics.add_metric(word, MetricUnit.Count, 1)
    return {"task_id": started.task_id, "outgrown": started.outgrown, **wiring.times(service, started.seconds)}


def _warn(error: ServiceError) -> None:
    logger.warning("not submitted", extra=error.facts)
    metrics.add_metric(type(error).__name__, MetricUnit.Count, 1)
    if isinstance(error.__cause__, ServiceAccessError):
        # Not confirmed yet, and seen by whoever is on call all the same.
        metrics.add_metric("ServiceAccessError", MetricUnit.Count, 1)
