"""`python -m continuum.store.directories --settings FILE`: the server of one directory store.

Prints `ready …` on standard output when it serves, and `error: …` on standard error with exit status 1 if it
cannot. SIGTERM and SIGINT end it gracefully.
"""

import argparse
import logging
import sys
from pathlib import Path

import uvloop

from continuum.model.errors import ContinuumError
from continuum.store.directories.serving import serve_directory
from continuum.store.directories.settings import read_directory_settings


def main() -> int:
    """Run from the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="continuum.store.directories")
    parser.add_argument("--settings", type=Path, required=True)
    arguments = parser.parse_args()
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr
    )
    try:
        uvloop.run(serve_directory(read_directory_settings(arguments.settings)))
    except ContinuumError as problem:
        sys.stderr.write(f"error: {problem}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
