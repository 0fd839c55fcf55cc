"""What CloudWatch shows of a stack that answers on a port: its alarms, its functions' lines and the metrics in them.

`aws logs filter-log-events`, `aws cloudwatch get-metric-statistics` and `describe-alarms` read it. Alarms are listed
and never change their state.
"""

import json
import queue
import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

STREAM = "local"
"""The one log stream of each function."""

_END = None


class CloudWatch:
    """A context manager that takes functions' lines, by `line`, and writes them in a thread of its own."""

    def __init__(self, client: Callable[[str], Any], groups: Mapping[str, str]) -> None:
        self._client = client
        self._groups = groups
        self._lines: queue.SimpleQueue[tuple[str, str] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="cloudwatch", daemon=True)

    def __enter__(self) -> "CloudWatch":
        for group in self._groups.values():
            self._client("logs").create_log_stream(logGroupName=group, logStreamName=STREAM)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.put(_END)
        self._thread.join()

    def line(self, function: str, text: str) -> None:
        """Take a line that a function printed; `function` is its logical id."""
        self._lines.put((function, text))

    def _write(self) -> None:
        while (taken := self._lines.get()) is not _END:
            function, text = taken
            group = self._groups.get(function)
            # On the machine's clock: CloudWatch refuses what comes from hours ahead, where a faster one soon is.
            now = time.time()
            if group is not None and text.strip():
                event = {"timestamp": int(now * 1000), "message": text.rstrip()}
                self._client("logs").put_log_events(logGroupName=group, logStreamName=STREAM, logEvents=[event])
            for namespace, data in metrics(text, now):
                self._client("cloudwatch").put_metric_data(Namespace=namespace, MetricData=data)


def metrics(text: str, now: float) -> list[tuple[str, list[dict[str, Any]]]]:
    """The metrics in a line of CloudWatch's embedded format, by namespace; none in any other line."""
    if '"_aws"' not in text:
        return []
    try:
        written = json.loads(text)
        groups = written["_aws"]["CloudWatchMetrics"]
    except (ValueError, KeyError, TypeError):
        return []
    found = []
    for group in groups:
        names = {name for dimensions in group["Dimensions"] for name in dimensions}
        dimensions = [{"Name": name, "Value": str(written[name])} for name in sorted(names)]
        found.append(
            (
                group["Namespace"],
                [
                    {
                        "MetricName": metric["Name"],
                        "Dimensions": dimensions,
                        "Timestamp": now,
                        "Value": float(value),
                        "Unit": metric.get("Unit", "None"),
                    }
                    for metric in group["Metrics"]
                    for value in _values(written[metric["Name"]])
                ],
            )
        )
    return found


def _values(written: Any) -> list[Any]:
    return written if isinstance(written, list) else [written]


def log_groups(expanded: Mapping[str, Any], resources: Mapping[str, str]) -> dict[str, str]:
    """The log group of each function, by the function's logical id."""
    return {
        name: resources[resource["Properties"]["LoggingConfig"]["LogGroup"]["Ref"]]
        for name, resource in expanded["Resources"].items()
        if resource["Type"] == "AWS::Lambda::Function" and "LoggingConfig" in resource.get("Properties", {})
    }


def put_alarms(client: Callable[[str], Any], expanded: Mapping[str, Any], names: Mapping[str, str]) -> None:
    """Make the template's alarms; `names` has what a Ref stands for: parameters, resources and AWS's own."""
    for logical_id, resource in expanded["Resources"].items():
        if resource["Type"] == "AWS::CloudWatch::Alarm":
            named = {"AlarmName": f"{names['AWS::StackName']}-{logical_id}"}
            client("cloudwatch").put_metric_alarm(**named | _resolved(resource["Properties"], names))


def _resolved(value: Any, names: Mapping[str, str]) -> Any:
    """A property with its references' values; of `GetAtt` only a queue's name is known."""
    match value:
        case {"Ref": name}:
            return names[name]
        case {"Fn::GetAtt": [name, "QueueName"]}:
            return names[name].rpartition("/")[2]
        case {"Fn::Sub": str(text)}:
            return re.sub(r"\$\{([\w:]+)\}", lambda found: names[found[1]], text)
        case dict():
            return {name: _resolved(inner, names) for name, inner in value.items()}
        case list():
            return [_resolved(inner, names) for inner in value]
        case _:
            return value
