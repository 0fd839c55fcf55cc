"""What a map's children returned, written to S3 as AWS writes it: moto leaves an empty manifest."""

import json
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from moto.stepfunctions.parser.asl.component.common.parargs import Parargs
from moto.stepfunctions.parser.asl.component.common.string.string_expression import StringJSONata
from moto.stepfunctions.parser.asl.component.eval_component import EvalComponent
from moto.stepfunctions.parser.asl.component.state.exec.state_map.result_writer.result_writer_decl import ResultWriter
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.resource import Resource
from moto.stepfunctions.parser.asl.utils.boto_client import boto_client_for
from moto.stepfunctions.parser.asl.utils.encoding import to_json_str

from .failures import result_writer_failure
from .journal import Child
from .patching import replaces
from .session import Session, json_default

_S3 = "parser.asl.component.state.exec.state_map.result_writer.resource_eval.resource_eval_s3:ResourceEvalS3"

_FILES = {"SUCCEEDED": "SUCCEEDED", "FAILED": "FAILED", "ABORTED": "FAILED", "RUNNING": "PENDING"}
"""The file that a child is found in, by its status."""


class _Arguments(EvalComponent):  # type: ignore[misc] # moto is untyped here
    """The arguments of a result writer: each a JSONata expression or a text as it stands."""

    def __init__(self, written: dict[str, str]) -> None:
        self._values = {
            name: StringJSONata(text[2:-2].strip()) if text.startswith("{%") else text for name, text in written.items()
        }

    def _eval_body(self, env: Any) -> None:
        arguments = {}
        for name, value in self._values.items():
            if isinstance(value, str):
                arguments[name] = value
            else:
                value.eval(env=env)
                arguments[name] = env.stack.pop()
        env.stack.append(arguments)


@replaces("parser.asl.parse.preprocessor:Preprocessor.visitResult_writer_decl", "(self, ctx)")
def _result_writer(session: Session, original: Any) -> Any:
    # The original refuses what is written in JSONata; `interpreter` has put it where the grammar lets it stand.
    def visit(self: Any, ctx: Any) -> Any:
        written = json.loads("{" + ctx.getText() + "}")["ResultWriter"]
        return ResultWriter(Resource.from_resource_arn(written["Resource"]), Parargs(_Arguments(written["Parameters"])))

    return visit


@replaces(f"{_S3}._handle_put_object", "(env, resource_runtime_part, state_credentials)")
def _write(session: Session, original: Any) -> Any:
    def put_object(env: Any, resource_runtime_part: Any, state_credentials: Any) -> None:
        arguments, _ = env.stack.pop(), env.stack.pop()
        bucket, prefix = arguments["Bucket"], arguments.get("Prefix", "")
        # The last, because a map that is tried again has a map run for each try.
        arn = env.map_run_record_pool_manager.get_all()[-1].map_run_arn
        folder = f"{prefix.rstrip('/')}/{arn.rpartition(':')[2]}".lstrip("/")
        s3 = boto_client_for(service="s3", region=resource_runtime_part.region, state_credentials=state_credentials)
        lists: dict[str, list[dict[str, Any]]] = {name: [] for name in ("FAILED", "PENDING", "SUCCEEDED")}
        for child in session.journal.of_map_run(arn):
            lists[_FILES[child.status]].append(_result(child))
        files: dict[str, list[dict[str, Any]]] = {name: [] for name in lists}
        try:
            for name, results in lists.items():
                if results:
                    body = json.dumps(results).encode()
                    s3.put_object(Bucket=bucket, Key=f"{folder}/{name}_0.json", Body=body)
                    files[name].append({"Key": f"{folder}/{name}_0.json", "Size": len(body)})
            manifest = {"DestinationBucket": bucket, "MapRunArn": arn, "ResultFiles": files}
            s3.put_object(Bucket=bucket, Key=f"{folder}/manifest.json", Body=json.dumps(manifest).encode())
        except (ClientError, BotoCoreError) as error:
            raise result_writer_failure(env, str(error)) from error
        env.stack.append(
            {"MapRunArn": arn, "ResultWriterDetails": {"Bucket": bucket, "Key": f"{folder}/manifest.json"}}
        )

    return staticmethod(put_object)


def _result(child: Child) -> dict[str, Any]:
    told: dict[str, Any] = {
        "ExecutionArn": child.arn,
        "Input": to_json_str(child.input, separators=(",", ":")),
        "InputDetails": {"Included": True},
        "Name": child.name,
        "StartDate": json_default(child.start),
        "StateMachineArn": child.state_machine_arn,
        "Status": child.status,
    }
    if child.stop is not None:
        told["StopDate"] = json_default(child.stop)
    if child.status == "SUCCEEDED":
        told["Output"] = to_json_str(child.output, separators=(",", ":"))
        told["OutputDetails"] = {"Included": True}
    told.update({name: value for name, value in (("Error", child.error), ("Cause", child.cause)) if value is not None})
    return told
