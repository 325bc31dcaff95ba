"""The face of PyCOMPSs: programs that `import pycompss` run unmodified on `continuum.workflow`.

`install()` makes `import pycompss` find the modules of this package, whether or not the real one is
installed; `continuum run` and the workers do so. With plain `python` the stand-in (`stand-in/pycompss` of the
source tree) does, where the real one is not installed.

What PyCOMPSs has and this does not is refused by its name: a module when it is imported, a decorator or an
option when it is used. Nothing is ignored silently.
"""

from continuum.workflow.pycompss.finding import UnsupportedModuleError, install

__all__ = ["UnsupportedModuleError", "install"]

install()
