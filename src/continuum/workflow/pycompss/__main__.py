"""`python -m continuum.workflow.pycompss APP.py [ARGUMENTS]`: a PyCOMPSs program, sequentially.

For debugging, and where PyCOMPSs is not installed: every task is a plain call.
"""

import runpy
import sys
from pathlib import Path

from continuum.workflow.pycompss import install


def main() -> None:
    """Run the program that the command line names as the main module."""
    if len(sys.argv) < 2:  # noqa: PLR2004 - this module and the program
        sys.exit("usage: python -m continuum.workflow.pycompss APP.py [ARGUMENTS]")
    install()
    sys.argv = sys.argv[1:]
    sys.path[0] = str(Path(sys.argv[0]).resolve().parent)
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
