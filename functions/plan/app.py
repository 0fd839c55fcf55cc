"""Plan: check the manifest and every picture it names; write the plan and the ledger."""

# First of all: it says when the layers are for another processor.
import tryon  # noqa: F401

# isort: split
import os
from collections.abc import Callable
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.parser import event_parser
from aws_lambda_powertools.utilities.typing import LambdaContext

from tryon.events import PlanEvent
from tryon.keys import RunFolder
from tryon.plan_run import Origin, Progress, Unfinished, plan_run, take_part
from tryon.planning.manifest import ManifestError, PicturesMissingError
from tryon.planning.parts import Part
from tryon.service.errors import ServiceAccessError
from tryon.state.run import Run
from tryon.task import submit
from tryon.wiring.plan import PlanWiring

logger, metrics = Logger(), Metrics()
wiring = PlanWiring(os.environ)


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
@event_parser(model=PlanEvent)
def handler(event: PlanEvent, context: LambdaContext) -> dict[str, Any]:
    logger.append_keys(run_id=event.run_id)
    if event.part is not None:
        return _take(event, event.part, context)
    try:
        run = plan_run(
            wiring.s3,
            wiring.ledger,
            wiring.looks,
            _origin(event),
            check_access=lambda key: submit.check_access(wiring.service(key), wiring.gate(key)),
            limits=wiring.limits,
            now=wiring.clock.now(),
            left=_left(context),
            progress=Progress(event.taken, event.written) if event.in_parts else None,
        )
    except PicturesMissingError:
        raise  # they may be on their way
    except (ManifestError, ServiceAccessError) as error:
        rejected = "ManifestsRejected" if isinstance(error, ManifestError) else "ServiceAccessError"
        metrics.add_metric(rejected, MetricUnit.Count, 1)
        raise
    if isinstance(run, Unfinished):
        logger.info("planned in part", parts=len(run.parts), written=run.written)
        return {"parts": [part.model_dump() for part in run.parts]} if run.parts else {"written": run.written}
    return _planned(run)


def _take(event: PlanEvent, part: Part, context: LambdaContext) -> dict[str, Any]:
    stores = wiring.s3, wiring.ledger, wiring.looks
    taken = take_part(*stores, _origin(event), part, limits=wiring.limits, left=_left(context))
    logger.info("pictures taken in", pictures=taken, first=part.first)
    return {"pictures": taken}


def _planned(run: Run) -> dict[str, Any]:
    for note in run.notes:
        logger.warning(note)
    logger.info("planned", total=run.total)
    metrics.add_metric("CombinationsPlanned", MetricUnit.Count, run.total or 0)
    return {
        "plan_key": RunFolder(run.run_id).plan,
        "children_prefix": RunFolder(run.run_id).children,
        "total": run.total,
        **wiring.waits(run),
        "concurrency": wiring.concurrency(run.services),
    }


def _origin(event: PlanEvent) -> Origin:
    about = event.model_dump(include={"run_id", "bucket", "key", "version", "execution", "missing"})
    return Origin(put_at=event.time.timestamp(), **about)


def _left(context: LambdaContext) -> Callable[[], float]:
    """The seconds that a call still has."""
    return lambda: context.get_remaining_time_in_millis() / 1000
