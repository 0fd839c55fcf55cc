"""Poll: ask the service after a task, and free its slot when it has ended."""

# First of all: it says when the layers are for another processor.
import tryon  # noqa: F401

# isort: split
import os
from functools import cache

import boto3
import requests
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.parser import event_parser
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel

from tryon import task
from tryon.clock import Clock, SystemClock
from tryon.ledger import Ledger
from tryon.service import TryOnService
from tryon.service.errors import ServiceError, TaskError
from tryon.settings import GateSettings, LedgerSettings, ServiceSettings

logger, metrics = Logger(), Metrics()
clock: Clock = SystemClock()
session = requests.Session()
gate_settings = GateSettings.model_validate(os.environ)
ledger_settings = LedgerSettings.model_validate(os.environ)
service_settings = ServiceSettings.model_validate(os.environ)
clients = cache(boto3.client)


class PollEvent(BaseModel):
    """What the state machine passes: whose task, its id, and how often its poll was put off in a row."""

    run_id: str
    n: int
    task_id: str
    visit: int = 1
    deferrals: int = 0


@cache
def service() -> TryOnService:
    return service_settings.build(session, clients("secretsmanager"), clock)


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
@event_parser(model=PollEvent)
def handler(event: PollEvent, context: LambdaContext) -> dict[str, str | float]:
    logger.append_keys(run_id=event.run_id, combination=event.n, task_id=event.task_id)
    try:
        look = task.look(
            event.run_id,
            event.n,
            event.visit,
            event.task_id,
            ledger=Ledger(clients("dynamodb"), ledger_settings.table, clock),
            gate=gate_settings.build(clients("dynamodb"), clients("stepfunctions"), clock),
            service=service(),
            now=clock.now,
            deferrals=event.deferrals,
        )
    except TaskError as error:
        _warn("task failed", error)
        raise
    if look.error is not None:
        _warn("not understood", look.error)
        metrics.add_metric("PollsUnanswered", MetricUnit.Count, 1)
    logger.info("polled", state=look.state, put_off=look.again_in)
    told: dict[str, str | float] = {"state": look.state.value, "said": look.said}
    if look.again_in is None:
        metrics.add_metric("Polls", MetricUnit.Count, 1)
        return told
    return {**told, "again_in": round(look.again_in)}


def _warn(message: str, error: ServiceError) -> None:
    # The metric's name is the error's class: what the service says may be anything, and each name would be a series.
    logger.warning(message, error=type(error).__name__, code=error.code, request_id=error.request_id, said=str(error))
    metrics.add_metric(type(error).__name__, MetricUnit.Count, 1)
