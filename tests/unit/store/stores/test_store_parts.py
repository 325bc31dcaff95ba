"""The parts of an upload are told in order, also by a store that lists them by name."""

import asyncio
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from continuum.store.stores.parts import LAST, read_parts_page


class Part(msgspec.Struct, frozen=True):
    number: int


Listing = Callable[[list[int], int], list[int]]


def by_number(numbers: list[int], after: int) -> list[int]:
    return [number for number in sorted(numbers) if number > after]


def by_name(numbers: list[int], after: int) -> list[int]:
    """As SeaweedFS does: part 10,000 is `10000_…`, which comes before `1000_…`."""
    begun = sorted(numbers, key=lambda number: f"{number:04d}_")
    return [number for number in begun if number > after and f"{number:04d}_" >= f"{after + 1:04d}"]


def list_all(listing: Listing, numbers: list[int], max_parts: int) -> list[int]:
    """Return all parts, read page by page."""

    async def fetch(after: int, limit: int) -> tuple[list[Part], bool]:
        found = listing(numbers, after)
        return [Part(number) for number in found[:limit]], len(found) > limit

    async def read() -> list[int]:
        told: list[int] = []
        more, after = True, 0
        while more:
            parts, more = await read_parts_page(fetch, after, max_parts)
            assert len(parts) <= max_parts
            assert parts or not more
            told += [part.number for part in parts]
            after = told[-1] if told else 0
        return told

    return asyncio.run(read())


@pytest.mark.parametrize("listing", [by_number, by_name])
@pytest.mark.parametrize("max_parts", [1000, 999])
def test_ten_thousand_parts_are_told_in_order(listing: Listing, max_parts: int) -> None:
    every = list(range(1, LAST + 1))
    assert list_all(listing, every, max_parts) == every


near_the_seams = st.one_of(st.integers(990, 1010), st.integers(9990, LAST), st.integers(1, LAST))


@given(st.sampled_from([by_number, by_name]), st.sets(near_the_seams, max_size=30), st.integers(1, 12))
def test_some_parts_are_told_in_order(listing: Listing, numbers: set[int], max_parts: int) -> None:
    assert list_all(listing, list(numbers), max_parts) == sorted(numbers)
