"""Functions that are called at sites by name."""

from continuum.workflow import constraint, task


@task(returns=int)
def double(number):
    return 2 * number


@constraint(site="edge")
@task(returns=int)
def at_edge(number):
    return number


@constraint(site="where")
@task(returns=int)
def at(number, where):
    return number
