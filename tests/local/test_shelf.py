"""What is on the shelf comes back as it was put, from many threads too; with a bound the oldest goes."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tryon_local.aws.shelf import PLAIN_BYTES, Shelf

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(values=st.lists(st.lists(JSON) | st.dictionaries(st.text(), JSON), max_size=5), more=st.booleans())
def test_values_come_back(values: list[object], more: bool) -> None:
    shelf = Shelf()
    values = [*values, ["x" * PLAIN_BYTES], {"ü": "y" * 2 * PLAIN_BYTES}] if more else values
    places = [shelf.put(value) for value in values]
    assert [shelf.get(place) for place in reversed(places)] == values[::-1]


def test_many_threads_share_a_shelf() -> None:
    shelf = Shelf()

    def there_and_back(number: int) -> bool:
        places = [shelf.put([number, n, "x" * (n * 7)]) for n in range(300)]
        return [shelf.get(place) for place in places] == [[number, n, "x" * (n * 7)] for n in range(300)]

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(there_and_back, range(8)))


def test_with_a_bound_the_oldest_goes() -> None:
    shelf = Shelf(most=1_000)
    places = [shelf.put([number, "x" * 90]) for number in range(30)]
    there = []
    for number, place in enumerate(places):
        try:
            assert shelf.get(place) == [number, "x" * 90]
            there.append(number)
        except KeyError:
            assert not there
    assert 5 <= len(there) <= 13
    assert there[-1] == 29
    assert len(shelf._files) == 2


def test_without_one_nothing_goes() -> None:
    shelf = Shelf()
    first = shelf.put({"first": True})
    for number in range(1_000):
        shelf.put([number] * 200)
    assert shelf.get(first) == {"first": True}
    with pytest.raises(KeyError):
        shelf.get((-1, 3))
