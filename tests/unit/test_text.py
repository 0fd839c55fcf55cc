import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tryon.text import cut, escaped_bytes, on_one_line, quoted, shown


@pytest.mark.parametrize(
    "char", "\u202f\u00a0\u3000\u2009\u200b\u200c\u200d\ufeff\u00ad\uf8ff\U000f0000\U0001f469\ufe0f\u0378"
)
def test_what_keyboards_and_cameras_put_into_names_passes(char: str) -> None:
    assert on_one_line(f"a{char}b") == f"a{char}b"


@pytest.mark.parametrize("char", "\x00\x07\t\n\r\x1b\x7f\x85\u2028\u2029\u061c\u200e\u200f\u202a\u202e\u2066\u2069")
def test_what_misleads_a_reader_is_refused_with_its_code_point(char: str) -> None:
    with pytest.raises(ValueError, match=f"the control character U\\+{ord(char):04X}$"):
        on_one_line(f"a{char}b")


def test_what_is_not_printable_is_shown_escaped() -> None:
    assert shown("9.41\u202fAM\n") == "9.41\\u202fAM\\u000a"
    assert quoted("x" * 100) == f"'{'x' * 59}…'"
    assert len(quoted("x" * 1_000, 200)) == 202


def test_of_a_value_only_the_beginning_is_made() -> None:
    deep: object = []
    for _ in range(100_000):
        deep = [deep]
    assert shown(deep) == "[" * 59 + "…"
    assert shown({"a": [1, None, True]}) == '{"a": [1, null, true]}'


@given(st.text(), st.integers(10, 60))
def test_a_text_is_cut_where_it_would_be_too_long_in_json(text: str, limit: int) -> None:
    found = cut(text, limit)
    assert escaped_bytes(found) <= limit
    assert len(json.dumps(found)) - 2 == escaped_bytes(found)
    assert found == text or text.startswith(found.removesuffix("…"))
    assert escaped_bytes(text) > limit or found == text
