"""State machines that tests write down, run on a stack of the small application in `fixtures`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tryon_local.aws.stack import LocalStack

APP = Path(__file__).parent / "fixtures" / "app"
START = 1_790_000_000.0


@dataclass
class Ended:
    """An execution that has ended; `seconds` is how long it took in virtual time."""

    arn: str
    status: str
    output: Any
    error: str | None
    cause: str | None
    seconds: float
    events: list[dict[str, Any]]

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]


class Machines:
    """Runs state machines that a test writes down, on a stack that the tests of a module share."""

    def __init__(self, stack: LocalStack) -> None:
        self.stack = stack
        self.worker = stack.functions["Worker"].arn
        self._count = 0

    def task(self, payload: Any, **more: Any) -> dict[str, Any]:
        """A state that calls the worker; its result is the worker's answer."""
        return {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Arguments": {"FunctionName": self.worker, "Payload": payload},
            "Output": "{% $states.result.Payload %}",
            **({} if "Next" in more else {"End": True}),
            **more,
        }

    def asking(self, payload: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        """A state that calls the worker and waits on its token."""
        task = self.task({**payload, "token": "{% $states.context.Task.Token %}"}, **more)
        return {
            **task,
            "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
            "Output": more.get("Output", "{% $states.result %}"),
        }

    def each(self, states: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        """A distributed map over `$states.input.items`; `states` are a child's, the first one first."""
        return {
            "Type": "Map",
            "Label": "Each",
            "Items": "{% $states.input.items %}",
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                "StartAt": next(iter(states)),
                "States": dict(states),
            },
            **({} if "Next" in more else {"End": True}),
            **more,
        }

    def start(self, states: Mapping[str, Any], input: Any = None, **top: Any) -> str:  # noqa: A002
        """Start a machine of these states, the first one first; returns the execution's ARN."""
        self._count += 1
        definition = {
            "QueryLanguage": "JSONata",
            "StartAt": next(iter(states)),
            "States": dict(states),
            **top,
        }
        client = self.stack.client("stepfunctions")
        machine = client.create_state_machine(
            name=f"machine-{self._count}",
            definition=json.dumps(definition),
            roleArn="arn:aws:iam::123456789012:role/any",
        )["stateMachineArn"]
        arn: str = client.start_execution(stateMachineArn=machine, input=json.dumps(input or {}))["executionArn"]
        return arn

    def end(self, arn: str) -> Ended:
        described = self.stack.wait(arn, patience=20)
        return Ended(
            arn=arn,
            status=described["status"],
            output=json.loads(described["output"]) if "output" in described else None,
            error=described.get("error"),
            cause=described.get("cause"),
            seconds=(described["stopDate"] - described["startDate"]).total_seconds(),
            events=self.events(arn),
        )

    def run(self, states: Mapping[str, Any], input: Any = None, **top: Any) -> Ended:  # noqa: A002
        return self.end(self.start(states, input, **top))

    def events(self, arn: str) -> list[dict[str, Any]]:
        pages = self.stack.client("stepfunctions").get_paginator("get_execution_history")
        return [event for page in pages.paginate(executionArn=arn) for event in page["events"]]

    def item(self, key: str) -> dict[str, Any] | None:
        """An item of the stack's table, its values without their types."""
        item = (
            self.stack.client("dynamodb")
            .get_item(TableName=self.stack.outputs["Table"], Key={"pk": {"S": key}})
            .get("Item")
        )
        return None if item is None else {name: next(iter(value.values())) for name, value in item.items()}
