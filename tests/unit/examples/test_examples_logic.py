"""The pure logic of the examples, and their expected outcomes worked out by hand."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[3] / "examples"


def load(path: str) -> ModuleType:
    """Import one module of the examples, which are programs and not packages."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, EXAMPLES / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("image", "added", "subtracted", "hexadecimal", "decimal"),
    [
        ("0000 0001 0000 000a", 0, 0, "0002 0014\n", "2 20\n"),
        ("00ff", 3, 1, "0200\n", "512\n"),
        ("8000 ffff", 1, 0, "0001 ffff\n", "1 65535\n"),  # 2 x 8000 + 1 wraps to 1, 2 x ffff + 1 to ffff
        ("0001", 0, 5, "fffd\n", "65533\n"),
        ("0000 0000", 7, 1, "", ""),
        ("0001 " * 9, 0, 0, "0002 " * 7 + "0002\n0002\n", "2 " * 7 + "2\n2\n"),
    ],
)
def test_the_expected_results_of_the_mvp_are_those_of_a_calculation_by_hand(
    image, added, subtracted, hexadecimal, decimal
):
    expected = load("mvp_workflows/expected.py")
    assert expected.expected_texts(image, added, subtracted) == (hexadecimal, decimal)


@pytest.mark.parametrize(("name", "size_bytes"), [("img01.hex", 239), ("img02.hex", 319)])
def test_the_images_of_the_mvp_are_heads_of_casacore_tables_as_large_as_in_the_source(name, size_bytes):
    text = (EXAMPLES / "mvp_workflows" / name).read_bytes()
    assert len(text) == size_bytes
    assert bytes.fromhex(text.decode()).startswith(b"\xbe\xbe\xbe\xbe")
    assert b"PlainTable" in bytes.fromhex(text.decode())


@pytest.mark.parametrize("number", [0, 7])
def test_every_source_planted_in_a_tile_is_found_at_its_place_and_nothing_else(number):
    sky = load("sky_survey/sky.py")
    tile = sky.make_tile(number)
    planted = sorted(sky.planted_sources(number))
    found = sky.find_sources(tile)
    assert [place[:2] for place in found] == [place[:2] for place in planted]
    assert max(abs(one[2] - other[2]) for one, other in zip(found, planted, strict=True)) < 6


def test_the_power_spectrum_of_noise_is_flat_and_one():
    sky = load("sky_survey/sky.py")
    noise = np.random.default_rng(3).standard_normal((sky.SIDE_PX, sky.SIDE_PX), dtype=np.float32)
    assert np.allclose(sky.power_spectrum(noise)[1:], 1.0, atol=0.1)
