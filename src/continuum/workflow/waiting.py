"""Waiting for values: futures and objects that tasks have changed become what they are now.

What lies elsewhere is fetched at the same time, and a datum that is lost meanwhile is made again while the
program waits. Called by the program's threads; whoever waits hears at once when the run itself breaks.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from continuum.model import stories
from continuum.model.errors import UnavailableError
from continuum.model.tasks import Datum, DatumState
from continuum.workflow.capturing import ATOMIC, digest_of, newest
from continuum.workflow.driver import Driver, Op
from continuum.workflow.failures import TaskFailedError
from continuum.workflow.futures import Future, Variable
from continuum.workflow.holdings import Holdings
from continuum.workflow.serialising import load

_READ_TRIES = 5
_FETCHERS = 8
_DIGEST_UP_TO_BYTES = 512 * 1024**2


class Waiting:
    """Gives the program the values of its variables. `failure` makes the error of a datum that broke."""

    def __init__(
        self, driver: Driver, holdings: Holdings, failure: Callable[[Datum], TaskFailedError]
    ) -> None:
        self._driver = driver
        self._holdings = holdings
        self._failure = failure
        self._fetched: dict[str, bytes] = {}

    def find_all(self, value: Any) -> list[Datum]:
        """Return the newest versions of all variables in `value`; under the lock of the run."""
        found: dict[int, Variable] = {}
        self._collect(value, found)
        return [newest(variable) for variable in found.values()]

    def wait_on(self, value: Any, data: Sequence[Datum], *, is_read_only: bool) -> Any:
        """Return `value` with every variable in it, whose newest versions are `data`, replaced."""
        if data:
            synchronised = stories.Synchronised(at=time.time(), data=tuple(datum.id for datum in data))
            self._driver.post(Op.RECORD, synchronised)
            if any(datum.state is not DatumState.READY for datum in data):
                self._driver.wait_for(data)
        with self._fetched_at_once(data):
            return self._replace(value, is_read_only=is_read_only)

    @contextmanager
    def _fetched_at_once(self, data: Sequence[Datum]) -> Iterator[None]:
        """Fetch what lies elsewhere at the same time: one after the other the ways there and back add up."""
        away = [datum for datum in data if datum.source.inline is None]
        if len(away) > 1:
            with ThreadPoolExecutor(min(_FETCHERS, len(away)), "fetcher") as pool:
                self._fetched = dict(
                    zip((datum.id for datum in away), pool.map(self.fetch, away), strict=True)
                )
        try:
            yield
        finally:
            self._fetched = {}

    def _collect(self, value: Any, found: dict[int, Variable]) -> None:
        variable = self._holdings.find_variable(value)
        if variable is not None:
            found[variable.number] = variable
        elif isinstance(value, dict):
            for item in value.values():
                self._collect(item, found)
        elif isinstance(value, list | tuple | set):
            for item in value:
                if type(item) not in ATOMIC:
                    self._collect(item, found)

    def _replace(self, value: Any, *, is_read_only: bool) -> Any:
        variable = self._holdings.find_variable(value)
        if variable is not None:
            return self._value_of(value, variable, is_read_only=is_read_only)
        if type(value) is dict:
            return {key: self._replace(item, is_read_only=is_read_only) for key, item in value.items()}
        if type(value) in {list, set}:
            return type(value)(self._replace(item, is_read_only=is_read_only) for item in value)
        if isinstance(value, tuple):
            items = [self._replace(item, is_read_only=is_read_only) for item in value]
            return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
        return value

    def _value_of(self, holder: Any, variable: Variable, *, is_read_only: bool) -> Any:
        if type(holder) is Future and holder._value is not None and holder._value[0] == variable.version:  # noqa: SLF001
            return holder._value[1]  # noqa: SLF001
        datum = newest(variable)
        data = self.fetch(datum)
        value = load(data)
        if type(holder) is Future:
            holder._value = (variable.version, value)  # noqa: SLF001
        if is_read_only and type(value) not in ATOMIC:
            self._share(value, variable)
        elif self._holdings.limit_bytes < len(data) <= _DIGEST_UP_TO_BYTES:
            self._holdings.constants.add(digest_of([data]), datum, is_owner=False)
        return value

    def _share(self, value: Any, variable: Variable) -> None:
        """Let `value` stand for the version that it is, as long as both live."""
        keeper = self._holdings.new_variable()
        keeper.datum = newest(variable)
        self._driver.post(Op.HOLD, keeper.datum)
        self._holdings.tracked.add(value, keeper)

    def fetch(self, datum: Datum) -> bytes:
        """Return the bytes of a datum, waiting for it. Raises `TaskFailedError`."""
        fetched = self._fetched.pop(datum.id, None)
        if fetched is not None:
            return fetched
        last: UnavailableError | None = None
        for _ in range(_READ_TRIES):
            self.settle(datum)
            try:
                return self._driver.read(datum)
            except UnavailableError as problem:
                last = problem
                self._driver.wait_for([])  # until the driver knows that it is lost
        raise UnavailableError(f"{datum.id} cannot be read: {last}") from last

    def settle(self, datum: Datum) -> None:
        """Wait until a datum is there. Raises `TaskFailedError`."""
        if datum.state is not DatumState.READY:
            self._driver.wait_for([datum])
        if datum.state is DatumState.FAILED:
            raise self._failure(datum)
