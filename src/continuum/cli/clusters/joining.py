"""`continuum site join`: a cluster becomes a site.

What speaks to clusters is reached through `sites` when it is called: other commands need not load it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from continuum import sites
from continuum.cli.clusters.screens import JoinScreen
from continuum.cli.options import HomeOption, JsonOption, open_console, open_home, print_json
from continuum.model.errors import InvalidInputError
from continuum.sites import Overlay
from continuum.store import StoreConfiguration, StoreKeys, parse_size, resolve_store

INTERRUPTED = 130
Answer = TypeVar("Answer")

ContextOption = Annotated[
    str,
    typer.Option("--context", help="The kubeconfig's context. Default: the current one.", show_default=False),
]
KubeconfigOption = Annotated[
    str, typer.Option("--kubeconfig", help="Default: $KUBECONFIG, else ~/.kube/config.", show_default=False)
]
WaitOption = Annotated[float, typer.Option("--wait", min=1, help="How long it may take to come up (s).")]


def join(  # noqa: PLR0917 -- typer takes options from parameters
    name: Annotated[str, typer.Option("--name", help="What the site is called.")],
    kubernetes: Annotated[
        bool, typer.Option("--kubernetes", help="The site is a Kubernetes cluster, as all that join so far.")
    ] = False,
    context: ContextOption = "",
    overlay: Annotated[
        Overlay,
        typer.Option(
            help="edge: tasks run in the agent's pod. cloud: in pods of their own, as many as needed."
        ),
    ] = Overlay.EDGE,
    image: Annotated[
        str,
        typer.Option(
            help="The image, as the cluster pulls it. Default: localhost/continuum:VERSION, which must be on "
            "its machines (docs/images.md).",
            show_default=False,
        ),
    ] = "",
    invitation: Annotated[
        Path | None,
        typer.Option(help="The join file, where the hub is another machine's.", show_default=False),
    ] = None,
    units: Annotated[
        int, typer.Option(min=0, help="Computing units for tasks. 0: 1 on edge, 4 on cloud.")
    ] = 0,
    memory: Annotated[
        str, typer.Option(help="Memory for tasks. Default: 512 MiB per unit.", show_default=False)
    ] = "",
    min_workers: Annotated[int, typer.Option(min=0, help="Workers that cloud always has.")] = 0,
    max_workers: Annotated[int, typer.Option(min=1, help="Workers that cloud has at most.")] = 4,
    state: Annotated[
        str,
        typer.Option(
            help="Where state lies: claim, claim:CLASS, local:/path (with --node), pod. Default: claim, or "
            "pod where the cluster has no default StorageClass.",
            show_default=False,
        ),
    ] = "",
    node: Annotated[str, typer.Option(help="The machine of --state local:/path.", show_default=False)] = "",
    state_size: Annotated[str, typer.Option(help="Of each volume of state.")] = "1 GiB",
    store_size: Annotated[str, typer.Option(help="Of the site's store.")] = "10 GiB",
    store_endpoint: Annotated[
        str,
        typer.Option(
            help="An S3 store that is there already, instead of one in the cluster.", show_default=False
        ),
    ] = "",
    store_bucket: Annotated[str, typer.Option(help="Its bucket.")] = "continuum",
    store_region: Annotated[str, typer.Option(help="Its region.")] = "us-east-1",
    store_credentials: Annotated[
        str,
        typer.Option(help="Where its keys are: file:PATH, env:PREFIX or profile:NAME.", show_default=False),
    ] = "",
    store_ca: Annotated[str, typer.Option(help="A file with its authority (PEM).", show_default=False)] = "",
    namespace: Annotated[
        str,
        typer.Option(
            help="A namespace that is there, for all, where you may make none. Pods of tasks could then read "
            "the site's identities.",
            show_default=False,
        ),
    ] = "",
    pull_policy: Annotated[str, typer.Option(help="IfNotPresent, Always or Never.")] = "IfNotPresent",
    pull_secret: Annotated[
        list[str] | None,
        typer.Option(help="A Secret there with a registry's keys. May be repeated.", show_default=False),
    ] = None,
    host_alias: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS=NAME,…",
            help="Names that the cluster cannot resolve. May be repeated.",
            show_default=False,
        ),
    ] = None,
    without_master_keys: Annotated[
        bool,
        typer.Option("--without-master-keys", help="Do not trust it with the keys of encrypted objects."),
    ] = False,
    outside: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="An address of the cluster's machines, where drivers reach the gateway, other sites "
            "the store. Default: nothing comes into the cluster.",
            show_default=False,
        ),
    ] = "",
    outside_ports: Annotated[
        tuple[int, int],
        typer.Option("--outside-ports", min=30000, max=32767, help="Of gateway and store, there."),
    ] = (30802, 30843),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the manifests; change nothing.")] = False,
    secrets: Annotated[
        bool, typer.Option("--secrets", help="With --dry-run: with what is secret (this invites the site).")
    ] = False,
    wait: WaitOption = 300.0,
    kubeconfig: KubeconfigOption = "",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a Kubernetes cluster a site: agent, gateway and store, in namespaces of their own.

    Needs no port open to the cluster: its pods connect to the hub. The same command again changes nothing.

    Examples:

    * `continuum site join --kubernetes --context lab --name lab`

    * `continuum site join --kubernetes --context big --name big --overlay cloud --max-workers 8`

    * `continuum site join --kubernetes --name lab --state local:/data/continuum --node lab-1`

    * `continuum site join --kubernetes --name lab --invitation lab.join --image registry.lab/continuum:1`

    * `continuum site join --kubernetes --name lab --dry-run`
    """
    if not kubernetes:
        raise InvalidInputError(
            "only Kubernetes clusters join by command", hint="say --kubernetes; for others: site invite"
        )
    sites.require_client()
    store, keys = _choose_store(name, store_endpoint, store_bucket, store_region, store_credentials, store_ca)
    request = sites.JoinRequest(
        name=name,
        context=context,
        kubeconfig=kubeconfig,
        overlay=overlay,
        namespace=namespace,
        image=image,
        pull_policy=pull_policy,
        pull_secrets=tuple(pull_secret or ()),
        storage=sites.parse_storage(state, node),
        state_bytes=parse_size(state_size),
        store_bytes=parse_size(store_size),
        store=store,
        store_keys=keys,
        computing_units=units,
        memory_bytes=parse_size(memory),
        workers=_limits(min_workers, max_workers),
        host_aliases=tuple(map(sites.parse_host_alias, host_alias or ())),
        has_master_keys=not without_master_keys,
        outside=_outside(outside, outside_ports),
    )
    chosen = open_home(home)
    if dry_run:
        plan = sites.plan_joining(chosen, request, invitation_file=invitation, shows_secrets=secrets)
        typer.echo(sites.format_manifests(asyncio.run(plan)), nl=False)
        return
    with JoinScreen(is_quiet=as_json) as screen:
        coming = sites.join_cluster(chosen, request, screen, invitation_file=invitation, within_s=wait)
        joined = finish(coming, name)
    print_json(joined) if as_json else print_joined(joined)


def finish(doing: Coroutine[Any, Any, Answer], site: str) -> Answer:
    """Do it; Ctrl-C says how to go on."""
    try:
        return asyncio.run(doing)
    except KeyboardInterrupt:
        typer.echo(
            f"broken off: the same command again completes it, `continuum site leave {site}` removes it",
            err=True,
        )
        raise typer.Exit(INTERRUPTED) from None


def print_joined(joined: sites.Joined) -> None:
    """Say what there is now."""
    console = open_console()
    count = joined.created + joined.changed
    what = f"{joined.created} objects created, {joined.changed} changed" if count else "nothing was changed"
    console.print(
        f"[green]{joined.site}[/] takes part: {what} in {joined.context} "
        f"({joined.server_version}), ready after {joined.ready_s:.1f} s"
    )
    console.print(f"  namespaces {', '.join(joined.namespaces)}, image {joined.image}")
    for note in joined.notes:
        console.print(f"  note: {note}", style="yellow")


def _outside(address: str, ports: tuple[int, int]) -> sites.Outside | None:
    if not address:
        return None
    return sites.Outside(address=address, gateway_port=ports[0], store_port=ports[1])


def _limits(least: int, most: int) -> str:
    if least > most:
        raise InvalidInputError(f"{least} workers at least are more than {most} at most")
    return f"{least}-{most}"


def _choose_store(  # noqa: PLR0917 -- as many as the options
    site: str, endpoint: str, bucket: str, region: str, credentials: str, ca_file: str
) -> tuple[sites.ExternalStore | None, StoreKeys | None]:
    if not endpoint:
        return None, None
    if not credentials:
        raise InvalidInputError(
            "a store that is there already needs keys",
            hint="--store-credentials file:PATH, env:PREFIX or profile:NAME",
        )
    wanted = StoreConfiguration(
        endpoint=endpoint, site=site, credentials=credentials, region=region, bucket=bucket, ca_file=ca_file
    )
    store = resolve_store(f"store-{site}", wanted, os.environ)
    external = sites.ExternalStore(
        endpoint=store.endpoint, bucket=store.bucket, region=store.region, ca_pem=store.ca_pem
    )
    keys = StoreKeys(
        site_access_key=store.access_key,
        site_secret_key=store.secret_key,
        peer_access_key=store.access_key,
        peer_secret_key=store.secret_key,
    )
    return external, keys
