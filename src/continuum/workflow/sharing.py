"""Calls that share a variable as CONCURRENT: all read one version, each makes one of its own.

They wait for nothing but that version, so they run at the same time, wherever they fit. The variable is the
copy that was called last; the first that looks at it, whoever that is, has all copies put together before
(`combining`), by a task like any other. A handle that nobody looks at is never put together.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from continuum.model.tasks import Datum

if TYPE_CHECKING:
    from continuum.workflow.futures import Variable

Combine = Callable[["Variable", Datum, Sequence[Datum]], None]


class Sharing:
    """The version `base` that the calls read, and the `copies` that they make, as long as nobody looks.

    What they are is held here, but for the last copy, which the variable holds.
    """

    __slots__ = ("_combine", "_release", "base", "copies")

    def __init__(self, base: Datum, combine: Combine, release: Callable[[Datum], None]) -> None:
        self.base = base
        self.copies: list[Datum] = []
        self._combine = combine
        self._release = release

    def close(self, variable: "Variable") -> None:
        """Somebody looks: further calls share another version."""
        if len(self.copies) > 1:
            variable.sharing = None
            self._combine(variable, self.base, self.copies)
        self.drop(variable)

    def drop(self, variable: "Variable") -> None:
        """Nobody needs to know what there was before the variable's version of now."""
        variable.sharing = None
        if self.copies:
            for datum in (self.base, *self.copies):
                if datum is not variable.datum:
                    self._release(datum)
