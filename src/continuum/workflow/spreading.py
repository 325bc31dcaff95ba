"""Tasks that go round: `is_distributed` calls take one site after the other, `is_replicated` ones go to all.

For functions that prepare what later tasks find at a site (a cache, a licence, a service), and for programs
that know that their calls are alike. A call that is pinned, by hand or by a constraint, stays where it is.
"""

from typing import TYPE_CHECKING, Any

from continuum.model.errors import InvalidInputError, UnavailableError
from continuum.workflow.declaring import DISTRIBUTED
from continuum.workflow.directions import Access
from continuum.workflow.pinning import pinned

if TYPE_CHECKING:
    from continuum.workflow.programming import TaskFunction
    from continuum.workflow.running import Run


def spread(run: "Run", function: "TaskFunction", args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Make the tasks of a call; return what the first of them gives. Raises `InvalidInputError`."""
    sites = _sites_for(run, function, args, kwargs)
    if function.spread == DISTRIBUTED:
        chosen = [sites[run.turns % len(sites)]]
        run.turns += 1
    else:
        check_only_reads(function)
        chosen = sites
    results = []
    for site in chosen:
        with pinned(site):
            results.append(run.call(function, args, kwargs))
    return results[0]


def _sites_for(
    run: "Run", function: "TaskFunction", args: tuple[Any, ...], kwargs: dict[str, Any]
) -> list[str]:
    needs = function.needs_of(args, kwargs)
    living = [site for site in run.driver.sites.values() if not site.load.is_lost]
    able = [site.name for site in living if site.load.computing_units >= needs.computing_units]
    if not able:
        raise UnavailableError(f"no site of the run has {needs.computing_units} computing units")
    return sorted(able, key=lambda name: name != run.driver.home)


def check_only_reads(function: "TaskFunction") -> None:
    """Raise `InvalidInputError` if a task that runs at every site writes anything but its results."""
    for name, direction in function.directions.items():
        if direction.access is not Access.READ:
            raise InvalidInputError(
                f"@task(is_replicated=True) of {function.name}: its parameter {name} is {direction}, which"
                " would be written once at each site",
                hint="give it back as a result, or call the task once",
            )
