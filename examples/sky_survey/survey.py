"""Measure every tile of the survey where it lies, and join the measurements.

    continuum run --placement gravity examples/sky_survey/survey.py 24
    continuum run --placement load examples/sky_survey/survey.py 24

Arguments: how many tiles, and (optional) where they are and where the summary goes. The program is the same
wherever the tiles are: which site measures which tile is the platform's business.
"""

import json
import sys

import numpy as np
from pycompss.api.api import compss_barrier
from pycompss.api.parameter import COLLECTION_IN, FILE_IN, FILE_OUT
from pycompss.api.task import task
from sky import background, find_sources, power_spectrum

TILES = "s3://sky-survey/tiles"
SUMMARY = "s3://sky-survey/summary.json"


@task(tile=FILE_IN, returns=dict)
def measure(number, tile):
    """Return what is in one tile: noise, sources, power spectrum."""
    image = np.load(tile, mmap_mode="r")
    level, noise = background(image)
    return {
        "tile": number,
        "level": level,
        "noise": noise,
        "sources": [(number, *source) for source in find_sources(image)],
        "power": power_spectrum(image),
    }


@task(measurements=COLLECTION_IN, summary=FILE_OUT)
def join(measurements, summary):
    """Write the catalogue of all sources and the mean spectrum as JSON."""
    sources = [source for each in measurements for source in each["sources"]]
    with open(summary, "w") as file:
        json.dump(
            {
                "tiles": len(measurements),
                "noise": float(np.mean([each["noise"] for each in measurements])),
                "sources": sorted(sources),
                "power": np.mean([each["power"] for each in measurements], axis=0).tolist(),
            },
            file,
        )


def main():
    count = int(sys.argv[1])
    tiles = sys.argv[2] if len(sys.argv) > 2 else TILES
    summary = sys.argv[3] if len(sys.argv) > 3 else SUMMARY
    join([measure(number, f"{tiles}/{number:03d}.npy") for number in range(count)], summary)
    compss_barrier()
    print(f"measured {count} tiles into {summary}")


if __name__ == "__main__":
    main()
