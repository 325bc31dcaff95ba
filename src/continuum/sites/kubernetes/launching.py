"""A run whose driver is a pod: started, followed, stopped, removed.

All of it with the rights of the person who runs it. Following may begin at any time, ends with the driver's
exit status, and goes on after the API server was away. Deleting the Job is what stops a run: the pod gets
SIGTERM, which ends a run as Ctrl-C does, and `runs.GRACE_S` for it.
"""

import asyncio
import datetime as dt
import time
from collections.abc import Callable, Mapping
from typing import Any

from continuum.model.errors import ConflictError, ContinuumError, NotFoundError, UnavailableError
from continuum.sites.kubernetes.clusters import Cluster
from continuum.sites.kubernetes.diagnosing import find_reason
from continuum.sites.kubernetes.logs import LogMerge
from continuum.sites.kubernetes.rules import Manifest
from continuum.sites.kubernetes.runs import (
    DRIVER,
    KEEP_S,
    RunSettings,
    name_of_job,
    plan_order,
    plan_run,
    selector_of_drivers,
)

LOOK_EVERY_S = 0.5
ASK_AGAIN_S = 1.0
PATIENCE_S = 300.0  # with an API server that is away
SETTLES_WITHIN_S = 6.0  # before that, what holds a pod up may be what is being made just now
LOST = 1

Tell = Callable[[str], None]


async def sweep(cluster: Cluster, namespace: str, site: str) -> int:
    """Remove runs that ended more than a day ago (servers before 1.21 do not); return how many."""
    removed = 0
    for job in await cluster.list("Job", namespace, selector_of_drivers(site)):
        if _ended_before_s(job) > KEEP_S:
            removed += await cluster.delete("Job", job["metadata"]["name"], namespace)
    return removed


class DriverRun:
    """The driver of one run in a cluster."""

    def __init__(self, cluster: Cluster, namespace: str, site: str, run_id: str) -> None:
        self.run_id = run_id
        self._cluster = cluster
        self._namespace = namespace
        self._name = name_of_job(run_id)
        self._selector = selector_of_drivers(site, run_id)
        self._merge = LogMerge()

    async def create(self, settings: RunSettings, files: Mapping[str, bytes]) -> None:
        """Make the Job and what it owns. If that fails nothing is left."""
        plan_order(settings, files, "")  # is it too much? before anything is made
        job = await self._cluster.create(plan_run(settings))
        try:
            await self._cluster.create(plan_order(settings, files, job["metadata"]["uid"]))
        except BaseException:
            await asyncio.shield(self.remove())
            raise

    async def follow(self, say: Tell, tell: Tell, wait_s: float) -> int:
        """Give what the driver prints to `say` line by line, and return its exit status.

        Raises `UnavailableError` with the reason if its pod does not come up in `wait_s`, or if the API
        server is away for long; `NotFoundError` if the run was removed.
        """
        pod = await self._wait_for_pod(tell, wait_s)
        while True:
            try:
                await self._read_log(pod, say)
            except UnavailableError:
                tell("the API server does not answer; the run goes on")
            except ContinuumError:
                await asyncio.sleep(
                    ASK_AGAIN_S
                )  # the log of a pod that ends: how it ended is asked for below
            seen = await self._patiently(lambda: self._cluster.find("Pod", pod, self._namespace))
            if seen is None:
                return LOST
            ended = _state_of(seen).get("terminated")
            if ended is not None:
                await self._read_rest(pod, say)
                return int(ended.get("exitCode", LOST))
            if seen.get("status", {}).get("phase") == "Failed":  # evicted
                tell(f"the driver's pod failed: {seen['status'].get('message', 'no reason is given')}")
                return LOST
            self._merge.reconnect()
            await asyncio.sleep(ASK_AGAIN_S)

    async def stop(self) -> bool:
        """Have the run end as after Ctrl-C; return whether there was one."""
        return await self._cluster.delete("Job", self._name, self._namespace)

    async def remove(self, *, at_once: bool = False) -> None:
        """Remove all of it; with `at_once` the driver has no time to end the run."""
        await self._cluster.delete("Job", self._name, self._namespace)
        if at_once:
            for pod in await self._cluster.list("Pod", self._namespace, self._selector):
                await self._cluster.delete("Pod", pod["metadata"]["name"], self._namespace, grace_s=0)

    async def wait_until_gone(self, within_s: float) -> bool:
        """Return whether the pod is gone in time."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            if not await self._cluster.list("Pod", self._namespace, self._selector):
                return True
            await asyncio.sleep(LOOK_EVERY_S)
        return False

    # ---- waiting ----

    async def _wait_for_pod(self, tell: Tell, wait_s: float) -> str:
        """Return the name of the driver's pod once its container has begun."""
        begin = time.monotonic()
        told = ""
        while True:
            pods = await self._patiently(lambda: self._cluster.list("Pod", self._namespace, self._selector))
            started = next((each for each in pods if _has_begun(each)), None)
            if started is not None:
                return str(started["metadata"]["name"])
            waited_s = time.monotonic() - begin
            if not pods:
                await self._check_job()
            if waited_s > SETTLES_WITHIN_S:
                told = await self._tell_reason(tell, told, is_late=waited_s > wait_s)
            if waited_s > wait_s:
                raise UnavailableError(f"the driver's pod did not start within {wait_s:.0f} s")
            await asyncio.sleep(LOOK_EVERY_S)

    async def _check_job(self) -> None:
        job = await self._patiently(lambda: self._cluster.find("Job", self._name, self._namespace))
        if job is None:
            raise NotFoundError(
                f"there is no run {self.run_id} in {self._namespace}",
                hint="`continuum run list` shows all runs; what ended a day ago is removed",
            )
        if job.get("status", {}).get("failed"):
            raise ConflictError(
                f"the driver's pod of the run {self.run_id} is gone: deleted, or its node lost"
            )

    async def _tell_reason(self, tell: Tell, told: str, *, is_late: bool) -> str:
        observed = await self._patiently(lambda: self._cluster.observe(self._namespace, self._selector))
        found = find_reason(observed)
        if found is None:
            return told
        if found.is_final or is_late:
            raise UnavailableError(f"the driver's pod does not start: {found.reason}", hint=found.hint)
        text = f"waiting for the driver's pod: {found.reason}"
        if text != told:
            tell(text)
        return text

    # ---- reading ----

    async def _read_log(self, pod: str, say: Tell) -> None:
        rest = b""
        stream = self._cluster.follow_logs(
            self._namespace, pod, DRIVER, since=self._merge.since, has_times=True
        )
        async for part in stream:
            *lines, rest = (rest + part).split(b"\n")
            self._say(lines, say)
        if rest:
            self._say([rest], say)

    async def _read_rest(self, pod: str, say: Tell) -> None:
        """Read once more what a stream that broke at the very end may have left."""
        self._merge.reconnect()
        try:
            await self._read_log(pod, say)
        except ContinuumError:
            return  # it is gone: what was read is all there is

    def _say(self, lines: list[bytes], say: Tell) -> None:
        for line in lines:
            text = self._merge.take(line.decode(errors="replace"))
            if text is not None:
                say(text)

    async def _patiently(self, ask: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return await ask()
            except UnavailableError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(ASK_AGAIN_S)


def _state_of(pod: Manifest) -> Mapping[str, Any]:
    statuses = pod.get("status", {}).get("containerStatuses", ())
    state: Mapping[str, Any] = next((each["state"] for each in statuses if each["name"] == DRIVER), {})
    return state


def _has_begun(pod: Manifest) -> bool:
    state = _state_of(pod)
    return "running" in state or "terminated" in state


def _ended_before_s(job: Manifest) -> float:
    """For how long a Job has ended; 0: it goes on."""
    for condition in job.get("status", {}).get("conditions", ()):
        if condition["type"] in {"Complete", "Failed"} and condition["status"] == "True":
            at = dt.datetime.fromisoformat(condition["lastTransitionTime"])
            return (dt.datetime.now(dt.UTC) - at).total_seconds()
    return 0.0
