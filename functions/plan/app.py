"""Plan: check the manifest and every picture it names; write the plan and the ledger."""

# First of all: it says when the layers are for another processor.
import tryon  # noqa: F401

# isort: split
import os
from datetime import UTC, datetime
from functools import cache
from typing import Any

import boto3
import requests
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.parser import event_parser
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import AwareDatetime, BaseModel

from tryon import manifest as manifests
from tryon import task
from tryon.clock import Clock, SystemClock
from tryon.ledger import Ledger
from tryon.plan import RunFolder
from tryon.plan_run import Limits, Origin, plan_run
from tryon.service.errors import ServiceAccessError
from tryon.settings import GateSettings, LedgerSettings, PlanSettings, ServiceSettings

logger, metrics = Logger(), Metrics()
clock: Clock = SystemClock()
session = requests.Session()
settings = PlanSettings.model_validate(os.environ)
gate_settings = GateSettings.model_validate(os.environ)
ledger_settings = LedgerSettings.model_validate(os.environ)
service_settings = ServiceSettings.model_validate(os.environ)
clients = cache(boto3.client)


class PlanEvent(BaseModel):
    """What the state machine passes: the claimed manifest and the run it became.

    `time` is the event's; `missing` names the pictures that were not there the last time. An execution that began
    under an older definition says neither, and waits for no picture.
    """

    run_id: str
    bucket: str
    key: str
    version: str
    execution: str
    time: AwareDatetime = datetime.fromtimestamp(0, UTC)
    missing: str = ""


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
@event_parser(model=PlanEvent)
def handler(event: PlanEvent, context: LambdaContext) -> dict[str, Any]:
    logger.append_keys(run_id=event.run_id)
    s3 = clients("s3")
    try:
        run = plan_run(
            s3,
            Ledger(clients("dynamodb"), ledger_settings.table, clock),
            Origin(
                event.run_id,
                event.bucket,
                event.key,
                event.version,
                event.execution,
                event.time.timestamp(),
                event.missing,
            ),
            lambda: manifests.fetch(s3, event.bucket, event.key, event.version, allowed_buckets=settings.input_buckets),
            lambda: task.check_access(
                service_settings.build(session, clients("secretsmanager"), clock),
                gate_settings.build(clients("dynamodb"), clients("stepfunctions"), clock),
            ),
            limits=Limits(
                settings.max_combinations, settings.max_image_bytes, settings.cadence, gate_settings.deadline
            ),
            now=clock.now(),
        )
    except manifests.PicturesMissingError:
        raise  # they may be on their way
    except manifests.ManifestError:
        metrics.add_metric("ManifestsRejected", MetricUnit.Count, 1)
        raise
    except ServiceAccessError:
        metrics.add_metric("ServiceAccessError", MetricUnit.Count, 1)
        raise
    folder = RunFolder(event.run_id)
    for note in run.notes:
        logger.warning(note)
    logger.info("planned", total=run.total)
    metrics.add_metric("CombinationsPlanned", MetricUnit.Count, run.total)
    return {
        "plan_key": folder.plan,
        "children_prefix": folder.children,
        "total": run.total,
        "cadence": list(run.cadence),
        "concurrency": settings.concurrency,
    }
