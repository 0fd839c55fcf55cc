"""Which parameters of a call are plain: what botocore would refuse or has to translate is not."""

from enum import StrEnum
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import BotoCoreError, ClientError

from tryon_local.aws.moto_adapter import patching, plain
from tryon_local.aws.stack import LocalStack


class State(StrEnum):
    DONE = "done"


PLAIN: dict[str, Any] = {
    "TableName": "t",
    "Key": {"pk": {"S": "x"}, "sk": {"N": "1"}},
    "ExpressionAttributeValues": {
        ":a": {"BOOL": True},
        ":b": {"NULL": True},
        ":c": {"M": {"x": {"L": [{"S": "ü"}, {"M": {}}]}}},
        ":d": {"SS": ["x"]},
        ":e": {"NS": ["1"]},
        ":f": {"S": State.DONE},
    },
    "ExpressionAttributeNames": {"#a": "a"},
    "ConsistentRead": False,
}


def test_what_is_plain_is_copied() -> None:
    copied = plain.request(PLAIN)
    assert copied == PLAIN
    assert copied is not None
    assert type(copied["ExpressionAttributeValues"][":f"]["S"]) is str
    PLAIN["ExpressionAttributeValues"][":d"]["SS"].append("y")
    assert copied["ExpressionAttributeValues"][":d"] == {"SS": ["x"]}


@pytest.mark.parametrize(
    "more",
    [
        {"TableName": 1},
        {"TableName": None},
        {"Key": None},
        {"Key": {"pk": "x"}},
        {"Key": {1: {"S": "x"}}},
        {"Key": {"pk": {"S": 1}}},
        {"Key": {"pk": {"N": 1}}},
        {"Key": {"pk": {"BOOL": 1}}},
        {"Key": {"pk": {"BOOL": "true"}}},
        {"Key": {"pk": {"L": ({"S": "x"},)}}},
        {"Key": {"pk": {"SS": "x"}}},
        {"Key": {"pk": {"SS": [1]}}},
        {"Key": {"pk": {"M": []}}},
        {"Key": {"pk": {"X": "x"}}},
        {"ConsistentRead": 1},
        {"ExpressionAttributeNames": {"#a": 1}},
        {"ExpressionAttributeNames": []},
        {"Surprise": "x"},
    ],
    ids=str,
)
def test_what_botocore_refuses_is_not_plain_and_is_refused(stack: LocalStack, more: dict[str, Any]) -> None:
    given = {"TableName": stack.outputs["Table"], "Key": {"pk": {"S": "x"}}, **more}
    assert plain.request(given) is None
    with pytest.raises((BotoCoreError, ClientError, AttributeError, TypeError)):
        stack.client("dynamodb").get_item(**given)


def test_bytes_what_is_large_and_what_is_not_one_value_are_not_plain() -> None:
    for value in (
        {},
        {"S": "x", "N": "1"},
        {"B": b"x"},
        {"BS": [b"x"]},
        {"S": "x" * plain.SMALL_BYTES},
        {"S": "ü" * (plain.SMALL_BYTES // 3)},
    ):
        assert plain.request({"TableName": "t", "Item": {"pk": value}}) is None


def test_puts_of_a_transaction_are_copied_and_weigh_together() -> None:
    put = {"TableName": "t", "Item": {"pk": {"S": "x" * (plain.SMALL_BYTES // 3)}}, "ConditionExpression": "a = b"}
    given = {"TransactItems": [{"Put": put}, {"Put": put}], "ClientRequestToken": "c"}
    assert plain.request(given) == given
    others: list[Any] = [
        [{"Put": put}] * 3,
        [{"Delete": {"TableName": "t", "Key": {}}}],
        [{"Put": put, "Delete": {}}],
        [{"Put": {"TransactItems": []}}],
        ({"Put": put},),
        [put],
    ]
    for items in others:
        assert plain.request({"TransactItems": items}) is None


def test_botocores_method_is_the_one_that_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def moved() -> list[str]:
        return [one for one in patching.differences() if "_make_api_call" in one]

    assert moved() == []
    path = "botocore.client:BaseClient._make_api_call"
    monkeypatch.setitem(patching.EXPECTED, path, (lambda self, name: None, patching.EXPECTED[path][1]))
    assert moved() == [f"{path}(self, name), expected (self, operation_name, api_params)"]


def test_whoever_stands_in_botocores_place_sees_every_call(stack: LocalStack, monkeypatch: pytest.MonkeyPatch) -> None:
    client: Any = BaseClient
    original, seen = client._make_api_call, []

    def traced(self: Any, operation: str, parameters: Any) -> Any:
        seen.append(operation)
        return original(self, operation, parameters)

    monkeypatch.setattr(client, "_make_api_call", traced)
    stack.client("dynamodb").get_item(TableName=stack.outputs["Table"], Key={"pk": {"S": "x"}})
    assert seen == ["GetItem"]
