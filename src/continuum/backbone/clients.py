"""The NATS client, made to leave a dead link at once.

When a link goes silent without a word (a cable, a firewall that forgot), the client finds out by its pings.
Then it closes the connection in good order, which over TLS means to wait for the other side's farewell, for
half a minute, while nothing else is tried: an outage of eight seconds became one of forty. Here the old
connection is simply cut; whatever was on its way is asked again anyway.
"""

from nats.aio.client import Client

# A silent link is noticed after three of these at most. Every connection costs a ping each; a server that is
# held up for so long is no better than none.
PING_EVERY_S = 2
MAX_UNANSWERED = 2


class BackboneClient(Client):  # type: ignore[misc]  # nats-py has no types
    """A client that reconnects without a farewell."""

    async def _attempt_reconnect(self) -> None:
        writer = getattr(self._transport, "_io_writer", None)
        if writer is not None:
            writer.transport.abort()
        await super()._attempt_reconnect()
