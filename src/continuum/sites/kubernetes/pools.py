"""Pools of pods: for each run a scheduler of Dask and workers that come and go, made through the API server.

Everything happens in one event loop in a thread; what engines call waits for it or leaves it a word. The
cluster is looked at every second while workers come or go, else less often. A quota is met by asking: the API
server refuses the pod, nothing more is made for a while, and the user is told once.

An agent that ends may leave its pools (`leave`): their keys lie in `folder`, so that one that is started with
the same folder finds them again. A pool that nobody has asked for after `FORGET_AFTER_S` is removed, and so
is at once what is in the cluster under this site's name without a key here.
"""

import asyncio
import contextlib
import logging
import secrets
import shutil
import threading
import time
from collections.abc import Collection, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import msgspec

from continuum.model.errors import (
    AccessDeniedError,
    ConflictError,
    ContinuumError,
    InvalidInputError,
    UnavailableError,
)
from continuum.model.pools import PoolRequest, WorkerProfile
from continuum.model.profiles import apply_request, limits_of
from continuum.model.scaling import ScalingLimits
from continuum.sites.kubernetes import workers
from continuum.sites.kubernetes.clusters import Cluster
from continuum.sites.kubernetes.rosters import FIRST_CREATION_S, PodSeen, Roster, parse_pod
from continuum.sites.kubernetes.workers import Owner, PodSettings, Pool, PoolNames, name_pool
from continuum.workflow import (
    Census,
    ClusterAddress,
    OwnLoop,
    RunSpec,
    SchedulerLink,
    Team,
    WorkerSeen,
    make_key,
)

log = logging.getLogger(__name__)

START_TIMEOUT_S = 180.0
LOOK_EVERY_S = 0.5
LOOK_SELDOM_S = 3.0
CALL_TIMEOUT_S = 60.0
ENDING_WAIT_S = 4.0  # until the cluster says what became of a pod
FORGET_AFTER_S = 600.0
SWEEP_EVERY_S = 30.0
OWNER_FILE = "pool.json"

_clock = time.monotonic


class KeptPool(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a pool beside its key, to find it again."""

    names: PoolNames
    owner: Owner


class PodPool:
    """The pool of one run. Made by `PodPools.make`."""

    def __init__(self, pools: "PodPools", pool: Pool, limits: ScalingLimits, folder: Path) -> None:
        self._pools = pools
        kept = find_kept(folder)
        self.is_found = kept is not None
        self._pool = pool if kept is None else msgspec.structs.replace(pool, names=kept.names)
        self._folder = folder
        self._owner: Owner | None = None
        self._roster = Roster()
        self._lock = threading.Lock()
        self._link = SchedulerLink()
        self._following: asyncio.Task[None] | None = None
        self._is_over = False
        self._most = limits.most  # of all profiles together
        self.teams: Sequence[Team] = [
            Team(profile=each, limits=_limits_of(limits, each, place), hiring=PodTeam(self, each))
            for place, each in enumerate(pool.profiles)
        ]

    # ---- what engines call ----

    def start(self, first: WorkerProfile | None = None) -> ClusterAddress:
        """Make the scheduler, as many workers as there always are, and one of `first`; blocks."""
        ClusterAddress(url="").security()
        try:
            return self._pools.loop.run(self._start(first)).result(START_TIMEOUT_S)
        except TimeoutError:
            raise UnavailableError("the scheduler of the run's workers did not come up in time") from None

    @property
    def order_file(self) -> Path:
        """Where orders are written that outlive this process."""
        return self._folder / "orders"

    def why_lost(self, worker: str) -> str:
        """Return what became of a worker that is gone; waits a moment for the cluster to say it."""
        deadline = _clock() + ENDING_WAIT_S
        while _clock() < deadline and not self._is_over:
            with self._lock:
                ending = self._roster.ending_of(worker)
            if ending:
                return ending
            time.sleep(LOOK_EVERY_S / 2)
        return ""

    def close(self) -> None:
        """Remove the pool."""
        if not self._is_over:
            self._is_over = True
            self._finish(self._close())

    def leave(self) -> None:
        """Let go of the pool, which stays."""
        if not self._is_over:
            self._is_over = True
            self._finish(self._disconnect())

    # ---- what teams call ----

    def hire(self, profile: WorkerProfile, count: int) -> None:
        """Begin to make so many workers more."""
        numbers = []
        with self._lock:
            for _ in range(0 if self._is_over else count):
                number = self._roster.next_number()
                name, is_measured = self._pool.names.worker(number), self._following is not None
                self._roster.add(name, profile.name, _clock(), is_measured=is_measured)
                numbers.append(number)
        for number in numbers:
            self._pools.loop.run(self._make_worker(profile, number))

    def retire(self, profile: WorkerProfile, count: int) -> int:
        """Send away workers that have neither work nor data."""
        if count < 1 or self._is_over:
            return 0
        return self._pools.loop.run(self._retire(profile, count)).result(CALL_TIMEOUT_S)

    def count(self, profile: WorkerProfile) -> Census:
        """Return what became of the workers of a profile."""
        with self._lock:
            census = self._roster.count(profile.name, _clock())
            others = self._roster.total - census.workers - census.starting
        room = max(0, self._most - others)
        ceiling = room if census.ceiling is None else min(room, census.ceiling)
        return msgspec.structs.replace(census, ceiling=ceiling)

    def creation_s(self, profile: WorkerProfile) -> float:
        """What the last worker of a profile took to appear."""
        return self._roster.creation_s.get(profile.name, self._pools.creation_s)

    @property
    def working(self) -> int:
        """How many workers work."""
        with self._lock:
            return self._roster.working

    # ---- making it ----

    async def _start(self, first: WorkerProfile | None) -> ClusterAddress:
        begun_at = _clock()
        cluster = await self._pools.cluster()
        key = self._folder / workers.KEY_FILE
        owner = await self._find_owner(cluster) or await self._make_owner(cluster)
        self._owner = owner
        is_new = not key.exists()
        if is_new:
            await asyncio.to_thread(make_key, key)
        for manifest in workers.plan_pool(self._pool, owner, key.read_bytes()):
            await _make(cluster, manifest)
        with self._lock:
            self._roster.adopt(await self._list_pods(cluster), _clock())
        self._hire_first(first)
        address = await self._reach(cluster, str(key))
        log.info("the pool of run %s is there after %.1f s", self._pool.names.run_id, _clock() - begun_at)
        self._following = asyncio.create_task(self._follow(cluster))
        return address

    def _hire_first(self, first: WorkerProfile | None) -> None:
        for team in self.teams:
            census = self.count(team.profile)
            wanted = max(team.limits.least, int(team.profile == first and team.limits.most > 0))
            self.hire(team.profile, wanted - census.workers - census.starting)

    async def _find_owner(self, cluster: Cluster) -> Owner | None:
        """Return the owner that an agent before this one made, if it and its key are there."""
        kept = find_kept(self._folder)
        if kept is None:
            return None
        namespace = self._pool.settings.namespace
        there = await cluster.find("ConfigMap", kept.owner.name, namespace)
        if not there or there["metadata"].get("uid") != kept.owner.uid:
            return None
        return kept.owner

    async def _make_owner(self, cluster: Cluster) -> Owner:
        shutil.rmtree(self._folder, ignore_errors=True)
        made = await cluster.create(workers.plan_owner(self._pool))
        owner = Owner(name=made["metadata"]["name"], uid=made["metadata"]["uid"])
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        kept = KeptPool(names=self._pool.names, owner=owner)
        (self._folder / OWNER_FILE).write_bytes(msgspec.json.encode(kept))
        return owner

    async def _reach(self, cluster: Cluster, key: str) -> ClusterAddress:
        """Return the scheduler's address, once it answers there."""
        deadline = _clock() + START_TIMEOUT_S - 5.0
        while True:
            url = await self._find_url(cluster)
            address = ClusterAddress(
                url=url,
                ca_file=key,
                certificate_file=key,
                key_file=key,
                units_per_worker=max(each.units for each in self._pool.profiles),
                memory_bytes_per_worker=max(each.memory_bytes for each in self._pool.profiles),
            )
            try:
                if url:
                    await self._link.connect(address, wait_s=2.0)
                    return address
            except UnavailableError:
                log.debug("the scheduler is not there yet")
            if _clock() > deadline:
                raise UnavailableError(
                    "the scheduler of the run's workers does not come up: "
                    + (await self._tell_trouble(cluster) or "it does not answer"),
                    hint=f"kubectl -n {self._pool.settings.namespace} describe pods",
                )
            await asyncio.sleep(0.2)

    async def _find_url(self, cluster: Cluster) -> str:
        """Return where this process finds the scheduler; empty: nowhere yet."""
        if not self._pool.settings.is_outside:
            return workers.scheduler_url(self._pool)
        namespace = self._pool.settings.namespace
        selector = f"{workers.selector_of(self._pool)},{workers.COMPONENT_LABEL}={workers.SCHEDULER}"
        pods = await cluster.list("Pod", namespace, selector)
        hosts = [
            pod.get("status", {}).get("hostIP") for pod in pods if "deletionTimestamp" not in pod["metadata"]
        ]
        service = await cluster.find("Service", f"{self._pool.names.pool}-outside", namespace)
        if not service or not hosts or not hosts[0]:
            return ""
        return f"tls://{hosts[0]}:{service['spec']['ports'][0]['nodePort']}"

    async def _tell_trouble(self, cluster: Cluster) -> str:
        namespace = self._pool.settings.namespace
        pods = await cluster.list("Pod", namespace, workers.selector_of(self._pool))
        troubles = [seen.trouble or seen.ending for seen in map(parse_pod, pods)]
        if found := next((each for each in troubles if each), ""):
            return found
        events = await cluster.list("Event", namespace)
        about = [
            event for event in events if self._pool.names.pool in event["involvedObject"].get("name", "")
        ]
        failed = [str(event.get("message", "")) for event in about if event.get("reason") == "FailedCreate"]
        return failed[-1] if failed else ""

    # ---- workers ----

    async def _make_worker(self, profile: WorkerProfile, number: int) -> None:
        name = self._pool.names.worker(number)
        try:
            assert self._owner is not None  # noqa: S101 - nobody hires before it is made
            cluster = await self._pools.cluster()
            await cluster.create(workers.plan_worker(self._pool, self._owner, profile, number))
        except ContinuumError as problem:
            is_quota = isinstance(problem, AccessDeniedError) and "quota" in problem.message
            log.warning("worker %s is not made: %s", name, problem.message)
            said = problem.message.rpartition(" is forbidden: ")[2]
            reason = f"no more workers of profile {profile.name} can be made: {said}"
            with self._lock:
                self._roster.refused(name, reason, _clock(), is_quota=is_quota)
        else:
            with self._lock:
                self._roster.made(name)

    async def _retire(self, profile: WorkerProfile, count: int) -> int:
        with self._lock:
            names = self._roster.idle(profile.name, count)
        try:
            gone = await self._link.send_away(names) if names else []
        except UnavailableError as problem:
            log.warning("no worker is sent away: %s", problem.message)
            return 0
        with self._lock:
            self._roster.retire(gone)
        cluster = await self._pools.cluster()
        for name in gone:
            await self._delete_pod(cluster, name)
        return len(gone)

    async def _follow(self, cluster: Cluster) -> None:
        while True:
            with self._lock:
                is_settled = self._roster.is_settled
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await self._look(cluster, is_settled=is_settled)
            except ContinuumError as problem:
                log.warning(
                    "the workers of run %s are not seen: %s", self._pool.names.run_id, problem.message
                )
                await asyncio.sleep(LOOK_SELDOM_S)

    async def _look(self, cluster: Cluster, *, is_settled: bool) -> None:
        """Ask the scheduler, and the cluster if somebody comes or goes, or it was not asked for long."""
        known: tuple[WorkerSeen, ...] | None = None
        with contextlib.suppress(UnavailableError):
            known = await self._link.look()
        pods = await self._list_pods(cluster)
        with self._lock:
            going = self._roster.see(pods, known, _clock())
        for name in going:
            await self._delete_pod(cluster, name)
        if is_settled:
            await asyncio.sleep(LOOK_EVERY_S)

    async def _list_pods(self, cluster: Cluster) -> list[PodSeen]:
        selector = f"{workers.selector_of(self._pool)},{workers.COMPONENT_LABEL}={workers.WORKER}"
        pods = await cluster.list("Pod", self._pool.settings.namespace, selector)
        return [parse_pod(pod) for pod in pods]

    async def _delete_pod(self, cluster: Cluster, name: str) -> None:
        with contextlib.suppress(ContinuumError):  # it is tried again when the pod is seen again
            await cluster.delete("Pod", name, self._pool.settings.namespace, grace_s=1)

    # ---- the end ----

    def _finish(self, ending: Any) -> None:
        try:
            self._pools.loop.run(ending).result(CALL_TIMEOUT_S)
        except (ContinuumError, TimeoutError) as problem:
            log.warning("the pool of run %s: %s", self._pool.names.run_id, problem)
        self._pools.forget(self)

    async def _disconnect(self) -> None:
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait({self._following})
        await self._link.close()

    async def _close(self) -> None:
        await self._disconnect()
        if self._owner is None and not self.is_found:
            return
        await self._pools.remove(self._pool.names)
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)


class PodTeam:
    """The workers of one profile. See `Hiring`."""

    def __init__(self, pool: PodPool, profile: WorkerProfile) -> None:
        self._pool = pool
        self._profile = profile

    @property
    def creation_s(self) -> float:
        """What the last one took to appear."""
        return self._pool.creation_s(self._profile)

    def hire(self, workers: int) -> None:
        """Begin to make so many more."""
        self._pool.hire(self._profile, workers)

    def retire(self, workers: int) -> int:
        """Send so many away that have neither work nor data."""
        return self._pool.retire(self._profile, workers)

    def count(self) -> Census:
        """Return what became of them."""
        return self._pool.count(self._profile)


class PodPools:
    """The pools of a site; `folder` keeps what is needed to find them again."""

    def __init__(self, site: str, settings: PodSettings, limits: ScalingLimits, folder: Path) -> None:
        self._site = site
        self._settings = settings
        self._limits = limits
        self._folder = folder
        self._cluster: Cluster | None = None
        self._pools: list[PodPool] = []
        self._known: set[str] = set()  # slugs of runs that were asked for
        self._lock = threading.Lock()
        self._sweeping: Future[None] | None = None
        self.loop = OwnLoop("pods")
        self.creation_s = FIRST_CREATION_S

    @property
    def largest_units(self) -> int:
        """How many computing units the largest worker has."""
        return max(each.units for each in self._settings.profiles)

    def open(self) -> None:
        """Reach the cluster, and remove what nobody can use. Raises `UnavailableError`."""
        for profile in self._settings.profiles:
            workers.check_image(profile.image or self._settings.image)
        self.loop.run(self._open()).result(CALL_TIMEOUT_S)
        self._sweeping = self.loop.run(self._sweep_for_ever())

    def make(self, run: RunSpec) -> PodPool:
        """Return the pool of a run. Raises `InvalidInputError` for what it cannot have."""
        request = run.pool or PoolRequest()
        profiles = apply_request(self._settings.profiles, request)
        if not profiles:
            there = ", ".join(each.name for each in self._settings.profiles)
            raise InvalidInputError(
                f"site {self._site} has no workers of profile {request.profile}",
                hint=f"profiles there: {there}",
            )
        names = name_pool(run.run_id, secrets.token_hex(2))
        pool = Pool(site=self._site, names=names, settings=self._settings, request=request, profiles=profiles)
        made = PodPool(self, pool, limits_of(request, self._limits), self._folder / names.slug)
        with self._lock:
            self._known.add(names.slug)
            self._pools.append(made)
        return made

    def count_workers(self) -> int:
        """Return how many workers all runs have."""
        with self._lock:
            return sum(pool.working for pool in self._pools)

    def close(self) -> None:
        """Let go of all; what still belongs to a run stays."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        for pool in list(self._pools):
            pool.leave()
        with contextlib.suppress(TimeoutError, ContinuumError):
            self.loop.run(self._close()).result(CALL_TIMEOUT_S)
        self.loop.stop()

    def forget(self, pool: PodPool) -> None:
        """A pool is over, or left."""
        with self._lock:
            if pool in self._pools:
                self._pools.remove(pool)

    async def cluster(self) -> Cluster:
        """Return the connection to the API server."""
        if self._cluster is None:
            settings = self._settings
            self._cluster = (
                Cluster.open(settings.context, str(settings.kubeconfig))
                if settings.is_outside
                else Cluster.open_inside()
            )
        return self._cluster

    async def remove(self, names: PoolNames) -> None:
        """Remove all of a pool: its owner, which takes the rest along, and the pods at once."""
        cluster, namespace = await self.cluster(), self._settings.namespace
        await cluster.delete("ConfigMap", names.owner, namespace)
        selector = f"{workers.POOL_LABEL}={names.pool},{workers.SITE_LABEL}={self._site}"
        selector += f",{workers.COMPONENT_LABEL}={workers.WORKER}"
        for pod in await cluster.list("Pod", namespace, selector):
            await cluster.delete("Pod", pod["metadata"]["name"], namespace, grace_s=1)

    # ---- what nobody owns ----

    async def _open(self) -> None:
        ours = {kept.names.pool for _, kept in self._find_all_kept()}
        for owner in await self._find_owners(ours):
            log.warning("removing the pool of a run that nobody here knows: %s", owner)
            await (await self.cluster()).delete("ConfigMap", owner, self._settings.namespace)

    def _find_all_kept(self) -> list[tuple[Path, KeptPool]]:
        folders = list(self._folder.iterdir()) if self._folder.is_dir() else []
        return [(folder, kept) for folder in folders if (kept := find_kept(folder)) is not None]

    async def _find_owners(self, ours: Collection[str]) -> set[str]:
        """Return the owners of pods of this site that belong to no pool of `ours`."""
        cluster = await self.cluster()
        selector = f"{workers.SITE_LABEL}={self._site},{workers.POOL_LABEL}"
        pods = await cluster.list("Pod", self._settings.namespace, selector)
        labels = [each["metadata"]["labels"] for each in pods if "deletionTimestamp" not in each["metadata"]]
        pools = {each[workers.POOL_LABEL] for each in labels} - set(ours)
        return {f"run-{pool.removeprefix('pool-')}" for pool in pools}

    async def _sweep_for_ever(self) -> None:
        """Remove pools that an agent before this one left and nobody has asked for since."""
        await asyncio.sleep(FORGET_AFTER_S)
        while True:
            with self._lock:
                known = set(self._known)
            for folder, kept in self._find_all_kept():
                if folder.name not in known:
                    log.warning("removing the pool of a run that nobody has asked for: %s", folder.name)
                    with contextlib.suppress(ContinuumError):
                        await self.remove(kept.names)
                        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            await asyncio.sleep(SWEEP_EVERY_S)

    async def _close(self) -> None:
        if self._cluster is not None:
            await self._cluster.close()


def find_kept(folder: Path) -> KeptPool | None:
    """Return what an agent has kept of a pool; None: nothing that can be used."""
    try:
        kept = msgspec.json.decode((folder / OWNER_FILE).read_bytes(), type=KeptPool)
    except (OSError, msgspec.MsgspecError):
        return None
    return kept if (folder / workers.KEY_FILE).exists() else None


def _limits_of(limits: ScalingLimits, profile: WorkerProfile, place: int) -> ScalingLimits:
    """Return the limits of one profile: the first has those that there always are."""
    most = min(limits.most, profile.most or limits.most)
    least = min(limits.least, most) if place == 0 else 0
    return msgspec.structs.replace(limits, least=least, most=most, price_eur_per_h=profile.price_eur_per_h)


async def _make(cluster: Cluster, manifest: dict[str, Any]) -> None:
    with contextlib.suppress(ConflictError):  # an agent before this one made it
        await cluster.create(manifest)
