"""Calibrate and image one MeasurementSet, its parts wherever they are handled first.

    continuum run examples/taska_c/taska_c.py s3://taska/observation.ms.tar s3://taska

Arguments: the MeasurementSet (one archive), and where the results go (a folder or s3://bucket/prefix):
image.fits, picture.png and sources.json.
"""

import sys

import imaging
import keeping
import measurement_set
import numpy as np
from pycompss.api.api import compss_barrier, compss_wait_on
from pycompss.api.parameter import FILE_IN, FILE_OUT
from pycompss.api.task import task
from telescope import CATALOGUED, FIRST_HZ, predict

SIGMAS = 6.0


@task(archive=FILE_IN, returns=tuple)
def look(archive):
    """Return how many chunks of time and sub-bands there are."""
    with measurement_set.unpacked(archive) as path:
        return measurement_set.shape_of(path)


@task(archive=FILE_IN, returns=1)
def partition(archive, time_chunk, band):
    """Return one part: a chunk of time in one sub-band."""
    with measurement_set.unpacked(archive) as path:
        return measurement_set.read(path, time_chunk, band)


@task(returns=1)
def calibrate(part):
    """Return the part with the antennas' gains taken out, by what the catalogue says of the sky."""
    model = predict(part["uvw"], part["frequencies"], CATALOGUED)
    return imaging.correct(part, imaging.solve_gains(part, model))


@task(returns=1)
def make_image(part):
    """Return image and point spread of one part, as sums."""
    return imaging.make_image(part)


@task(returns=1)
def join(image, other):
    """Return the image of two images' data together."""
    return image + other


@task(fits=FILE_OUT, picture=FILE_OUT, sources=FILE_OUT, returns=list)
def finish(image, fits, picture, sources):
    """Clean the joined image, write it in three forms, and return the sources."""
    dirty, spread = image / image[1].max()
    noise = 1.4826 * float(np.median(np.abs(dirty - np.median(dirty))))
    components, residual = imaging.clean(dirty, spread, 2 * noise)
    noise = 1.4826 * float(np.median(np.abs(residual - np.median(residual))))
    sigma_px = imaging.beam_sigma_px(spread)
    restored = imaging.restore(components, residual, sigma_px)
    found = imaging.find_sources(restored, sigma_px, SIGMAS * noise)
    keeping.write_fits(restored, fits, FIRST_HZ)
    keeping.write_picture(restored, found, picture)
    keeping.write_sources(found, sources, noise_jy=noise)
    return found


def main():
    archive, results = sys.argv[1], sys.argv[2].rstrip("/")
    time_chunks, bands = compss_wait_on(look(archive))
    parts = [partition(archive, chunk, band) for chunk in range(time_chunks) for band in range(bands)]
    images = [make_image(calibrate(part)) for part in parts]
    while len(images) > 1:  # a tree: the first two become the last one
        images.append(join(images.pop(0), images.pop(0)))
    found = finish(images[0], f"{results}/image.fits", f"{results}/picture.png", f"{results}/sources.json")
    found = compss_wait_on(found)
    compss_barrier()
    print(f"{time_chunks * bands} parts; {len(found)} sources in {results}/sources.json:")
    for east, north, flux in found:
        print(f"  {east * 1e3:+7.3f} mrad east {north * 1e3:+7.3f} mrad north  {flux:6.2f} Jy")


if __name__ == "__main__":
    main()
