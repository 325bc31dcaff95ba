"""The face of PyCOMPSs: programs that `import pycompss` run unmodified on `continuum.workflow`.

`install()` makes `import pycompss` find the modules of this package, whether or not the real one is
installed; `continuum run` and the workers do so. To run such a program with plain `python` where PyCOMPSs is
not installed, import this package first: `import continuum.workflow.pycompss` installs it too.

What PyCOMPSs has and this does not is refused by its name: a module when it is imported, a decorator or an
option when it is used. Nothing is ignored silently.
"""

from continuum.workflow.pycompss.finding import UnsupportedModuleError, install

__all__ = ["UnsupportedModuleError", "install"]

install()
