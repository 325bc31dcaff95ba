"""Data as a driver handles them: supplied from the program, named in the store, located there, dropped."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from continuum.model.graph import Graph
from continuum.model.tasks import Datum
from continuum.workflow.checkpointing import Checkpoints, Drop
from continuum.workflow.messages import ObjectName
from continuum.workflow.operations import Found, Locate, Op
from continuum.workflow.queues import SiteQueue


class Provisions:
    """The data of one run in its driver's hands; `post` leaves a message for the driver. Its thread only."""

    def __init__(
        self,
        graph: Graph,
        sites: Mapping[str, SiteQueue],
        objects: ObjectName,
        locate: Locate | None,
        post: Callable[[Op, Any], None],
        *,
        checkpoints: Checkpoints | None = None,
    ) -> None:
        self._checkpoints = checkpoints
        self.locating: list[Datum] = []
        self._graph = graph
        self._sites = sites
        self._objects = objects
        self._locate = locate
        self._post = post

    def name_of(self, datum: Datum) -> ObjectName:
        """Return under which name a datum of the run is published."""
        return ObjectName(bucket=self._objects.bucket, key=f"{self._objects.key}/{datum.id}")

    def drop(self, drops: Sequence[Drop]) -> None:
        """Have the sites forget data, those that are being saved once they are."""
        if self._checkpoints is not None:
            drops = self._checkpoints.dropping(drops)
        by_site: dict[str, list[str]] = {}
        for datum_id, sites, _ in drops:
            for site in sites:
                by_site.setdefault(site, []).append(datum_id)
        for site, data in by_site.items():
            if not self._sites[site].load.is_lost:
                self._sites[site].executor.drop(data)

    def supply(self, datum: Datum, home: str, at: float) -> None:
        """Have the home site take what the driver itself has."""
        source: bytes | Path = datum.origin
        if self._checkpoints is not None:
            self._checkpoints.supplied(datum)
        if isinstance(source, Path) and not source.exists():
            self._graph.missing(datum, f"the file {source} is gone", at)
            return
        self._graph.supplying(datum, home)
        self._sites[home].executor.put(datum.id, source, self.name_of(datum))

    def look_for(self, datum: Datum) -> None:
        """The program has named an object of the store."""
        if self._checkpoints is not None:
            self._checkpoints.looked_for(datum)
        self.locating.append(datum)

    def ask_locations(self, at: float) -> None:
        """Ask where the objects are that the program has named since the last time."""
        data, self.locating = self.locating, []
        if self._locate is None:
            for datum in data:
                name: ObjectName = datum.published
                problem = f"s3://{name.bucket}/{name.key}: this run has no store (no continuum is up)"
                self._graph.missing(datum, problem, at)
            return
        self._locate(
            [datum.published for datum in data],
            lambda answers: self._post(Op.LOCATED, (data, answers)),
        )

    def located(self, data: Sequence[Datum], answers: Sequence[Found], at: float) -> None:
        """The answer is there."""
        for datum, found in zip(data, answers, strict=True):
            if found.problem:
                self._graph.missing(datum, found.problem, at)
            else:
                if self._checkpoints is not None:
                    self._checkpoints.located(datum, found.etag)
                self._graph.located(datum, found.size_bytes, found.sites)
