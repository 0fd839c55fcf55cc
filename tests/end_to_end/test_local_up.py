"""`tryon local up` as a person uses it: another process, the stock clients, the command."""

import json
import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests

from tests.end_to_end.local_stack import local_up
from tests.service.standin_client import signed_headers
from tests.workflow.pipeline import manifest, picture
from tryon_cli.main import main
from tryon_cli.target import connect

SPEED = 200


@pytest.fixture(scope="module")
def up() -> Iterator[tuple[int, str]]:
    """The port of a stack in another process, and what was printed when it was up."""
    with local_up(SPEED) as running:
        yield running


@pytest.fixture(scope="module")
def port(up: tuple[int, str]) -> int:
    return up[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for kind, name, number in (
        ("models", "anna", 1),
        ("garments/upper", "shirt", 101),
        ("garments/lower", "jeans", 102),
    ):
        path = tmp_path / kind / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(number))
    return tmp_path


def client(service: str, port: int) -> Any:
    return boto3.client(service, endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1")  # type: ignore[call-overload]


def test_a_manifest_dropped_with_a_stock_s3_client_becomes_results(port: int) -> None:
    s3 = client("s3", port)
    bucket = next(b["Name"] for b in s3.list_buckets()["Buckets"] if b["Name"].startswith("tryon-"))
    for name, number in (("m0", 0), ("g0", 100), ("g1", 101)):
        s3.put_object(Bucket=bucket, Key=f"inputs/{name}.jpg", Body=picture(number))
    s3.put_object(Bucket=bucket, Key="manifests/stock.json", Body=json.dumps(manifest(1, 2)).encode())

    machine = client("stepfunctions", port).list_state_machines()["stateMachines"][0]["stateMachineArn"]
    end = time.monotonic() + 60
    while True:
        found = client("stepfunctions", port).list_executions(stateMachineArn=machine)["executions"]
        if found and all(execution["status"] != "RUNNING" for execution in found):
            break
        assert time.monotonic() < end
        time.sleep(0.2)
    assert [execution["status"] for execution in found] == ["SUCCEEDED"]
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket, Prefix="runs/")["Contents"]]
    assert sum(key.split("/")[2] == "results" for key in keys) == 2
    table = next(name for name in client("dynamodb", port).list_tables()["TableNames"] if "Ledger" in name)
    items = client("dynamodb", port).scan(TableName=table)["Items"]
    assert sum(item.get("status", {}).get("S") == "SUCCEEDED" for item in items) == 3


def test_from_a_folder_to_a_gallery(port: int, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", str(folder), "--name", "summer"]) == 0
    assert main(["run", str(folder / "manifest.json"), "--port", str(port)]) == 0
    said = capsys.readouterr().out
    assert "3 pictures uploaded\n" in said
    assert "2 of 2 succeeded" in said
    assert "2.00 CNY to the stand-in, not real" in said
    assert f"gallery: tryon open {connect('local', port=port).ledger.runs(1)[0].run_id} --port {port}" in said
    assert main(["plan", str(folder / "manifest.json"), "--port", str(port)]) == 0
    planned = capsys.readouterr().out
    assert "with 6 slots" in planned
    assert "assumed" not in planned
    assert main(["list", "--port", str(port), "--json"]) == 0
    run = json.loads(capsys.readouterr().out)[0]
    assert (run["name"], run["status"], run["succeeded"]) == ("summer", "SUCCEEDED", 2)
    assert main(["open", "--port", str(port), "--save", str(folder / "out")]) == 0
    page = folder / "out" / run["run_id"] / "index.html"
    assert page.is_file()
    assert main(["open", "--port", str(port), "--print"]) == 0
    assert f"http://127.0.0.1:{port}/" in capsys.readouterr().out
    assert main(["retry", "--port", str(port)]) == 0
    assert "nothing of run" in capsys.readouterr().out


def test_a_manifest_that_the_stack_rejects_has_exit_code_2(
    port: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    s3 = client("s3", port)
    s3.put_object(Bucket=connect("local", port=port).bucket, Key="inputs/broken.jpg", Body=b"no picture")
    path = tmp_path / "wrong.json"
    garments = [{"id": "g0", "image": "inputs/broken.jpg", "type": "upper"}]
    path.write_text(json.dumps(manifest(1, 1, models=[{"id": "m0", "image": "inputs/broken.jpg"}], garments=garments)))
    assert main(["run", str(path), "--port", str(port)]) == 2
    assert "models[0].image: inputs/broken.jpg: is not a JPEG" in capsys.readouterr().out


def test_a_picture_that_is_nowhere_is_told_before_anything_is_put(
    port: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "nowhere.json"
    path.write_text(json.dumps(manifest(1, 1, models=[{"id": "m0", "image": "inputs/nowhere.jpg"}])))
    for command in ("plan", "run"):
        assert main([command, str(path), "--port", str(port)]) == 2
        said = capsys.readouterr()
        assert "models[0].image: 'inputs/nowhere.jpg' is no file here and is not in s3://tryon-" in said.err
        assert said.out == ""


def test_the_stand_ins_keys_are_printed_and_open_it(up: tuple[int, str]) -> None:
    said = re.search(r"answers on (http://\S+), .* access key (\S+), secret key (\S+)", up[1])
    assert said is not None, up[1]
    url, access_key, secret_key = said.groups()
    body = json.dumps({"req_key": "dressing_diffusionV2", "task_id": "0"}).encode()
    keys: dict[str, Any] = {"access_key": access_key, "secret_key": secret_key}
    host = url.removeprefix("http://")
    headers = signed_headers(body, action="CVGetResult", at=time.time(), host=host, **keys)
    answer = requests.post(f"{url}/?Action=CVGetResult&Version=2022-08-31", data=body, headers=headers, timeout=10)
    assert (answer.json()["code"], answer.json()["data"]["status"]) == (10000, "not_found")


def test_the_clock_of_the_stack_and_the_times_in_its_ledger_are_the_same(port: int, folder: Path) -> None:
    assert main(["new", str(folder)]) == 0
    found = connect("local", port=port)
    assert found.speed == SPEED
    before = found.clock.now()
    assert main(["run", str(folder / "manifest.json"), "--port", str(port)]) == 0
    run = found.ledger.runs(1)[0]
    ended = [entry.ended_at or 0 for entry in found.ledger.entries(run.run_id)]
    assert all(before < at < found.clock.now() for at in ended)


def test_an_unknown_run_is_told(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "no-such-run", "--port", str(port)]) == 2
    assert f"has no run no-such-run: see `tryon list --port {port}`" in capsys.readouterr().err


def test_where_no_stack_answers_the_error_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        assert main(["list", "--port", str(probe.getsockname()[1])]) == 2
    assert "tryon local up" in capsys.readouterr().err
    assert os.environ["AWS_ACCESS_KEY_ID"] == "test"


def test_the_functions_lines_metrics_and_alarms_are_there_for_the_aws_cli(port: int) -> None:
    s3, logs, cloudwatch = client("s3", port), client("logs", port), client("cloudwatch", port)
    s3.put_object(Bucket=connect("local", port=port).bucket, Key="manifests/shown.json", Body=b"{}")
    end = time.monotonic() + 60
    found: list[Any] = []
    while not found and time.monotonic() < end:
        told = logs.filter_log_events(logGroupName="/aws/lambda/tryon-plan", filterPattern="ManifestsRejected")
        found = told["events"]
        time.sleep(0.2)
    assert json.loads(found[0]["message"])["ManifestsRejected"] == [1.0]
    statistics: list[Any] = []
    while not statistics and time.monotonic() < end:
        statistics = cloudwatch.get_metric_statistics(
            Namespace="tryon",
            MetricName="ManifestsRejected",
            Dimensions=[{"Name": "service", "Value": "tryon"}],
            StartTime=time.time() - 3600,
            EndTime=time.time() + 3600,
            Period=7200,
            Statistics=["Sum"],
        )["Datapoints"]
        time.sleep(0.2)
    assert statistics[0]["Sum"] >= 1
    alarms = cloudwatch.describe_alarms(AlarmNamePrefix="tryon-")["MetricAlarms"]
    assert {"tryon-run-failed", "tryon-access", "tryon-dead-letters"} <= {alarm["AlarmName"] for alarm in alarms}
    topic = connect("local", port=port).outputs["AlarmTopicArn"]
    assert all(alarm["AlarmActions"] == [topic] for alarm in alarms)
