"""Reserve: ask the gate for a slot; the state machine waits on its task token until it is handed one."""

import os
from functools import cache

import boto3
from aws_lambda_powertools import Logger, Tracer
from aws_lambda_powertools.utilities.parser import event_parser
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel

from tryon.clock import Clock, SystemClock
from tryon.ledger import Ledger
from tryon.plan import Combination
from tryon.settings import GateSettings, LedgerSettings
from tryon.task import RunHaltedError, holder

# X-Ray would patch requests too: it adds headers after signing, and keeps addresses that are secrets.
logger, tracer = Logger(), Tracer(patch_modules=("boto3",))
clock: Clock = SystemClock()
gate_settings = GateSettings.model_validate(os.environ)
ledger_settings = LedgerSettings.model_validate(os.environ)
clients = cache(boto3.client)


class ReserveEvent(BaseModel):
    """What the state machine passes: the combination and the token that wakes it."""

    run_id: str
    combination: Combination
    token: str


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@event_parser(model=ReserveEvent)
def handler(event: ReserveEvent, context: LambdaContext) -> None:
    logger.append_keys(run_id=event.run_id, combination=event.combination.id)
    ledger = Ledger(clients("dynamodb"), ledger_settings.table, clock)
    reason = ledger.halted(event.run_id)
    if reason is not None:
        raise RunHaltedError(f"the run was stopped before this combination: {reason}")
    gate = gate_settings.build(clients("dynamodb"), clients("stepfunctions"), clock)
    if event.combination.task_id is not None:
        gate.pass_through(event.token)
    else:
        gate.reserve(holder(event.run_id, event.combination.n), event.token)
