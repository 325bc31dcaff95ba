"""The import hook behind `import pycompss`."""

import sys
from collections.abc import Sequence
from importlib import import_module, util
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from continuum.model.errors import InvalidInputError
from continuum.workflow.pycompss import refusing

PREFIX = "pycompss"
HERE = "continuum.workflow.pycompss"


class UnsupportedModuleError(InvalidInputError, ImportError):
    """A part of PyCOMPSs that is not there (yet)."""


class _Alias(Loader):
    """Loads a module of this package under PyCOMPSs' name for it: one module, two names."""

    def __init__(self, target: str) -> None:
        self._target = target

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the module itself."""
        module = import_module(self._target)
        spec.submodule_search_locations = list(getattr(module, "__path__", [])) or None
        return module

    def exec_module(self, module: ModuleType) -> None:
        """It is loaded already; take back the name that importing it as PyCOMPSs gave it."""
        module.__spec__ = util.find_spec(self._target)


class _Refusing(Loader):
    """Loads a module whose decorators say that they are not supported, when they are used."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return a new module with the refusing names."""
        module = ModuleType(spec.name, "Decorators of PyCOMPSs that are not supported yet.")
        for name in self._names:
            setattr(module, name, refusing.refuse(name))
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is left to do."""


class _Finder(MetaPathFinder):
    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - the protocol's
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        if fullname != PREFIX and not fullname.startswith(PREFIX + "."):
            return None
        inner = HERE + fullname.removeprefix(PREFIX)
        if fullname == f"{PREFIX}.__main__":
            return util.spec_from_file_location(fullname, Path(__file__).with_name("__main__.py"))
        names = refusing.MODULES.get(fullname)
        if names is not None:
            return ModuleSpec(fullname, _Refusing(names))
        if util.find_spec(inner) is None or inner in _PRIVATE:
            raise UnsupportedModuleError(f"{fullname} is not supported yet")
        return ModuleSpec(fullname, _Alias(inner), is_package=True)


_PRIVATE = {f"{HERE}.finding", f"{HERE}.refusing"}
_finder = _Finder()


def install() -> None:
    """Let `import pycompss` find this package from now on, in this process. May be called again."""
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
