"""The locator's answers to gateways that were away: which buckets accept writes then, what is to be known of
them, and the replay of what was written. The rules are in `index.replaying`."""

import logging

from continuum.model.objects import Bucket, Setting
from continuum.model.policies.documents import Disconnected, read_bucket_policy
from continuum.store.locator import messages as m
from continuum.store.locator.database import Connection
from continuum.store.locator.families import Family, Handlers
from continuum.store.locator.index import journals, known, replaying
from continuum.store.locator.index.buckets import list_buckets
from continuum.store.locator.index.sessions import require_session
from continuum.store.locator.messages.replaying import MAX_RECORDS
from continuum.store.locator.validating import check_count, check_marker, check_name

log = logging.getLogger(__name__)

MAX_PAGE = 500


class ReplayKeeper(Family):
    """Answers what concerns gateways that were away."""

    def handlers(self) -> Handlers:
        """Return what answers which request."""
        return {
            m.GetAccepting: self._get_accepting,
            m.ListKnown: self._list_known,
            m.Replay: self._replay,
            m.FinishJournal: self._finish_journal,
            m.GetJournals: self._get_journals,
        }

    async def _get_accepting(self, request: m.GetAccepting) -> m.Accepting:
        buckets = await self._reader.scan(_list_accepting, request.session_id)
        return m.Accepting(buckets=buckets, now=self._clock())

    async def _list_known(self, request: m.ListKnown) -> m.KnownPage:
        check_count(range(request.limit), "versions", MAX_PAGE)
        check_marker(request.after)
        return await self._reader.scan(known.list_known, request)

    async def _replay(self, request: m.Replay) -> m.Replayed:
        check_name(request.journal_id, "a journal's id")
        check_count(request.records, "records", MAX_RECORDS)
        with self._changes.under_way({replaying.place_of(record) for record in request.records}):
            replayed, things = await self._writer.write(
                replaying.replay, request, now=self._clock(), grace_s=self._settings.grace_s
            )
            if things:
                await self._invalidator.tell(sorted(things))
        return replayed

    async def _finish_journal(self, request: m.FinishJournal) -> m.Empty:
        check_name(request.journal_id, "a journal's id")
        await self._writer.write(journals.finish_journal, request, now=self._clock())
        log.info("the journal %.8s… is replayed", request.journal_id)
        return m.Empty()

    async def _get_journals(self, request: m.GetJournals) -> m.Journals:
        return await self._reader.scan(journals.get_journals, request.bucket)


def _list_accepting(connection: Connection, session_id: str) -> tuple[Bucket, ...]:
    require_session(connection, session_id)
    return tuple(bucket for bucket in list_buckets(connection, "").buckets if accepts(bucket))


def accepts(bucket: Bucket) -> bool:
    """Whether gateways that cannot reach the locator accept writes to this bucket."""
    document = bucket.settings.get(Setting.PLACEMENT, b"")
    return bool(document) and read_bucket_policy(document).disconnected is Disconnected.ACCEPT
