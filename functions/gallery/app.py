"""Gallery: draw some parts of a large run's gallery; the run's report waits for them, and does without."""

# First of all: it says when the layers are for another processor.
import tryon  # noqa: F401

# isort: split
import os

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.parser import event_parser
from aws_lambda_powertools.utilities.typing import LambdaContext

from tryon.events import GalleryEvent
from tryon.reporting import galleries
from tryon.wiring.state import Wiring

logger = Logger()
wiring = Wiring(os.environ)

HURRY_MS = 60_000
"""Time left at which the other parts are written without pictures: twenty-five take seconds."""


@logger.inject_lambda_context(clear_state=True)
@event_parser(model=GalleryEvent)
def handler(event: GalleryEvent, context: LambdaContext) -> dict[str, int]:
    logger.append_keys(run_id=event.run_id)
    drawn = galleries.draw(
        wiring.s3,
        wiring.ledger,
        event,
        hurry=lambda: context.get_remaining_time_in_millis() < HURRY_MS,
    )
    logger.info("drawn", parts=drawn, first=event.first)
    return {"drawn": drawn}
