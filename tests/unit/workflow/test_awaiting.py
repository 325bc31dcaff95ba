"""Futures: asked, awaited, gathered, in the order in which they are done; in a run and without one."""

import asyncio
import pickle

import awaited
import pytest

from continuum.workflow import (
    Future,
    TaskFailedError,
    TaskGroupError,
    as_completed,
    gather,
    group,
    map_calls,
    wait_on,
)

pytestmark = pytest.mark.timeout(60)


def test_a_future_gives_its_result(either_way):
    future = awaited.double(2)
    assert isinstance(future, Future)
    assert future.result() == 4
    assert future.result(timeout_s=30) == 4
    assert future.done()
    assert future.exception() is None
    assert not future.cancel()


def test_futures_are_arguments_also_inside_others(either_way):
    numbers = [awaited.double(1), awaited.double(awaited.double(1))]
    assert awaited.total({"numbers": numbers}).result() == 6
    quotient, rest = awaited.divide(17, awaited.double(2))
    assert (quotient.result(), rest.result()) == (4, 1)
    assert wait_on({"a": (quotient, [rest])}) == {"a": (4, [1])}


def test_a_task_inside_a_task_is_a_plain_call(either_way):
    assert awaited.nested(2).result() == 5


async def test_futures_are_awaited(either_way):
    assert await awaited.double(3) == 6
    assert (await awaited.zeros(10_000)).shape == (10_000,)
    assert await gather(awaited.double(1), [awaited.double(2), 5], {"x": awaited.double(3)}) == [
        2,
        [4, 5],
        {"x": 6},
    ]


async def test_the_loop_goes_on_while_a_future_is_awaited(run, tmp_path):
    gate = tmp_path / "gate"
    future = awaited.wait_for(str(gate))
    assert not future.done()
    waiting = asyncio.ensure_future(future)
    await asyncio.sleep(0)
    gate.touch()  # only a loop that goes on gets here
    assert await waiting == str(gate)


async def test_an_await_that_is_cancelled_leaves_the_task_alone(run, tmp_path):
    gate = tmp_path / "gate"
    future = awaited.wait_for(str(gate))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await future
    gate.touch()
    assert await future == str(gate)


async def test_failures_come_out_of_futures(run):
    with pytest.raises(TaskFailedError, match="no"):
        await awaited.fail()
    with pytest.raises(TaskFailedError, match="no"):
        await gather(awaited.double(1), awaited.fail())
    failed = awaited.fail()
    assert isinstance(failed.exception(timeout_s=30), TaskFailedError)
    assert failed.done()
    with pytest.raises(TaskFailedError):
        failed.result()


def test_a_result_is_waited_for_only_so_long(run, tmp_path):
    stuck = awaited.wait_for(str(tmp_path / "never"))
    with pytest.raises(TimeoutError):
        stuck.result(timeout_s=0.05)
    assert stuck.cancel()
    with pytest.raises(TaskFailedError, match="the program cancelled it"):
        stuck.result(timeout_s=30)


def test_futures_come_as_they_are_done(run, tmp_path):
    gate = tmp_path / "gate"
    slow, quick = awaited.wait_for(str(gate)), awaited.double(1)
    done = iter(as_completed([slow, quick], timeout_s=30))
    assert next(done) is quick
    gate.touch()
    assert next(done) is slow
    assert list(done) == []
    stuck = awaited.wait_for(str(tmp_path / "never"))
    with pytest.raises(TimeoutError):
        list(as_completed([stuck], timeout_s=0.05))
    stuck.cancel()


async def test_futures_come_as_they_are_done_in_a_loop_too(either_way):
    assert sorted([await each async for each in as_completed(map_calls(awaited.double, range(4)))]) == [
        0,
        2,
        4,
        6,
    ]
    assert sorted(each.result() for each in as_completed(map_calls(awaited.double, range(4)))) == [0, 2, 4, 6]


async def test_groups_are_awaited(either_way):
    async with group("awaited") as numbers:
        future = awaited.double(2)
    assert numbers.name == "awaited"
    assert future.done()
    with pytest.raises((TaskFailedError, ValueError), match="no"):
        async with group("failing"):
            await awaited.fail()


async def test_a_group_that_a_task_cancels_raises_in_a_loop_too(either_way):
    import grouped  # noqa: PLC0415 - its tasks belong to another test file

    with pytest.raises(TaskGroupError, match="9 is too large"):
        async with group("async objecting"):
            grouped.object_to(9, 5)


def test_a_finished_future_travels_as_its_value():
    assert pickle.loads(pickle.dumps(awaited.double(4))) == 8
    assert repr(awaited.double(4)) == "<finished future: 8>"
