"""Plan: check the manifest and every picture it names; write the plan and the ledger."""

# First of all: it says when the layers are for another processor.
import tryon  # noqa: F401

# isort: split
import os
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.parser import event_parser
from aws_lambda_powertools.utilities.typing import LambdaContext

from tryon.events import PlanEvent
from tryon.plan_run import Progress, Unfinished, plan_run, take_part
from tryon.planning.manifest import ManifestError, PicturesMissingError
from tryon.service.errors import ServiceAccessError
from tryon.task import submit
from tryon.wiring.plan import PlanWiring

logger, metrics = Logger(), Metrics()
wiring = PlanWiring(os.environ)


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
@event_parser(model=PlanEvent)
def handler(event: PlanEvent, context: LambdaContext) -> dict[str, Any]:
    logger.append_keys(run_id=event.run_id)
    stores, origin = (wiring.s3, wiring.ledger, wiring.looks), wiring.origin(event)

    def left() -> float:
        return context.get_remaining_time_in_millis() / 1000

    if event.part is not None:
        return {"pictures": take_part(*stores, origin, event.part, limits=wiring.limits, left=left)}
    try:
        run = plan_run(
            *stores,
            origin,
            check_access=lambda key: submit.check_access(wiring.service(key), wiring.gate(key)),
            limits=wiring.limits,
            now=wiring.clock.now(),
            left=left,
            progress=Progress(event.taken, event.written) if event.in_parts else None,
        )
    except PicturesMissingError:
        raise  # they may be on their way
    except (ManifestError, ServiceAccessError) as error:
        rejected = "ManifestsRejected" if isinstance(error, ManifestError) else "ServiceAccessError"
        metrics.add_metric(rejected, MetricUnit.Count, 1)
        raise
    if isinstance(run, Unfinished):
        return run.told()
    for note in run.notes:
        logger.warning(note)
    logger.info("planned", total=run.total)
    metrics.add_metric("CombinationsPlanned", MetricUnit.Count, run.total or 0)
    return wiring.told(run)
