"""Emptying the journal when the hub is back: the oldest records first, some at a time, until none is left.

One process of a gateway does it at a time; a lock on a file says which. Records are dropped here when the
locator has acknowledged them; one that it had taken in before a crash it takes in no second time. When the
journal is empty it is finished: the locator then has what lies under its prefix and nothing points at
removed.
"""

import fcntl
import logging
import os
from pathlib import Path

from continuum.store.gateway.disconnected import journals
from continuum.store.gateway.disconnected.indexes import LocalIndex
from continuum.store.gateway.disconnected.journals import Entry, Standing
from continuum.store.gateway.locations import Locations
from continuum.store.locator.messages import FinishJournal, JournalRecord, Replay, Replayed
from continuum.store.locator.messages.replaying import MAX_RECORDS

log = logging.getLogger(__name__)

LOCK_FILE = "replaying.lock"
MAX_BATCH_BYTES = 512 * 1024  # a message may have 1 MB; metadata of an object 16 KiB


class Replayer:
    """`replay` some, `finish` when nothing is left."""

    def __init__(self, folder: Path, index: LocalIndex, locations: Locations) -> None:
        self._lock_file = folder / LOCK_FILE
        self._index = index
        self._locations = locations
        self._lock: int | None = None

    async def replay(self, standing: Standing) -> list[JournalRecord]:
        """Replay the oldest records; return them. Nothing if another process does it.

        Raises `ContinuumError`: what was sent is sent again the next time.
        """
        if not self._take_lock():
            return []
        entries = await self._index.scan(journals.list_entries, MAX_RECORDS)
        await self._set_damaged_aside(entries)
        batch = _choose_batch(entries)
        if batch:
            await self._send(batch, standing)
        return [entry.record for entry in batch if entry.record is not None]

    async def _send(self, batch: list[Entry], standing: Standing) -> None:
        records = tuple(entry.record for entry in batch if entry.record is not None)
        replayed: Replayed = await self._locations.ask(
            Replay(
                session_id=self._locations.session_id,
                journal_id=batch[0].journal_id,
                records=records,
                waiting=standing.waiting,
                oldest_at=standing.oldest_at,
            )
        )
        for number, problem in replayed.refused.items():
            log.error("the hub cannot take in record %d of the journal: %s", number, problem)
            await self._index.write(journals.set_aside, number, problem)
        await self._index.write(journals.drop, [entry.number for entry in batch])

    async def _set_damaged_aside(self, entries: list[Entry]) -> None:
        for entry in entries:
            if entry.record is None:
                log.error("record %d of the journal is damaged; it is kept aside", entry.number)
                await self._index.write(journals.set_aside, entry.number, "damaged")

    async def finish(self, journal_id: str, now: float) -> bool:
        """Finish the journal if it was used and nothing of it is left; whether it was finished."""
        if not self._take_lock():
            return False
        if await self._index.write(journals.close_current, journal_id, now=now):
            log.info("all that was written while the hub was away is replayed")
        for finished in await self._index.scan(journals.list_closed):
            request = FinishJournal(session_id=self._locations.session_id, journal_id=finished)
            await self._locations.ask(request)
            await self._index.write(journals.forget_closed, finished)
        return True

    def _take_lock(self) -> bool:
        if self._lock is not None:
            return True
        descriptor = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._lock = descriptor
        return True

    def close(self) -> None:
        """Let another process replay."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _choose_batch(entries: list[Entry]) -> list[Entry]:
    """Return the first entries that are whole, of one journal, and fit into a message."""
    batch: list[Entry] = []
    size_bytes = 0
    for entry in entries:
        if entry.record is None:
            continue
        size_bytes += entry.size_bytes
        if batch and (entry.journal_id != batch[0].journal_id or size_bytes > MAX_BATCH_BYTES):
            break
        batch.append(entry)
    return batch
