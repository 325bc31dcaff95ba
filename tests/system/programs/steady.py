"""Some seconds of small tasks whose result is known: the sum of squares.

Each leaves a mark in a folder when it has run, so that whoever watches knows how far the run is.
"""

import sys
import time
from pathlib import Path

from pycompss.api.api import compss_wait_on
from pycompss.api.parameter import COLLECTION_IN
from pycompss.api.task import task


@task(returns=int)
def square(number, marks):
    time.sleep(0.05)
    Path(marks, str(number)).touch()
    return number * number


@task(numbers=COLLECTION_IN, returns=int)
def total(numbers):
    return sum(numbers)


def main():
    squares = [square(number, sys.argv[2]) for number in range(int(sys.argv[1]))]
    sums = [total(squares[start : start + 10]) for start in range(0, len(squares), 10)]
    print("total", compss_wait_on(total(sums)))


if __name__ == "__main__":
    main()
