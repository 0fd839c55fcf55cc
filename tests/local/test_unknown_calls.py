"""What the local AWS does not know is answered by the call's name, 501, in the protocol that asked."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tryon_local.aws.unknown_calls import in_protocol


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the base class's name
        return


def _unwritten(environ: Any, start_response: Any) -> Any:
    raise NotImplementedError


def _page(environ: Any, start_response: Any) -> Any:
    start_response("500 Internal Server Error", [("Content-Type", "text/html")])
    return [b"<!doctype html><h1>Internal Server Error</h1>"]


def _broken(environ: Any, start_response: Any) -> Any:
    raise KeyError("nothing like it")


@contextmanager
def served(app: Any) -> Iterator[str]:
    with make_server("127.0.0.1", 0, in_protocol(app), handler_class=_Silent) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def refused(protocol: str, address: str) -> Any:
    service, call = CALLS[protocol]
    config = Config(inject_host_prefix=False, retries={"max_attempts": 0}, s3={"addressing_style": "path"})
    with pytest.raises(ClientError) as caught:
        call(boto3.client(service, endpoint_url=address, config=config))  # type: ignore[call-overload]
    return caught.value.response


CALLS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "JSON": ("stepfunctions", lambda client: client.test_state(definition="{}")),
    "query": ("iam", lambda client: client.list_roles()),
    "REST and XML": ("s3", lambda client: client.get_bucket_acl(Bucket="b")),
    "REST and JSON": ("lambda", lambda client: client.get_function(FunctionName="f")),
    "CBOR or query": ("cloudwatch", lambda client: client.describe_anomaly_detectors()),
}
NAMES = {
    "JSON": "TestState",
    "query": "ListRoles",
    "REST and XML": "GET /b of s3",
    "REST and JSON": "GET /2015-03-31/functions/f of lambda",
    "CBOR or query": "DescribeAnomalyDetectors",
}


@pytest.mark.parametrize("app", [_unwritten, _page])
@pytest.mark.parametrize("protocol", CALLS)
def test_a_client_reads_the_name_of_what_is_not_known(protocol: str, app: Any) -> None:
    with served(app) as address:
        answer = refused(protocol, address)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert answer["Error"]["Code"] == "NotImplemented"
    assert answer["Error"]["Message"] == f"the local AWS does not know {NAMES[protocol]}"


@pytest.mark.parametrize("protocol", CALLS)
def test_a_call_that_breaks_the_local_aws_is_no_unknown_one(protocol: str) -> None:
    with served(_broken) as address:
        answer = refused(protocol, address)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert answer["Error"]["Code"] == "InternalFailure"
    assert answer["Error"]["Message"] == f"the local AWS breaks at {NAMES[protocol]}: KeyError: 'nothing like it'"


@pytest.mark.parametrize(("kind", "sent"), [("application/xml", b"<Error/>"), ("text/html", b""), ("text/html", b"no")])
def test_an_answer_goes_through_as_it_is(kind: str, sent: bytes) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("404 Not Found", [("Content-Type", kind)])
        return [sent]

    seen: list[Any] = []
    body = in_protocol(app)({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, lambda *told: seen.append(told))
    assert b"".join(body) == sent
    assert seen[0][0] == "404 Not Found"
