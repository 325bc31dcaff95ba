"""Asking the locator over the backbone; the one place where its errors become Python's again."""

from typing import Any

from continuum.backbone import Backbone, RemoteError
from continuum.model.errors import ContinuumError
from continuum.store.locator import messages

_ERRORS: dict[str, type[ContinuumError]] = {
    kind.code: kind
    for kind in vars(messages).values()
    if isinstance(kind, type) and issubclass(kind, ContinuumError)
}


class LocatorClient:
    """`await locator.ask(LookUp(...))` gives a `Version` or raises the locator's own error."""

    def __init__(self, backbone: Backbone) -> None:
        self._backbone = backbone

    async def ask(self, request: Any, *, timeout_s: float | None = None) -> Any:
        """Send a request of `messages.SUBJECTS` and return the answer of its type.

        Raises the errors of `messages`, `BackboneUnavailableError`, and `RemoteError` for anything else.
        """
        kind = type(request)
        try:
            return await self._backbone.request(
                messages.SUBJECTS[kind], request, messages.ANSWERS[kind], timeout_s=timeout_s
            )
        except RemoteError as problem:
            known = _ERRORS.get(problem.code)
            if known is None:
                raise
            raise known(problem.message, hint=problem.hint) from None
