"""Functions as they are sent, and finding a parameter among the arguments of a call."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import cloudpickle

from continuum.workflow.messages import FailureKind, FunctionCode

_BY_POSITION = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}


class Refusal(Exception):  # noqa: N818 - never leaves the worker
    """Why a task fails whose function did not raise by itself."""

    def __init__(self, kind: FailureKind, message: str, *, lost_datum: str = "", text: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.lost_datum = lost_datum
        self.text = text


class Function:
    """A function that was sent, loaded when it is first needed."""

    __slots__ = ("_call", "_code", "_parameters", "name")

    def __init__(self, code: FunctionCode) -> None:
        self.name = code.name
        self._code: FunctionCode | None = code
        self._call: Callable[..., Any] | None = None
        self._parameters: list[inspect.Parameter] | None = None

    def get(self) -> Callable[..., Any]:
        """Return it; raises whatever loading it raises (a module that is not installed here)."""
        if self._call is None:
            assert self._code is not None  # noqa: S101 - either it is loaded or its code is here
            self._call = cloudpickle.loads(self._code.pickled)
            self._code = None
        return self._call

    def parameters(self) -> list[inspect.Parameter]:
        """Return its parameters in order."""
        if self._parameters is None:
            self._parameters = list(inspect.signature(self.get()).parameters.values())
        return self._parameters

    def argument(self, args: Sequence[Any], kwargs: dict[str, Any], name: str) -> Any:
        """Return what parameter `name` is in a call with these arguments."""
        if name in kwargs:
            return kwargs[name]
        position = self._position(name)
        if position is not None and position < len(args):
            return args[position]
        for index, parameter in enumerate(self.parameters()):
            if parameter.name != name:
                continue
            if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                return args[index:]
            if parameter.default is not inspect.Parameter.empty:
                return parameter.default
        raise Refusal(FailureKind.RAISED, f"{self.name} was called without its parameter {name}")

    def set_argument(self, args: list[Any], kwargs: dict[str, Any], name: str, value: object) -> None:
        """Replace what parameter `name` is in a call with these arguments."""
        position = self._position(name)
        if name not in kwargs and position is not None and position < len(args):
            args[position] = value
        else:
            kwargs[name] = value

    def _position(self, name: str) -> int | None:
        for index, parameter in enumerate(self.parameters()):
            if parameter.name == name and parameter.kind in _BY_POSITION:
                return index
        return None
