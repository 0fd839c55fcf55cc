"""Poll: ask the service after a task, and free its slot when it has ended."""

# First of all: it says when the layers are for another processor.
import tryon  # noqa: F401

# isort: split
import os

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.parser import event_parser
from aws_lambda_powertools.utilities.typing import LambdaContext

from tryon.events import PollEvent
from tryon.service.errors import ServiceError, TaskError
from tryon.task import poll
from tryon.wiring.service import ServiceWiring

logger, metrics = Logger(), Metrics()
wiring = ServiceWiring(os.environ)


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
@event_parser(model=PollEvent)
def handler(event: PollEvent, context: LambdaContext) -> dict[str, str | float]:
    logger.append_keys(run_id=event.run_id, combination=event.n, task_id=event.task_id)
    try:
        look = poll.look(
            event.run_id,
            event.n,
            event.visit,
            event.task_id,
            ledger=wiring.ledger,
            gate=wiring.gate(event.service),
            service=wiring.service(event.service),
            now=wiring.clock.now,
            deferrals=event.deferrals,
            learned=event.learned,
        )
    except TaskError as error:
        _warn("task failed", error)
        raise
    if look.error is not None:
        _warn("not understood", look.error)
        metrics.add_metric("PollsUnanswered", MetricUnit.Count, 1)
    logger.info("polled", state=look.state, put_off=look.again_in)
    if look.again_in is not None:
        return {"state": look.state.value, "said": look.said, "again_in": round(look.again_in)}
    metrics.add_metric("Polls", MetricUnit.Count, 1)
    heard = {} if look.next_in is None else {"next_in": look.next_in}
    return {"state": look.state.value, "said": look.said, **heard}


def _warn(message: str, error: ServiceError) -> None:
    # The metric's name is the error's class: what the service says may be anything, and each name would be a series.
    logger.warning(message, extra=error.facts)
    metrics.add_metric(type(error).__name__, MetricUnit.Count, 1)
