"""Observe tiles of the sky and keep them in the store of the site where they were observed.

    continuum run --placement edge  examples/sky_survey/observe.py 0 12
    continuum run --placement cloud examples/sky_survey/observe.py 12 24

Arguments: the first tile's number, the number after the last, and (optional) where tiles go.
"""

import sys

import numpy as np
from pycompss.api.api import compss_wait_on
from pycompss.api.parameter import FILE_OUT
from pycompss.api.task import task
from sky import make_tile

TILES = "s3://sky-survey/tiles"


@task(tile=FILE_OUT, returns=int)
def observe(number, tile):
    """Write one tile as a .npy file; return its size in bytes."""
    with open(tile, "wb") as file:
        np.save(file, make_tile(number))
        return file.tell()


def main():
    first, end = int(sys.argv[1]), int(sys.argv[2])
    tiles = sys.argv[3] if len(sys.argv) > 3 else TILES
    sizes = [observe(number, f"{tiles}/{number:03d}.npy") for number in range(first, end)]
    print(f"observed {end - first} tiles, {sum(compss_wait_on(sizes)) / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
