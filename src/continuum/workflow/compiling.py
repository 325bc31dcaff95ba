"""`@task(numba=…)`: the function is compiled by Numba where it runs, when it is first called there.

Numba is not installed with the platform: a site that lacks it fails such tasks and says so. Without a run, a
function is compiled only if it means something else when it is (a stencil, a generalised function of arrays);
of all others the results are the same.
"""

from collections.abc import Callable, Mapping
from typing import Any

from continuum.model.errors import InvalidInputError, UnavailableError

MODES = ("jit", "njit", "vectorize", "guvectorize", "stencil")


class Compiling:
    """Pickles as a function that is compiled where it is loaded."""

    def __init__(self, function: Any, options: tuple[Any, ...]) -> None:
        self._what = (function, *options)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return compile_here, self._what


def parse_compiling(name: str, options: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """Return what `@task` says about Numba: mode, flags, signature, declaration; None if nothing.

    Raises `InvalidInputError`.
    """
    given = options.get("numba", False)
    if not given:
        return None
    mode = "jit" if given is True or isinstance(given, Mapping) else str(given)
    if mode not in MODES:
        known = ", ".join(MODES)
        raise InvalidInputError(f"@task(numba={given!r}) of {name} is not known", hint=f"True or {known}")
    flags = dict(given) if isinstance(given, Mapping) else dict(options.get("numba_flags") or {})
    signature, declaration = options.get("numba_signature"), options.get("numba_declaration")
    if mode == "guvectorize" and not (signature and declaration):
        raise InvalidInputError(
            f"@task(numba='guvectorize') of {name} needs numba_signature and numba_declaration"
        )
    return mode, flags, signature, declaration


def changes_the_call(compiling: tuple[Any, ...]) -> bool:
    """Whether calling the plain function would be something else than calling the compiled one."""
    return compiling[0] in {"guvectorize", "stencil"}


def compile_here(
    function: Callable[..., Any], mode: str, flags: dict[str, Any], signature: Any, declaration: Any
) -> Callable[..., Any]:
    """Return the function compiled. Raises `UnavailableError` if there is no Numba here."""
    try:
        import numba  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415 - only sites that have it
    except ImportError as problem:
        raise UnavailableError(
            f"@task(numba={mode!r}) needs Numba, which is not installed at this site",
            hint="pip install numba there, and say app_software for tasks that need it",
        ) from problem
    if mode == "guvectorize":
        compiled = numba.guvectorize(signature, declaration, **flags)(function)
    elif mode == "vectorize":
        compiled = numba.vectorize(*([signature] if signature else []), **flags)(function)
    elif mode == "stencil":
        compiled = numba.stencil(**flags)(function)
    else:
        made = numba.njit if mode == "njit" else numba.jit
        compiled = made(*([signature] if signature else []), **flags)(function)
    return compiled  # type: ignore[no-any-return,unused-ignore]  # numba has no types
