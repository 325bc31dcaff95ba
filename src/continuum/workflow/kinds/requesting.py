"""Tasks that are requests to a web service: what is sent, and what the task returns of the answer.

A service has a name, and every site may reach it under an address of its own: the environment variable
`CONTINUUM_SERVICE_<NAME>` of the tasks says which (`continuum run --env …`). A name that is an address is
used as it is. All arguments are values when a request is made, so outputs of other tasks can be sent, also
files and nested lists.

Only http and https; redirects to other schemes are not followed. An answer is at most `MAX_ANSWER_BYTES`.
"""

import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from continuum.model.errors import ContinuumError, InvalidInputError, NotFoundError
from continuum.workflow.kinds.arguments import PLACE, Arguments
from continuum.workflow.kinds.descriptions import Request

MAX_ANSWER_BYTES = 256 * 1024 * 1024
MAX_TOLD_BYTES = 2000
JSON = "application/json"
_RETURN = re.compile(r"return_(\d+)")
_CASTS: tuple[type, ...] = (int, float, str)


class RequestFailedError(ContinuumError):
    """A web service did not answer as it should."""

    code = "RequestFailed"


def request(given: Request, arguments: Arguments, returns: tuple[type | None, ...]) -> Any:
    """Make the request of a task and return what it returns. Raises `RequestFailedError`."""
    url = address_of(given.service).rstrip("/") + "/" + _path(given.resource, arguments).lstrip("/")
    data = _payload(given, arguments)
    headers = {"Accept": "*/*"} | ({"Content-Type": given.payload_type} if data is not None else {})
    message = urllib.request.Request(url, data=data, method=given.method.upper(), headers=headers)  # noqa: S310
    answer, kind = _send(message, given.timeout_s)
    value = _decode(answer, kind)
    found: dict[str, Any] = {}
    if given.produces:
        template = _template(given.produces)
        if isinstance(template, dict | list) and isinstance(value, str):  # whatever it calls itself
            value = _decode(answer, JSON)
        found = match(template, value)
    if given.updates:
        _update(given.updates, arguments, found)
    return _results(value, found, returns, has_template=bool(given.produces))


def address_of(service: str) -> str:
    """Return the address of a service: its own if it is one, else what the environment says."""
    if not service.startswith(("http://", "https://")):
        variable = "CONTINUUM_SERVICE_" + re.sub(r"\W", "_", service).upper()
        address = os.environ.get(variable, "")
        if not address.startswith(("http://", "https://")):
            raise NotFoundError(
                f"it is not known where the service {service!r} is",
                hint=f"`continuum run --env {variable}=http://…`, or give its address as its name",
            )
        return address
    return service


def match(template: Any, value: Any) -> dict[str, Any]:
    """Return what stands in `value` where `template` has `{{name}}`. Raises `RequestFailedError`."""
    if isinstance(template, str):
        place = PLACE.fullmatch(template)
        return {place[1]: value} if place else {}
    found: dict[str, Any] = {}
    if isinstance(template, dict):
        for key, inner in template.items():
            if not PLACE.search(json.dumps(inner)):
                continue
            if not isinstance(value, Mapping) or key not in value:
                raise RequestFailedError(f"the answer has no {key!r}, of which the task's produces= speaks")
            found |= match(inner, value[key])
    elif isinstance(template, list):
        for index, inner in enumerate(template):
            if not isinstance(value, list) or index >= len(value):
                raise RequestFailedError(f"the answer has no element {index}, of which produces= speaks")
            found |= match(inner, value[index])
    return found


def _path(template: str, arguments: Arguments) -> str:
    return PLACE.sub(lambda place: quote(arguments.fill(place[0]), safe=""), template)


def _payload(given: Request, arguments: Arguments) -> bytes | None:
    if not given.payload:
        return None
    place = PLACE.fullmatch(given.payload.strip())
    if place and arguments.use_of(place[1]).is_file:
        return Path(arguments.fill(given.payload)).read_bytes()
    value = arguments.value_of_place(given.payload)
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    if isinstance(value, str) and (given.payload_type != JSON or _is_json(value)):
        return value.encode()
    try:
        return json.dumps(value, default=_as_plain).encode()
    except TypeError as problem:
        raise InvalidInputError(f"the payload cannot be sent as JSON: {problem}") from problem


def _as_plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} has no form in JSON")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _send(message: urllib.request.Request, timeout_s: float) -> tuple[bytes, str]:
    opener = urllib.request.build_opener(urllib.request.HTTPHandler, urllib.request.HTTPSHandler)
    what = f"{message.get_method()} {message.full_url}"
    try:
        with opener.open(message, timeout=timeout_s) as answer:
            data = answer.read(MAX_ANSWER_BYTES + 1)
            kind = answer.headers.get_content_type()
    except urllib.error.HTTPError as problem:
        with problem:
            said = problem.read(MAX_TOLD_BYTES).decode("utf-8", "replace")
        raise RequestFailedError(
            f"{what}: {problem.code} {problem.reason}" + (f": {said}" if said else "")
        ) from None
    except OSError as problem:
        reason = getattr(problem, "reason", problem)
        raise RequestFailedError(f"{what}: {reason}") from None
    if len(data) > MAX_ANSWER_BYTES:
        raise RequestFailedError(f"{what}: the answer is larger than {MAX_ANSWER_BYTES} bytes")
    return data, kind


def _decode(data: bytes, kind: str) -> Any:
    if kind == JSON or kind.endswith("+json"):
        try:
            return json.loads(data)
        except ValueError as problem:
            raise RequestFailedError(f"the answer should be JSON and is not: {problem}") from None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _template(text: str) -> Any:
    for form in (text, text.replace("'", '"')):
        try:
            return json.loads(form)
        except ValueError:
            continue
    raise InvalidInputError(f"produces={text!r} is not JSON", hint='such as {"length": "{{return_0}}"}')


def _update(text: str, arguments: Arguments, found: Mapping[str, Any]) -> None:
    """Put parts of the answer into dicts that the task was given: `{{event}}.some_key = {{part}}`."""
    for line in filter(None, (each.strip() for each in re.split(r"[;\n]", text))):
        target, equals, source = line.partition("=")
        place = re.fullmatch(r"\{\{(\w+)\}\}((?:\.\w+)+)", target.strip())
        part = PLACE.fullmatch(source.strip())
        if not equals or place is None or part is None:
            raise InvalidInputError(f"updates={text!r}", hint="{{parameter}}.key = {{name in produces}}")
        if part[1] not in found:
            raise InvalidInputError(f"updates= names {part[1]}, which is not in produces=")
        holder = arguments.values.get(place[1])
        *path, last = place[2].removeprefix(".").split(".")
        for key in path:
            holder = holder[key] if isinstance(holder, dict) else None
        if not isinstance(holder, dict):
            raise InvalidInputError(f"updates= speaks of {target.strip()}, which is not in a dict")
        holder[last] = found[part[1]]


def _results(
    value: Any, found: Mapping[str, Any], returns: tuple[type | None, ...], *, has_template: bool
) -> Any:
    if not returns:
        return None
    numbered = {int(place[1]): each for name, each in found.items() if (place := _RETURN.fullmatch(name))}
    if has_template and numbered:
        values = [_cast(numbered.get(index), kind) for index, kind in enumerate(returns)]
        return values[0] if len(values) == 1 else values
    return _cast(value, returns[0]) if len(returns) == 1 else value


def _cast(value: Any, kind: type | None) -> Any:
    """Return a text as the number that the task declares; a number as a text if it declares one."""
    if kind in _CASTS and value is not None and not isinstance(value, kind):
        try:
            return kind(value)
        except (TypeError, ValueError):
            raise RequestFailedError(
                f"the answer {value!r} is no {kind.__name__}, which the task returns"
            ) from None
    return value
