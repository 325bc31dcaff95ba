"""Observe: make a MeasurementSet and put it into the store.

    continuum run examples/taska_c/observe.py s3://taska/observation.ms.tar

Arguments: where it goes, and (optional) how many chunks of time, sub-bands, samples a chunk and channels.
"""

import sys
import tempfile
from pathlib import Path

import measurement_set
from pycompss.api.api import compss_barrier
from pycompss.api.parameter import FILE_OUT
from pycompss.api.task import task


@task(archive=FILE_OUT)
def observe(archive, time_chunks, bands, times, channels):
    """Write the MeasurementSet as one archive."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "observation.ms"
        measurement_set.write(path, time_chunks=time_chunks, bands=bands, times=times, channels=channels)
        measurement_set.pack(path, Path(archive))


def main():
    archive = sys.argv[1]
    shape = [int(word) for word in sys.argv[2:6]] or [4, 4, 40, 8]
    observe(archive, *shape)
    compss_barrier()
    print(f"observed {shape[0]} chunks of time in {shape[1]} sub-bands into {archive}")


if __name__ == "__main__":
    main()
