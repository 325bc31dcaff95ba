"""MeasurementSets (version 2, as casacore writes them), and how one travels as a single object.

A MeasurementSet is a folder of tables: one row for every time, pair of antennas and sub-band, with the
visibilities of the sub-band's channels in the column DATA. In the store it is one tar archive.
"""

import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from casacore.tables import default_ms, makearrcoldesc, maketabdesc, table
from telescope import (
    ANTENNAS,
    CENTRE,
    CHANNEL_HZ,
    antenna_positions,
    baselines,
    frequencies_of,
    gains_of,
    measure,
    uvw_of,
)

STEP_S = 60.0
START_S = 5.2e9  # of MeasurementSets: seconds since 17 November 1858
STOKES_I = 1  # the code of casacore


def write(path: Path, *, time_chunks: int, bands: int, times: int, channels: int) -> None:
    """Observe: write a MeasurementSet of `time_chunks` x `times` samples in `bands` sub-bands."""
    visibilities = makearrcoldesc("DATA", 0j, valuetype="complex", ndim=2)
    with default_ms(str(path), maketabdesc([visibilities])) as main:
        for chunk in range(time_chunks):
            for band in range(bands):
                sample = np.arange(chunk * times, (chunk + 1) * times)
                since_culmination_s = (sample - time_chunks * times / 2) * STEP_S
                _observe(main, chunk, band, since_culmination_s, channels)
    _describe(path, bands, channels)


def _observe(main: table, chunk: int, band: int, since_culmination_s: np.ndarray, channels: int) -> None:
    first, second = baselines()
    times = len(since_culmination_s)
    uvw_m = uvw_of(since_culmination_s).reshape(-1, 3)
    frequencies = frequencies_of(band, channels)
    data = measure(uvw_m, frequencies, gains_of(chunk, band), seed=chunk * 1000 + band)
    rows = main.nrows()
    main.addrows(len(uvw_m))
    columns = {
        "TIME": np.repeat(START_S + since_culmination_s, len(first)),
        "ANTENNA1": np.tile(first, times).astype(np.int32),
        "ANTENNA2": np.tile(second, times).astype(np.int32),
        "DATA_DESC_ID": np.full(len(uvw_m), band, np.int32),
        "SCAN_NUMBER": np.full(len(uvw_m), chunk, np.int32),
        "UVW": uvw_m,
        "DATA": data[:, :, None],
        "FLAG": np.zeros((len(uvw_m), channels, 1), bool),
        "WEIGHT": np.ones((len(uvw_m), 1), np.float32),
        "SIGMA": np.ones((len(uvw_m), 1), np.float32),
        "INTERVAL": np.full(len(uvw_m), STEP_S),
        "EXPOSURE": np.full(len(uvw_m), STEP_S),
    }
    for name, values in columns.items():
        main.putcol(name, values, rows, len(uvw_m))


def _describe(path: Path, bands: int, channels: int) -> None:
    """Fill the tables beside the main one: antennas, sub-bands, field."""
    with table(f"{path}::ANTENNA", readonly=False, ack=False) as antennas:
        antennas.addrows(ANTENNAS)
        antennas.putcol("POSITION", antenna_positions())
        antennas.putcol("NAME", [f"A{number:02d}" for number in range(ANTENNAS)])
    with table(f"{path}::SPECTRAL_WINDOW", readonly=False, ack=False) as windows:
        windows.addrows(bands)
        for band in range(bands):
            frequencies = frequencies_of(band, channels)
            windows.putcell("CHAN_FREQ", band, frequencies)
            windows.putcell("CHAN_WIDTH", band, np.full(channels, CHANNEL_HZ))
            windows.putcell("REF_FREQUENCY", band, frequencies[0])
            windows.putcell("NUM_CHAN", band, channels)
            windows.putcell("NAME", band, f"SB{band:03d}")
    with table(f"{path}::DATA_DESCRIPTION", readonly=False, ack=False) as descriptions:
        descriptions.addrows(bands)
        descriptions.putcol("SPECTRAL_WINDOW_ID", np.arange(bands, dtype=np.int32))
    with table(f"{path}::POLARIZATION", readonly=False, ack=False) as polarizations:
        polarizations.addrows(1)
        polarizations.putcell("CORR_TYPE", 0, np.array([STOKES_I], np.int32))
        polarizations.putcell("NUM_CORR", 0, 1)
    with table(f"{path}::FIELD", readonly=False, ack=False) as fields:
        fields.addrows(1)
        for name in ("PHASE_DIR", "DELAY_DIR", "REFERENCE_DIR"):
            fields.putcell(name, 0, np.array([CENTRE]))
        fields.putcell("NAME", 0, "synthetic")


def shape_of(path: Path) -> tuple[int, int]:
    """Return how many chunks of time (scans) and sub-bands a MeasurementSet has."""
    with table(str(path), ack=False) as main:
        scans = len(np.unique(main.getcol("SCAN_NUMBER")))
    with table(f"{path}::SPECTRAL_WINDOW", ack=False) as windows:
        return scans, windows.nrows()


def read(path: Path, time_chunk: int, band: int) -> dict[str, np.ndarray]:
    """Return one part: a chunk of time in one sub-band."""
    with table(f"{path}::SPECTRAL_WINDOW", ack=False) as windows:
        frequencies = windows.getcell("CHAN_FREQ", band)
    wanted = f"SCAN_NUMBER = {time_chunk:d} and DATA_DESC_ID = {band:d} and not all(FLAG)"
    with table(str(path), ack=False) as main, main.query(wanted) as chosen:
        return {
            "uvw": chosen.getcol("UVW"),
            "first": chosen.getcol("ANTENNA1"),
            "second": chosen.getcol("ANTENNA2"),
            "frequencies": frequencies,
            "visibilities": chosen.getcol("DATA")[:, :, 0],
        }


def pack(path: Path, archive: Path) -> None:
    """Make one file of a MeasurementSet."""
    with tarfile.open(archive, "w") as tar:
        tar.add(path, "observation.ms")


@contextmanager
def unpacked(archive: str | Path) -> Iterator[Path]:
    """Give the MeasurementSet in an archive as a folder, for as long as the block lasts."""
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        yield Path(folder) / "observation.ms"
