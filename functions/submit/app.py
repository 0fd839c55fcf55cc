"""Submit: start a combination's task at the service, once."""

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

from tryon import objects, task
from tryon.clock import Clock, SystemClock
from tryon.ledger import Ledger
from tryon.plan import Combination
from tryon.service import GarmentPicture, Submission, TryOnService
from tryon.service.errors import ServiceAccessError, ServiceError
from tryon.settings import GateSettings, LedgerSettings, ServiceSettings

logger, metrics = Logger(), Metrics()
clock: Clock = SystemClock()
session = requests.Session()
gate_settings = GateSettings.model_validate(os.environ)
ledger_settings = LedgerSettings.model_validate(os.environ)
service_settings = ServiceSettings.model_validate(os.environ)
clients = cache(boto3.client)


class SubmitEvent(BaseModel):
    """What the state machine passes: the combination that holds a slot, and what became of its earlier submits.

    `visit` numbers its visits to this state, `refusals` those that count, `refused_visit` is the last that the service
    refused; `refused_task` is its task whose result was refused.
    """

    run_id: str
    combination: Combination
    visit: int = 1
    refusals: int = 0
    refused_visit: int = 0
    refused_task: str = ""


@cache
def service() -> TryOnService:
    return service_settings.build(session, clients("secretsmanager"), clock)


def load(combination: Combination) -> Submission:
    pictures = [combination.model_picture, *(garment.picture for garment in combination.garments)]
    model, *garments = [objects.read_pinned(clients("s3"), picture) for picture in pictures]
    return Submission(
        model=model,
        garments=tuple(
            GarmentPicture(data, garment.type) for data, garment in zip(garments, combination.garments, strict=True)
        ),
        parameters=combination.parameters,
    )


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
@event_parser(model=SubmitEvent)
def handler(event: SubmitEvent, context: LambdaContext) -> dict[str, str | float]:
    logger.append_keys(run_id=event.run_id, combination=event.combination.id, visit=event.visit)
    try:
        started = task.start(
            event.combination,
            run_id=event.run_id,
            visit=event.visit,
            ledger=Ledger(clients("dynamodb"), ledger_settings.table, clock),
            gate=gate_settings.build(clients("dynamodb"), clients("stepfunctions"), clock),
            service=service(),
            load=load,
            now=clock.now,
            refusals=event.refusals,
            refused_visit=event.refused_visit,
            refused_task=event.refused_task or None,
        )
    except ServiceError as error:
        logger.warning(
            "not submitted", error=type(error).__name__, code=error.code, request_id=error.request_id, said=str(error)
        )
        metrics.add_metric(type(error).__name__, MetricUnit.Count, 1)
        if isinstance(error.__cause__, ServiceAccessError):
            # Not confirmed yet, and seen by whoever is on call all the same.
            metrics.add_metric("ServiceAccessError", MetricUnit.Count, 1)
        raise
    logger.info("submitted", task_id=started.task_id)
    metrics.add_metric("TasksSubmitted", MetricUnit.Count, 1)
    return {"task_id": started.task_id, "deadline_in": max(0.0, gate_settings.deadline - started.seconds)}
