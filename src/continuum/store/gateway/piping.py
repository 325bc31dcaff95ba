"""From one store to another: the body of a reply becomes the body of a request, with back-pressure both
ways."""

import asyncio

from continuum.store.encryption.segments import Sealer
from continuum.store.gateway.bodies import ReplyBody
from continuum.store.stores.exchanges import Exchange, StoreUnavailableError
from continuum.store.stores.s3 import raise_reply

_FAILED_STATUS = 300


class _Pipe:
    """The sink of the one and the source of the other."""

    def __init__(self, stream: ReplyBody, exchange: Exchange, sealer: Sealer | None) -> None:
        self._exchange = exchange
        self._sealer = sealer
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        exchange.source = stream
        exchange.on_over = self._store_is_over

    def feed(self, data: bytes) -> None:
        if self._sealer is None:
            self._exchange.write(data)
            return
        for segment in self._sealer.feed(data):
            self._exchange.write(segment)

    def end(self) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def fail(self, problem: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(problem)

    def _store_is_over(self) -> None:
        self.fail(StoreUnavailableError("the store took only a part of the body"))


async def pipe(stream: ReplyBody | None, exchange: Exchange, sealer: Sealer | None = None) -> dict[str, str]:
    """Send the body of `stream` (None: an empty one) as that of `exchange`, encrypted by `sealer` if there is
    one; return the headers of the store's reply.

    Raises what either side raises; both are over then.
    """
    try:
        if stream is not None:
            passing = _Pipe(stream, exchange, sealer)
            first = stream.take_first()
            if first:
                passing.feed(first)
            stream.start(passing)
            await passing.done
        if sealer is not None:
            exchange.write(sealer.finish())
        await exchange.reply()
        if exchange.status >= _FAILED_STATUS:
            await raise_reply(exchange)
        await exchange.read()
    except BaseException:
        exchange.abort()
        if stream is not None:
            stream.abort()
        raise
    return exchange.headers
