"""Events of data: supplied by the program, put into the store, fetched, found, lost. A layer of `graph`.

Answers of sites may be late: what a site says of a datum that it is not said to have (any more), or has not
been asked for, is old news. Base data (those of the program itself) that a site does not take are supplied
again a few times, because stores fail and come back.
"""

from typing import Any

from continuum.model import stories
from continuum.model.recovering import Recovery
from continuum.model.tasks import Datum, DatumState, Problem, TaskState

MAX_PUBLISH_FAILURES = 3  # then the site is taken to have lost the datum
_MOVING, _SUBMITTED = TaskState.MOVING, TaskState.SUBMITTED
_PENDING, _THERE, _DROPPED = DatumState.PENDING, DatumState.READY, DatumState.DROPPED


class Whereabouts(Recovery):
    """A recovery that hears where data are."""

    def keep(self, datum: Datum) -> None:
        """A base datum that is not inline: the driver is going to supply it."""
        self.stored[datum.id] = datum

    def supplying(self, datum: Datum, site: str) -> None:
        """`site` is asked to take a base datum."""
        datum.publishing = site

    def require(self, datum: Datum, at: float) -> None:
        """The program waits for a datum: make it again if it is gone."""
        if datum.state is _DROPPED:
            self._recover(datum, "the program asks for it", at)

    def expose(self, datum: Datum) -> None:
        """Have a datum that lies only in the run's data of its sites put into the global store."""
        if datum.published is None and datum.sites and datum.id in self.stored:
            self._publish(datum)

    def brought(self, datum: Datum, site: str) -> bool:
        """A site has fetched a datum ahead of need; return False if nobody needs it any more."""
        if datum.state is not _THERE:
            return False
        note_copy(datum, site)
        return True

    def published(self, datum_id: str, site: str, name: Any, at: float) -> None:
        """A datum is in the global store (`name`), or (None: a base datum) at `site`."""
        datum = self.stored.get(datum_id)
        if datum is None or (datum.producer is not None and site not in datum.sites):
            return
        datum.publishing = ""
        if name is not None:
            datum.published = name
            if site not in datum.replicas:
                datum.replicas = (*datum.replicas, site)
                moved = stories.Moved(at=at, datum=datum_id, site=site, bytes=datum.size_bytes)
                self.commands.records.append(moved)
        elif site not in datum.sites:
            datum.sites = (*datum.sites, site)
        if datum.producer is None and datum.state is _PENDING:
            self._supplied(datum)
        awaiting, datum.awaiting = datum.awaiting, []
        for task in awaiting:
            if task.state is _MOVING:
                task.missing -= 1
                if not task.missing:
                    self._move(task, _SUBMITTED)
                    self.commands.submit.append(task)

    def save(self, datum: Datum) -> None:
        """A datum's site is going to leave: have it put into the global store, if it is not on its way."""
        self._publish(datum)

    def _supplied(self, datum: Datum) -> None:
        if isinstance(datum.origin, bytes):
            datum.origin = None  # it need not be in the driver's memory as well
        datum.publish_failures = 0
        self._there(datum)

    def located(self, datum: Datum, size_bytes: int, sites: tuple[str, ...]) -> None:
        """An object of the store that the program named exists."""
        datum.size_bytes = size_bytes
        datum.replicas = sites
        if datum.state is _PENDING:
            self._there(datum)

    def unpublished(self, datum_id: str, site: str, problem: str, at: float) -> None:
        """`site` could not put a datum into the global store (or take a base datum)."""
        datum = self.stored.get(datum_id)
        if datum is None or _is_old_news(datum, site):
            return
        datum.publishing = ""
        datum.publish_failures += 1
        self.troubles[datum_id] = problem
        if datum.producer is None and datum.state is _PENDING:
            if datum.publish_failures < MAX_PUBLISH_FAILURES and datum.origin is not None:
                self.commands.supply.append(datum)
            else:
                self.missing(datum, problem, at)
        elif datum.publish_failures < MAX_PUBLISH_FAILURES and datum.awaiting and site in datum.sites:
            self._publish(datum)
        else:
            datum.publish_failures = 0
            self._forget(datum, site)
            self._strand([datum], at)

    def missing(self, datum: Datum, problem: str, at: float) -> None:
        """A base datum cannot be had."""
        cause = Problem(task_id=0, function="main program", kind="input_lost", message=problem)
        self._note_missing(datum, cause)
        self._fail_data([datum], cause, at)

    def datum_lost(self, datum: Datum, site: str, at: float) -> None:
        """A datum is not where it was said to be (`site` empty: not in the global store)."""
        datum = datum.source
        if datum.is_external and datum.producer is None:
            return  # it is the user's, and was there; another try will tell
        if not site:
            datum.published, datum.replicas = None, ()
        self._forget(datum, site)
        self._strand([datum], at)

    def _lose_data_of(self, site: str, at: float) -> None:
        """What lies at a site, or is on its way to or from it, is lost."""
        touched = [datum for datum in self.stored.values() if site in datum.sites or datum.publishing == site]
        for datum in touched:
            is_awaited = datum.producer is None and datum.publishing == site and datum.state is _PENDING
            self._forget(datum, site)
            if is_awaited:
                self.commands.supply.append(datum)
        self._strand(touched, at)


def _is_old_news(datum: Datum, site: str) -> bool:
    if not datum.publishing and datum.producer is None:
        return False
    return datum.publishing != site


def note_copy(datum: Datum, site: str) -> None:
    """Who has read a published datum has a copy of it now (which it may lose again without a word)."""
    if datum.published is not None and site not in datum.sites and site not in datum.replicas:
        datum.replicas = (*datum.replicas, site)
