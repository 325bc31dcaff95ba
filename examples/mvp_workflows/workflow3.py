"""Workflow 3 of §6.1: join the hexadecimal results of workflows 1 and 2, which must have finished.

continuum run --name workflow3 --after workflow1 --after workflow2 examples/mvp_workflows/workflow3.py
[RESULT1 RESULT2 JOINED]
"""

import sys

from pycompss.api.api import compss_barrier
from pycompss.api.parameter import FILE_IN, FILE_OUT
from pycompss.api.task import task

DEFAULTS = ["s3://mvp/result1.txt", "s3://mvp/result2.txt", "s3://mvp/joined.txt"]


@task(first=FILE_IN, second=FILE_IN, joined=FILE_OUT)
def join(first, second, joined):
    """Write `first`, then `second`, into one file."""
    with open(joined, "w") as target:
        for path in (first, second):
            with open(path) as source:
                target.write(source.read())


def main():
    first, second, joined = sys.argv[1:] or DEFAULTS
    join(first, second, joined)
    compss_barrier()
    print(f"joined {first} and {second} into {joined}")


if __name__ == "__main__":
    main()
