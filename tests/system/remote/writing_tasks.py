"""Tasks that write objects of the store."""

import os
import time
from pathlib import Path

from continuum.workflow import FILE_INOUT, FILE_OUT, task


@task(path=FILE_INOUT)
def count(path, folder):
    """Count one more, and how often it was begun; the first one waits for the gate."""
    number = int(Path(path).read_text())
    mine = Path(folder, f"begun-{number}-{os.getpid()}")
    is_first = not list(Path(folder).glob("begun-*"))
    mine.touch()
    while is_first and not Path(folder, "gate").exists():
        time.sleep(0.02)
    Path(path).write_text(str(number + 1))


@task(path=FILE_OUT)
def write(path, text, folder):
    with Path(folder, "calls").open("a") as file:
        file.write("write\n")
    Path(path).write_text(text)
