"""A task raises after others have finished; what the program does then is its first argument."""

import sys
from pathlib import Path

from pycompss.api.api import compss_barrier, compss_wait_on
from pycompss.api.parameter import FILE_IN, FILE_OUT
from pycompss.api.task import task

from continuum.workflow import TaskFailedError


@task(returns=int)
def good(number):
    return number


@task(kept=FILE_OUT)
def keep(number, kept):
    Path(kept).write_text(str(number))


@task(kept=FILE_IN, returns=int)
def size(kept):
    return Path(kept).stat().st_size


@task(returns=int)
def bad(number):
    raise ValueError(f"cannot do {number}")


@task(returns=int)
def follow(number):
    return number


def main():
    how, kept = sys.argv[1], sys.argv[2]
    keep(good(41), kept)
    compss_wait_on(size(kept))  # the file is there, but not at the program's side yet
    behind = follow(bad(13))
    if how == "waits":
        compss_wait_on(behind)
    elif how == "barrier":
        compss_barrier()
    elif how == "catches":
        try:
            compss_wait_on(behind)
        except TaskFailedError as problem:
            print("caught", problem.function, type(problem.__cause__).__name__)
    print("went on")


if __name__ == "__main__":
    main()
