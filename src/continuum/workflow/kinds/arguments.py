"""The arguments of a call as a program sees them: words of a command line, and texts with `{{parameter}}`."""

import inspect
import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from continuum.model.errors import InvalidInputError
from continuum.workflow.kinds.descriptions import Number, Use

PLACE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
HIDDEN = "#"  # a prefix that keeps its parameter off the command line
_NO_USE = Use()


class Arguments:
    """The arguments of one call, by the names of parameters; files as absolute paths."""

    def __init__(
        self,
        function: Callable[..., Any],
        uses: Mapping[str, Use],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> None:
        self._name = getattr(function, "__qualname__", "the task")
        self.uses = uses
        signature = inspect.signature(function)
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        self.values: dict[str, Any] = {}
        for name, value in bound.arguments.items():
            kind = signature.parameters[name].kind
            if kind is kind.VAR_KEYWORD:
                self.values |= value
            elif name not in {"self", "cls"}:
                self.values[name] = list(value) if kind is kind.VAR_POSITIONAL else value
        for name, use in uses.items():
            if use.is_file and name in self.values:
                self.values[name] = _absolute(self.values[name])

    def use_of(self, name: str) -> Use:
        """Return how a parameter is used."""
        return self.uses.get(name, _NO_USE)

    def words(self) -> list[str]:
        """Return all parameters in their order as words of a command line, without streams."""
        found: list[str] = []
        for name, value in self.values.items():
            use = self.use_of(name)
            if use.stream or use.prefix == HIDDEN or value is None:
                continue
            texts = self._texts(name, value)
            if use.prefix and texts:
                texts[0] = use.prefix + texts[0]
            found += texts
        return found

    def fill_words(self, template: str) -> list[str]:
        """Return the words of a template; a place that is a whole word may become none or several."""
        found: list[str] = []
        for word in shlex.split(template):
            place = PLACE.fullmatch(word)
            if place:
                found += self._texts(place[1], self._value(place[1]))
            else:
                found.append(self.fill(word))
        return found

    def fill(self, template: str) -> str:
        """Return a template with every `{{parameter}}` replaced by its value."""
        return PLACE.sub(lambda place: " ".join(self._texts(place[1], self._value(place[1]))), template)

    def value_of_place(self, template: str) -> Any:
        """Return the value itself of a template that is one place, else the text with its places filled."""
        place = PLACE.fullmatch(template.strip())
        return self._value(place[1]) if place else self.fill(template)

    def number(self, what: str, given: Number) -> int:
        """Return a number that may be the name of a parameter."""
        value = self.values.get(given, given) if isinstance(given, str) else given
        try:
            number = int(value)
        except (TypeError, ValueError):
            raise InvalidInputError(f"{what} of {self._name} must be a number, not {value!r}") from None
        if number < 0:
            raise InvalidInputError(f"{what} of {self._name} must not be below 0")
        return number

    def paths(self) -> Iterator[tuple[Path, Use]]:
        """Return the files among the arguments."""
        for name, use in self.uses.items():
            if use.is_file:
                for path in _flat(self.values.get(name)):
                    yield Path(path), use

    def path_of_stream(self, stream: str) -> tuple[Path, Use] | None:
        """Return the file that a standard stream is redirected to."""
        for name, use in self.uses.items():
            if use.stream == stream and self.values.get(name) is not None:
                return Path(_absolute(self.values[name])), use
        return None

    def _value(self, name: str) -> Any:
        try:
            return self.values[name]
        except KeyError:
            known = ", ".join(self.values) or "none"
            raise InvalidInputError(
                f"{{{{{name}}}}}: {self._name} has no parameter {name}", hint=f"it has {known}"
            ) from None

    def _texts(self, name: str, value: Any) -> list[str]:
        if value is None:
            return []
        if isinstance(value, list | tuple):
            return [text for item in value for text in self._texts(name, item)]
        if isinstance(value, bool):
            return ["true" if value else "false"]
        if isinstance(value, str | int | float | Path):
            return [str(value)]
        if isinstance(value, dict):
            return [json.dumps(value)]
        if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:  # a number of numpy
            return self._texts(name, value.item())
        raise InvalidInputError(
            f"no command line can have the {type(value).__name__} that is parameter {name} of {self._name}",
            hint="give numbers, texts, files, or lists of these",
        )


def names_in(template: str) -> set[str]:
    """Return the parameters that a template names."""
    return {place[1] for place in PLACE.finditer(template)}


def _absolute(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(_absolute(item) for item in value)
    return str(Path(value).absolute()) if isinstance(value, str | Path) else value


def _flat(value: Any) -> Iterator[str]:
    if isinstance(value, list | tuple):
        for item in value:
            yield from _flat(item)
    elif isinstance(value, str):
        yield value
