"""Calibration and imaging of examples/taska_c, against a sky that was planted."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

FOLDER = Path(__file__).parents[3] / "examples" / "taska_c"
MODULES = ("telescope", "imaging", "measurement_set")


@pytest.fixture(scope="module")
def example():
    """The example's modules, which import each other as beside the program."""
    sys.path.insert(0, str(FOLDER))
    try:
        yield {name: importlib.import_module(name) for name in MODULES}
    finally:
        sys.path.remove(str(FOLDER))
        for name in MODULES:
            sys.modules.pop(name, None)


def observed(telescope: ModuleType, *, gains: np.ndarray, sources: np.ndarray) -> dict[str, np.ndarray]:
    """Return what is measured in 20 minutes without noise."""
    uvw = telescope.uvw_of(np.arange(0.0, 1200.0, 60.0)).reshape(-1, 3)
    first, second = (np.tile(each, 20) for each in telescope.baselines())
    frequencies = telescope.frequencies_of(0, 4)
    seen = telescope.predict(uvw, frequencies, sources) * (gains[first] * gains[second].conj())[:, None]
    return {
        "uvw": uvw,
        "first": first,
        "second": second,
        "frequencies": frequencies,
        "visibilities": seen,
    }


def test_calibration_finds_the_gains_that_were_planted(example):
    telescope, imaging = example["telescope"], example["imaging"]
    gains = telescope.gains_of(3, 1)
    part = observed(telescope, gains=gains, sources=telescope.CATALOGUED)
    model = telescope.predict(part["uvw"], part["frequencies"], telescope.CATALOGUED)
    solved = imaging.solve_gains(part, model)
    assert np.allclose(solved, gains * np.exp(-1j * np.angle(gains[0])), atol=1e-3)
    assert np.allclose(imaging.correct(part, solved)["visibilities"], model, atol=0.05)


def test_a_point_source_is_imaged_where_it_is_with_its_flux(example):
    telescope, imaging = example["telescope"], example["imaging"]
    source = np.array([(40 * imaging.CELL_RAD, -25 * imaging.CELL_RAD, 5.0)])
    part = observed(telescope, gains=np.ones(telescope.ANTENNAS), sources=source)
    image, spread = imaging.make_image(part)
    image /= spread.max()
    row, column = np.unravel_index(np.argmax(image), image.shape)
    middle = imaging.SIDE_PX // 2
    assert (row - middle, column - middle) == (-25, 40)
    assert image[row, column] == pytest.approx(5.0, rel=0.01)
    # the grid against the sum that it stands for
    waves = part["frequencies"] / telescope.SPEED_OF_LIGHT_M_S
    turns = (part["uvw"][:, 0, None] * waves * 10 + part["uvw"][:, 1, None] * waves * 7) * imaging.CELL_RAD
    direct = (part["visibilities"] * np.exp(2j * np.pi * turns)).real.mean()
    assert image[middle + 7, middle + 10] == pytest.approx(direct, abs=0.02)


def test_cleaning_takes_the_point_spread_out(example):
    telescope, imaging = example["telescope"], example["imaging"]
    sources = np.array([(0.0, 0.0, 4.0), (60 * imaging.CELL_RAD, 30 * imaging.CELL_RAD, 2.0)])
    part = observed(telescope, gains=np.ones(telescope.ANTENNAS), sources=sources)
    image, spread = imaging.make_image(part)
    image, spread = image / spread.max(), spread / spread.max()
    components, residual = imaging.clean(image, spread, 0.02)
    middle, quarter = imaging.SIDE_PX // 2, imaging.SIDE_PX // 4
    assert np.abs(residual[quarter:-quarter, quarter:-quarter]).max() < 0.02
    near = (slice(middle + 28, middle + 33), slice(middle + 58, middle + 63))
    assert components[near].sum() == pytest.approx(2.0, rel=0.05)


def test_a_measurement_set_holds_what_was_observed_part_by_part(example, tmp_path):
    measurement_set, telescope = example["measurement_set"], example["telescope"]
    path, archive = tmp_path / "observation.ms", tmp_path / "observation.ms.tar"
    measurement_set.write(path, time_chunks=2, bands=3, times=2, channels=4)
    measurement_set.pack(path, archive)
    with measurement_set.unpacked(archive) as folder:
        assert measurement_set.shape_of(folder) == (2, 3)
        part = measurement_set.read(folder, 1, 2)
    pairs = telescope.ANTENNAS * (telescope.ANTENNAS - 1) // 2
    assert part["visibilities"].shape == (2 * pairs, 4)
    assert np.array_equal(part["frequencies"], telescope.frequencies_of(2, 4))
    expected = telescope.uvw_of((np.array([2, 3]) - 2) * measurement_set.STEP_S).reshape(-1, 3)
    assert np.allclose(part["uvw"], expected)
