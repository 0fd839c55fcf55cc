"""Poll: ask the service after a task, and free its slot when it has ended."""

import os
from functools import cache

import boto3
import requests
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.parser import event_parser
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel

from tryon import task
from tryon.clock import Clock, SystemClock
from tryon.ledger import Ledger
from tryon.service import TryOnService
from tryon.service.errors import TaskError
from tryon.settings import GateSettings, LedgerSettings, ServiceSettings

# X-Ray would patch requests too: it adds headers after signing, and keeps addresses that are secrets.
logger, tracer, metrics = Logger(), Tracer(patch_modules=("boto3",)), Metrics()
clock: Clock = SystemClock()
session = requests.Session()
gate_settings = GateSettings.model_validate(os.environ)
ledger_settings = LedgerSettings.model_validate(os.environ)
service_settings = ServiceSettings.model_validate(os.environ)
clients = cache(boto3.client)


class PollEvent(BaseModel):
    """What the state machine passes: whose task, and its id."""

    run_id: str
    n: int
    task_id: str


@cache
def service() -> TryOnService:
    return service_settings.build(session, clients("secretsmanager"), clock)


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
@event_parser(model=PollEvent)
def handler(event: PollEvent, context: LambdaContext) -> dict[str, str]:
    logger.append_keys(run_id=event.run_id, combination=event.n, task_id=event.task_id)
    try:
        state = task.look(
            event.run_id,
            event.n,
            event.task_id,
            ledger=Ledger(clients("dynamodb"), ledger_settings.table, clock),
            gate=gate_settings.build(clients("dynamodb"), clients("stepfunctions"), clock),
            service=service(),
            now=clock.now,
        )
    except TaskError as error:
        logger.warning("task failed", error=type(error).__name__, code=error.code, request_id=error.request_id)
        metrics.add_metric(type(error).__name__, MetricUnit.Count, 1)
        raise
    logger.info("polled", state=state)
    metrics.add_metric("Polls", MetricUnit.Count, 1)
    return {"state": state.value}
