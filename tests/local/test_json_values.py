"""What the interpreter does to JSON, done faster: it must come out as moto would have it."""

import copy
import json
from datetime import UTC, date, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from moto.stepfunctions.parser.api import HistoryEventType
from moto.stepfunctions.parser.asl.eval.event import event_manager
from moto.stepfunctions.parser.asl.eval.program_state import ProgramError, ProgramRunning
from moto.stepfunctions.parser.asl.utils import encoding

from tryon_local.aws.moto_adapter import json_values
from tryon_local.aws.moto_adapter.json_values import copied

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(value=JSON)
def test_a_copy_is_equal_and_shares_nothing_that_changes(value: Any) -> None:
    one = copied(value)
    assert repr(one) == repr(value)

    def changeable(of: Any) -> set[int]:
        inner = of.values() if isinstance(of, dict) else of if isinstance(of, list) else ()
        mine = {id(of)} if isinstance(of, dict | list) else set()
        return mine.union(*(changeable(each) for each in inner))

    assert changeable(one).isdisjoint(changeable(value))


def test_what_is_no_json_is_copied_as_it_always_was() -> None:
    state = ProgramRunning()
    state.next_state_name = "Wait"
    state.next_field_name = "Seconds"
    other = copied(state)
    other.next_state_name = "Poll"
    assert (state.next_state_name, state.next_field_name) == ("Wait", "Seconds")
    assert vars(copied(state)) == vars(copy.deepcopy(state))
    failed = ProgramError(error={"error": "E", "cause": "c"})
    assert copied(failed).error == failed.error
    assert copied(failed).error is not failed.error
    held = {"type": HistoryEventType.TaskFailed, "some": (1, [2])}
    assert copied(held) == held
    assert type(copied(held)["type"]) is HistoryEventType


@given(value=JSON, separators=st.sampled_from([None, (",", ":"), (", ", ":")]))
def test_texts_are_motos(value: Any, separators: Any) -> None:
    write = json_values._to_json(None, encoding.to_json_str)
    held = [value, datetime(2026, 1, 2, tzinfo=UTC), date(2026, 1, 2), HistoryEventType.TaskFailed, {1}]
    expected = json.dumps(held, cls=encoding._DateTimeEncoder, separators=separators)
    assert write(held, separators) == expected
    assert write(held, separators=separators) == expected


@given(moment=st.datetimes(min_value=datetime.fromisoformat("1970-01-01")))
def test_moments_are_motos(moment: datetime) -> None:
    original = event_manager.iso_8601_datetime_with_milliseconds
    write = json_values._moment(None, original)
    for one in (moment.replace(tzinfo=UTC), moment, moment.replace(tzinfo=UTC, year=1999, day=1)):
        for _ in range(2):
            assert write(one) == original(one)
