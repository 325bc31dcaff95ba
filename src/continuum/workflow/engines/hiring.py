"""Who makes the workers of a Dask: processes of this machine (`clusters`), or pods of a cluster of machines.

Two ways. A site's own Dask serves all its runs (`DaskCluster`). Where workers are dear to keep and easy to
make, each run has a pool of its own, with a key of its own: `PoolMaker.make` returns it, with a scheduler and
teams of workers, one for each profile. What makes them is given to `SiteEngines` from outside: engines know
nothing of clusters.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from continuum.model.pools import WorkerProfile
from continuum.model.scaling import ScalingLimits

if TYPE_CHECKING:
    from continuum.workflow.engines.clusters import ClusterAddress
    from continuum.workflow.messages import RunSpec


class Census(msgspec.Struct, frozen=True, kw_only=True):
    """How many workers work, are starting, and did not appear or went since the last time.

    `idle_for_s` has a number for each worker that has no work and no data, None where nobody looked.
    `ceiling`: no more can be made for now (a quota), None if nothing is known of that. `troubles` are told to
    the user, each once.
    """

    workers: int
    starting: int
    not_started: int = 0
    lost: int = 0
    idle_for_s: tuple[float, ...] | None = None
    ceiling: int | None = None
    troubles: tuple[str, ...] = ()


class Hiring(Protocol):
    """Workers of one kind that come and go. All may be called from any thread."""

    @property
    def creation_s(self) -> float:
        """What the last worker took to appear."""

    def hire(self, workers: int) -> None:
        """Start so many workers more; returns at once."""

    def retire(self, workers: int) -> int:
        """End so many workers that have no work and no data; return how many went. Blocks."""

    def count(self) -> Census:
        """Return what became of the workers; each loss is told once."""


class Team(msgspec.Struct, frozen=True, kw_only=True):
    """The workers of one profile, and between what they follow the queue."""

    profile: WorkerProfile
    limits: ScalingLimits
    hiring: Hiring


class WorkerPool(Protocol):
    """The scheduler and the workers of one run."""

    def start(self, first: WorkerProfile | None = None) -> "ClusterAddress":
        """Make the scheduler, as many workers as there always are, and one of `first`, which something waits
        for; blocks. Raises `UnavailableError`.
        """

    @property
    def teams(self) -> Sequence[Team]:
        """The workers, by profile."""

    @property
    def is_found(self) -> bool:
        """Whether an earlier process has made it, so that something may be at work there."""

    @property
    def order_file(self) -> Path | None:
        """Where orders are written that outlive this process; None: they do not."""

    def why_lost(self, worker: str) -> str:
        """Return what became of a worker that is gone, in words; empty: not known."""

    def close(self) -> None:
        """End all of it; blocks until that is asked for."""

    def leave(self) -> None:
        """Let go of it without ending it: it waits for who finds it again."""


class PoolMaker(Protocol):
    """Makes a pool for each run of a site."""

    def open(self) -> None:
        """Get ready; remove what nobody owns any more. Blocks. Raises `UnavailableError`."""

    def make(self, run: "RunSpec") -> WorkerPool:
        """Return the pool of a run, not started; the one that is there, if there is one."""

    @property
    def largest_units(self) -> int:
        """How many computing units the largest worker has."""

    def count_workers(self) -> int:
        """Return how many workers all pools have now."""

    def close(self) -> None:
        """Let go of all; pools of runs that still go on stay."""
