"""What a gateway says to probes, at a port apart from its clients'.

It is live from the start, and ready from when it serves until it ends: also while the hub or its store is
away, when its clients need what it still has; `/-/health` tells of these.
"""

from contextlib import AsyncExitStack
from typing import Self

from continuum.sites import health_listener
from continuum.store.gateway.settings import GatewaySettings


class Health:
    """Says how a gateway is, at the port of its settings, while the block lasts."""

    def __init__(self, settings: GatewaySettings) -> None:
        self.is_serving = False
        self._settings = settings
        self._listening = AsyncExitStack()

    async def __aenter__(self) -> Self:
        settings = self._settings
        if settings.health_port is not None:
            listener = health_listener(settings.health_port, settings.health_host, self._why_not)
            await self._listening.enter_async_context(listener)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._listening.aclose()

    def _why_not(self) -> str:
        return "" if self.is_serving else "starting: it waits for the hub or its store, the log says which"
