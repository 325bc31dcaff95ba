"""A program in our own words: typed tasks, futures that are awaited, groups, a stream, a class of its own.

With the word `opens` it opens its run itself; else it runs in the one that there is, or sequentially.
"""

import asyncio
import contextlib
import sys

from continuum.workflow import (
    ObjectStream,
    TaskGroupError,
    as_completed,
    cancel_group,
    gather,
    group,
    map_calls,
    run,
    task,
    wait_on,
)


@task
def square(x: int) -> int:
    return x * x


@task
def divide(a: int, b: int) -> tuple[int, int]:
    return a // b, a % b


@task
def search(x: int, wanted: int) -> int:
    if x == wanted:
        raise TaskGroupError(f"found {x}")
    return x


@task
def tell(stream: ObjectStream, numbers: list[int]) -> int:
    stream.publish_list(numbers)
    return len(numbers)


class Tally:
    def __init__(self) -> None:
        self.total = 0

    @task
    def add(self, x: int) -> None:
        self.total += x


async def main() -> None:
    assert await square(3) == 9
    assert await gather(square(1), [square(2)], {"x": square(3)}) == [1, [4], {"x": 9}]
    assert sorted([await each async for each in as_completed(map_calls(square, range(4)))]) == [0, 1, 4, 9]
    quotient, rest = divide(17, square(2))
    assert (await quotient, await rest) == (4, 1)
    async with group("squares"):
        futures = map_calls(square, range(5))
    assert all(each.done() for each in futures)


def in_order() -> None:
    try:
        with group("search"):
            for x in range(10):
                search(x, 6)
        raise AssertionError("nothing was found")
    except TaskGroupError as problem:
        assert str(problem) == "found 6"
    tally = Tally()
    for x in range(4):
        tally.add(square(x))
    assert wait_on(tally).total == 14
    stream = ObjectStream("numbers")
    count = tell(stream, [1, 2, 3])
    taken: list[int] = []
    while len(taken) < 3:
        taken += stream.poll()
    assert (sorted(taken), count.result(timeout_s=60)) == ([1, 2, 3], 3)
    with group("late", waits=False):
        square(1)
    cancel_group("late")


if __name__ == "__main__":
    with run("opened") if "opens" in sys.argv else contextlib.nullcontext():
        asyncio.run(main())
        in_order()
    print("waiting ok")
