"""Send a value from site to site, each time by a task that changes it, until a file named `enough` is there.

Used as: crossing.py FOLDER. Each task leaves a mark in the folder. The value is too large for a message, so
each step goes through the global store.
"""

import hashlib
import itertools
import sys
from pathlib import Path

from continuum.workflow import pinned, task, wait_on

SITES = ("edge", "cloud")
COPIES = 2000  # of 32 bytes


@task(returns=1)
def step(value, number, folder):
    """Change the value, so that a step that is lost or done twice shows in the end."""
    (Path(folder) / f"step-{number}").touch()
    return changed(value, number)


def changed(value, number):
    return hashlib.sha256(value + str(number).encode()).digest() * COPIES


def main(folder):
    value = expected = b"start" * COPIES
    for number in itertools.count():
        with pinned(SITES[number % len(SITES)]):
            value = step(value, number, folder)
        expected = changed(expected, number)
        if number % 4 == 3:
            value = wait_on(value)
            if (Path(folder) / "enough").exists():
                break
    print("right" if value == expected else "wrong", "after", number + 1, "steps")


if __name__ == "__main__":
    main(sys.argv[1])
