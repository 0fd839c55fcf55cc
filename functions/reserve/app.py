"""Reserve: ask the gate for a slot; the state machine waits on its task token until it is handed one.

Called without a token, give the slot of a visit that failed back.
"""

# First of all: it says when the layers are for another processor.
import tryon  # noqa: F401

# isort: split
import os

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.parser import event_parser
from aws_lambda_powertools.utilities.typing import LambdaContext

from tryon.events import ReserveEvent
from tryon.task import slots
from tryon.wiring.state import Wiring

logger = Logger()
wiring = Wiring(os.environ)


@logger.inject_lambda_context(clear_state=True)
@event_parser(model=ReserveEvent)
def handler(event: ReserveEvent, context: LambdaContext) -> dict[str, str] | None:
    logger.append_keys(run_id=event.run_id, combination=event.combination.id, visit=event.visit)
    gate = wiring.gate(event.combination.service)
    if not event.token:
        entry = slots.give_slot_back(event.run_id, event.combination.n, event.visit, ledger=wiring.ledger, gate=gate)
        return {"status": entry.status.value}
    slots.ask_for_slot(
        event.combination,
        event.token,
        run_id=event.run_id,
        visit=event.visit,
        ask=event.ask,
        refused_task=event.refused_task,
        waiting_since=event.waiting_since.timestamp() if event.waiting_since else wiring.clock.now(),
        ledger=wiring.ledger,
        gate=gate,
        clock=wiring.clock,
        patience=wiring.time_settings.patience,
    )
    return None
