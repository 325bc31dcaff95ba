"""Some seconds of small tasks whose result is known: the sum of squares."""

import sys
import time

from pycompss.api.api import compss_wait_on
from pycompss.api.parameter import COLLECTION_IN
from pycompss.api.task import task


@task(returns=int)
def square(number):
    time.sleep(0.05)
    return number * number


@task(numbers=COLLECTION_IN, returns=int)
def total(numbers):
    return sum(numbers)


def main():
    squares = [square(number) for number in range(int(sys.argv[1]))]
    sums = [total(squares[start : start + 10]) for start in range(0, len(squares), 10)]
    print("total", compss_wait_on(total(sums)))


if __name__ == "__main__":
    main()
