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


def own_subject(kind: type, hub: str) -> str:
    """Return the subject on which only this hub answers: `locator.EPOCH.VERB`."""
    first, _, verb = messages.SUBJECTS[kind].partition(".")
    return f"{first}.{hub}.{verb}"


class LocatorClient:
    """`await locator.ask(LookUp(...))` gives a `Version` or raises the locator's own error.

    Requests go to the hub whose epoch `hub` is (`Session.hub`); to any, if it is empty.
    """

    def __init__(self, backbone: Backbone, *, hub: str = "") -> None:
        self._backbone = backbone
        self.hub = hub

    async def ask(self, request: Any, *, timeout_s: float | None = None, hub: str | None = None) -> Any:
        """Send a request of `messages.SUBJECTS` and return the answer of its type. `hub`: instead.

        Raises the errors of `messages`, `BackboneUnavailableError`, and `RemoteError` for anything else.
        """
        kind = type(request)
        try:
            where = self.hub if hub is None else hub
            subject = own_subject(kind, where) if where else messages.SUBJECTS[kind]
            return await self._backbone.request(subject, request, messages.ANSWERS[kind], timeout_s=timeout_s)
        except RemoteError as problem:
            known = _ERRORS.get(problem.code)
            if known is None:
                raise
            raise known(problem.message, hint=problem.hint) from None
