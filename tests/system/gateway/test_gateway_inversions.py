"""Nobody is shown a change while a gateway elsewhere may still serve what was before it."""

import asyncio
import contextlib
import secrets
import sqlite3
from collections.abc import Awaitable, Callable

import pytest
from rigs import Rig, eventually, make_bytes

from continuum.model.errors import NotFoundError
from continuum.model.objects import Replica, Version
from continuum.store.locator.messages import (
    Commit,
    ListObjects,
    LookUp,
    ObjectPage,
    OpenSession,
    PreconditionFailedError,
    Session,
)

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

Look = Callable[[Rig, str], Awaitable[bool]]


async def finds_it(rig: Rig, bucket: str) -> bool:
    try:
        version: Version = await rig.ask(LookUp(bucket=bucket, key="key"))
    except NotFoundError:
        return False
    return version.size_bytes > 0


async def lists_it(rig: Rig, bucket: str) -> bool:
    page: ObjectPage = await rig.ask(ListObjects(bucket=bucket, prefix="k"))
    return len(page.entries) > 0


async def is_refused_because_of_it(rig: Rig, bucket: str) -> bool:
    store = rig.sites["edge"].store(rig.sites["edge"].far.port)
    session: Session = await rig.ask(OpenSession(site="edge", gateway="another", store=store))
    place = Replica(store=store.name, bucket=store.bucket, key=f"{session.session_id}/1", created_at=0.0)
    version = Version(
        bucket=bucket,
        key="key",
        version_id=secrets.token_hex(16),
        etag="e",
        size_bytes=0,
        modified_at=0.0,
        replicas=(place,),
    )
    try:
        await rig.ask(Commit(session_id=session.session_id, version=version, if_none_match=True))
    except PreconditionFailedError:
        return True
    return False


async def until_it_is_in_the_index(rig: Rig, bucket: str) -> None:
    """Wait until the change is durable, which comes before anybody is told."""
    query = "SELECT count(*) FROM objects WHERE bucket = ?"

    async def is_there() -> bool:
        with contextlib.closing(sqlite3.connect(rig.folder / "index.sqlite")) as database:
            return database.execute(query, (bucket,)).fetchone() == (1,)

    await eventually(is_there, "nothing was written")


@pytest.mark.parametrize("look", [finds_it, lists_it, is_refused_because_of_it])
async def test_a_change_is_shown_to_nobody_while_a_gateway_may_serve_what_was_before(
    rig: Rig, look: Look
) -> None:
    bucket = await rig.make_bucket()
    store = rig.sites["cloud"].store(rig.sites["cloud"].far.port)
    deaf: Session = await rig.ask(OpenSession(site="cloud", gateway="deaf", store=store))
    with pytest.raises(NotFoundError):
        await rig.ask(LookUp(session_id=deaf.session_id, bucket=bucket, key="key"))
    async with rig.client("edge", patience_s=10) as edge:
        writing = asyncio.create_task(edge.put(bucket, "key", make_bytes(100)))
        await until_it_is_in_the_index(rig, bucket)
        assert await look(rig, bucket)
        assert not rig.locator._leases.is_live(deaf.session_id)
        await writing
