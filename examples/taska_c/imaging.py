"""Calibration and imaging with numpy. Pure: arrays in, arrays out.

Calibration finds one complex gain per antenna (StefCal: Salvini and Wijnholds, 2014). An image is made by
putting visibilities on a grid with a Kaiser-Bessel kernel, a Fourier transform, and dividing by the kernel's
own transform. The w-term is left out: the field is small and the array flat. Images of parts are sums, so
images of any parts can be joined in any order; CLEAN (Hogbom, 1974) then takes the telescope's own pattern
out of the whole.
"""

import numpy as np
from telescope import ANTENNAS, SPEED_OF_LIGHT_M_S

SIDE_PX = 512
CELL_RAD = np.radians(12 / 3600)
SUPPORT = 6  # cells that a visibility is spread over, per axis
SHAPE = 2.34 * SUPPORT  # of the kernel; Jackson et al., 1991
GAIN = 0.1
MOST_COMPONENTS = 2000
Part = dict[str, np.ndarray]


def solve_gains(part: Part, model: np.ndarray, *, rounds: int = 100, tolerance: float = 1e-6) -> np.ndarray:
    """Return the gain of every antenna, its phase relative to the first antenna's."""
    first, second = part["first"], part["second"]
    crossed = np.zeros((ANTENNAS, ANTENNAS), np.complex128)
    power = np.zeros((ANTENNAS, ANTENNAS))
    np.add.at(crossed, (first, second), (part["visibilities"] * model.conj()).sum(axis=1))
    np.add.at(power, (first, second), (np.abs(model) ** 2).sum(axis=1))
    crossed += crossed.conj().T
    power += power.T
    gains = np.ones(ANTENNAS, np.complex128)
    for turn in range(rounds):
        new = (crossed @ gains) / (power @ np.abs(gains) ** 2)
        if turn % 2:
            new = (new + gains) / 2
        change = np.linalg.norm(new - gains) / np.linalg.norm(new)
        gains = new
        if change < tolerance:
            break
    return gains * np.exp(-1j * np.angle(gains[0]))


def correct(part: Part, gains: np.ndarray) -> Part:
    """Return the part as it would be with gains of 1."""
    through = gains[part["first"]] * gains[part["second"]].conj()
    return {**part, "visibilities": part["visibilities"] / through[:, None]}


def make_image(part: Part) -> np.ndarray:
    """Return image and point spread, (2, side, side), as sums over visibilities; the spread's middle is their
    number.
    """
    waves = part["frequencies"] / SPEED_OF_LIGHT_M_S
    u = (part["uvw"][:, :1] * waves).ravel() * CELL_RAD * SIDE_PX
    v = (part["uvw"][:, 1:2] * waves).ravel() * CELL_RAD * SIDE_PX
    seen = part["visibilities"].astype(np.complex128).ravel()
    inside = np.maximum(np.abs(u), np.abs(v)) < SIDE_PX / 2 - SUPPORT
    u, v, seen = u[inside], v[inside], seen[inside]
    return np.stack([_transform(u, v, seen), _transform(u, v, np.ones_like(seen))])


def _transform(u: np.ndarray, v: np.ndarray, seen: np.ndarray) -> np.ndarray:
    grid = np.zeros(SIDE_PX * SIDE_PX, np.complex128)
    left = np.floor(u).astype(np.intp) - SUPPORT // 2 + 1
    low = np.floor(v).astype(np.intp) - SUPPORT // 2 + 1
    for right in range(SUPPORT):
        across = _kernel(u - (left + right))
        for up in range(SUPPORT):
            share = across * _kernel(v - (low + up)) * seen
            cell = (low + up + SIDE_PX // 2) * SIDE_PX + left + right + SIDE_PX // 2
            grid += np.bincount(cell, share.real, grid.size) + 1j * np.bincount(cell, share.imag, grid.size)
    turned = np.fft.ifftshift(grid.reshape(SIDE_PX, SIDE_PX))
    image = np.fft.fftshift(np.fft.ifft2(turned)).real * SIDE_PX**2
    taper = _kernel_transform()
    return image / np.outer(taper, taper)


def _kernel(distance: np.ndarray) -> np.ndarray:
    inside = np.maximum(0.0, 1 - (2 * distance / SUPPORT) ** 2)
    return np.i0(SHAPE * np.sqrt(inside)) / np.i0(SHAPE)


def _kernel_transform() -> np.ndarray:
    """Return what the kernel does to the pixels of one axis: the Fourier transform of its samples, finely."""
    fine = np.linspace(-SUPPORT / 2, SUPPORT / 2, 2001)
    pixel = (np.arange(SIDE_PX) - SIDE_PX // 2) / SIDE_PX
    return np.trapezoid(_kernel(fine) * np.cos(2 * np.pi * pixel[:, None] * fine), fine, axis=1)


def clean(image: np.ndarray, spread: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Return components and residual; components are looked for in the inner quarter."""
    residual = image.copy()
    components = np.zeros_like(image)
    quarter = SIDE_PX // 4
    inner = residual[quarter:-quarter, quarter:-quarter]
    middle = SIDE_PX // 2
    for _ in range(MOST_COMPONENTS):
        row, column = np.unravel_index(np.argmax(np.abs(inner)), inner.shape)
        peak = inner[row, column]
        if abs(peak) < threshold:
            break
        row, column = row + quarter, column + quarter
        components[row, column] += GAIN * peak
        _subtract(residual, spread, row - middle, column - middle, GAIN * peak)
    return components, residual


def _subtract(residual: np.ndarray, spread: np.ndarray, down: int, right: int, flux: float) -> None:
    rows, columns = slice(max(0, down), SIDE_PX + min(0, down)), slice(max(0, right), SIDE_PX + min(0, right))
    of_rows = slice(max(0, -down), SIDE_PX - max(0, down))
    of_columns = slice(max(0, -right), SIDE_PX - max(0, right))
    residual[rows, columns] -= flux * spread[of_rows, of_columns]


def beam_sigma_px(spread: np.ndarray) -> float:
    """Return the width of the round Gaussian that falls to one half where the point spread does."""
    middle = SIDE_PX // 2
    profile = (spread[middle, middle:] + spread[middle:, middle]) / 2
    half = int(np.argmax(profile < 0.5 * profile[0]))
    above, below = profile[half - 1], profile[half]
    radius = half - 1 + (above - 0.5 * profile[0]) / (above - below)
    return radius / np.sqrt(2 * np.log(2))


def restore(components: np.ndarray, residual: np.ndarray, sigma_px: float) -> np.ndarray:
    """Return the picture: components drawn with the beam, on what was left."""
    away = np.fft.fftfreq(SIDE_PX)
    taper = np.exp(-2 * (np.pi * sigma_px * away) ** 2)
    smooth = np.fft.ifft2(np.fft.fft2(components) * np.outer(taper, taper)).real
    return residual + smooth * 2 * np.pi * sigma_px**2


def find_sources(picture: np.ndarray, sigma_px: float, threshold: float) -> list[tuple[float, float, float]]:
    """Return direction cosines and flux of every peak above the threshold, brightest first."""
    left, middle = picture.copy(), SIDE_PX // 2
    reach = int(np.ceil(4 * sigma_px))
    edge = SIDE_PX // 4
    left[:edge], left[-edge:], left[:, :edge], left[:, -edge:] = 0, 0, 0, 0
    found = []
    while True:
        row, column = np.unravel_index(np.argmax(left), left.shape)
        peak = left[row, column]
        if peak < threshold:
            return found
        found.append(((column - middle) * CELL_RAD, (row - middle) * CELL_RAD, float(peak)))
        left[row - reach : row + reach + 1, column - reach : column + reach + 1] = 0
