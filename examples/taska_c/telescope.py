"""The telescope, the sky above it, and how one shows itself to the other. Pure: numpy in, numpy out.

A small array in the manner of a low-frequency station: antennas on the ground, a field that it tracks for
some hours, point sources of which the brightest are in the catalogue. What it measures for two antennas, at
one time and one frequency, is the sum over sources of flux x phase (Thompson, Moran and Swenson, 2017, eq.
3.7), seen through a complex gain of each antenna that nobody knows, plus noise. All of it is drawn from fixed
seeds, so that what must come out is known.
"""

import numpy as np

SPEED_OF_LIGHT_M_S = 299_792_458.0
EARTH_RAD_S = 7.292_115_9e-5
LATITUDE = np.radians(47.38)  # Nancay
CENTRE = (np.radians(83.63), np.radians(62.0))  # right ascension and declination of the field
ANTENNAS = 20
REACH_M = 2400.0
FIRST_HZ, BAND_HZ, CHANNEL_HZ = 140e6, 6e6, 200e3
NOISE_JY = 0.6  # of one visibility
# Direction cosines east and north of the centre (radians) and flux (jansky); the first three are catalogued.
SOURCES = np.array(
    [
        (0.0005, 0.0003, 12.0),
        (-0.0052, 0.0041, 9.0),
        (0.0061, -0.0034, 7.0),
        (0.0022, 0.0063, 1.5),
        (-0.0034, -0.0058, 1.1),
        (-0.0068, -0.0007, 0.8),
    ]
)
CATALOGUED = SOURCES[:3]


def antenna_positions() -> np.ndarray:
    """Return metres east, north and up of each antenna: dense in the middle, sparse outside."""
    chance = np.random.default_rng(1)
    distance = REACH_M * chance.uniform(0.02, 1.0, ANTENNAS) ** 1.5
    angle = chance.uniform(0, 2 * np.pi, ANTENNAS)
    return np.stack([distance * np.cos(angle), distance * np.sin(angle), np.zeros(ANTENNAS)], axis=1)


def baselines() -> tuple[np.ndarray, np.ndarray]:
    """Return the first and the second antenna of every pair."""
    return np.triu_indices(ANTENNAS, 1)


def uvw_of(times_s: np.ndarray) -> np.ndarray:
    """Return u, v, w in metres, (times, baselines, 3), at `times_s` from the field's culmination."""
    east, north, up = antenna_positions().T
    x = -np.sin(LATITUDE) * north + np.cos(LATITUDE) * up
    z = np.cos(LATITUDE) * north + np.sin(LATITUDE) * up
    hour = EARTH_RAD_S * times_s[:, None]
    sin_d, cos_d = np.sin(CENTRE[1]), np.cos(CENTRE[1])
    u = np.sin(hour) * x + np.cos(hour) * east
    v = sin_d * (np.sin(hour) * east - np.cos(hour) * x) + cos_d * z
    w = cos_d * (np.cos(hour) * x - np.sin(hour) * east) + sin_d * z
    of_antenna = np.stack([u, v, w], axis=-1)
    first, second = baselines()
    return of_antenna[:, second] - of_antenna[:, first]


def predict(uvw_m: np.ndarray, frequencies_hz: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """Return what sources give without gains and noise: complex64, (rows, channels)."""
    seen = np.zeros((len(uvw_m), len(frequencies_hz)), np.complex128)
    waves = frequencies_hz / SPEED_OF_LIGHT_M_S
    for l, m, flux in sources:  # noqa: E741 - the field's names
        n = np.sqrt(1 - l * l - m * m)
        path_m = uvw_m @ np.array([l, m, n - 1])
        seen += flux * np.exp(-2j * np.pi * path_m[:, None] * waves)
    return seen.astype(np.complex64)


def gains_of(time_chunk: int, band: int) -> np.ndarray:
    """Return the gains of the antennas while a chunk of time lasts, in one sub-band."""
    chance = np.random.default_rng((2, time_chunk, band))
    return chance.uniform(0.7, 1.4, ANTENNAS) * np.exp(1j * chance.uniform(-np.pi, np.pi, ANTENNAS))


def measure(uvw_m: np.ndarray, frequencies_hz: np.ndarray, gains: np.ndarray, seed: int) -> np.ndarray:
    """Return visibilities as the telescope writes them: (times x baselines, channels)."""
    first, second = baselines()
    times = len(uvw_m) // len(first)
    first, second = np.tile(first, times), np.tile(second, times)
    chance = np.random.default_rng((3, seed))
    shape = (len(uvw_m), len(frequencies_hz))
    noise = chance.standard_normal(shape) + 1j * chance.standard_normal(shape)
    seen = predict(uvw_m, frequencies_hz, SOURCES)
    through = (gains[first] * gains[second].conj())[:, None] * seen
    return (through + NOISE_JY / np.sqrt(2) * noise).astype(np.complex64)


def frequencies_of(band: int, channels: int) -> np.ndarray:
    """Return the frequencies of a sub-band's channels in hertz."""
    return FIRST_HZ + band * BAND_HZ + CHANNEL_HZ * np.arange(channels)
