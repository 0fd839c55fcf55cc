"""DynamoDB under threads: what two do at the same time is done one after the other."""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.machines import APP
from tryon_local.aws.stack import LocalStack
from tryon_local.clock import ScaledClock


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    with LocalStack(APP, clock=ScaledClock(100)) as running:
        yield running


@pytest.fixture(autouse=True)
def _impatient_threads() -> Iterator[None]:
    # Ten switches where there is one otherwise: what can go wrong between two steps does.
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    yield
    sys.setswitchinterval(before)


def together(count: int, work: Callable[[int], Any]) -> list[Any]:
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(work, range(count)))


def test_no_increment_is_lost_and_each_sees_its_own_result(stack: LocalStack) -> None:
    def increment(_: int) -> int:
        updated = stack.client("dynamodb").update_item(
            TableName=stack.outputs["Table"],
            Key={"pk": {"S": "counter"}},
            UpdateExpression="ADD n :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
            ReturnValues="UPDATED_NEW",
        )
        return int(updated["Attributes"]["n"]["N"])

    assert sorted(together(200, increment)) == list(range(1, 201))


def test_a_conditional_write_has_one_winner(stack: LocalStack) -> None:
    def claim(number: int) -> bool:
        try:
            stack.client("dynamodb").put_item(
                TableName=stack.outputs["Table"],
                Item={"pk": {"S": f"claim-{number // 8}"}},
                ConditionExpression="attribute_not_exists(pk)",
            )
        except ClientError as lost:
            assert lost.response["Error"]["Code"] == "ConditionalCheckFailedException"
            return False
        return True

    assert sum(together(240, claim)) == 30


def test_a_refused_update_shows_the_item_that_refused_it(stack: LocalStack) -> None:
    client = stack.client("dynamodb")
    client.put_item(TableName=stack.outputs["Table"], Item={"pk": {"S": "held"}, "by": {"S": "first"}})
    with pytest.raises(client.exceptions.ConditionalCheckFailedException) as refused:
        client.update_item(
            TableName=stack.outputs["Table"],
            Key={"pk": {"S": "held"}},
            UpdateExpression="SET #by = :me",
            ConditionExpression="attribute_not_exists(#by)",
            ExpressionAttributeNames={"#by": "by"},
            ExpressionAttributeValues={":me": {"S": "second"}},
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    assert refused.value.response["Item"] == {"pk": {"S": "held"}, "by": {"S": "first"}}
