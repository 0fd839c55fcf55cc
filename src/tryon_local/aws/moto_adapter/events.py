"""Events: what S3 and Step Functions tell EventBridge, and what EventBridge does about a rule's targets."""

import functools
import itertools
import json
import re
import uuid
from datetime import UTC, datetime
from typing import Any

from moto.events.models import EventTemplateParser, events_backends
from moto.stepfunctions.responses import get_backend as step_functions

from .patching import replaces
from .session import Session

_REASONS = {
    "s3:ObjectCreated:Put": "PutObject",
    "s3:ObjectCreated:Post": "POST Object",
    "s3:ObjectCreated:Copy": "CopyObject",
    "s3:ObjectCreated:CompleteMultipartUpload": "CompleteMultipartUpload",
}
_sequence = itertools.count(0x617F08299329D189)


@replaces("moto.s3.notifications:_send_event_bridge_message", "(account_id, bucket, event_name, key)")
def _tell_event_bridge(session: Session, original: Any) -> Any:
    # The original gives every event the same id and sequencer, the machine's time, and an `eTag` for `etag`.
    def send(account_id: str, bucket: Any, event_name: str, key: Any) -> None:
        from moto.s3.notifications import _detail_type

        described: dict[str, Any] = {"key": key.name, "size": key.size, "etag": key.etag.replace('"', "")}
        if key.version_id is not None and bucket.is_versioned:
            described["version-id"] = key.version_id
        described["sequencer"] = f"{next(_sequence):016X}"
        name = str(getattr(event_name, "value", event_name))
        detail = {
            "version": "0",
            "bucket": {"name": bucket.name},
            "object": described,
            "request-id": uuid.uuid4().hex[:16].upper(),
            "requester": account_id,
            "source-ip-address": "127.0.0.1",
            "reason": _REASONS.get(name, name.rpartition(":")[2]),
        }
        _send(session, "aws.s3", _detail_type(event_name), (account_id, bucket.region_name), bucket.arn, detail)

    return send


def tell_execution_status(session: Session, execution_arn: str) -> None:
    """Tell EventBridge how an execution ended, as Step Functions does; moto does not."""
    region, account = execution_arn.split(":")[3:5]
    described = session.client("stepfunctions").describe_execution(executionArn=execution_arn)
    names = ("executionArn", "stateMachineArn", "name", "status", "input", "output", "error", "cause")
    detail: dict[str, Any] = {name: described.get(name) for name in names}
    for name in ("startDate", "stopDate"):
        detail[name] = int(described[name].timestamp() * 1000) if name in described else None
    for name in ("input", "output"):
        detail[f"{name}Details"] = None if detail[name] is None else {"included": True}
    _send(session, "aws.states", "Step Functions Execution Status Change", (account, region), execution_arn, detail)


def _send(
    session: Session, source: str, kind: str, where: tuple[str, str], resource: str, detail: dict[str, Any]
) -> None:
    account, region = where
    event = {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": kind,
        "source": source,
        "account": account,
        "time": _iso(session.clock.now()),
        "region": region,
        "resources": [resource],
        "detail": detail,
    }
    for rule in list(events_backends[account][region].event_buses["default"].rules.values()):
        rule.send_to_targets(event, transform_input=False)


@replaces("moto.events.models:Rule.send_to_targets", "(self, original_event, transform_input)")
def _send_to_targets(session: Session, original: Any) -> Any:
    # The original knows neither state machines nor functions as targets, nor dead-letter queues.
    def send_to_targets(self: Any, original_event: Any, transform_input: bool = True) -> None:
        if self.state != "ENABLED" or not self.event_pattern.matches_event(original_event):
            return
        event = dict(original_event)
        if isinstance(event["time"], int | float):
            event["time"] = _iso(event["time"])
        for target in list(self.targets):
            try:
                _deliver(session, self.account_id, target, event)
            except Exception as error:  # noqa: BLE001 - whatever the target refuses is what the queue is for
                _bury(session, self, target, event, error)

    return send_to_targets


@replaces("moto.events.models:EventPattern._wildcard_match", "(item, pattern)")
def _wildcard_match(session: Session, original: Any) -> Any:
    # The original's star stops at a line break, which a key may hold; and it makes its expression anew each time.
    return lambda item, pattern: isinstance(item, str) and _expression(pattern).fullmatch(item) is not None


@functools.cache
def _expression(pattern: str) -> "re.Pattern[str]":
    """A wildcard pattern as a regular expression: `*` is anything, `\\*` and `\\\\` are the characters themselves."""
    pieces = (
        ".*" if piece == "*" else re.escape(piece[1] if piece in ("\\*", "\\\\") else piece)
        for piece in re.findall(r"\\[*\\]|.", pattern, re.DOTALL)
    )
    return re.compile("".join(pieces), re.DOTALL)


def _deliver(session: Session, account: str, target: Any, event: dict[str, Any]) -> None:
    arn = target["Arn"]
    service, region = arn.split(":")[2:4]
    text = _input(target, event)
    if service == "states":
        name = f"{event['id']}_{uuid.uuid4()}"
        step_functions(account, region).start_execution(arn, name, text)
    elif service == "lambda":
        session.clock.thread(session.invoke, (arn, text.encode(), None), owner=session.owner).start()
    elif service == "sqs":
        queue = session.client("sqs").get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"]
        session.client("sqs").send_message(QueueUrl=queue, MessageBody=text)
    elif service == "sns":
        session.client("sns").publish(TopicArn=arn, Message=text)
    elif service == "logs":
        return
    else:
        raise NotImplementedError(f"a rule's target of {service} is not known here")


def _input(target: Any, event: dict[str, Any]) -> str:
    if target.get("Input"):
        return str(target["Input"])
    if target.get("InputPath"):
        value: Any = event
        for part in target["InputPath"].removeprefix("$").strip(".").split("."):
            value = value[part] if part else value
        return json.dumps(value)
    if target.get("InputTransformer"):
        transformer = target["InputTransformer"]
        made = EventTemplateParser.parse(
            input_template=transformer.get("InputTemplate"),
            input_paths_map=transformer.get("InputPathsMap", {}),
            # moto's parser asks for it of every event; EventBridge has it when an event comes in.
            event={**event, "ingestion-time": event["time"]},
        )
        return made if isinstance(made, str) else json.dumps(made)
    return json.dumps(event)


def _bury(session: Session, rule: Any, target: Any, event: dict[str, Any], error: Exception) -> None:
    """Do with an event what EventBridge does once it has given up on a target."""
    queue_arn = (target.get("DeadLetterConfig") or {}).get("Arn")
    if queue_arn is None:
        return
    told = {
        "RULE_ARN": rule.arn,
        "TARGET_ARN": target["Arn"],
        "ERROR_CODE": getattr(error, "error_type", None) or type(error).__name__,
        "ERROR_MESSAGE": getattr(error, "message", None) or str(error),
        "RETRY_ATTEMPTS": "0",
    }
    sqs = session.client("sqs")
    sqs.send_message(
        QueueUrl=sqs.get_queue_url(QueueName=queue_arn.rpartition(":")[2])["QueueUrl"],
        MessageBody=_input(target, event),
        MessageAttributes={
            name: {"DataType": "String", "StringValue": str(value) or "-"} for name, value in told.items()
        },
    )


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
