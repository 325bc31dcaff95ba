"""The values that the program has given to tasks, or got from them, as data of its run.

A small value travels inside the call. A large one becomes a datum that the driver supplies to a site; while
it has not changed it is recognised by its content and not stored twice. An object that tasks change is
tracked by its identity: it is a variable, with one datum per version.
"""

import itertools
from collections.abc import Sequence
from typing import Any

from continuum.model.tasks import Datum, DatumState
from continuum.workflow.capturing import ATOMIC, CONTAINERS, Constants, Tracked, digest_of
from continuum.workflow.driver import Driver, Op
from continuum.workflow.futures import Future, Variable
from continuum.workflow.serialising import dump, dump_call

DATA_PER_DRIVER = 1_000_000_000  # so that data of a resumed run have names of their own


class Holdings:
    """Variables, constants and tracked objects of one run."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._numbers = itertools.count(1 + driver.spec.incarnation * DATA_PER_DRIVER)
        self.limit_bytes = driver.spec.inline_limit_bytes
        self.tracked = Tracked(self.release_variable)
        self.constants = Constants(self.release)

    def new_variable(self, *, name: str = "") -> Variable:
        """Return a variable without a version."""
        return Variable(next(self._numbers), name=name)

    def find_variable(self, value: Any) -> Variable | None:
        """Return the variable that a future or an object is, if it is one."""
        return value._variable if type(value) is Future else self.tracked.find(value)  # noqa: SLF001

    def is_mixed(self, value: Any) -> bool:
        """Tell whether futures, or objects that are variables, are somewhere inside `value`."""
        kind = type(value)
        if kind in ATOMIC or hasattr(value, "nbytes"):
            return False
        if kind in CONTAINERS:
            items = [*value, *value.values()] if kind is dict else list(value)
            if set(map(type, items)) <= ATOMIC:
                return False
            return any(self.find_variable(item) is not None or self.is_mixed(item) for item in items)
        found = False

        def probe(item: object) -> int | None:
            nonlocal found
            is_variable = item is not value and self.find_variable(item) is not None
            found = found or is_variable
            return 0 if is_variable else None

        dump_call((value,), {}, probe)
        return found

    def adopt(self, value: Any) -> Variable:
        """Make an object of the program a variable, known by its identity from now on."""
        variable = self.new_variable()
        self._fill(variable, value)
        self.tracked.add(value, variable)
        return variable

    def make_base(self, value: Any) -> Datum:
        """Return a new datum that holds a copy of `value`."""
        return self._fill(self.new_variable(), value)

    def _fill(self, variable: Variable, value: Any) -> Datum:
        datum = variable.renew()
        pieces = dump(value)
        datum.size_bytes = sum(memoryview(piece).nbytes for piece in pieces)
        self._supply(datum, b"".join(pieces))
        return datum

    def store(self, pieces: Sequence[Any], size_bytes: int) -> Datum:
        """Return the datum of a large value: the known one if it has this content."""
        digest = digest_of(pieces)
        known = self.constants.find(digest)
        if known is not None and known.state is not DatumState.FAILED and known.holders > 0:
            return known
        datum = self.new_variable().renew()
        datum.size_bytes = size_bytes
        self._supply(datum, b"".join(pieces))
        self.constants.add(digest, datum, is_owner=True)
        return datum

    def _supply(self, datum: Datum, data: bytes) -> None:
        datum.size_bytes = len(data)
        if len(data) <= self.limit_bytes:
            datum.inline = data
            datum.state = DatumState.READY
        else:
            datum.origin = data
            self._driver.post(Op.SUPPLY, datum)

    def release(self, datum: Datum) -> None:
        """The program does not hold this version any more."""
        self._driver.post(Op.RELEASE, datum)

    def release_variable(self, variable: Variable) -> None:
        """The program does not hold this variable any more."""
        if variable.sharing is not None:
            variable.sharing.drop(variable)
        datum, variable.datum = variable.datum, None
        if datum is not None:
            self._driver.post(Op.RELEASE, datum)

    def delete(self, value: Any) -> bool:
        """Forget a value; return whether it was known."""
        if type(value) is Future:
            known = value._variable.datum is not None  # noqa: SLF001
            self.release_variable(value._variable)  # noqa: SLF001
            return known
        return self.tracked.remove(value)
