"""Tasks come from a package beside the program; arguments and environment reach them."""

import os
import sys

from pycompss.api.api import compss_wait_on
from pycompss.api.task import task
from shapes.circles import Circle, grown


@task(returns=str)
def colour():
    return os.environ["COLOUR"]


if __name__ == "__main__":
    circle = grown(grown(Circle(1), 1), 1)
    print("area", compss_wait_on(circle.area()), compss_wait_on(colour()), sys.argv[1:])
