"""`continuum site leave` and `site upgrade`."""

from typing import Annotated

import typer

from continuum import sites
from continuum.cli.clusters.joining import (
    ContextOption,
    KubeconfigOption,
    WaitOption,
    finish,
    print_joined,
)
from continuum.cli.clusters.screens import JoinScreen
from continuum.cli.options import HomeOption, JsonOption, open_console, open_home, print_json

NameArgument = Annotated[str, typer.Argument(help="The site's name.")]


def leave(  # noqa: PLR0917 -- typer takes options from parameters
    name: NameArgument,
    now: Annotated[bool, typer.Option("--now", help="Do not wait for tasks that run there.")] = False,
    keep_data: Annotated[
        bool, typer.Option("--keep-data", help="Leave claims and volumes, and the namespace they are in.")
    ] = False,
    abandon_data: Annotated[
        bool, typer.Option("--abandon-data", help="Lose the objects whose only copy is there.")
    ] = False,
    wait: Annotated[float, typer.Option("--wait", min=0, help="How long to wait for tasks (s).")] = 300.0,
    context: ContextOption = "",
    kubeconfig: KubeconfigOption = "",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a site out of its cluster: everything that joining made, and nothing else.

    Refuses while the only copy of an object is there. Waits for tasks that run there.
    """
    sites.require_client()
    request = sites.LeaveRequest(
        name=name,
        context=context,
        kubeconfig=kubeconfig,
        wait_s=wait,
        is_at_once=now,
        keeps_data=keep_data,
        abandons_data=abandon_data,
    )
    with JoinScreen(is_quiet=as_json) as screen:
        removed = finish(sites.leave_cluster(open_home(home), request, screen.tell), name)
    if as_json:
        print_json(removed)
        return
    namespaces = ", ".join(removed.namespaces) or "no namespace"
    others = f"{removed.objects} other objects"
    open_console().print(f"{name} is no site any more: removed {namespaces}, {others}")
    for kept in removed.kept:
        open_console().print(f"  kept: namespace {kept} with its claims")


def upgrade(
    name: NameArgument,
    image: Annotated[str, typer.Option(help="The new image. Default: as before.", show_default=False)] = "",
    wait: WaitOption = 300.0,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring a site to another image, and to what this version of continuum plans; runs go on."""
    sites.require_client()
    with JoinScreen(is_quiet=as_json) as screen:
        joined = finish(
            sites.upgrade_cluster(open_home(home), name, screen, image=image, within_s=wait), name
        )
    print_json(joined) if as_json else print_joined(joined)
