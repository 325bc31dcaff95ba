"""What the clients ask for: a mix of reads and writes on few contended keys, many keys and large objects."""

import hashlib
import random
from collections.abc import Iterator

import msgspec

from benchmarks.chaos.bodies import MIN_BYTES, make_body
from benchmarks.chaos.records import OK, Record
from benchmarks.chaos.requesting import PART_BYTES, Request

KIB, MIB = 1024, 1024 * 1024
HOT, LARGE, COPIES, GROUPS, GROUP_KEYS = 5, 4, 6, 10, 20
REMEMBERED = 200
WEIGHTS = {
    "get": 30,
    "head": 8,
    "range": 7,
    "put": 22,
    "delete": 6,
    "create": 7,
    "replace": 8,
    "list": 4,
    "copy": 2,
    "version": 3,
    "large": 3,
}


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """What the clients of a site are told. `pause_s`: how long a worker rests between requests, on
    average."""

    site: str
    url: str
    access_key: str
    secret_key: str
    seed: int
    buckets: tuple[str, str]
    history: str
    workers: int = 6
    pause_s: float = 0.03
    is_final: bool = False

    def __repr__(self) -> str:
        return f"Orders(site={self.site!r}, url={self.url!r})"


class Load:
    """The requests of one worker, as its seed determines them and what it learns from replies."""

    def __init__(self, orders: Orders, worker: str) -> None:
        self._orders = orders
        self._worker = worker
        self._chance = random.Random(f"{orders.seed} {worker}")
        self._count = 0
        self._head: Record | None = None
        self._versions: list[Record] = []

    def choose(self) -> Iterator[Request]:
        """Yield the next request, or two: a conditional write looks first."""
        operation = self._chance.choices(tuple(WEIGHTS), tuple(WEIGHTS.values()))[0]
        if operation == "large":
            yield self._large()
        elif operation == "list":
            yield self._list()
        elif operation == "copy":
            yield self._copy()
        elif operation == "version":
            yield self._version()
        elif operation == "replace":
            yield from self._replace()
        else:
            bucket, key = self._place()
            yield self._simple(operation, bucket, key)

    def learn(self, record: Record) -> None:
        """Remember what a later request needs."""
        if record.operation == "head":
            self._head = record if record.outcome == OK and record.token else None
        if record.operation in {"put", "create", "replace"} and record.version_id and record.outcome == OK:
            self._versions.append(record)
            del self._versions[:-REMEMBERED]

    def list_final(self) -> Iterator[Request]:
        """Yield a read of every key there can be, and lists of all."""
        plain, versioned = self._orders.buckets
        for bucket in (plain, versioned):
            for key in list_keys(is_versioned=bucket == versioned):
                yield Request(operation="get", bucket=bucket, key=key)
            yield Request(operation="list", bucket=bucket, key="")
        yield Request(operation="versions", bucket=versioned, key="")

    def _place(self) -> tuple[str, str]:
        bucket = self._orders.buckets[self._chance.random() < 0.25]
        if self._chance.random() < 0.45:
            return bucket, f"hot/{self._chance.randrange(HOT)}"
        return bucket, f"many/{self._chance.randrange(GROUPS)}/{self._chance.randrange(GROUP_KEYS)}"

    def _simple(self, operation: str, bucket: str, key: str) -> Request:
        if operation in {"put", "create"}:
            return self._write(operation, bucket, key)
        if operation == "range":
            if self._chance.random() < 0.2:
                bucket, key = self._orders.buckets[0], f"large/{self._chance.randrange(LARGE)}"
            start = self._chance.choice((0, 0, 1, 100, 4095, 70_000))
            return Request(
                operation="range",
                bucket=bucket,
                key=key,
                start=start,
                length=self._chance.randrange(128, 9000),
            )
        return Request(operation=operation, bucket=bucket, key=key)

    def _write(self, operation: str, bucket: str, key: str, size_bytes: int = 0) -> Request:
        token = self._token()
        size = size_bytes or self._chance.choice((MIN_BYTES, 700, 4096, 4097, 20 * KIB, 200 * KIB))
        etag = hashlib.md5(make_body(token, size), usedforsecurity=False).hexdigest()
        return Request(operation=operation, bucket=bucket, key=key, token=token, size_bytes=size, etag=etag)

    def _token(self) -> str:
        self._count += 1
        return f"{self._orders.seed}-{self._worker}-{self._count}"

    def _large(self) -> Request:
        bucket, key = self._orders.buckets[0], f"large/{self._chance.randrange(LARGE)}"
        roll = self._chance.random()
        if roll < 0.5:
            return Request(operation="get", bucket=bucket, key=key)
        if roll < 0.8:
            return self._write("put", bucket, key, self._chance.randrange(MIB // 2, 3 * MIB))
        token, size = self._token(), PART_BYTES + self._chance.randrange(1000, MIB)
        return Request(
            operation="multipart",
            bucket=bucket,
            key=key,
            token=token,
            size_bytes=size,
            etag=_multipart_etag(make_body(token, size)),
        )

    def _list(self) -> Request:
        bucket = self._orders.buckets[self._chance.random() < 0.25]
        prefix = self._chance.choice(("hot/", f"many/{self._chance.randrange(GROUPS)}/"))
        return Request(operation="list", bucket=bucket, key=prefix)

    def _copy(self) -> Request:
        bucket = self._orders.buckets[0]
        key = f"copies/{self._chance.randrange(COPIES)}"
        if self._chance.random() < 0.4:
            return Request(operation="get", bucket=bucket, key=key)
        source = f"hot/{self._chance.randrange(HOT)}"
        return Request(operation="copy", bucket=bucket, key=key, source=source, token=self._token())

    def _version(self) -> Request:
        if not self._versions:
            return Request(operation="head", bucket=self._orders.buckets[1], key="hot/0")
        known = self._chance.choice(self._versions)
        return Request(operation="version", bucket=known.bucket, key=known.key, version_id=known.version_id)

    def _replace(self) -> Iterator[Request]:
        bucket, key = self._place()
        yield Request(operation="head", bucket=bucket, key=key)
        found = self._head
        if found is not None and (found.bucket, found.key) == (bucket, key):
            request = self._write("replace", bucket, key)
            yield msgspec.structs.replace(request, expected=found.token, if_match=f'"{found.etag}"')


def list_keys(*, is_versioned: bool) -> list[str]:
    """Return every key that the load may write in a bucket."""
    keys = [f"hot/{number}" for number in range(HOT)]
    keys += [f"many/{group}/{number}" for group in range(GROUPS) for number in range(GROUP_KEYS)]
    if not is_versioned:
        keys += [f"large/{number}" for number in range(LARGE)]
        keys += [f"copies/{number}" for number in range(COPIES)]
    return keys


def _multipart_etag(body: bytes) -> str:
    parts = [body[at : at + PART_BYTES] for at in range(0, len(body), PART_BYTES)]
    digests = b"".join(hashlib.md5(part, usedforsecurity=False).digest() for part in parts)
    return f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"
