"""Pages against a list that a loop makes from all keys."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from continuum.store.locator.index.paging import (
    END,
    Position,
    choose_start,
    collect,
    end_of_prefix,
    find_common_prefix,
    first_after,
)

KEYS = st.text(alphabet="ab/-\x7fé\ud7ff\ue000\U0010ffff", min_size=1, max_size=6)
PARTS = st.text(alphabet="ab/-\U0010ffff", max_size=3)


def list_naively(keys: set[str], prefix: str, delimiter: str) -> list[str]:
    """All lines of a list, in order: keys and common prefixes."""
    lines = set()
    for key in keys:
        if key.startswith(prefix):
            rest = key[len(prefix) :]
            head, found, _ = rest.partition(delimiter) if delimiter else (rest, "", "")
            lines.add(prefix + head + found)
    return sorted(lines, key=lambda line: line.encode())


def list_by_pages(keys: set[str], prefix: str, delimiter: str, limit: int) -> list[str]:
    ordered = sorted(keys, key=lambda key: key.encode())
    end = end_of_prefix(prefix)

    def fetch(position: Position, count: int) -> Sequence[tuple[str, str]]:
        return [(key, "") for key in ordered if position[0] <= key < end][:count]

    lines: list[str] = []
    after = ""
    while True:
        start = (choose_start(prefix, delimiter, after), "")
        page = collect(
            fetch,
            lambda row: (first_after(row[0]), ""),
            prefix=prefix,
            delimiter=delimiter,
            start=start,
            limit=limit,
        )
        found = [row[0] for row in page.rows] + list(page.common_prefixes)
        assert len(found) <= limit
        lines += sorted(found)
        if not page.is_truncated:
            return lines
        assert len(found) == limit
        assert page.last[0] == max(found)
        after = page.last[0]


@given(st.sets(KEYS, max_size=60), PARTS, st.sampled_from(["", "/", "-", "a", "ab", "//"]), st.integers(1, 9))
def test_pages_put_together_are_the_whole_list(
    keys: set[str], prefix: str, delimiter: str, limit: int
) -> None:
    assert list_by_pages(keys, prefix, delimiter, limit) == list_naively(keys, prefix, delimiter)


@given(KEYS, st.text(alphabet="ab\ud7ff\ue000\U0010ffff", max_size=4))
def test_the_end_of_a_prefix_is_behind_all_keys_with_it_and_before_all_others_that_follow(
    key: str, prefix: str
) -> None:
    end = end_of_prefix(prefix)
    if key.startswith(prefix):
        assert key < end
    elif key > prefix:
        assert key >= end


@given(KEYS, KEYS)
def test_nothing_comes_between_a_key_and_the_first_text_after_it(key: str, other: str) -> None:
    assert (other > key) == (other >= first_after(key))


def test_the_end_of_the_empty_prefix_is_behind_the_greatest_key() -> None:
    assert "\U0010ffff" * 256 < end_of_prefix("") == END


@pytest.mark.parametrize(
    ("key", "prefix", "delimiter", "rolled_up"),
    [
        ("a/b/c", "", "/", "a/"),
        ("a/b/c", "a/", "/", "a/b/"),
        ("a/b", "a/", "/", ""),
        ("a/b", "", "", ""),
        ("/a", "", "/", "/"),
        ("aXXbXXc", "a", "XX", "aXX"),
    ],
)
def test_a_key_rolls_up_to_the_next_delimiter(key: str, prefix: str, delimiter: str, rolled_up: str) -> None:
    assert find_common_prefix(key, prefix, delimiter) == rolled_up


def test_a_million_keys_under_few_prefixes_take_a_few_short_fetches() -> None:
    fetched = 0

    def fetch(position: Position, count: int) -> Sequence[tuple[str, str]]:
        """Some of the keys p0/000000 … p9/999999, from a position that is the beginning of one of the ten."""
        nonlocal fetched
        fetched += count
        number = next((number for number in range(10) if end_of_prefix(f"p{number}/") > position[0]), None)
        return [] if number is None else [(f"p{number}/{i:06}", "") for i in range(count)]

    page = collect(
        fetch, lambda row: (first_after(row[0]), ""), prefix="", delimiter="/", start=("", ""), limit=1000
    )
    assert page.common_prefixes == tuple(f"p{number}/" for number in range(10))
    assert fetched < 200
