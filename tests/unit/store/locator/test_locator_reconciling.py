"""What the reconciler does as time goes by; the test moves the time."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from locator_making import SEALER, Index, make_store

from continuum.store.locator.index import garbage, sessions, uploads
from continuum.store.locator.index.versions import find_by_id
from continuum.store.locator.leases import Leases
from continuum.store.locator.messages import DeleteItem, GetUpload, NoSuchUploadError, SessionEndedError
from continuum.store.locator.peers import Alone
from continuum.store.locator.reconciling import Reconciler
from continuum.store.locator.settings import DAY_S, LocatorSettings
from continuum.store.locator.writing import Writer


class World:
    """An index, the leases of its two sessions from instant 0 on, and a reconciler that the test calls."""

    def __init__(self, folder: Path) -> None:
        self.index = Index(folder)
        self.settings = LocatorSettings(
            database_url="", key_file=folder / "key", lease_s=2, session_margin_s=3
        )
        self.leases = Leases(lease_s=2, max_held=100)
        self.leases.open("s-edge", "edge", now=0)
        self.leases.open("s-cloud", "cloud", now=0)
        self.writer = Writer(self.index.database.connect, max_waiting=100)
        self.reconciler = Reconciler(self.settings, self.leases, self.writer, lambda: self.index.now, Alone())

    def live(self) -> set[str]:
        return {live.session_id for live in sessions.list_live_sessions(self.index.connection)}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    world.writer.start()
    yield world
    await world.writer.stop()
    world.index.close()


async def test_a_session_ends_when_it_was_silent_for_its_lease_and_the_margin(world: World) -> None:
    world.leases.renew("s-cloud", now=3)
    await world.reconciler.end_silent_sessions(5)
    assert world.live() == {"s-edge", "s-cloud"}
    await world.reconciler.end_silent_sessions(5.1)
    assert world.live() == {"s-cloud"}
    assert world.leases.list_ended() == ()
    with world.index.connection.writing():
        (sweep,) = garbage.claim_garbage(
            world.index.connection, "edge", 9, now=world.index.now, claim_s=1
        ).items
        with pytest.raises(SessionEndedError):
            world.index.put()
    assert sweep.is_prefix


async def test_a_session_that_a_change_ended_is_ended_in_the_index_too(world: World) -> None:
    world.leases.end("s-edge")
    await world.reconciler.end_silent_sessions(0)
    assert world.live() == {"s-cloud"}


async def test_uploads_that_nobody_touched_for_a_week_are_aborted(world: World) -> None:
    with world.index.connection.writing():
        request = world.index.make_upload()
        uploads.create_upload(world.index.connection, request, now=world.index.now)
    question = GetUpload(bucket="bucket", key="key", upload_id=request.upload.upload_id)
    world.index.now += 7 * DAY_S
    await world.reconciler.clean()
    uploads.get_upload(world.index.connection, question)
    world.index.now += 1
    await world.reconciler.clean()
    with pytest.raises(NoSuchUploadError):
        uploads.get_upload(world.index.connection, question)


async def test_what_nobody_can_ask_for_any_more_is_forgotten(world: World) -> None:
    connection = world.index.connection
    with connection.writing():
        version = world.index.put()
        world.index.delete(DeleteItem(key="key"))
        sessions.open_session(
            connection, SEALER, session_id="s-old", gateway="g", store=make_store("edge"), now=world.index.now
        )
        sessions.end_session(connection, "s-old", now=world.index.now)
        (sweep,) = garbage.claim_garbage(connection, "edge", 9, now=world.index.now, claim_s=1).items
        garbage.report_garbage(connection, "s-edge", (sweep.item_id,))
    await world.reconciler.clean()
    assert find_by_id(connection, version.version_id)
    assert sessions.has_ended(connection, "s-old")
    world.index.now += DAY_S + 1
    await world.reconciler.clean()
    assert find_by_id(connection, version.version_id) is None
    assert not sessions.has_ended(connection, "s-old")
