"""Backups of an index in SQLite: taken while it is written to, checked, restored, refused."""

import sqlite3
import threading
from pathlib import Path

import pytest
from locator_making import GRACE_S, Index

from continuum.model.errors import ConflictError, InvalidInputError, NotFoundError
from continuum.store.locator import backups
from continuum.store.locator.backups import back_up_index, read_backup, restore_index
from continuum.store.locator.database import Database
from continuum.store.locator.index import objects, sessions
from continuum.store.locator.index.counts import count_objects
from continuum.store.locator.index.listing import list_objects
from continuum.store.locator.messages import CountObjects, ListObjects, SessionEndedError


def quiet(what: str, done: int, total: int) -> None:
    assert 0 <= done <= total, what


def url(folder: Path) -> str:
    return f"sqlite:///{folder}/index.sqlite"


@pytest.fixture
def filled(tmp_path: Path) -> Index:
    folder = tmp_path / "before"
    folder.mkdir()
    index = Index(folder)
    with index.connection.writing():
        for number in range(50):
            index.put(f"key-{number:03}")
    return index


def reopen(folder: Path) -> Index:
    index = object.__new__(Index)
    index.database = Database(url(folder))
    index.database.open()
    index.connection = index.database.connect()
    index.now = 5_000.0
    return index


def list_keys(index: Index) -> list[str]:
    page = list_objects(index.connection, ListObjects(bucket="bucket", max_keys=1000))
    return [entry.key for entry in page.entries]


def test_a_backup_taken_while_keys_are_written_is_of_one_instant(
    filled: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backups, "PAGES", 1)
    began, stop, written = threading.Event(), threading.Event(), []

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            with filled.connection.writing():
                filled.put(f"later-{number:05}")
                filled.put(f"later-{number:05}-twin")
            written.append(number)
            began.set()

    writer = threading.Thread(target=write)
    writer.start()
    reports = []

    def report(what: str, done: int, total: int) -> None:
        reports.append(what)
        began.wait(20)

    taken = back_up_index(url(tmp_path / "before"), tmp_path / "backup", report)
    stop.set()
    writer.join()
    assert {"copying pages", "checking"} <= set(reports)
    assert taken.objects == read_backup(tmp_path / "backup").objects
    restore_index(tmp_path / "backup", url(tmp_path / "after"), quiet)
    index = reopen(tmp_path / "after")
    keys = list_keys(index)
    assert len(keys) == taken.objects
    assert keys[:50] == [f"key-{number:03}" for number in range(50)]
    assert len(keys) % 2 == 0  # both of a transaction or none
    assert len(keys) < 50 + 2 * len(written) + 2
    counted = count_objects(index.connection, CountObjects(bucket="bucket")).counts[0]
    assert counted.objects == len(keys)
    index.close()
    filled.close()


def test_sessions_of_a_backup_are_ended_and_their_stores_are_not_searched(
    filled: Index, tmp_path: Path
) -> None:
    back_up_index(url(tmp_path / "before"), tmp_path / "backup", quiet)
    restore_index(tmp_path / "backup", url(tmp_path / "after"), quiet)
    index = reopen(tmp_path / "after")
    request = filled.make_commit("new")
    with pytest.raises(SessionEndedError), index.connection.writing():
        objects.commit(index.connection, request, now=index.now, grace_s=GRACE_S)
    assert sessions.list_live_sessions(index.connection) == ()
    index.connection._cursor.execute("SELECT count(*) FROM garbage WHERE is_prefix = 1")
    assert index.connection._cursor.fetchone() == (0,)
    index.close()
    filled.close()


def test_a_restore_is_refused_while_a_hub_uses_the_database_and_over_another_index(
    filled: Index, tmp_path: Path
) -> None:
    back_up_index(url(tmp_path / "before"), tmp_path / "backup", quiet)
    with pytest.raises(ConflictError, match="another hub uses"):
        restore_index(tmp_path / "backup", url(tmp_path / "before"), quiet, is_replacing=True)
    with filled.connection.writing():
        filled.put("since")
    filled.close()
    with pytest.raises(ConflictError, match="holds an index already"):
        restore_index(tmp_path / "backup", url(tmp_path / "before"), quiet)
    restore_index(tmp_path / "backup", url(tmp_path / "before"), quiet, is_replacing=True)
    index = reopen(tmp_path / "before")
    assert "since" not in list_keys(index)
    index.close()
    kept = [path for path in (tmp_path / "before").iterdir() if ".before-" in path.name]
    assert kept  # what was there is beside


def test_a_backup_never_overwrites_and_leaves_nothing_half(filled: Index, tmp_path: Path) -> None:
    back_up_index(url(tmp_path / "before"), tmp_path / "backup", quiet)
    assert (tmp_path / "backup").stat().st_mode & 0o077 == 0
    with pytest.raises(ConflictError, match="exists"):
        back_up_index(url(tmp_path / "before"), tmp_path / "backup", quiet)

    def fail(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        back_up_index(url(tmp_path / "before"), tmp_path / "second", fail)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup", "before"]
    filled.close()


def test_what_is_no_backup_or_a_damaged_one_is_refused(filled: Index, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database " * 500)
    for name in ("text", "before/index.sqlite"):
        with pytest.raises(InvalidInputError, match="is no backup"):
            restore_index(tmp_path / name, url(tmp_path / "after"), quiet)
    with pytest.raises(NotFoundError):
        restore_index(tmp_path / "nowhere", url(tmp_path / "after"), quiet)
    path = tmp_path / "backup"
    back_up_index(url(tmp_path / "before"), path, quiet)
    connection = sqlite3.connect(path)
    (page,) = connection.execute(
        "SELECT rootpage FROM sqlite_master WHERE name = 'ix_versions_history'"
    ).fetchone()
    connection.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\0" * 4096)
    with pytest.raises(ConflictError, match="is damaged"):
        restore_index(path, url(tmp_path / "after"), quiet)
    assert not (tmp_path / "after").exists()
    filled.close()
