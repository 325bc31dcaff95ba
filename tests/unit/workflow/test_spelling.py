"""Options of decorators that are misspelt, missing or in the wrong place: told with what was meant."""

import pytest

from continuum.model.errors import InvalidInputError
from continuum.workflow import (
    binary,
    constraint,
    container,
    epilog,
    http,
    implement,
    io_task,
    mpi,
    mpmd_mpi,
    multinode,
    on_failure,
    openmp,
    prolog,
    reduction,
    software,
    task,
)


def plain(numbers, size=1):
    return numbers, size


@pytest.mark.parametrize(
    ("use", "says", "hint"),
    [
        (lambda: binary(binry="ls"), "@binary has no option binry", "did you mean binary?"),
        (binary, "@binary needs binary", "@binary(binary=…)"),
        (lambda: openmp("a", thread=2), "@openmp has no option thread", "did you mean threads?"),
        (lambda: mpi(proceses=2), "@mpi has no option proceses", "did you mean processes?"),
        (mpmd_mpi, "@mpmd_mpi needs programs", "@mpmd_mpi(programs=…)"),
        (lambda: multinode(nodes=2), "@multinode has no option nodes", "there are: computing_nodes"),
        (lambda: container(img="a"), "@container has no option img", "did you mean image?"),
        (lambda: http("a", method="GET"), "@http has no option method", "there are: "),
        (http, "@http needs service_name", "@http(service_name=…)"),
        (lambda: prolog("a", arg=""), "@prolog has no option arg", "did you mean args?"),
        (lambda: epilog(binary="a", params=""), "@epilog has no option params", "args"),
        (lambda: io_task(fast=True), "@IO has no option fast", ""),
        (lambda: reduction(chunksize=2), "@reduction has no option chunksize", "did you mean chunk_size?"),
        (lambda: software("a", "b"), "@software: too many positional", "config_file"),
        (software, "@software needs config_file", "@software(config_file=…)"),
        (lambda: implement(metod="a"), "@implement has no option metod", "did you mean method?"),
        (implement, "@implement needs source_class and method", "in another way"),
        (lambda: constraint(computing_unit=1), "computing_unit=…", "did you mean computing_units?"),
        (lambda: on_failure("RETYR"), "on_failure='RETYR' is not known", "did you mean RETRY?"),
        (lambda: on_failure(management="IGNORE", return_=1)(plain), "no option return_", "returns?"),
        (lambda: on_failure(managment="IGNORE")(plain), "no option managment", "did you mean management?"),
        (lambda: task(on_failure="RETYR")(plain), "on_failure='RETYR' is not known", "did you mean RETRY?"),
        (lambda: task(prioirty=True)(plain), "no option prioirty", "did you mean priority?"),
        (lambda: binary("ls")(plain), "@binary goes above @task", "directly above the function"),
        (lambda: reduction()(plain), "@reduction goes above @task", "directly above the function"),
        (lambda: binary("ls", args="{{sise}}")(task()(plain)), "no parameter sise", "did you mean size?"),
    ],
)
def test_what_is_misspelt_is_told_where_it_stands(use, says, hint):
    with pytest.raises(InvalidInputError) as refused:
        use()
    assert says in refused.value.message
    assert hint in refused.value.hint


def test_the_old_spellings_of_options_are_taken():
    made = binary(binary="ls", workingDir="/tmp", failByExitValue=False)(task()(plain))
    assert made.kind.program.working_folder == "/tmp"
    assert made.kind.program.fails_by_exit_value is False


def test_a_decorator_that_needs_no_option_may_stand_without_parentheses():
    assert io_task(task()(plain)).kind.is_io
    assert reduction(task(returns=1)(lambda numbers: numbers)).expand is not None


def test_defaults_are_given_for_parameters_and_results():
    made = on_failure(management="IGNORE", returns=0, numbers=[])(task(returns=1)(plain))
    assert made.failing.defaults == {"returns": 0, "numbers": []}
