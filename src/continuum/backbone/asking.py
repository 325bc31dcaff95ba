"""Questions under way on a connection to NATS, and the answers to them.

One subscription hears all answers; the last token of an answer's subject tells to which question it belongs.
The client's own `request` does the same with random bytes, three layers of calls and a `wait_for` for each
question, which costs more. (And before Python 3.12 `asyncio.wait_for` forgets a cancellation that comes at
the same moment as the answer; whoever cancelled would wait for ever.) What comes too late is dropped.
"""

import asyncio
import secrets
from itertools import count

import nats.errors
from nats.aio.client import NO_RESPONDERS_STATUS, Client
from nats.aio.msg import Msg

_STATUS = "Status"  # the header with which the server says that nobody listens
_PREFIX_BYTES = 12


class Questions:
    """Those of one connection, also when its client is replaced. `subject` is where answers are heard: `hear`
    is to be subscribed to it."""

    def __init__(self, inbox: str) -> None:
        """`inbox` is a prefix of subjects that nobody else may read."""
        self._prefix = f"{inbox}.{secrets.token_hex(_PREFIX_BYTES)}."
        self._tokens = count()
        self._waiting: dict[str, asyncio.Future[Msg]] = {}
        self.subject = f"{self._prefix}*"

    async def ask(self, client: Client, subject: str, data: bytes, timeout_s: float) -> Msg:
        """Send a question and return the answer.

        Raises `TimeoutError`, `nats.errors.NoRespondersError` and what publishing raises.
        """
        loop = asyncio.get_running_loop()
        token = f"{next(self._tokens):x}"
        waiting = self._waiting[token] = loop.create_future()
        timer = loop.call_later(timeout_s, _give_up, waiting)
        try:
            await client.publish(subject, data, reply=f"{self._prefix}{token}")
            answer = await waiting
        finally:
            timer.cancel()
            del self._waiting[token]
        if answer.headers and answer.headers.get(_STATUS) == NO_RESPONDERS_STATUS:
            raise nats.errors.NoRespondersError
        return answer

    async def hear(self, answer: Msg) -> None:
        """Give an answer to who waits for it."""
        waiting = self._waiting.get(answer.subject[len(self._prefix) :])
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)


def _give_up(waiting: "asyncio.Future[Msg]") -> None:
    if not waiting.done():
        waiting.set_exception(TimeoutError())
