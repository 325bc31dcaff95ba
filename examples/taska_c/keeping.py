"""The result as files: FITS for the next program, a picture for people, the sources as JSON."""

import json
import shutil
import tempfile

import matplotlib as mpl
import numpy as np
from casacore.images import image as casacore_image
from imaging import CELL_RAD, SIDE_PX
from telescope import CATALOGUED, CENTRE

mpl.use("Agg")
import matplotlib.pyplot as plt

ARCMIN = 60 * np.degrees(1)


def write_fits(picture: np.ndarray, path: str, frequency_hz: float) -> None:
    """Write the image in jansky per beam with its coordinates (J2000, SIN projection; east is left)."""
    values = picture[None, None, :, ::-1].astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        coordinates = casacore_image("", values=values).coordinates()
        direction = coordinates["direction"]
        direction.set_referencevalue([CENTRE[1] * ARCMIN, CENTRE[0] * ARCMIN])
        direction.set_increment([CELL_RAD * ARCMIN, -CELL_RAD * ARCMIN])
        direction.set_referencepixel([SIDE_PX // 2, SIDE_PX - 1 - SIDE_PX // 2])
        coordinates["direction"] = direction
        coordinates["spectral"].set_referencevalue(frequency_hz)
        casacore_image("", values=values, coordsys=coordinates).tofits(f"{folder}/image.fits", velocity=False)
        shutil.copyfile(f"{folder}/image.fits", path)


def write_picture(picture: np.ndarray, sources: list[tuple[float, float, float]], path: str) -> None:
    """Draw the inner field; circles are what was found, crosses what the catalogue knew."""
    half = SIDE_PX // 2 * CELL_RAD * ARCMIN
    figure, axes = plt.subplots(figsize=(7.2, 6), dpi=110)
    noise = 1.4826 * np.median(np.abs(picture - np.median(picture)))
    shown = axes.imshow(
        np.arcsinh(picture / (3 * noise)), origin="lower", extent=(-half, half, -half, half), cmap="inferno"
    )
    shown.set_clim(vmin=-1)
    for east, north, _ in sources:
        axes.plot(east * ARCMIN, north * ARCMIN, "o", mfc="none", mec="cyan", ms=13)
    axes.plot(CATALOGUED[:, 0] * ARCMIN, CATALOGUED[:, 1] * ARCMIN, "x", color="white", ms=6)
    axes.set(xlim=(half / 2, -half / 2), ylim=(-half / 2, half / 2))
    axes.set(xlabel="east of the centre (arcmin)", ylabel="north of the centre (arcmin)")
    axes.set_title("calibrated, imaged and cleaned: o found, x in the catalogue")
    ticks = np.array([0.1, 0.3, 1, 3, 10])
    bar = figure.colorbar(shown, ticks=np.arcsinh(ticks / (3 * noise)))
    bar.ax.set_yticklabels([f"{tick:g}" for tick in ticks])
    bar.set_label("Jy / beam")
    figure.savefig(path, format="png", bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)


def write_sources(sources: list[tuple[float, float, float]], path: str, **more: float) -> None:
    """Write the list of sources and whatever else is worth knowing."""
    found = [
        {"east_rad": east, "north_rad": north, "flux_jy": round(flux, 4)} for east, north, flux in sources
    ]
    with open(path, "w") as file:
        json.dump({**more, "sources": found}, file, indent=1)
