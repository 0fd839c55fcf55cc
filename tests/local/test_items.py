"""DynamoDB's calls on items are answered at once, on their way through botocore, or by moto: all must do the same."""

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tryon_local.aws.moto_adapter import at_once, items
from tryon_local.aws.stack import LocalStack

NAMES = ("a", "b", "c")
SCALARS = st.one_of(
    st.sampled_from(["", "x", "xy", "y"]).map(lambda text: {"S": text}),
    st.integers(-3, 3).map(lambda number: {"N": str(number)}),
    st.sampled_from([{"N": "1.5"}, {"NULL": True}]),
)
VALUES = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=2).map(lambda some: {"L": some}),
    st.dictionaries(st.sampled_from(NAMES), SCALARS, max_size=2).map(lambda some: {"M": some}),
    st.sets(st.sampled_from(["x", "y"]), min_size=1).map(lambda some: {"SS": sorted(some)}),
)
ATTRIBUTES = st.dictionaries(st.sampled_from(NAMES), VALUES)
BROKEN = object()
PLACEHOLDERS = {"#a": "a", "#b": "b", "#c": "c"}
name = st.sampled_from(["a", "b", "#a", "#b", "#c"])
value = st.sampled_from([":x", ":y", ":one"])


def conditions(depth: int = 2) -> st.SearchStrategy[str]:
    plain = st.one_of(
        st.builds("attribute_exists({})".format, name),
        st.builds("attribute_not_exists ( {} )".format, name),
        st.builds("begins_with({}, {})".format, name, st.just(":x")),
        st.builds("contains({}, {})".format, name, st.just(":x")),
        st.builds("{} {} {}".format, name, st.sampled_from(["=", "<>"]), value),
        st.builds("{} {} {}".format, name, st.sampled_from(["<", "<=", ">", ">="]), st.just(":one")),
        st.builds("{} IN (:x, :one)".format, name),
        st.builds("{} BETWEEN :one AND :one".format, name),
    )
    if depth == 0:
        return plain
    inner = conditions(depth - 1)
    return st.one_of(
        plain,
        st.builds("({}) AND {}".format, inner, inner),
        st.builds("{} OR ({})".format, inner, inner),
        st.builds("NOT ({})".format, inner),
    )


@st.composite
def updates(draw: st.DrawFn) -> str:
    targets = draw(st.permutations(["a", "#b", "#c"]))
    settings_ = [
        draw(
            st.sampled_from(
                [
                    f"{targets[0]} = :x",
                    f"{targets[0]} = if_not_exists({targets[0]}, :one)",
                    f"{targets[0]} = if_not_exists({targets[0]}, :one) + :one",
                    f"{targets[0]} = {targets[0]} - :one",
                    f"{targets[0]} = {targets[1]}",
                ]
            )
        )
    ]
    parts = ["SET " + ", ".join(settings_)]
    parts += draw(st.sampled_from([[], [f"REMOVE {targets[1]}"], [f"ADD {targets[1]} :one"]]))
    parts += draw(st.sampled_from([[], [f"REMOVE {targets[2]}"]])) if "REMOVE" not in parts[-1] else []
    return " ".join(parts)


def used(*expressions: str | None) -> dict[str, Any]:
    text = " ".join(expression or "" for expression in expressions)
    values = {":x": {"S": "x"}, ":y": {"S": "y"}, ":one": {"N": "1"}}
    fields = {
        "ExpressionAttributeNames": {key: text_ for key, text_ in PLACEHOLDERS.items() if key in text},
        "ExpressionAttributeValues": {key: value_ for key, value_ in values.items() if key in text},
    }
    return {key: field for key, field in fields.items() if field}


class Twice:
    """Does everything to two items: to one as a function would, to the other where moto answers."""

    def __init__(self, stack: LocalStack, monkeypatch: pytest.MonkeyPatch) -> None:
        self._dynamodb = stack.client("dynamodb")
        self._table = stack.outputs["Table"]
        self.at_once = 0
        original = items.answer

        def counting(*call: Any) -> Any:
            answered = original(*call)
            self.at_once += answered is not None
            return answered

        monkeypatch.setattr(items, "answer", counting)

    def both(self, operation: str, **request: Any) -> tuple[Any, Any]:
        # A field that the fast way does not know sends a call to moto.
        return self._one("fast", operation, request), self._one(
            "slow", operation, {**request, "ReturnConsumedCapacity": "NONE"}
        )

    def reset(self, attributes: dict[str, Any] | None) -> None:
        for key in ("fast", "slow"):
            self._dynamodb.delete_item(TableName=self._table, Key={"pk": {"S": key}})
            if attributes is not None:
                self._dynamodb.put_item(
                    TableName=self._table, Item={"pk": {"S": key}, **attributes}, ReturnConsumedCapacity="NONE"
                )

    def items(self) -> tuple[Any, Any]:
        return self.both("get_item")

    def _one(self, key: str, operation: str, request: dict[str, Any]) -> Any:
        given = dict(request)
        if operation == "put_item":
            given["Item"] = {"pk": {"S": key}, **given["Item"]}
        else:
            given["Key"] = {"pk": {"S": key}}
        try:
            answer = getattr(self._dynamodb, operation)(TableName=self._table, **given)
        except ClientError as error:
            answer = {**error.response, "Status": error.response["ResponseMetadata"]["HTTPStatusCode"]}
        except (TypeError, AttributeError, ValueError):
            # moto falls over a comparison of different types, which AWS answers with a no.
            return BROKEN
        answer.pop("ResponseMetadata", None)
        answer.pop("ConsumedCapacity", None)
        for field in ("Item", "Attributes"):
            attributes = answer.get(field, {})
            attributes.pop("pk", None)
            # Sets have no order, and moto gives them a new one each time.
            attributes.update({key: {"SS": sorted(one["SS"])} for key, one in attributes.items() if "SS" in one})
        return answer


@pytest.fixture(params=["at once", "on the way"])
def twice(request: pytest.FixtureRequest, stack: LocalStack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Twice]:
    with at_once.watched() if request.param == "on the way" else nullcontext():
        yield Twice(stack, monkeypatch)


def alike(answers: tuple[Any, Any]) -> bool:
    """Whether moto had an answer; then it must be the same."""
    fast, slow = answers
    assert slow is BROKEN or fast == slow
    return slow is not BROKEN


examples = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


@examples
@given(before=st.none() | ATTRIBUTES, condition=conditions(), after=ATTRIBUTES, show=st.booleans())
def test_a_conditional_put_is_taken_or_refused_alike(
    twice: Twice, before: Any, condition: str, after: Any, show: bool
) -> None:
    twice.reset(before)
    more = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"} if show else {}
    if alike(twice.both("put_item", Item=after, ConditionExpression=condition, **used(condition), **more)):
        alike(twice.items())
    assert twice.at_once > 0


@examples
@given(
    before=st.none() | ATTRIBUTES,
    update=updates(),
    condition=st.none() | conditions(1),
    returned=st.sampled_from(["NONE", "ALL_NEW"]),
)
def test_an_update_changes_the_same_and_returns_the_same(
    twice: Twice, before: Any, update: str, condition: str | None, returned: str
) -> None:
    twice.reset(before)
    more = {} if condition is None else {"ConditionExpression": condition}
    given = used(update, condition)
    if alike(twice.both("update_item", UpdateExpression=update, ReturnValues=returned, **given, **more)):
        alike(twice.items())
    assert twice.at_once > 0


@examples
@given(before=st.none() | ATTRIBUTES, names=st.lists(name, min_size=1, max_size=3, unique_by=lambda n: n.strip("#")))
def test_a_projection_shows_the_same(twice: Twice, before: Any, names: list[str]) -> None:
    twice.reset(before)
    projection = ", ".join(names)
    alike(twice.both("get_item", ProjectionExpression=projection, ConsistentRead=True, **used(projection)))


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("update_item", {"UpdateExpression": "SET status = :x", **used(":x")}),
        ("update_item", {"UpdateExpression": "SET a = :x", **used(":x :y")}),
        ("update_item", {"UpdateExpression": "SET a = :x, a = :x", **used(":x")}),
        ("update_item", {"UpdateExpression": "SET pk = :x", **used(":x")}),
        ("update_item", {"UpdateExpression": "SET a.b = :x", **used(":x")}),
        ("update_item", {"UpdateExpression": "SET a = missing", **used("")}),
        ("update_item", {"UpdateExpression": "SET a = a + :x", **used(":x")}),
        ("update_item", {"UpdateExpression": "ADD a :x", **used(":x")}),
        ("update_item", {"UpdateExpression": "FROB a", **used("")}),
        ("update_item", {"UpdateExpression": "SET a = ", **used("")}),
        ("update_item", {"UpdateExpression": "SET a = :x", "ConditionExpression": "size(a) > :one", **used(":x :one")}),
        ("put_item", {"Item": {"kind": {"NULL": True}}}),
        ("put_item", {"Item": {"a": {"SS": []}}}),
        ("put_item", {"Item": {"a": {"N": "1"}}, "ReturnValues": "ALL_OLD"}),
        ("put_item", {"Item": {"a": {"B": b"bytes"}}}),
        ("get_item", {"ProjectionExpression": "a.b"}),
        ("get_item", {"ProjectionExpression": "a", **used("#b")}),
    ],
)
def test_what_is_not_plain_is_left_to_moto(twice: Twice, operation: str, request_: dict[str, Any]) -> None:
    twice.reset({"a": {"M": {"b": {"S": "deep"}}}})
    before = twice.at_once
    alike(twice.both(operation, **request_))
    assert twice.at_once == before
    twice.items()


def test_an_item_too_large_is_refused_however_it_grew(twice: Twice) -> None:
    twice.reset({"a": {"S": "x" * 150_000}})
    for attribute in ("b", "c"):
        grown = twice.both(
            "update_item",
            UpdateExpression=f"SET {attribute} = :v",
            ExpressionAttributeValues={":v": {"S": "y" * 150_000}},
        )
        alike(grown)
    assert grown[0]["Error"]["Code"] == "ValidationException"


def test_a_table_that_is_not_there_is_motos_to_miss(stack: LocalStack) -> None:
    client = stack.client("dynamodb")
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_item(TableName="nowhere", Key={"pk": {"S": "x"}})


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("flag = :one", False),
        ("flag <> :one", True),
        ("absent = absent_too", False),
        ("absent <> :one", True),
        ("n < :text", False),
        ("n BETWEEN :text AND :text", False),
        ("n = n", True),
    ],
)
def test_values_of_different_types_are_compared_as_on_aws_where_moto_errs(
    stack: LocalStack, condition: str, holds: bool
) -> None:
    client, table = stack.client("dynamodb"), stack.outputs["Table"]
    client.put_item(TableName=table, Item={"pk": {"S": "typed"}, "flag": {"BOOL": True}, "n": {"N": "1"}})
    values = {":one": {"N": "1"}, ":text": {"S": "1"}}
    given = {key: one for key, one in values.items() if key in condition}
    try:
        client.put_item(
            TableName=table,
            Item={"pk": {"S": "typed"}, "flag": {"BOOL": True}, "n": {"N": "1"}},
            ConditionExpression=condition,
            **({"ExpressionAttributeValues": given} if given else {}),
        )
        taken = True
    except client.exceptions.ConditionalCheckFailedException:
        taken = False
    assert taken is holds


@pytest.fixture
def shelves(stack: LocalStack) -> Iterator[str]:
    """A table with a sort key and an index, its items in no order."""
    client = stack.client("dynamodb")
    client.create_table(
        TableName="shelves",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk", "kind", "run_id")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "kinds",
                "KeySchema": [
                    {"AttributeName": "kind", "KeyType": "HASH"},
                    {"AttributeName": "run_id", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    for shelf in ("a", "b"):
        for book in ("x2", "y", "x1"):
            item = {"pk": {"S": shelf}, "sk": {"S": book}, "pages": {"L": []}, "kind": {"S": "book"}}
            client.put_item(TableName="shelves", Item={**item, "run_id": {"S": shelf + book}})
    yield "shelves"
    client.delete_table(TableName="shelves")


def asked(stack: LocalStack, operation: str, **request: Any) -> tuple[Any, Any]:
    """What the fast way and moto say to the same call."""
    answers = []
    for way in ({}, {"ReturnConsumedCapacity": "NONE"}):
        try:
            answer = getattr(stack.client("dynamodb"), operation)(**request, **way)
        except ClientError as error:
            answer = error.response["Error"]
        answer.pop("ResponseMetadata", None)
        answer.pop("ConsumedCapacity", None)
        answers.append(answer)
    return answers[0], answers[1]


P, S = {":p": {"S": "a"}}, {":s": {"S": "x"}}
QUERIES: list[tuple[bool, dict[str, Any]]] = [
    (True, {"KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": P}),
    (True, {"KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": {"S": "nowhere"}}}),
    (True, {"KeyConditionExpression": "pk = :p AND begins_with(sk, :s)", "ExpressionAttributeValues": {**P, **S}}),
    (
        True,
        {
            "KeyConditionExpression": "#p = :p and begins_with ( #s , :s )",
            "ExpressionAttributeNames": {"#p": "pk", "#s": "sk"},
            "ExpressionAttributeValues": {**P, ":s": {"S": "z"}},
            "ConsistentRead": True,
        },
    ),
    (False, {"KeyConditionExpression": "pk = :p AND sk > :s", "ExpressionAttributeValues": {**P, **S}}),
    (False, {"KeyConditionExpression": "pk = :p AND begins_with(kind, :s)", "ExpressionAttributeValues": {**P, **S}}),
    (False, {"KeyConditionExpression": "sk = :p", "ExpressionAttributeValues": P}),
    (False, {"KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {**P, **S}}),
    (False, {"KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": {"N": "1"}}}),
    (False, {"KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": P, "Limit": 1}),
    (False, {"KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": P, "ScanIndexForward": False}),
    (False, {"KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": P, "ProjectionExpression": "sk"}),
    (
        False,
        {
            "KeyConditionExpression": "kind = :p",
            "ExpressionAttributeValues": {":p": {"S": "book"}},
            "IndexName": "kinds",
        },
    ),
]


@pytest.mark.parametrize(("at_once", "request_"), QUERIES)
def test_a_query_of_one_partition_shows_the_same(
    stack: LocalStack, shelves: str, monkeypatch: pytest.MonkeyPatch, at_once: bool, request_: dict[str, Any]
) -> None:
    answered = []
    original = items.answer
    monkeypatch.setattr(items, "answer", lambda *call: answered.append(original(*call)) or answered[-1])
    fast, slow = asked(stack, "query", TableName=shelves, **request_)
    assert fast == slow
    assert (answered[0] is not None) is at_once


@pytest.mark.parametrize("bytes_", [70_000, 124_980, 250_000, 380_000])
def test_pages_are_cut_where_moto_cuts_them(
    stack: LocalStack, shelves: str, monkeypatch: pytest.MonkeyPatch, bytes_: int
) -> None:
    client = stack.client("dynamodb")
    for number in range(18):
        nested = {"M": {"ä": {"L": [{"S": "é" * 3}, {"N": "1.5"}, {"BOOL": True}, {"NULL": True}, {"SS": ["x"]}]}}}
        item = {"pk": {"S": "long"}, "sk": {"S": f"n{number:02}"}, "text": {"S": "x" * (bytes_ + number)}}
        client.put_item(TableName=shelves, Item={**item, "nested": nested})
    answered = []
    original = items.answer
    monkeypatch.setattr(items, "answer", lambda *call: answered.append(original(*call)) or answered[-1])
    request: dict[str, Any] = {
        "TableName": shelves,
        "KeyConditionExpression": "pk = :p AND begins_with(sk, :s)",
        "ExpressionAttributeValues": {":p": {"S": "long"}, ":s": {"S": "n"}},
    }
    pages, seen = 0, []
    while True:
        fast, slow = asked(stack, "query", **request)
        assert fast == slow
        assert answered[-2] is not None
        pages += 1
        seen += [item["sk"]["S"] for item in fast["Items"]]
        if "LastEvaluatedKey" not in fast:
            break
        request["ExclusiveStartKey"] = fast["LastEvaluatedKey"]
    assert pages > 1
    assert seen == [f"n{number:02}" for number in range(18)]


def test_a_page_after_another_partitions_key_is_motos_to_refuse(
    stack: LocalStack, shelves: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = []
    original = items.answer
    monkeypatch.setattr(items, "answer", lambda *call: answered.append(original(*call)) or answered[-1])
    start = {"pk": {"S": "b"}, "sk": {"S": "x1"}}
    stack.client("dynamodb").query(
        TableName=shelves, KeyConditionExpression="pk = :p", ExpressionAttributeValues=P, ExclusiveStartKey=start
    )
    assert set(answered) == {None}


@pytest.mark.parametrize("value_", [{"S": "film"}, {"S": ""}, {"N": "1"}, {"NULL": True}])
def test_a_key_of_an_index_is_set_or_refused_alike(stack: LocalStack, shelves: str, value_: dict[str, Any]) -> None:
    answers = asked(
        stack,
        "update_item",
        TableName=shelves,
        Key={"pk": {"S": "a"}, "sk": {"S": "y"}},
        UpdateExpression="SET kind = :k",
        ExpressionAttributeValues={":k": value_},
    )
    assert answers[0] == answers[1]
    found = stack.client("dynamodb").query(
        TableName=shelves,
        IndexName="kinds",
        KeyConditionExpression="kind = :k",
        ExpressionAttributeValues={":k": {"S": "film"}},
    )
    assert found["Count"] == (value_ == {"S": "film"})


@pytest.mark.parametrize("value_", [{"L": []}, {"M": {}}, {"S": ""}, {"L": [{"L": []}]}])
def test_an_empty_value_is_kept_alike(twice: Twice, value_: dict[str, Any]) -> None:
    twice.reset({"a": {"N": "1"}})
    before = twice.at_once
    alike(
        twice.both(
            "update_item",
            UpdateExpression="SET a = :v",
            ReturnValues="ALL_NEW",
            ExpressionAttributeValues={":v": value_},
        )
    )
    assert twice.at_once == before + 1
    alike(twice.items())


PLAIN: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(pk)"}
SHOWN: dict[str, Any] = {**PLAIN, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
MINE: dict[str, Any] = {
    "ConditionExpression": "attribute_not_exists(pk) OR kind = :k",
    "ExpressionAttributeValues": {":k": {"S": "book"}},
}


def put(shelf: str, book: str, more: dict[str, Any] = PLAIN, **attributes: Any) -> dict[str, Any]:
    item = {"pk": {"S": shelf}, "sk": {"S": book}, "title": {"S": "new"}, **attributes}
    return {"Put": {"TableName": "shelves", "Item": item, **more}}


TRANSACTIONS: list[tuple[bool, list[dict[str, Any]]]] = [
    (True, [put("c", "x")]),
    (True, [put("c", str(n)) for n in range(100)]),
    (True, [put("c", "1"), put("a", "y"), put("c", "2")]),
    (True, [put("a", "x1"), put("a", "y", SHOWN), put("c", "1", SHOWN)]),
    (True, [put("a", "y", MINE), put("c", "1", MINE)]),
    (True, [put("a", "y", {}), put("c", "1")]),
    (False, [put("c", str(n)) for n in range(101)]),
    (False, [put("c", "1"), put("c", "1")]),
    (False, [put("c", "1"), put("c", "")]),
    (False, [put("c", "1"), put("c", "2", title={"SS": []})]),
    (False, [put("c", "1"), put("c", "2", {**MINE, "ConditionExpression": "size(pk) > :k"})]),
    (False, [put("c", "1"), put("c", "2", {**PLAIN, "ExpressionAttributeValues": {":k": {"S": "unused"}}})]),
    (False, [put("c", "1"), {"Delete": {"TableName": "shelves", "Key": {"pk": {"S": "a"}, "sk": {"S": "y"}}}}]),
    (False, [{"ConditionCheck": {"TableName": "shelves", "Key": {"pk": {"S": "c"}, "sk": {"S": "1"}}, **PLAIN}}]),
    (False, [put("c", "1"), {"Put": {**put("c", "2")["Put"], "TableName": "nowhere"}}]),
]


def shelved(client: Any) -> list[Any]:
    items_ = client.scan(TableName="shelves")["Items"]
    return sorted(items_, key=lambda item: (item["pk"]["S"], item["sk"]["S"]))


def transacted(client: Any, puts: list[dict[str, Any]], **way: Any) -> tuple[Any, list[Any]]:
    """What a transaction answers, and what lies in the table after it."""
    try:
        answer = client.transact_write_items(TransactItems=puts, **way)
    except ClientError as error:
        answer = {**error.response, "Status": error.response["ResponseMetadata"]["HTTPStatusCode"]}
    for field in ("ResponseMetadata", "ConsumedCapacity", "ItemCollectionMetrics"):
        answer.pop(field, None)
    return answer, shelved(client)


@pytest.mark.parametrize(("at_once", "puts"), TRANSACTIONS)
def test_a_transaction_of_puts_is_taken_or_cancelled_alike(
    stack: LocalStack, shelves: str, monkeypatch: pytest.MonkeyPatch, at_once: bool, puts: list[dict[str, Any]]
) -> None:
    client, answered = stack.client("dynamodb"), []
    original, before = items.answer, shelved(client)
    monkeypatch.setattr(items, "answer", lambda *call: answered.append(original(*call)) or answered[-1])
    fast, after = transacted(client, puts)
    assert (answered[0] is not None) is at_once
    monkeypatch.undo()
    for item in after:
        client.delete_item(TableName=shelves, Key={"pk": item["pk"], "sk": item["sk"]})
    for item in before:
        client.put_item(TableName=shelves, Item=item)
    slow, expected = transacted(client, puts, ReturnConsumedCapacity="NONE")
    assert (fast, after) == (slow, expected)
    if all("Put" in one for one in puts):
        assert (after == before) is ("Error" in fast), "all of what was taken is there, nothing of what was not"


def test_a_cancelled_transaction_says_which_of_its_puts_did_not_pass(stack: LocalStack, shelves: str) -> None:
    """As boto3 gives it to whoever asks."""
    client = stack.client("dynamodb")
    with pytest.raises(client.exceptions.TransactionCanceledException) as cancelled:
        client.transact_write_items(TransactItems=[put("c", "1"), put("a", "y", SHOWN)])
    response = cancelled.value.response
    assert response["Error"]["Message"].endswith("[None, ConditionalCheckFailed]")
    none, failed = response["CancellationReasons"]
    assert none == {"Code": "None"}
    assert (failed["Code"], failed["Item"]["sk"]) == ("ConditionalCheckFailed", {"S": "y"})
