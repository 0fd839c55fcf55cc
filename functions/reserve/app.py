"""Reserve: ask the gate for a slot; the state machine waits on its task token until it is handed one.

Called without a token, give the slot of a visit that failed back.
"""

# First of all: it says when the layers are for another processor.
import tryon  # noqa: F401

# isort: split
import os
from datetime import datetime
from functools import cache

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.parser import event_parser
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel

from tryon import task
from tryon.clock import Clock, SystemClock
from tryon.ledger import Ledger
from tryon.plan import Combination
from tryon.settings import GateSettings, LedgerSettings

logger = Logger()
clock: Clock = SystemClock()
gate_settings = GateSettings.model_validate(os.environ)
ledger_settings = LedgerSettings.model_validate(os.environ)
clients = cache(boto3.client)


class ReserveEvent(BaseModel):
    """What the state machine passes: the combination, and the token that wakes it.

    `visit` numbers the combination's visits to the gate, `ask` the tries of this one; `waiting_since` is when its
    first visit began; `refused_task` is the last task whose result the service refused. Without a token the visit has
    failed, and its slot is given back.
    """

    run_id: str
    combination: Combination
    token: str = ""
    visit: int = 1
    ask: int = 0
    refused_task: str = ""
    waiting_since: datetime | None = None


@logger.inject_lambda_context(clear_state=True)
@event_parser(model=ReserveEvent)
def handler(event: ReserveEvent, context: LambdaContext) -> dict[str, str] | None:
    logger.append_keys(run_id=event.run_id, combination=event.combination.id, visit=event.visit)
    ledger = Ledger(clients("dynamodb"), ledger_settings.table, clock)
    gate = gate_settings.build(clients("dynamodb"), clients("stepfunctions"), clock)
    if not event.token:
        entry = task.give_slot_back(event.run_id, event.combination.n, event.visit, ledger=ledger, gate=gate)
        return {"status": entry.status.value}
    task.ask_for_slot(
        event.combination,
        event.token,
        run_id=event.run_id,
        visit=event.visit,
        ask=event.ask,
        refused_task=event.refused_task,
        waiting_since=event.waiting_since.timestamp() if event.waiting_since else clock.now(),
        ledger=ledger,
        gate=gate,
        clock=clock,
        patience=gate_settings.patience,
    )
    return None
