"""`runcompss-k8s` with the program in a pod: start it, follow it, let go of it, end it, bring what it kept.

Ctrl-C ends the run and removes all; the second one leaves at once. A launcher that is killed leaves a run
that goes on, as with `--detach`.
"""

import asyncio
import contextlib
import io
import signal
import tarfile
from pathlib import Path
from typing import NoReturn

import typer

from continuum.cli.options import open_home, print_json
from continuum.cli.runcompss_k8s.constraints import take_constraints
from continuum.cli.runcompss_k8s.launches import Launch
from continuum.cli.runcompss_k8s.orders import FOLDERS, make_files, make_order
from continuum.model.errors import ContinuumError, InvalidInputError, NotFoundError
from continuum.model.requesting import make_request
from continuum.sites import (
    Cluster,
    DriverRun,
    Home,
    JoinedCluster,
    RunSettings,
    find_cluster,
    format_manifests,
    list_clusters,
    plan_order,
    plan_run,
    redact,
    sweep,
)
from continuum.store import ObjectClient
from continuum.workflow import new_run_id, read_summary

BUCKET = "continuum-runs"
CANCELLED = 130
GONE_WITHIN_S = 70.0
BROUGHT_WITHIN_S = 30.0
LONGEST_NAME = 18  # with the time and what makes it unique an id is then a name that clusters take


def start(launch: Launch) -> NoReturn:
    """Do what the command line asks for, and exit as the program did."""
    home = open_home(Path(launch.home) if launch.home else None)
    if launch.attach and not launch.site:
        launch.site = asyncio.run(_find_site(home, launch.attach))
    cluster = choose_cluster(home, launch)
    if launch.attach:
        raise typer.Exit(asyncio.run(_follow(home, cluster, launch, launch.attach)))
    settings, files = prepare(home, cluster, launch)
    if launch.is_dry_run:
        shown = (plan_run(settings), redact(plan_order(settings, files, "uid-of-the-job")))
        typer.echo(format_manifests(shown), nl=False)
        raise typer.Exit(0)
    raise typer.Exit(asyncio.run(_launch(home, cluster, launch, settings, files)))


async def _find_site(home: Home, run_id: str) -> str:
    """Return at which site a driver is in the cluster; empty if it is at none that can be asked."""
    found = list_clusters(home)
    if len(found) == 1:
        return found[0].settings.name
    for each in found:
        with contextlib.suppress(ContinuumError):  # it may be at another; if not, --site tells why
            async with Cluster.open(each.context, each.kubeconfig) as server:
                if await server.find("Job", f"run-{run_id}", each.settings.runs) is not None:
                    return each.settings.name
    return ""


def choose_cluster(home: Home, launch: Launch) -> JoinedCluster:
    """Return the site in a cluster that is meant, as the command line changes it."""
    if launch.site:
        found = find_cluster(home, launch.site)
        if found is None:
            known = ", ".join(each.settings.name for each in list_clusters(home)) or "none"
            raise NotFoundError(
                f"no site {launch.site} was brought into a cluster from {home.path}",
                hint=f"sites in clusters: {known}; `continuum site join --kubernetes` makes one",
            )
    else:
        all_found = list_clusters(home)
        if len(all_found) != 1:
            names = ", ".join(each.settings.name for each in all_found)
            raise InvalidInputError(
                f"--site is needed: {'there are ' + names if names else 'no site is in a cluster'}",
                hint="`continuum site join --kubernetes --name NAME` makes a cluster a site",
            )
        found = all_found[0]
    launch.site = found.settings.name
    return change_cluster(found, launch)


def change_cluster(found: JoinedCluster, launch: Launch) -> JoinedCluster:
    """Return where the run goes: another context, file or namespace if the command line says so."""
    from msgspec.structs import replace  # noqa: PLC0415 - only here

    settings = found.settings
    if launch.namespace:
        settings = replace(settings, namespace=settings.home, runs_namespace=launch.namespace)
    return replace(
        found,
        context=launch.context or found.context,
        kubeconfig=launch.kubeconfig or found.kubeconfig,
        settings=settings,
    )


def prepare(home: Home, cluster: JoinedCluster, launch: Launch) -> tuple[RunSettings, dict[str, bytes]]:
    """Return the driver to be, and all that it is given."""
    if not launch.context_dir:
        if not Path(launch.app).is_file():
            raise NotFoundError(
                f"there is no program {launch.app}",
                hint="--context-dir names its folder if it is in the image",
            )
        take_constraints(launch)
    run_id = new_run_id((launch.name or Path(launch.app).stem)[:LONGEST_NAME])
    launch.name = launch.name or Path(launch.app).stem
    request = make_request(image=launch.image, volumes=launch.volumes)
    settings = RunSettings(
        run_id=run_id,
        site=cluster.settings,
        image=launch.image,
        units=launch.driver_units or 1,
        memory_bytes=launch.driver_memory_bytes or 512 * 1024 * 1024,
        volumes=request.volumes,
    )
    return settings, make_files(home, cluster, launch, make_order(launch, run_id))


async def _launch(
    home: Home, cluster: JoinedCluster, launch: Launch, settings: RunSettings, files: dict[str, bytes]
) -> int:
    namespace = cluster.settings.runs
    async with Cluster.open(cluster.context, cluster.kubeconfig) as server:
        with contextlib.suppress(ContinuumError):  # what is left there is none of this run's business
            await sweep(server, namespace, launch.site)
        run = DriverRun(server, namespace, launch.site, settings.run_id)
        await run.create(settings, files)
        if launch.is_detached:
            typer.echo(settings.run_id)
            _tell(launch, f"follow it: runcompss-k8s --site {launch.site} --attach {settings.run_id}")
            return 0
        _tell(launch, f"run {settings.run_id} at {launch.site}")
        return await _attend(home, run, launch)


async def _follow(home: Home, cluster: JoinedCluster, launch: Launch, run_id: str) -> int:
    async with Cluster.open(cluster.context, cluster.kubeconfig) as server:
        return await _attend(home, DriverRun(server, cluster.settings.runs, launch.site, run_id), launch)


async def _attend(home: Home, run: DriverRun, launch: Launch) -> int:
    """Follow a run to its end, and remove what is in the cluster."""
    following = asyncio.create_task(
        run.follow(
            lambda line: typer.echo(line, err=launch.as_json), lambda text: _tell(launch, text), launch.wait_s
        )
    )
    interrupts = _Interrupts(run, following, launch)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupts.take)
    try:
        status = await following
    except asyncio.CancelledError:
        await run.remove(at_once=True)
        return CANCELLED
    except NotFoundError:
        if not interrupts.count:
            raise
        status = CANCELLED
    except ContinuumError:
        await run.remove(at_once=True)
        raise
    if interrupts.count:
        status = CANCELLED
        await run.wait_until_gone(GONE_WITHIN_S)
    await _bring(home, run.run_id, launch)
    await run.remove()
    if launch.as_json:
        print_json(read_summary(home.runs() / run.run_id))
    return status


class _Interrupts:
    """What Ctrl-C does: first the run ends, then this command."""

    def __init__(self, run: DriverRun, following: "asyncio.Task[int]", launch: Launch) -> None:
        self.count = 0
        self._run = run
        self._following = following
        self._launch = launch
        self._stopping: asyncio.Task[bool] | None = None

    def take(self) -> None:
        """Ctrl-C, or SIGTERM."""
        self.count += 1
        if self.count > 1:
            self._following.cancel()
            return
        _tell(self._launch, "cancelled; ending the run (once more to end at once)")
        self._stopping = asyncio.create_task(self._run.stop())


async def _bring(home: Home, run_id: str, launch: Launch) -> None:
    """Bring the run's folder from the store, so that all commands about runs know it here."""
    site = home.continuum().sites[0]
    access_key, secret_key = home.credentials()
    ca_file = home.ca_file if site.gateway_url.startswith("https:") else None
    key = f"{FOLDERS}/{run_id}.tar.gz"
    try:
        async with ObjectClient(site.gateway_url, access_key, secret_key, ca_file) as objects:
            packed = await asyncio.wait_for(objects.get(BUCKET, key), BROUGHT_WITHIN_S)
            with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
                archive.extractall(home.runs(), filter="data")
            await objects.delete(BUCKET, key)
        _tell(launch, f"what was kept: {home.runs() / run_id}")
    except (ContinuumError, OSError, tarfile.TarError) as problem:
        reason = str(problem) or f"it did not come within {BROUGHT_WITHIN_S:.0f} s"
        _tell(launch, f"the run's journal was not brought: {reason}")


def _tell(launch: Launch, text: str) -> None:
    if not launch.is_quiet:
        typer.echo(f"runcompss-k8s: {text}", err=True)
