"""Observe one telescope's tiles of the sky and keep them in the store of the site where it stands.

    continuum run --placement edge  examples/sky_survey/observe.py 0 24
    continuum run --placement cloud examples/sky_survey/observe.py 1 24

Arguments: which of the two telescopes, how many tiles both observe together, and (optional) where tiles go.
"""

import sys

import numpy as np
from pycompss.api.api import compss_wait_on
from pycompss.api.parameter import FILE_OUT
from pycompss.api.task import task
from sky import make_tile, observer_of

TILES = "s3://sky-survey/tiles"


@task(tile=FILE_OUT, returns=int)
def observe(number, tile):
    """Write one tile as a .npy file; return its size in bytes."""
    with open(tile, "wb") as file:
        np.save(file, make_tile(number))
        return file.tell()


def main():
    telescope, count = int(sys.argv[1]), int(sys.argv[2])
    tiles = sys.argv[3] if len(sys.argv) > 3 else TILES
    mine = [number for number in range(count) if observer_of(number) == telescope]
    sizes = compss_wait_on([observe(number, f"{tiles}/{number:03d}.npy") for number in mine])
    print(f"telescope {telescope} observed {len(mine)} tiles, {sum(sizes) / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
