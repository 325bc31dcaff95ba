"""Workflow 2 of §6.1: filter, add and subtract in parallel, sum, convert; results back into the object store.

continuum run --name workflow2 examples/mvp_workflows/workflow2.py [IMAGE RESULT DECIMAL]
"""

import sys

from imaging import process
from pycompss.api.api import compss_barrier

DEFAULTS = ["s3://mvp/img02.hex", "s3://mvp/result2.txt", "s3://mvp/decimal_img02.txt"]
ADDED = 0x1000
SUBTRACTED = 0x0001


def main():
    image, result, decimal = sys.argv[1:] or DEFAULTS
    process(image, result, decimal, ADDED, SUBTRACTED)
    compss_barrier()
    print(f"{image}: wrote {result} and {decimal}")


if __name__ == "__main__":
    main()
