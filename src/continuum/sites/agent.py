"""The agent's process: `python -m continuum.sites.agent --settings FILE`.

It stands for a site: it tells the registry of it every two seconds and executes the tasks that drivers send,
after verifying who signed them. It connects outbound only. The backbone or the hub may go away and come back;
what runs goes on meanwhile.
"""

import argparse
import asyncio
import logging
import signal
import sys
import time
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path

from continuum.backbone import Backbone
from continuum.model.errors import ContinuumError
from continuum.model.scaling import parse_workers
from continuum.sites.agents import USUAL_WORKERS, AgentSettings, describe_site, gpus_of, read_agent_settings
from continuum.sites.documents import read_document
from continuum.sites.health import WhyNot, health_listener
from continuum.sites.homes import Credentials
from continuum.sites.registry import ANNOUNCE, ANNOUNCE_EVERY_S, Heard
from continuum.sites.rights import OWNER, identity_of_user
from continuum.store import ObjectClient
from continuum.workflow import PoolMaker, TaskService

log = logging.getLogger("continuum.agent")

BACKBONE_WAIT_S = 20.0


class Agent:
    """Tells the registry of one site, whose tasks `service` executes."""

    def __init__(self, settings: AgentSettings, backbone: Backbone, service: TaskService) -> None:
        self._settings = settings
        self._backbone = backbone
        self._service = service
        self._started_at = time.time()
        self._is_heard = False

    def why_not_ready(self) -> str:
        """Return why the site cannot be given work; empty: it can."""
        if not self._backbone.is_connected:
            return "not connected to the backbone"
        return "" if self._is_heard else "the registry does not hear"

    async def announce_for_ever(self) -> None:
        """Tell the registry of the site, again and again; a registry that does not hear is told later."""
        is_told = False
        while True:
            try:
                await self._announce()
            except ContinuumError as problem:
                if not is_told:
                    log.warning("the registry does not hear: %s", problem.message)
                is_told, self._is_heard = True, False
            else:
                is_told, self._is_heard = False, True
            await asyncio.sleep(ANNOUNCE_EVERY_S)

    async def _announce(self) -> None:
        load = self._service.report()
        report = describe_site(
            self._settings,
            free_units=load.free_units,
            queued_tasks=load.queued_tasks,
            workers=load.workers,
            largest_units=load.largest_units,
            started_at=self._started_at,
        )
        heard = await self._backbone.request(ANNOUNCE, report, Heard, timeout_s=ANNOUNCE_EVERY_S)
        self._service.let_in(frozenset({OWNER, *map(identity_of_user, heard.users)}))


async def run(settings: AgentSettings) -> None:
    """Run an agent until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    keys = read_document(settings.credentials_file, Credentials)
    backbone = await Backbone.connect(settings.backbone, wait_s=BACKBONE_WAIT_S)
    ca_file = settings.identity.ca_file
    async with ObjectClient(settings.gateway_url, keys.access_key, keys.secret_key, ca_file) as objects:
        service = _task_service(settings, backbone, objects)
        await service.start()
        agent = Agent(settings, backbone, service)
        announcing = asyncio.create_task(agent.announce_for_ever())
        print(f"ready {settings.site}", flush=True)  # noqa: T201 -- the supervisor waits for this line
        try:
            async with _listen_for_probes(settings, agent.why_not_ready):
                await stop.wait()
                if settings.drain_s and settings.pods is None and backbone.is_connected:
                    log.info("finishing what runs, at most %.0f s", settings.drain_s)
                    await service.drain(settings.drain_s)
        finally:
            announcing.cancel()
            await asyncio.wait({announcing})
            await service.stop()
            await backbone.close()


def _listen_for_probes(settings: AgentSettings, why_not: WhyNot) -> AbstractAsyncContextManager[int | None]:
    if settings.health_port is None:
        return nullcontext()
    return health_listener(settings.health_port, settings.health_host, why_not)


def _task_service(settings: AgentSettings, backbone: Backbone, objects: ObjectClient) -> TaskService:
    offer = settings.pool_offer
    return TaskService(
        site=settings.site,
        identity=settings.identity,
        backbone=backbone,
        objects=objects,
        data_folder=settings.data_folder / "data",
        log_folder=settings.data_folder / "runs",
        computing_units=offer.computing_units if offer else settings.computing_units,
        memory_bytes=offer.memory_bytes if offer else settings.memory_bytes,
        gpus=gpus_of(settings),
        nodes=settings.nodes,
        engine=settings.engine,
        workers=settings.workers,
        price_eur_per_unit_h=settings.costs.price_eur_per_unit_h,
        pools=_pools(settings),
    )


def _pools(settings: AgentSettings) -> PoolMaker | None:
    if settings.pods is None:
        return None
    from continuum.sites.kubernetes.pools import PodPools  # noqa: PLC0415 - for sites in clusters alone

    limits = parse_workers(settings.workers or USUAL_WORKERS, settings.engine)
    return PodPools(settings.site, settings.pods, limits, settings.data_folder / "pools")


def main() -> int:
    """Read the settings that the command line names and run."""
    parser = argparse.ArgumentParser(description="Stand for a site of a continuum.")
    parser.add_argument("--settings", type=Path, required=True, help="the agent's settings (JSON)")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for name in ("httpx2", "distributed"):  # each request, each worker that comes and goes
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        asyncio.run(run(read_agent_settings(parser.parse_args().settings)))
    except ContinuumError as problem:
        log.critical("%s", problem)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
