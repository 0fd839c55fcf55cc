"""Plan: check the manifest and every picture it names; write the plan and the ledger."""

import os
from datetime import timedelta
from functools import cache, partial
from typing import Any

import boto3
import requests
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.parser import event_parser
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import AwareDatetime, BaseModel

from tryon import learned, plan, retry, task
from tryon import manifest as manifests
from tryon.clock import Clock, SystemClock
from tryon.intake import take_in
from tryon.ledger import Ledger
from tryon.manifest import ManifestError, PicturesMissingError
from tryon.settings import GateSettings, LedgerSettings, PlanSettings, ServiceSettings

# X-Ray would patch requests too: it adds headers after signing, and keeps addresses that are secrets.
logger, tracer, metrics = Logger(), Tracer(patch_modules=("boto3",)), Metrics()
clock: Clock = SystemClock()
session = requests.Session()
settings = PlanSettings.model_validate(os.environ)
gate_settings = GateSettings.model_validate(os.environ)
ledger_settings = LedgerSettings.model_validate(os.environ)
service_settings = ServiceSettings.model_validate(os.environ)
clients = cache(boto3.client)

PATIENCE = timedelta(seconds=60)
"""How long after its event a manifest waits for pictures: who copies a folder copies the small manifest first."""


class PlanEvent(BaseModel):
    """What the state machine passes: the claimed manifest and the run it became.

    `time` is the event's; `missing` names the pictures that were not there the last time.
    """

    run_id: str
    bucket: str
    key: str
    version: str
    execution: str
    time: AwareDatetime
    missing: str = ""


def look_at_pictures(
    s3: Any, event: PlanEvent, fetched: manifests.Fetched, folder: plan.RunFolder
) -> tuple[dict[str, plan.Picture], dict[str, plan.Picture]]:
    """Take the pictures in; `PicturesMissingError` leaves while they may be on their way still, never later."""
    # An event's time ahead of the clock by more than that is as wrong as one behind it.
    early = abs(clock.now() - event.time.timestamp()) < PATIENCE.total_seconds()
    try:
        return take_in(
            s3,
            fetched.manifest,
            bucket=event.bucket,
            folder=folder,
            max_bytes=settings.max_image_bytes,
            awaited=PicturesMissingError.missing(event.missing),
            note=logger.warning,
        )
    except PicturesMissingError as error:
        if early and not fetched.complete:
            raise
        raise ManifestError(error.problems) from None


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
@event_parser(model=PlanEvent)
def handler(event: PlanEvent, context: LambdaContext) -> dict[str, Any]:
    logger.append_keys(run_id=event.run_id)
    s3 = clients("s3")
    folder = plan.RunFolder(event.run_id)
    started_at = clock.now()

    fetched = manifests.fetch(s3, event.bucket, event.key, event.version, allowed_buckets=settings.input_buckets)
    manifest = fetched.manifest
    ledger = Ledger(clients("dynamodb"), ledger_settings.table, clock)
    earlier = retry.look_back(manifest, ledger, started_at)
    total = plan.check_size(manifest, settings.max_combinations, earlier.done)
    cadence, origin = learned.resolve(s3, event.bucket, manifest, settings.cadence)
    plan.check_polls(cadence, gate_settings.deadline)
    models, garments = look_at_pictures(s3, event, fetched, folder)
    task.check_access(
        service_settings.build(session, clients("secretsmanager"), clock),
        gate_settings.build(clients("dynamodb"), clients("stepfunctions"), clock),
    )

    ledger.open_run(
        event.run_id,
        name=manifest.name or manifests.default_name(event.key),
        bucket=event.bucket,
        manifest_key=event.key,
        manifest_version=event.version,
        execution=event.execution,
        started_at=started_at,
        total=total,
        cadence=cadence,
        learned=origin.origin() if origin else None,
        retry_of=manifest.retry_of,
    )
    planned = partial(plan.expand, manifest, models, garments, done=earlier.done, paid=earlier.paid)
    ledger.add(event.run_id, planned())
    plan.write(s3, event.bucket, folder.plan, planned())
    ledger.update_run(event.run_id, planned_at=clock.now())

    logger.info("planned", total=total)
    metrics.add_metric("CombinationsPlanned", MetricUnit.Count, total)
    return {
        "plan_key": folder.plan,
        "children_prefix": folder.children,
        "total": total,
        "cadence": cadence,
        "concurrency": settings.concurrency,
    }
