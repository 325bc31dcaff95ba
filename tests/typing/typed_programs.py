"""What a type checker makes of programs: `make static` checks this file, nothing runs it.

Each `type: ignore` is an error that must be found: mypy complains of one that is not needed.
"""

from typing import assert_type

from continuum.workflow import INOUT, Future, as_completed, constraint, gather, map_calls, task, wait_on


@task
def add(a: int, b: int = 0) -> int:
    return a + b


@task(values=INOUT)
def append(values: list[int], value: int) -> None:
    values.append(value)


@constraint(computing_units=2)
@task()
def divide(a: int, b: int) -> tuple[int, float]:
    return a // b, a / b


@task(returns=1)
def unannotated(a):  # type: ignore[no-untyped-def]
    return a


class Account:
    balance = 0

    @task
    def deposit(self, amount: int) -> None:
        self.balance += amount

    @task
    def read(self) -> int:
        return self.balance


assert_type(add(1, 2), Future[int])
assert_type(add(add(1), b=2), Future[int])
assert_type(append([], 1), None)
assert_type(divide(7, 2), tuple[Future[int], Future[float]])
add("one")  # type: ignore[call-overload]
add(1, c=2)  # type: ignore[call-overload]
unannotated(1)

assert_type(add(1).result(), int)
assert_type(add(1).result(timeout_s=3), int)
assert_type(add(1).done(), bool)
assert_type(wait_on(add(1)), int)
assert_type(wait_on([add(1), add(2)]), list[int])
assert_type(map_calls(add, [1, 2], [3, 4]), list[Future[int]])
assert_type(Account().read(), Future[int])
Account().deposit(1)
Account().deposit("much")  # type: ignore[call-overload]

for done in as_completed(map_calls(add, [1, 2])):
    assert_type(done, Future[int])


async def main() -> None:
    assert_type(await add(1), int)
    await gather(add(1), [add(2)])
    async for each in as_completed([add(1)]):
        assert_type(await each, int)
