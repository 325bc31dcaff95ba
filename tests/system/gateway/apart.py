"""Gateways that are cut off from the hub, or killed, and what they know then."""

import asyncio
import contextlib
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
from rigs import LIMITS, Rig, eventually

from continuum.model.errors import UnavailableError
from continuum.store import ObjectClient, SetPolicy
from continuum.store.gateway import format_settings
from continuum.store.gateway.disconnected import Standin
from continuum.store.gateway.gateways import Gateway
from continuum.store.locator.messages import GetJournals, Journals, LookUp, NoSuchKeyError

ACCEPT = b'{"disconnected": "accept"}'


class Apart:
    """A gateway of `edge` that keeps what it needs without the hub, and a bucket that allows it."""

    def __init__(self, rig: Rig, gateway: Gateway, bucket: str) -> None:
        self.rig = rig
        self.gateway = gateway
        self.bucket = bucket

    @property
    def standin(self) -> Standin:
        assert self.gateway._standin is not None
        return self.gateway._standin

    async def wait_until_known(self, *keys: str) -> None:
        """Return when the gateway would serve the bucket, and these objects, without the hub to the admin,
        who must have been there before."""
        async with self.rig.client(self.gateway) as client:
            await client.list(self.bucket)

        async def is_known() -> bool:
            if not self.standin.accepts(self.bucket):
                return False
            for key in keys:
                try:
                    await self.standin.local.look_up(self.bucket, key)
                except NoSuchKeyError:
                    return False
            return True

        await eventually(is_known, "the gateway does not know the bucket")

    async def wait_until_replayed(self) -> None:
        async def is_replayed() -> bool:
            return not self.standin.is_on

        await eventually(is_replayed, "not all is replayed", within_s=30)

    async def find(self, key: str) -> Any:
        return await self.rig.ask(LookUp(bucket=self.bucket, key=key))

    async def told(self) -> list[tuple[str, str]]:
        found: Journals = await self.rig.ask(GetJournals(bucket=self.bucket))
        return [(conflict.outcome, conflict.kept_as) for conflict in found.conflicts]


def changes(folder: Path) -> dict[str, Any]:
    limits = msgspec.structs.replace(LIMITS, learn_every_s=0.2)
    return {"state_folder": folder, "limits": limits}


async def accept(rig: Rig) -> str:
    bucket = await rig.make_bucket()
    await rig.ask(SetPolicy(bucket=bucket, document=ACCEPT))
    return bucket


@contextlib.asynccontextmanager
async def apart_gateway(rig: Rig, state: Path, bucket: str) -> AsyncIterator[Apart]:
    async with rig.another_gateway("edge", **changes(state)) as gateway:
        yield Apart(rig, gateway, bucket)


@contextlib.asynccontextmanager
async def away(rig: Rig, apart: Apart | None = None) -> AsyncIterator[None]:
    """The hub is away for the length of a block."""
    await rig.locator.stop()
    try:
        if apart is not None:

            async def is_on() -> bool:
                return not apart.gateway._locations.has_lease  # type: ignore[union-attr]

            await eventually(is_on, "the lease does not end")
        yield
    finally:
        await rig.start_locator()


async def partition(apart: Apart) -> None:
    """Cut the gateway off from the hub, which goes on for others."""
    locations = apart.gateway._locations
    assert locations is not None

    async def nobody(*_: Any, **__: Any) -> Any:
        raise UnavailableError("cut off by the test")

    locations._locator.ask = nobody  # type: ignore[method-assign]

    async def is_on() -> bool:
        return not locations.has_lease

    await eventually(is_on, "the lease does not end")


def mend(apart: Apart) -> None:
    assert apart.gateway._locations is not None
    del apart.gateway._locations._locator.ask


class Killed:
    """A gateway process of `edge`, to be killed."""

    def __init__(self, rig: Rig, folder: Path, state: Path, port: int) -> None:
        self._rig = rig
        self._file = folder / "settings.json"
        settings = rig.settings("edge", listen_port=port, **changes(state))
        self._file.write_bytes(format_settings(settings))
        self.url = settings.url
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "continuum.store.gateway", "--settings", str(self._file)),
            stdout=asyncio.subprocess.PIPE,
        )
        assert self._process.stdout is not None
        async with asyncio.timeout(40):
            assert (await self._process.stdout.readline()).startswith(b"ready")

    async def kill(self) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            os.kill(self._process.pid, signal.SIGKILL)
        await self._process.communicate()

    def client(self) -> ObjectClient:
        return ObjectClient(self.url, self._rig.admin.access_key, self._rig.admin.secret_key, patience_s=20)


async def has_kept(state: Path, bucket: str, key: str) -> bool:
    """Whether a gateway's own copy of the index has an object."""
    path = state / "known.sqlite"
    if not os.access(path, os.R_OK):
        return False
    with contextlib.closing(sqlite3.connect(path)) as connection:
        try:
            found = connection.execute(
                "SELECT 1 FROM objects WHERE bucket = ? AND key = ?", (bucket, key)
            ).fetchone()
        except sqlite3.OperationalError:  # its tables are being made
            return False
    return found is not None
