"""A load of S3 clients that keeps books: what was acknowledged, and what a reader may therefore see.

Writers put and overwrite objects through alternating gateways with a client that retries, as SDKs do. For
each key the book holds the values that a read may give: the last one that was acknowledged, and those whose
writes were tried after it without an answer (such a write may or may not have happened, as with any S3).
"""

import hashlib
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

SIZES_BYTES = (0, 1, 4096, 70_000, 1_500_000)
KEYS_PER_WRITER = 12


@dataclass
class Book:
    """What is known of one key: digests that a read may give. `None` stands for no object."""

    possible: set[str | None] = field(default_factory=lambda: {None})

    def try_value(self, digest: str) -> None:
        """A write of this value was sent."""
        self.possible.add(digest)

    def acknowledge(self, digest: str) -> None:
        """The write was acknowledged: nothing older may be read any more."""
        self.possible = {digest}


class Load:
    """Writers in threads, each with keys of its own so that the order of its writes is known."""

    def __init__(self, clients: Sequence[Callable[[], Any]], bucket: str, writers: int = 3) -> None:
        self._clients = clients
        self._bucket = bucket
        self._stop = threading.Event()
        self.books: dict[str, Book] = {}
        self.acknowledged = 0
        self.unanswered = 0
        self.problems: list[str] = []
        self._threads = [
            threading.Thread(target=self._write, args=(number,), name=f"writer {number}")
            for number in range(writers)
        ]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=60)
            assert not thread.is_alive(), f"{thread.name} hangs"

    def _write(self, number: int) -> None:
        chance = random.Random(number)
        clients = [make() for make in self._clients]
        keys = [f"writer-{number}/{index:02d}" for index in range(KEYS_PER_WRITER)]
        for key in keys:
            self.books[key] = Book()
        while not self._stop.is_set():
            key = chance.choice(keys)
            body = chance.randbytes(chance.choice(SIZES_BYTES))
            self._put(chance.choice(clients), key, body)
            self._read_back(chance.choice(clients), key)

    def _put(self, client: Any, key: str, body: bytes) -> None:
        digest = hashlib.sha256(body).hexdigest()
        book = self.books[key]
        book.try_value(digest)
        try:
            client.put_object(Bucket=self._bucket, Key=key, Body=body)
        except (ClientError, BotoCoreError):
            self.unanswered += 1
        else:
            self.acknowledged += 1
            book.acknowledge(digest)

    def _read_back(self, client: Any, key: str) -> None:
        try:
            seen = read_digest(client, self._bucket, key)
        except (ClientError, BotoCoreError):
            return  # a clean error during a fault is allowed; wrong bytes never are
        if seen not in self.books[key].possible:
            self.problems.append(f"{key}: read a value that is older than an acknowledged one, or torn")


def read_digest(client: Any, bucket: str, key: str) -> str | None:
    """Return the digest of an object as a client reads it; None if there is no such object."""
    try:
        reply = client.get_object(Bucket=bucket, Key=key)
    except ClientError as problem:
        if problem.response["Error"]["Code"] == "NoSuchKey":
            return None
        raise
    return hashlib.sha256(reply["Body"].read()).hexdigest()
