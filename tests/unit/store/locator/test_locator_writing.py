"""The writer: group commit, isolation of failures, full disks, readers beside it."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from locator_making import SEALER, Index

from continuum.model.errors import ConflictError, UnavailableError
from continuum.model.objects import User
from continuum.store.locator.database import Connection, IndexUnavailableError
from continuum.store.locator.index import users
from continuum.store.locator.reading import Reader
from continuum.store.locator.writing import MAX_BATCH, Writer


class Commits:
    """Connects, and counts the transactions."""

    def __init__(self, index: Index) -> None:
        self.index = index
        self.count = 0
        self.connections: list[Connection] = []

    def connect(self) -> Connection:
        connection = self.index.database.connect()
        connection._holder.driver_connection.set_trace_callback(self._trace)
        self.connections.append(connection)
        return connection

    def _trace(self, sql: str) -> None:
        self.count += sql == "COMMIT"


@pytest.fixture
async def commits(tmp_path: Path) -> AsyncIterator[Commits]:
    index = Index(tmp_path)
    yield Commits(index)
    index.close()


@pytest.fixture
async def writer(commits: Commits) -> AsyncIterator[Writer]:
    writer = Writer(commits.connect, max_waiting=2000)
    writer.start()
    yield writer
    await writer.stop()


def add_user(connection: Connection, name: str) -> str:
    users.create_user(connection, SEALER, User(name=name, access_key=f"AK{name}", secret_key="s"))
    return name


def blocking(started: threading.Event, go: threading.Event) -> object:
    def change(connection: Connection) -> None:
        started.set()
        assert go.wait(10)

    return change


async def test_changes_that_wait_share_one_commit_and_a_refused_one_undoes_only_itself(
    writer: Writer, commits: Commits
) -> None:
    started, go = threading.Event(), threading.Event()
    first = asyncio.ensure_future(writer.write(blocking(started, go)))  # type: ignore[arg-type]
    await asyncio.to_thread(started.wait, 10)
    names = [str(number) for number in range(50)]
    changes = [asyncio.ensure_future(writer.write(add_user, name)) for name in [*names, "7"]]
    await asyncio.sleep(0)
    commits.count = 0
    go.set()
    results = await asyncio.gather(first, *changes, return_exceptions=True)
    assert results[1:-1] == names
    assert isinstance(results[-1], ConflictError)
    assert commits.count == 2  # of the first, and of all others
    listed = users.list_users(commits.index.connection).users
    assert sorted(user.name for user in listed) == sorted(names)


async def test_a_change_that_is_answered_is_seen_by_every_reader(writer: Writer, commits: Commits) -> None:
    reader = Reader(commits.index.database.connect, are_points_inline=True)
    for number in range(20):
        await writer.write(add_user, str(number))
        for read in (reader.point, reader.scan):
            assert len((await read(users.list_users)).users) == number + 1
    await reader.stop()


async def test_a_full_disk_fails_what_cannot_be_written_and_writing_goes_on_when_there_is_space(
    writer: Writer, commits: Commits
) -> None:
    await writer.write(add_user, "before")
    (connection,) = commits.connections
    connection.say("PRAGMA max_page_count = 1")  # SQLite then answers as on a full disk
    big = "x" * 200_000
    with pytest.raises(IndexUnavailableError, match="full"):
        await writer.write(add_user, big)
    await writer.write(add_user, "after")
    assert [user.name for user in users.list_users(commits.index.connection).users] == ["after", "before"]
    assert len(commits.connections) == 2  # the broken one was replaced


async def test_when_the_disk_is_full_nothing_of_a_batch_is_acknowledged_or_done(
    writer: Writer, commits: Commits
) -> None:
    await writer.write(add_user, "before")
    commits.connections[0].say("PRAGMA max_page_count = 1")
    started, go = threading.Event(), threading.Event()
    first = asyncio.ensure_future(writer.write(blocking(started, go)))  # type: ignore[arg-type]
    await asyncio.to_thread(started.wait, 10)
    changes = [asyncio.ensure_future(writer.write(add_user, name)) for name in ("small", "x" * 200_000)]
    await asyncio.sleep(0)
    go.set()
    results = await asyncio.gather(first, *changes, return_exceptions=True)
    assert all(isinstance(result, IndexUnavailableError) for result in results[1:])
    assert [user.name for user in users.list_users(commits.index.connection).users] == ["before"]


async def test_a_programming_error_in_a_change_goes_to_who_asked_and_the_writer_lives(writer: Writer) -> None:
    def broken(connection: Connection) -> None:
        add_user(connection, "undone")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await writer.write(broken)
    assert await writer.write(add_user, "undone") == "undone"


async def test_too_many_waiting_changes_are_refused_at_once(commits: Commits) -> None:
    writer = Writer(commits.connect, max_waiting=3)
    writer.start()
    started, go = threading.Event(), threading.Event()
    first = asyncio.ensure_future(writer.write(blocking(started, go)))  # type: ignore[arg-type]
    await asyncio.to_thread(started.wait, 10)
    waiting = [asyncio.ensure_future(writer.write(add_user, str(number))) for number in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(UnavailableError, match="too many"):
        await writer.write(add_user, "one more")
    go.set()
    await asyncio.gather(first, *waiting)
    await writer.stop()


async def test_stopping_executes_what_waits_and_refuses_what_comes_later(writer: Writer) -> None:
    changes = [asyncio.ensure_future(writer.write(add_user, str(number))) for number in range(MAX_BATCH + 9)]
    await asyncio.sleep(0)
    await writer.stop()
    assert len(await asyncio.gather(*changes)) == MAX_BATCH + 9
    with pytest.raises(UnavailableError, match="stopping"):
        await writer.write(add_user, "late")


async def test_who_stops_waiting_harms_nobody(writer: Writer) -> None:
    started, go = threading.Event(), threading.Event()
    first = asyncio.ensure_future(writer.write(blocking(started, go)))  # type: ignore[arg-type]
    await asyncio.to_thread(started.wait, 10)
    given_up = asyncio.ensure_future(writer.write(add_user, "given up"))
    other = asyncio.ensure_future(writer.write(add_user, "other"))
    await asyncio.sleep(0)
    given_up.cancel()
    go.set()
    await first
    assert await other == "other"
