"""`continuum hub deploy` and `hub remove`: a hub in a Kubernetes cluster instead of on this machine."""

import asyncio
from typing import Annotated

import typer

from continuum import __version__, sites
from continuum.cli.clusters.joining import ContextOption, KubeconfigOption, WaitOption
from continuum.cli.clusters.screens import JoinScreen
from continuum.cli.options import HomeOption, JsonOption, open_console, open_home, print_json
from continuum.model.errors import InvalidInputError
from continuum.store import parse_size

DEFAULT_IMAGE = f"localhost/continuum:{__version__}"

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="markdown")


@app.callback()
def hub() -> None:
    """Put the hub of a continuum into a cluster, and take it out again."""


@app.command()
def deploy(  # noqa: PLR0917 -- typer takes options from parameters
    address: Annotated[
        str,
        typer.Option(help="Name or address where sites and drivers reach it: of a machine of the cluster."),
    ],
    kubernetes: Annotated[bool, typer.Option("--kubernetes", help="In a Kubernetes cluster.")] = False,
    context: ContextOption = "",
    name: Annotated[str, typer.Option(help="What the continuum is called.")] = "continuum",
    image: Annotated[
        str,
        typer.Option(
            help="The image, as the cluster pulls it. Default: localhost/continuum:VERSION.",
            show_default=False,
        ),
    ] = "",
    namespace: Annotated[str, typer.Option(help="The namespace to make.")] = "continuum-hub",
    service: Annotated[str, typer.Option(help="NodePort, LoadBalancer or ClusterIP.")] = "NodePort",
    backbone_port: Annotated[int, typer.Option(help="Of the backbone, at that address.")] = 30422,
    hub_port: Annotated[int, typer.Option(help="Of the API, at that address.")] = 30300,
    database: Annotated[
        str,
        typer.Option(
            metavar="file:PATH|env:NAME",
            help="Where the URL of a PostgreSQL database is, which the cluster reaches. Default: SQLite on a "
            "volume.",
            show_default=False,
        ),
    ] = "",
    state: Annotated[
        str,
        typer.Option(
            help="Where SQLite lies: claim, claim:CLASS, local:/path (with --node), pod.", show_default=False
        ),
    ] = "",
    node: Annotated[str, typer.Option(help="The machine of --state local:/path.", show_default=False)] = "",
    state_size: Annotated[str, typer.Option(help="Of that volume.")] = "1 GiB",
    pull_policy: Annotated[str, typer.Option(help="IfNotPresent, Always or Never.")] = "IfNotPresent",
    pull_secret: Annotated[
        list[str] | None,
        typer.Option(help="A Secret there with a registry's keys. May be repeated.", show_default=False),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the manifests; change nothing.")] = False,
    wait: WaitOption = 300.0,
    kubeconfig: KubeconfigOption = "",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put hub and backbone into a cluster; the home on this machine keeps the authority.

    Sites join it from that home with `continuum site join`. The same command again changes nothing.

    Example: `continuum hub deploy --kubernetes --context big --address 192.0.2.7 --home ~/.continuum-big`
    """
    if not kubernetes:
        raise InvalidInputError("a hub is deployed to Kubernetes only", hint="say --kubernetes; here: up")
    sites.require_client()
    place = sites.HubPlace(
        continuum=name,
        address=address,
        image=image or DEFAULT_IMAGE,
        namespace=namespace,
        service=service,
        backbone_port=backbone_port,
        hub_port=hub_port,
        pull_policy=pull_policy,
        pull_secrets=tuple(pull_secret or ()),
        state_bytes=parse_size(state_size),
    )
    request = sites.HubRequest(
        context=context,
        kubeconfig=kubeconfig,
        place=place,
        storage=sites.parse_storage(state, node),
        database=database,
    )
    if dry_run:
        typer.echo(sites.format_manifests(asyncio.run(sites.plan_deploying(request))), nl=False)
        return
    with JoinScreen(is_quiet=as_json) as screen:
        deployed = asyncio.run(sites.deploy_hub(open_home(home), request, screen, within_s=wait))
    print_json(deployed) if as_json else _print(deployed)


@app.command()
def remove(
    keep_data: Annotated[
        bool, typer.Option("--keep-data", help="Leave the claim, and the namespace it is in.")
    ] = False,
    home: HomeOption = None,
) -> None:
    """Take the hub out of its cluster. Sites should have left before."""
    sites.require_client()
    with JoinScreen(is_quiet=False) as screen:
        removed = asyncio.run(sites.undeploy_hub(open_home(home), screen, keeps_data=keep_data))
    kept = f"; kept {', '.join(removed.kept)}" if removed.kept else ""
    open_console().print(f"removed the hub: {', '.join(removed.namespaces) or 'nothing was there'}{kept}")


def _print(deployed: sites.Deployed) -> None:
    console = open_console()
    console.print(
        f"[green]the hub is up[/] in {deployed.context}, namespace {deployed.namespace}: "
        f"{deployed.changed} objects applied, it answers after {deployed.ready_s:.1f} s"
    )
    console.print(f"  backbone {deployed.backbone_url}, API {deployed.hub_url}, image {deployed.image}")
    console.print("  next: continuum site join --kubernetes --context … --name … --outside ADDRESS")
