"""The same stack over HTTP: what the AWS CLI and anybody's boto3 see. These tests open sockets on this machine."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
import requests
from botocore.config import Config

from tests.local.machines import APP, START, Machines
from tryon_local.aws.stack import LocalStack, StackError
from tryon_local.clock import CLOCK_PATH, VirtualClock


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    with LocalStack(APP, clock=VirtualClock(START), port=0) as running:
        yield running


class Outside:
    """Clients as another process would make them: at the stack's address, through a socket."""

    def __init__(self, stack: LocalStack) -> None:
        self._url = stack.url

    def __call__(self, service: str) -> Any:
        session = boto3.Session(aws_access_key_id="outside", aws_secret_access_key="outside", region_name="us-east-1")
        client = session.client(service, endpoint_url=self._url, config=Config(retries={"total_max_attempts": 1}))  # type: ignore[call-overload]
        # Without this the client would be answered within this process like every other.
        client.meta.events.unregister("before-send")
        return _over_the_wire(client)


def _over_the_wire(client: Any) -> Any:
    from moto.core.models import botocore_stubber

    client.meta.events.unregister("before-send", botocore_stubber)
    return client


@pytest.fixture(scope="module")
def outside(stack: LocalStack) -> Outside:
    return Outside(stack)


def test_a_manifest_put_from_outside_starts_a_run_that_ends(stack: LocalStack, outside: Outside) -> None:
    bucket = stack.outputs["Bucket"]
    items = [{"id": f"i{i}"} for i in range(6)]
    before = len(stack.executions())
    outside("s3").put_object(Bucket=bucket, Key="manifests/outside.json", Body=json.dumps(items))
    executions = outside("stepfunctions").list_executions(stateMachineArn=stack.outputs["Machine"])["executions"]
    assert len(executions) == before + 1
    ended = stack.wait(executions[0]["executionArn"])
    seen = outside("stepfunctions").describe_execution(executionArn=ended["executionArn"])
    assert (seen["status"], json.loads(seen["output"])["done"]) == ("SUCCEEDED", 6)
    assert seen["startDate"].timestamp() >= START


def test_inside_and_outside_see_the_same_things(stack: LocalStack, outside: Outside) -> None:
    outside("dynamodb").put_item(TableName=stack.outputs["Table"], Item={"pk": {"S": "from outside"}})
    found = stack.client("dynamodb").get_item(TableName=stack.outputs["Table"], Key={"pk": {"S": "from outside"}})
    assert "Item" in found
    stack.client("s3").put_object(Bucket=stack.outputs["Bucket"], Key="x/y.txt", Body=b"inside")
    listed = outside("s3").list_objects_v2(Bucket=stack.outputs["Bucket"], Prefix="x/")
    assert [entry["Key"] for entry in listed["Contents"]] == ["x/y.txt"]
    body = outside("s3").get_object(Bucket=stack.outputs["Bucket"], Key="x/y.txt")["Body"].read()
    assert body == b"inside"
    names = outside("secretsmanager").list_secrets()["SecretList"]
    assert "tryon/keys" in [secret["Name"] for secret in names]


def test_a_client_within_the_process_opens_no_socket(stack: LocalStack, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr("botocore.httpsession.URLLib3Session.send", refuse)
    stack.client("s3").list_buckets()


def test_children_and_their_histories_are_seen_from_outside(stack: LocalStack, outside: Outside) -> None:
    machines = Machines(stack)
    each = machines.each({"Wait": {"Type": "Wait", "Seconds": 5, "End": True}})
    ended = machines.run({"Each": each}, {"items": [1, 2]})
    states = outside("stepfunctions")
    (run,) = states.list_map_runs(executionArn=ended.arn)["mapRuns"]
    children = states.list_executions(mapRunArn=run["mapRunArn"])["executions"]
    assert [child["name"] for child in children] == [child.name for child in stack.children(ended.arn)]
    history = states.get_execution_history(executionArn=children[0]["executionArn"])["events"]
    assert history[-1]["type"] == "ExecutionSucceeded"
    assert (history[-1]["timestamp"] - history[0]["timestamp"]).total_seconds() == 5


def test_a_token_can_be_sent_and_an_execution_stopped_from_outside(stack: LocalStack, outside: Outside) -> None:
    machines = Machines(stack)
    machines._count = 100
    with stack.clock.attached():
        woken = machines.start({"Ask": machines.asking({"do": "keep_token", "id": "outside"})})
        stopped = machines.start({"Wait": {"Type": "Wait", "Seconds": 10_000, "End": True}})
        stack.clock.sleep(5)
        token = (machines.item("outside") or {})["token"]
        outside("stepfunctions").send_task_success(taskToken=token, output='"hello"')
        outside("stepfunctions").stop_execution(executionArn=stopped)
        assert (machines.end(woken).output, machines.end(woken).seconds) == ("hello", 5.0)
        assert (machines.end(stopped).status, machines.end(stopped).seconds) == ("ABORTED", 5.0)


def test_a_function_can_be_called_from_outside(stack: LocalStack, outside: Outside) -> None:
    answered = outside("lambda").invoke(
        FunctionName=stack.resources["Worker"], Payload=json.dumps({"do": "sleep", "seconds": 20})
    )
    told = json.load(answered["Payload"])
    assert told == {"slept": 20, "left": 10_000}


def test_many_clients_at_once_are_served(stack: LocalStack, outside: Outside) -> None:
    client = outside("dynamodb")

    def add(_: int) -> None:
        client.update_item(
            TableName=stack.outputs["Table"],
            Key={"pk": {"S": "many"}},
            UpdateExpression="ADD n :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
        )

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(40)))
    item = client.get_item(TableName=stack.outputs["Table"], Key={"pk": {"S": "many"}})["Item"]
    assert item["n"] == {"N": "40"}


def test_a_handler_asks_a_real_server_that_takes_its_time_in_virtual_time(stack: LocalStack) -> None:
    clock = stack.clock

    class Slow(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            clock.sleep(25)
            body = json.dumps({"at": clock.now()}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        machines = Machines(stack)
        machines._count = 200
        url = f"http://127.0.0.1:{server.server_address[1]}/"
        began = time.monotonic()
        ended = machines.run({"Task": machines.task({"do": "fetch", "url": url})})
    finally:
        server.shutdown()
        server.server_close()
    assert (ended.status, ended.seconds) == ("SUCCEEDED", 25.0)
    assert time.monotonic() - began < 5


def test_only_this_machine_is_listened_to(stack: LocalStack) -> None:
    assert stack.url.startswith("http://127.0.0.1:")


def test_a_port_in_use_is_told_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"127.0.0.1:{port}: Address already in use"):
            LocalStack(APP, clock=VirtualClock(START), port=port).__enter__()


def test_the_stack_tells_its_time_and_that_virtual_time_has_no_speed(stack: LocalStack) -> None:
    told = requests.get(stack.url + CLOCK_PATH, timeout=10).json()
    assert told == {"now": stack.clock.now(), "speed": None}


def test_a_stack_without_a_port_has_no_address() -> None:
    unserved = LocalStack(APP, clock=VirtualClock(START))
    with pytest.raises(StackError, match="no port"):
        _ = unserved.url
