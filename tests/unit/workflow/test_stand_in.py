"""`import pycompss` under plain `python`: the stand-in, and the real one before it."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

PROGRAM = """
from pycompss.api.api import compss_wait_on
from pycompss.api.task import task
import pycompss

@task(returns=int)
def square(number):
    return number * number

print(sum(compss_wait_on([square(number) for number in range(4)])), pycompss.__name__)
"""


def run(*words: str, path: str = "", folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=folder,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_program_of_pycompss_runs_sequentially_with_plain_python(tmp_path):
    (tmp_path / "squares.py").write_text(PROGRAM)
    assert run("squares.py", folder=tmp_path) == "14 continuum.workflow.pycompss\n"
    assert run("-m", "pycompss", "squares.py", folder=tmp_path).startswith("14 ")


def test_an_installed_pycompss_is_found_before_the_stand_in(tmp_path):
    (tmp_path / "real" / "pycompss").mkdir(parents=True)
    (tmp_path / "real" / "pycompss" / "__init__.py").write_text("what = 'the real one'")
    said = run("-c", "import pycompss; print(pycompss.what)", path=str(tmp_path / "real"), folder=tmp_path)
    assert said == "the real one\n"


def test_a_wheel_holds_the_stand_in_and_the_path_to_it(tmp_path):
    root = Path(__file__).parents[3]
    said = run(
        "-c",
        "import sys; from hatchling.builders.wheel import WheelBuilder\n"
        f"print(next(WheelBuilder({str(root)!r}).build(directory={str(tmp_path)!r}, versions=['standard'])))",
        folder=tmp_path,
    )
    names = set(zipfile.ZipFile(said.strip()).namelist())
    assert {"continuum.pth", "continuum-stand-in/pycompss/__init__.py"} <= names
