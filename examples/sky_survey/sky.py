"""A synthetic radio sky in tiles, and what is measured in it. Pure: numpy in, numpy and plain values out.

A tile is Gaussian noise of standard deviation 1 in which point sources stand, each a small Gaussian (the beam
of the instrument). All of it follows from the tile's number, so that what was planted is known wherever the
tile is measured.
"""

import numpy as np

SIDE_PX = 2048
BEAM_SIGMA_PX = 1.0
THRESHOLD_SIGMAS = 7.0  # noise alone reaches this once in 10^12 pixels
SPACING_PX = 64
BINS = 64


def planted_sources(number: int) -> list[tuple[int, int, float]]:
    """Return row, column and brightness of a tile's sources: one in each of 20 to 60 cells of a grid."""
    chance = np.random.default_rng((number, 1))
    per_side = SIDE_PX // SPACING_PX
    cells = chance.choice(per_side * per_side, size=int(chance.integers(20, 60)), replace=False)
    offsets = chance.integers(12, SPACING_PX - 12, size=(len(cells), 2))
    brightness = chance.uniform(25.0, 90.0, size=len(cells))
    return [
        (int(cell // per_side * SPACING_PX + down), int(cell % per_side * SPACING_PX + right), float(bright))
        for cell, (down, right), bright in zip(cells, offsets, brightness, strict=True)
    ]


def observer_of(number: int) -> int:
    """Return which of two telescopes observes a tile: of each pair one each, in changing order.

    (The Thue-Morse sequence: no schedule that merely alternates between two places happens to follow it.)
    """
    return number.bit_count() % 2


def make_tile(number: int) -> np.ndarray:
    """Return the tile: float32, `SIDE_PX` squared, 16 MiB."""
    chance = np.random.default_rng((number, 2))
    tile = chance.standard_normal((SIDE_PX, SIDE_PX), dtype=np.float32)
    reach = np.arange(-6, 7)
    beam = np.exp(-(reach[:, None] ** 2 + reach[None, :] ** 2) / (2 * BEAM_SIGMA_PX**2)).astype(np.float32)
    for row, column, bright in planted_sources(number):
        tile[row - 6 : row + 7, column - 6 : column + 7] += bright * beam
    return tile


def find_sources(tile: np.ndarray) -> list[tuple[int, int, float]]:
    """Return row, column and peak of every source: the brightest pixel above the threshold nearby."""
    centre, spread = background(tile)
    rows, columns = np.nonzero(tile > centre + THRESHOLD_SIGMAS * spread)
    peaks = tile[rows, columns]
    found: list[tuple[int, int, float]] = []
    for index in np.argsort(-peaks):
        row, column = int(rows[index]), int(columns[index])
        if all(abs(row - other[0]) > 6 or abs(column - other[1]) > 6 for other in found):
            found.append((row, column, float(peaks[index])))
    return sorted(found)


def background(tile: np.ndarray) -> tuple[float, float]:
    """Return level and noise of a tile: median and median deviation of a sixteenth of its pixels."""
    sample = np.asarray(tile[::4, ::4])
    centre = float(np.median(sample))
    return centre, 1.4826 * float(np.median(np.abs(sample - centre)))


def power_spectrum(tile: np.ndarray) -> np.ndarray:
    """Return the mean power in `BINS` rings of spatial frequency, from the largest scales to the smallest."""
    power = np.abs(np.fft.rfft2(tile)) ** 2 / tile.size
    down = np.fft.fftfreq(SIDE_PX)[:, None]
    right = np.fft.rfftfreq(SIDE_PX)[None, :]
    ring = np.minimum((np.hypot(down, right) * 2 * BINS).astype(np.intp), BINS - 1).ravel()
    return np.bincount(ring, weights=power.ravel(), minlength=BINS) / np.bincount(ring, minlength=BINS)
