"""`import pycompss` where the real PyCOMPSs is not installed: programs run sequentially with plain `python`.

The folder above stands behind all others on the path (`continuum.pth`, beside it, says so), so an installed
PyCOMPSs is found before this. Under `continuum run` neither matters: there the import hook of
`continuum.workflow.pycompss` comes first.
"""

import sys

from continuum.workflow import pycompss

pycompss.install()
sys.modules[__name__] = pycompss
